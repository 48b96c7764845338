"""How Go writes and reads small values, where commit messages have to say the same as Kargo's.

Source: Go's strconv and encoding/json, as used by Kargo pkg/yaml/quote.go at 1c764767a.
"""

from __future__ import annotations

import json
import math
import re

BOOLEANS = frozenset({"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"})
DECIMAL = re.compile(
    r"[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+(?:_[0-9]+)*)(?:[eE][+-]?[0-9]+)?"
)
HEXADECIMAL = re.compile(r"[+-]?0[xX]_?(?:[0-9a-fA-F_]+\.?[0-9a-fA-F_]*|\.[0-9a-fA-F_]+)[pP][+-]?[0-9]+")
NOT_FINITE = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)
SHORT_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def go_quote(text: str) -> str:
    """Return a text in double quotes with Go's escapes."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in SHORT_ESCAPES:
        return SHORT_ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_reads_other_type(text: str) -> bool:
    """Return whether Go reads a text as a number, a boolean or JSON, so that Kargo quotes it."""
    return text in BOOLEANS or _is_float(text) or _is_json(text)


def _is_float(text: str) -> bool:
    if NOT_FINITE.fullmatch(text) or HEXADECIMAL.fullmatch(text):
        return True
    return bool(DECIMAL.fullmatch(text)) and math.isfinite(float(text.replace("_", "")))


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


def _refuse(constant: str) -> object:
    raise ValueError(constant)
