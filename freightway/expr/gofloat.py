"""Numbers as Go reads and writes them.

Source: Go's package strconv.
"""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[+-]?([0-9_]+(\.[0-9_]*)?|\.[0-9_]+)([eE][+-]?[0-9_]+)?")
_HEX = re.compile(r"([+-]?)0[xX]([0-9a-fA-F_]*)(?:\.([0-9a-fA-F_]*))?[pP]([+-]?[0-9_]+)")
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
    if "x" in text or "X" in text:
        return _parse_hex(text)
    # Underscores are only allowed where a prefix says the base, so never in a decimal.
    if "_" in text or not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _parse_hex(text: str) -> float:
    match = _HEX.fullmatch(text)
    if not match or not (match[2] or match[3]) or "_" in text:
        raise ValueError(text)
    value = float.fromhex(text)
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
