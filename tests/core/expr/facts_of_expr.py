"""The recorded expressions, as starting points for the property tests."""

from __future__ import annotations

from pathlib import Path

import yaml

DATA = Path(__file__).parents[2] / "conformance" / "data" / "expr.yaml"
EXPRESSIONS: list[str] = [
    case["expr"]
    for case in yaml.load(DATA.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
]
