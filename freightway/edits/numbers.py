"""Numbers as text: as they were given, and in a form that every reader takes for the same number."""

from __future__ import annotations

import math

LARGEST_WITHOUT_EXPONENT = 1e21


def shown_number(number: float) -> str:
    """Return a finite number as JSON and YAML text: whole ones without a fraction, others shortest.

    Whole numbers lose a fraction of zero because configuration passes through JSON, which has one type of number.
    The mantissa always has a point before an exponent: YAML 1.1 takes ``1e+21`` for a string.
    """
    if not math.isfinite(number):
        return str(number)
    if float(number).is_integer() and abs(number) < LARGEST_WITHOUT_EXPONENT:
        return str(int(number))
    mantissa, exponent, power = repr(number).partition("e")
    if exponent and "." not in mantissa:
        mantissa += ".0"
    return mantissa + exponent + power
