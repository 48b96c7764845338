"""The command line."""

if __name__ == "cli":  # two copies of one module would give two copies of each class
    raise ImportError("import freightway.cli, not cli")
