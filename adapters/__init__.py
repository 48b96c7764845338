"""The outside world, with no Temporal in it."""

if __name__ == "adapters":  # two copies of one module would give two copies of each class
    raise ImportError("import freightway.adapters, not adapters")
