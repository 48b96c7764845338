"""Promotion steps: one file a step kind."""
