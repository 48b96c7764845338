"""Patterns that people write for names and paths: globs, regular expressions and plain text."""
