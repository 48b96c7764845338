"""JSON and numbers as Go reads and prints them, because stored values and conditions depend on it."""

from __future__ import annotations

import math
from typing import Any

from freightway.expr import gojson
from freightway.expr.failure import Failure
from freightway.expr.gofloat import format_fixed


def decode_json(text: str) -> Any:
    """Return decoded JSON with every number a float.

    Raises:
        ValueError: if the text is not JSON; NaN, Infinity and numbers beyond a double are none.
    """
    try:
        return gojson.decode_json(text)
    except Failure as failure:
        raise ValueError(failure.message) from failure


def json_text(value: Any) -> str:
    """Return a value as compact JSON with sorted keys, numbers and characters as Go writes them.

    Raises:
        ValueError: if the value holds NaN or an infinite number, or is nested too deeply.
    """
    try:
        return gojson.encode_json(value)
    except Failure as failure:
        raise ValueError(failure.message) from failure


def number_text(value: float) -> str:
    """Return the shortest decimal of a number, without an exponent: ``10``, ``0.95``, ``NaN``, ``+Inf``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format_fixed(value)
