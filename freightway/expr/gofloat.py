"""Numbers as Go reads and writes them.

Source: Go's package strconv.
"""

from __future__ import annotations

import math
import re

# An underscore may stand between two digits.
_DIGITS = "[0-9](?:_?[0-9])*"
_HEX_DIGITS = "[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_DECIMAL = re.compile(rf"[+-]?({_DIGITS}(\.({_DIGITS})?)?|\.{_DIGITS})([eE][+-]?{_DIGITS})?")
_HEX = re.compile(rf"[+-]?0[xX]_?({_HEX_DIGITS}(\.({_HEX_DIGITS})?)?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}")
_SPECIAL = re.compile(r"([+-]?)(inf|infinity|nan)", re.IGNORECASE)


def parse_float(text: str) -> float:
    """Return the float that Go's ParseFloat reads.

    Raises:
        ValueError: if it reads none, or the number is too large.
    """
    if not text.isascii():
        raise ValueError(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        if special[2].lower() == "nan":
            if special[1]:
                raise ValueError(text)
            return math.nan
        return -math.inf if special[1] == "-" else math.inf
    is_hex = "x" in text or "X" in text
    if not (_HEX if is_hex else _DECIMAL).fullmatch(text):
        raise ValueError(text)
    digits = text.replace("_", "")
    try:
        value = float.fromhex(digits) if is_hex else float(digits)
    except OverflowError:
        raise ValueError(text) from None
    if math.isinf(value):
        raise ValueError(text)
    return value


def shortest_digits(value: float) -> tuple[str, int]:
    """Return the shortest digits that give back a finite value, and where the decimal point is.

    The value is ``0.DIGITS * 10 ** point``; zero has the digit ``0`` and point 1.
    """
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0")
    return (stripped, point) if stripped else ("0", 1)


def format_exponent(value: float, *, short_exponent: bool = False) -> str:
    """Return the value as ``1.5e+06``; a short exponent has no leading zero."""
    digits, point = shortest_digits(value)
    exponent = point - 1 if digits != "0" else 0
    sign = "-" if math.copysign(1, value) < 0 else ""
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    width = 1 if short_exponent else 2
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):0{width}d}"


def format_fixed(value: float) -> str:
    """Return the value without an exponent."""
    digits, point = shortest_digits(value)
    sign = "-" if math.copysign(1, value) < 0 else ""
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}" if digits != "0" else f"{sign}0"
    if len(digits) <= point:
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def format_general(value: float) -> str:
    """Return the value as Go's ``%v`` prints it: with an exponent from 1e+06 or below 1e-4."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "-Inf" if value < 0 else "+Inf"
    digits, point = shortest_digits(value)
    exponent = point - 1
    if digits != "0" and (exponent < -4 or exponent >= 6):
        return format_exponent(value)
    return format_fixed(value)
