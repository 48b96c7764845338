"""Side effects as Temporal sees them."""

if __name__ == "activities":  # two copies of one module would give two copies of each class
    raise ImportError("import freightway.activities, not activities")
