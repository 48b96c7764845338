"""Keys of yaml-update and toml-update: parts separated by dots, ``\\.`` and ``\\:`` escaped."""

from __future__ import annotations

import re

from freightway.edits.errors import EditError

INDEX = re.compile(r"[+-]?[0-9]+")


def split_key(key: str) -> tuple[str, ...]:
    r"""Return the parts of a key such as ``images.0.tag`` or ``metadata.labels.app\.kubernetes\.io/name``.

    A colon at the start of a part says "a name, not an index"; it is dropped, because a part is matched against
    whatever the file holds there.

    Raises:
        EditError: if a part is empty, a colon stands inside a part, or an escape is unknown.
    Source: Kargo pkg/sjson/split_key.go at 1c764767a.
    """
    parts: list[str] = []
    part = ""
    escaped = False
    for char in key.strip():
        if escaped:
            if char not in ".:":
                raise EditError(f"key {key!r}: only '\\.' and '\\:' are escapes, found '\\{char}'")
            part, escaped = part + char, False
        elif char == "\\":
            escaped = True
        elif char == ".":
            parts.append(part)
            part = ""
        elif char == ":":
            if part:
                raise EditError(f"key {key!r}: write '\\:' for a colon inside a part")
        else:
            part += char
    parts.append(part)
    if not all(parts):
        raise EditError(f"key {key!r}: a part between the dots is empty")
    return tuple(parts)


def index_of(part: str) -> int | None:
    """Return the sequence index that a key part stands for, None if it is not a number."""
    return int(part) if INDEX.fullmatch(part) else None


def shown(parts: tuple[str, ...]) -> str:
    """Return the parts of a key as a person writes them."""
    return ".".join(part.replace(".", "\\.").replace(":", "\\:") for part in parts)
