"""What only Kargo's enterprise edition honours: accepted, with a warning, until it works here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from freightway.resources.yaml_source import YamlPath

_ONLY_THERE = "is ignored: only Kargo's enterprise edition has targets"

ENTERPRISE_FIELDS: dict[tuple[str, str], str] = {
    ("Stage", "spec.targets"): _ONLY_THERE,
    ("Promotion", "spec.target"): _ONLY_THERE,
}
"""Kind and path (``*`` is any list item) of each field that is not honoured, and what the warning says."""

ENTERPRISE_KINDS = frozenset({"PromotionRequest", "Target"})
"""Kinds that are skipped with a warning."""


def enterprise_fields_in(kind: str, data: Mapping[str, Any]) -> Iterator[tuple[YamlPath, str]]:
    """Yield the path of each field in a document that is not honoured, and what to tell the person."""
    for (field_kind, pattern), message in ENTERPRISE_FIELDS.items():
        if field_kind == kind:
            for path in _places(data, pattern.split("."), ()):
                yield path, message


def _places(value: Any, pattern: list[str], path: YamlPath) -> Iterator[YamlPath]:
    if not pattern:
        if value not in (None, "", [], {}):
            yield path
        return
    head, rest = pattern[0], pattern[1:]
    if head == "*" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, rest, (*path, index))
    elif isinstance(value, Mapping) and head in value:
        yield from _places(value[head], rest, (*path, head))
