"""Resource models: one kind, one file, fields as in Kargo's own YAML."""
