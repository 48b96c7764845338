"""JSON and numbers as Go reads and prints them, because stored values and conditions depend on it."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any


def decode_json(text: str) -> Any:
    """Return decoded JSON with every number a float.

    Raises:
        ValueError: if the text is not JSON; NaN, Infinity and numbers beyond a double are none.
    """

    def number(token: str) -> float:
        value = float(token)
        if math.isinf(value):
            raise ValueError(f"number {token} is out of range")
        return value

    def constant(token: str) -> float:
        raise ValueError(f"{token} is no JSON")

    try:
        decoded = json.loads(text, parse_int=number, parse_float=number, parse_constant=constant)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    return _without_surrogates(decoded) if "\\u" in text else decoded


def json_text(value: Any) -> str:
    """Return a value as compact JSON with sorted keys, numbers and characters as Go writes them.

    Raises:
        ValueError: if the value holds NaN or an infinite number.
    """
    if isinstance(value, dict):
        items = (f"{json_text(str(key))}:{json_text(value[key])}" for key in sorted(value, key=str))
        return "{" + ",".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(json_text(item) for item in value) + "]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return text
    if isinstance(value, float):
        return _json_number(value)
    return json.dumps(value)


def number_text(value: float) -> str:
    """Return the shortest decimal of a number, without an exponent: ``10``, ``0.95``, ``NaN``, ``+Inf``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def _json_number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"json: unsupported value: {number_text(value)}")
    magnitude = abs(value)
    if magnitude and (magnitude < 1e-6 or magnitude >= 1e21):
        mantissa, exponent = repr(value).split("e")
        return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
    return number_text(value)


def _without_surrogates(value: Any) -> Any:
    """Halves of surrogate pairs become the replacement character, as in Go."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
