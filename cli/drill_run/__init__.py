"""The crash drill: a sandbox pipeline, workers that are killed, and a count of what came of it."""
