"""Metric providers of verification: one file a provider."""
