"""Escape sequences of string and bytes literals.

A text literal knows Unicode escapes; a bytes literal knows bytes only (``\\x`` and octal).

Source: expr-lang 1.17.8 parser/lexer/utils.go.
"""

from __future__ import annotations

from freightway.expr.text import from_bytes

SIMPLE = {
    "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
    "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63,
}  # fmt: skip
HEX = frozenset("0123456789abcdefABCDEF")
OCTAL = frozenset("01234567")
MAX_RUNE = 0x10FFFF


class EscapeError(ValueError):
    """An escape sequence that the lexer let through but that has no meaning."""


def check_escape(source: str, start: int, quote: str) -> int:
    """Return how many characters an escape takes after its backslash, or -1 if it is malformed."""
    kind = source[start : start + 1]
    if kind and kind in "abfnrtv\\" + quote:
        return 1
    if kind and kind in OCTAL:
        return 3 if _all_in(source[start : start + 3], OCTAL, 3) else -1
    if kind == "u" and source[start + 1 : start + 2] == "{":
        closing = source.find("}", start, start + 9)
        digits = source[start + 2 : closing] if closing > 0 else ""
        return closing - start + 1 if digits and _all_in(digits, HEX, len(digits)) else -1
    size = {"x": 2, "u": 4, "U": 8}.get(kind, 0)
    if size and _all_in(source[start + 1 : start + 1 + size], HEX, size):
        return size + 1
    return -1


def _all_in(text: str, allowed: frozenset[str], size: int) -> bool:
    return len(text) == size and all(character in allowed for character in text)


def unescape_text(body: str) -> str:
    """Return the value of a text literal's body.

    Raises:
        EscapeError: if an escape has no meaning.
    """
    if "\\" not in body and body.isascii():
        return body
    out = bytearray()
    position = 0
    while position < len(body):
        backslash = body.find("\\", position)
        if backslash < 0:
            backslash = len(body)
        out += _utf8(body[position:backslash])
        if backslash == len(body):
            break
        position = _escape(body, backslash + 1, out, unicode=True)
    return from_bytes(bytes(out))


def unescape_bytes(body: str) -> bytes:
    """Return the value of a bytes literal's body.

    Raises:
        EscapeError: if an escape has no meaning, Unicode escapes included.
    """
    out = bytearray()
    position = 0
    while position < len(body):
        backslash = body.find("\\", position)
        if backslash < 0:
            backslash = len(body)
        out += _utf8(body[position:backslash])
        if backslash == len(body):
            break
        position = _escape(body, backslash + 1, out, unicode=False)
    return bytes(out)


def _utf8(text: str) -> bytes:
    return "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text).encode()


def _escape(body: str, position: int, out: bytearray, *, unicode: bool) -> int:
    """Append what the escape at ``position`` stands for; return the position after it."""
    kind = body[position : position + 1]
    if kind in SIMPLE:
        out.append(SIMPLE[kind])
        return position + 1
    if kind and kind in "0123":
        value, end = int(body[position : position + 3], 8), position + 3
    elif kind == "x":
        value, end = int(body[position + 1 : position + 3], 16), position + 3
    elif not unicode or not kind or kind not in "uU":
        octal = " octal sequence in" if kind and kind in "4567" and unicode else ""
        raise EscapeError(f"unable to unescape{octal} string")
    elif body[position + 1 : position + 2] == "{":
        closing = body.index("}", position)
        value, end = int(body[position + 2 : closing], 16), closing + 1
    else:
        end = position + (5 if kind == "u" else 9)
        value = int(body[position + 1 : end], 16)
    if not unicode:
        out.append(value & 0xFF)
        return end
    _append_rune(value, out)
    return end


def _append_rune(value: int, out: bytearray) -> None:
    if value >= 1 << 31:  # Go keeps the value in 32 signed bits, and writes a negative one as one byte
        out.append(value & 0xFF)
    elif value > MAX_RUNE:
        raise EscapeError("unable to unescape string")
    elif 0xD800 <= value <= 0xDFFF:
        out.extend("\ufffd".encode())
    else:
        out.extend(chr(value).encode())
