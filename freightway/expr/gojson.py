"""JSON as Go's encoding/json writes and reads it.

Keys are sorted, ``<``, ``>`` and ``&`` are escaped, bytes are base64, a duration is a number of nanoseconds.

Source: Go's encoding/json (1.27, where a map with keys of any type is allowed if each key is text or an integer).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable

from freightway.expr.failure import Failure
from freightway.expr.gofloat import format_exponent, format_fixed
from freightway.expr.gojson_time import time_json
from freightway.expr.gotime import Duration, Location, Month, Time, Weekday
from freightway.expr.text import to_bytes, valid_utf8
from freightway.expr.values import AnyMap, Function, Object, Struct, Tick, adopt, free, is_nil, type_name

MAX_DEPTH = 200
_SPECIAL = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def encode_json(value: object, indent: str = "", tick: Tick = free) -> str:
    """Return the JSON of a value, on one line unless there is an indent.

    Args:
        tick: counts the elements and the text written.

    Raises:
        Failure: if the value has no JSON.
    """
    parts: list[str] = []
    _Encoder(parts.append, indent, tick).encode(value, 0)
    return "".join(parts)


def quote_json(text: str) -> str:
    """Return a string as JSON."""
    return f'"{_SPECIAL.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def float_json(value: float) -> str:
    """Return a float as JSON.

    Raises:
        Failure: if it is infinite or no number.
    """
    if not math.isfinite(value):
        shown = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        raise Failure(f"json: unsupported value: {shown}")
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        return format_exponent(value, short_exponent=abs(value) < 1)
    return format_fixed(value)


class _Encoder:
    def __init__(self, write: Callable[[str], None], indent: str, tick: Tick) -> None:
        self.write = write
        self.indent = indent
        self.tick = tick

    def encode(self, value: object, depth: int) -> None:
        if isinstance(value, str):
            self.tick(len(value) // 64)
            self.write(quote_json(value))
        elif value is None or is_nil(value):
            self.write("null")
        elif isinstance(value, bool):
            self.write("true" if value else "false")
        elif isinstance(value, int):
            self.write(int.__repr__(value))
        elif isinstance(value, float):
            self.write(float_json(value))
        elif depth > MAX_DEPTH:
            raise Failure("json: the value is nested too deeply")
        elif isinstance(value, list):
            self.items("[", "]", [("", item) for item in value], depth)
        elif isinstance(value, dict):
            entries = sorted(value.items(), key=lambda entry: _key_order(entry[0]))
            self.items("{", "}", [(quote_json(str(key)), item) for key, item in entries], depth)
        elif isinstance(value, AnyMap):
            named = sorted((_key_text(key), item) for key, item in value.items())
            self.items("{", "}", [(quote_json(key), item) for key, item in named], depth)
        else:
            self.other(value, depth)

    def other(self, value: object, depth: int) -> None:
        if isinstance(value, Struct):
            self.encode(value.json, depth + 1)
        elif isinstance(value, bytes):
            self.write(f'"{base64.b64encode(value).decode("ascii")}"')
        elif isinstance(value, Time):
            self.write(f'"{time_json(value)}"')
        elif isinstance(value, Duration):
            self.write(str(value.nanoseconds))
        elif isinstance(value, (Month, Weekday)):
            self.write(str(value.value))
        elif isinstance(value, Location):
            self.write("{}")
        elif isinstance(value, Object):
            self.write(quote_json(str(value)))
        elif isinstance(value, Function):
            raise Failure("json: unsupported type: func")
        else:
            self.encode(adopt(value), depth + 1)

    def items(self, start: str, end: str, items: list[tuple[str, object]], depth: int) -> None:
        self.tick(4 + 4 * len(items))
        self.write(start)
        newline = f"\n{self.indent * (depth + 1)}" if self.indent else ""
        colon = ": " if self.indent else ":"
        for index, (key, item) in enumerate(items):
            self.write(f",{newline}" if index else newline)
            if key:
                self.write(key + colon)
            self.encode(item, depth + 1)
        if items and self.indent:
            self.write(f"\n{self.indent * depth}")
        self.write(end)


def _key_order(key: object) -> bytes | str:
    text = str(key)
    return to_bytes(text)


def _key_text(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return encode_json(key)
    if isinstance(key, (Time, Duration, Month, Weekday)):
        return encode_json(key).strip('"')
    message = f"object member name must be a string, not {type_name(key)}"
    raise Failure(f"json: unsupported value: {message}")


def decode_json(text: str) -> object:
    """Return the value of a JSON text; every number is a float.

    Raises:
        Failure: if the text is no JSON.
    """
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Failure(_reason(text, error)) from None
    return value if "\\u" not in text and text.isascii() else _clean(value)


def _reason(text: str, error: Exception) -> str:
    if not text.strip(" \t\r\n"):
        return "unexpected end of JSON input"
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON: {error.msg} at character {error.pos}"
    return f"invalid JSON: {error}" if isinstance(error, ValueError) else "invalid JSON: nested too deeply"


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"cannot unmarshal number {text[:40]} into Go value of type float64")
    return value


def _no_constant(text: str) -> object:
    raise ValueError(f"invalid character {text[0]!r}")


def _clean(value: object) -> object:
    """Replace what is no character by U+FFFD."""
    if isinstance(value, str):
        return valid_utf8(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {valid_utf8(key): _clean(item) for key, item in value.items()}
    return value


class _Decoder(json.JSONDecoder):
    """Python's decoder, without the white space that only Python allows."""

    def decode(self, s: str, _whitespace: object = None) -> object:
        value, end = self.raw_decode(s, _skip_space(s, 0))
        if _skip_space(s, end) != len(s):
            raise json.JSONDecodeError("extra data", s, end)
        return value


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


_DECODER = _Decoder(parse_float=_number, parse_int=_number, parse_constant=_no_constant)
