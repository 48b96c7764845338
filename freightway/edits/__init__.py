"""Edits of YAML, JSON and TOML text that leave every other byte as it was."""
