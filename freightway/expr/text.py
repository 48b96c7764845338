"""Strings as Go has them: sequences of bytes that are mostly, but not always, UTF-8.

A Python string here holds each byte that is not part of valid UTF-8 as a surrogate from U+DC80 to U+DCFF, so that
any Go string has exactly one Python string. ASCII strings take the fast path everywhere.
"""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def to_bytes(text: str) -> bytes:
    """Return the bytes of a string; a surrogate that stands for no byte becomes U+FFFD."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _SURROGATE.sub(_keep_byte, text).encode("utf-8", "surrogateescape")


def _keep_byte(match: re.Match[str]) -> str:
    return match[0] if "\udc80" <= match[0] <= "\udcff" else "\ufffd"


def from_bytes(data: bytes) -> str:
    """Return the string for the bytes."""
    return data.decode("utf-8", "surrogateescape")


def concat(left: str, right: str) -> str:
    """Return both strings joined as bytes: halves of a character become the character."""
    joined = left + right
    if joined.isascii() or not _SURROGATE.search(joined):
        return joined
    return from_bytes(to_bytes(left) + to_bytes(right))


def joined(parts: list[str], separator: str) -> str:
    """Return the parts joined as bytes."""
    result = separator.join(parts)
    if result.isascii() or not _SURROGATE.search(result):
        return result
    return from_bytes(to_bytes(separator).join(map(to_bytes, parts)))


def byte_length(text: str) -> int:
    """Return how many bytes the string has."""
    return len(text) if text.isascii() else len(to_bytes(text))


def byte_slice(text: str, start: int, end: int) -> str:
    """Return the bytes from ``start`` to ``end`` (both within the string) as a string."""
    return text[start:end] if text.isascii() else from_bytes(to_bytes(text)[start:end])


def valid_utf8(text: str) -> str:
    """Return the string with each stray byte replaced by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
