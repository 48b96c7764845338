"""Text of durations, such as ``1h30m0s``.

Source: Go's time.ParseDuration and Duration.String.
"""

from __future__ import annotations

import re

from freightway.expr.failure import Failure

UNITS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000,
    "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
}  # fmt: skip
LIMIT = 1 << 63
_NUMBER = re.compile(r"([0-9]*)(?:\.([0-9]*))?")
_UNIT = re.compile(r"[^.0-9]*")


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a duration such as ``1.5h`` or ``-1m30s``.

    Raises:
        Failure: if it is malformed or does not fit 64 bits.
    """
    invalid = Failure(f'time: invalid duration "{text[:200]}"')
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    if not rest:
        raise invalid
    total = 0
    while rest:
        number = _NUMBER.match(rest)
        assert number is not None
        whole, fraction = number[1], number[2] or ""
        if not whole and not fraction:
            raise invalid
        rest = rest[number.end() :]
        unit = _UNIT.match(rest)
        assert unit is not None
        if not unit[0]:
            raise Failure(f'time: missing unit in duration "{text[:200]}"')
        if unit[0] not in UNITS:
            raise Failure(f'time: unknown unit "{unit[0][:50]}" in duration "{text[:200]}"')
        rest = rest[unit.end() :]
        whole = whole.lstrip("0")
        if len(whole) > 19:
            raise invalid
        scale = UNITS[unit[0]]
        total += int(whole or "0") * scale + _fraction(fraction, scale)
        if total > LIMIT:
            raise invalid
    if text[:1] == "-":
        return -total
    if total > LIMIT - 1:
        raise invalid
    return total


def _fraction(digits: str, scale: int) -> int:
    if not digits:
        return 0
    value, divisor = 0, 1.0
    for digit in digits[:40]:
        if value > (LIMIT - 1) // 10 or value * 10 + int(digit) > LIMIT:
            break
        value = value * 10 + int(digit)
        divisor *= 10
    return int(float(value) * (float(scale) / divisor))


def format_duration(nanoseconds: int) -> str:
    """Return the text of a duration: hours, minutes and seconds, or one smaller unit."""
    size = abs(nanoseconds)
    sign = "-" if nanoseconds < 0 else ""
    if size == 0:
        return "0s"
    for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if size < scale * 1000:
            return f"{sign}{_decimal(size, scale)}{unit}"
    minutes, rest = divmod(size, UNITS["m"])
    text = f"{_decimal(rest, UNITS['s'])}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{minutes}m{text}"
        if hours:
            text = f"{hours}h{text}"
    return sign + text


def _decimal(size: int, scale: int) -> str:
    whole, rest = divmod(size, scale)
    if not rest:
        return str(whole)
    digits = len(str(scale)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
