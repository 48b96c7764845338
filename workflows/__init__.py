"""Deterministic Temporal workflows; each reads as the domain story."""

if __name__ == "workflows":  # two copies of one module would give two copies of each class
    raise ImportError("import freightway.workflows, not workflows")
