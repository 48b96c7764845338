"""Values as TOML text."""

from __future__ import annotations

import math

from freightway.edits.errors import EditError

SHORT_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def render_toml(value: object, *, basic: bool = False) -> str:
    """Return a scalar as TOML; a string as a literal one (``'x'``) where that is possible.

    Args:
        basic: whether a string is to stand in double quotes.
    Raises:
        EditError: if the value is no string, number or boolean.
    Source: go-toml v2.4.3 Marshal for the choice of quotes; numbers differ: as given, Kargo writes 5 as 5.0.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return (
            repr(value) if math.isfinite(value) else ("nan" if math.isnan(value) else f"{value:+}".strip("+"))
        )
    if not isinstance(value, str):
        raise EditError(
            f"a value of type {type(value).__name__} is no TOML scalar: give a string, number or boolean"
        )
    if basic or "'" in value or any(_is_control(char) for char in value):
        return '"' + "".join(_escaped(char) for char in value) + '"'
    return f"'{value}'"


def _is_control(char: str) -> bool:
    return char < " " or char == "\x7f"


def _escaped(char: str) -> str:
    if char in SHORT_ESCAPES:
        return SHORT_ESCAPES[char]
    return f"\\u{ord(char):04x}" if _is_control(char) else char
