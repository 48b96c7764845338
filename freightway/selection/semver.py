"""Semantic versions for selection: the entry point to ``freightway.semver``."""

from freightway.semver import Constraint, Version, parse, parse_constraint, select

__all__ = ["Constraint", "Version", "parse", "parse_constraint", "select"]
