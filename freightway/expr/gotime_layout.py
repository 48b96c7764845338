"""Layouts written with Go's reference time, Mon Jan 2 15:04:05 MST 2006.

Source: Go's package time (format.go).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_CHUNK = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm"
    r"|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07|[.,](?:0+|9+)(?![0-9])"
)


class Chunk(NamedTuple):
    """A piece of a layout: literal text, then an element (empty at the end)."""

    literal: str
    element: str


@lru_cache(maxsize=256)
def split_layout(layout: str) -> tuple[Chunk, ...]:
    """Return the pieces of a layout."""
    chunks = []
    start = 0
    for match in _CHUNK.finditer(layout):
        chunks.append(Chunk(layout[start : match.start()], match[0]))
        start = match.end()
    chunks.append(Chunk(layout[start:], ""))
    return tuple(chunks)


def is_fraction(element: str) -> bool:
    """Return whether an element is a fraction of a second, such as ``.000``."""
    return element[:1] in {".", ","} and len(element) > 1


def is_offset(element: str) -> bool:
    """Return whether an element is a numeric offset, such as ``-0700`` or ``Z07:00``."""
    return element[:3] in {"-07", "Z07"}
