"""Values as text: Go's ``%v`` and ``%q``.

Source: Go's packages fmt and strconv.
"""

from __future__ import annotations

from freightway.expr.failure import Failure
from freightway.expr.gofloat import format_general
from freightway.expr.values import AnyMap, Function, Object, Struct, Tick, adopt, free, type_name

MAX_DEPTH = 200
_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def format_value(value: object, tick: Tick = free, depth: int = 0) -> str:
    """Return the text of a value as ``%v`` prints it.

    Args:
        tick: counts the elements looked at.
    Raises:
        Failure: if the value is nested too deeply.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return format_general(value)
    if depth > MAX_DEPTH:
        raise Failure("the value is nested too deeply")
    tick(4 + (4 * len(value) if isinstance(value, (list, bytes, dict)) else 0))
    if isinstance(value, (list, bytes)):
        return f"[{' '.join(format_value(item, tick, depth + 1) for item in value)}]"
    if isinstance(value, dict):
        return _format_map(sorted(value.items()), tick, depth)
    if isinstance(value, AnyMap):
        return _format_map(sorted(value.items(), key=lambda entry: _order(entry[0])), tick, depth)
    if isinstance(value, Struct):
        return f"{{{' '.join(format_value(item, tick, depth + 1) for item in value.fields.values())}}}"
    if isinstance(value, Object):
        return str(value)
    if isinstance(value, Function):
        return "func"
    return format_value(adopt(value), tick, depth + 1)


def _format_map(
    entries: list[tuple[object, object]] | list[tuple[str, object]], tick: Tick, depth: int
) -> str:
    texts = (
        f"{format_value(key, tick, depth + 1)}:{format_value(item, tick, depth + 1)}" for key, item in entries
    )
    return f"map[{' '.join(texts)}]"


def _order(key: object) -> tuple[int, str, float, str]:
    """Order keys of mixed types: nil first, then by type and value."""
    if key is None:
        return 0, "", 0.0, ""
    number = float(key) if isinstance(key, (int, float)) else 0.0
    return 1, type_name(key), number, key if isinstance(key, str) else ""


def quote(text: str) -> str:
    """Return a string in double quotes, with everything escaped that does not print."""
    return f'"{"".join(_escape(character) for character in text)}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
