"""What the operators do at run time.

Integers stay integers and wrap at 64 bits; a float operand makes the result a float; nothing is converted otherwise.

Source: expr-lang 1.17.8 vm/runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from freightway.expr.failure import Failure
from freightway.expr.gotime import Duration, Time
from freightway.expr.text import concat, to_bytes
from freightway.expr.values import (
    AnyMap,
    IntList,
    Struct,
    Tick,
    TypedInt,
    TypedList,
    free,
    is_nil,
    type_name,
    wrap,
)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(operator: str, left: object, right: object) -> Failure:
    return Failure(f"invalid operation: {type_name(left)} {operator} {type_name(right)}")


def negate(value: object) -> object:
    """Return ``-value``."""
    if type(value) is int:
        return wrap(-value)
    if type(value) is float:
        return -value
    if isinstance(value, TypedInt):
        return type(value)(wrap(-value) if value.type_name == "int64" else -value % (1 << _bits(value)))
    raise Failure(f"invalid operation: - {type_name(value)}")


def _bits(value: TypedInt) -> int:
    return 8 if value.type_name == "uint8" else 64


def add(left: object, right: object) -> object:
    """Return ``left + right``."""
    kind, other = type(left), type(right)
    if kind is str and other is str:
        return concat(left, right)  # type: ignore[arg-type]
    if _is_number(left) and _is_number(right):
        if kind is float or other is float:
            return to_float(left) + to_float(right)
        return wrap(left + right)  # type: ignore[operator]
    if isinstance(left, Duration):
        if isinstance(right, Time):
            return right.add(left.nanoseconds)
        if isinstance(right, Duration):
            return Duration(wrap(left.nanoseconds + right.nanoseconds))
    if isinstance(left, Time) and isinstance(right, Duration):
        return left.add(right.nanoseconds)
    raise _invalid("+", left, right)


def subtract(left: object, right: object) -> object:
    """Return ``left - right``."""
    if _is_number(left) and _is_number(right):
        if type(left) is float or type(right) is float:
            return to_float(left) - to_float(right)
        return wrap(left - right)  # type: ignore[operator]
    if isinstance(left, Time):
        if isinstance(right, Time):
            return left.subtract(right)
        if isinstance(right, Duration):
            return left.add(wrap(-right.nanoseconds))
    if isinstance(left, Duration) and isinstance(right, Duration):
        return Duration(wrap(left.nanoseconds - right.nanoseconds))
    raise _invalid("-", left, right)


def multiply(left: object, right: object) -> object:
    """Return ``left * right``."""
    if _is_number(left) and _is_number(right):
        if type(left) is float or type(right) is float:
            return to_float(left) * to_float(right)
        return wrap(left * right)  # type: ignore[operator]
    one, two = _scaled(left), _scaled(right)
    if one is None or two is None:
        raise _invalid("*", left, right)
    if isinstance(one, float) or isinstance(two, float):
        return float(one) * float(two)  # Go computes a duration times a float as a float
    return Duration(wrap(one * two))


def _scaled(value: object) -> int | float | None:
    if isinstance(value, Duration):
        return value.nanoseconds
    return value if _is_number(value) else None  # type: ignore[return-value]


def divide(left: object, right: object) -> float:
    """Return ``left / right``, always a float."""
    if not _is_number(left) or not _is_number(right):
        raise _invalid("/", left, right)
    dividend, divisor = to_float(left), to_float(right)
    if divisor != 0:
        return dividend / divisor
    if dividend == 0 or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1, divisor)


def modulo(left: object, right: object) -> int:
    """Return the remainder of ``left / right``; its sign is that of ``left``."""
    if not _is_integer(left) or not _is_integer(right):
        raise _invalid("%", left, right)
    dividend, divisor = wrap(int(left)), wrap(int(right))  # type: ignore[call-overload]
    if divisor == 0:
        raise Failure("integer divide by zero")
    remainder = abs(dividend) % abs(divisor)
    return -remainder if dividend < 0 else remainder


def power(left: object, right: object) -> float:
    """Return ``left ** right``, always a float.

    Source: Go's math.Pow, whose repeated multiplication rounds differently from the C library.
    """
    base, exponent = to_float(left), to_float(right)
    if exponent == 0 or base == 1:
        return 1.0
    if exponent == 1:
        return base
    if math.isnan(base) or math.isnan(exponent) or base == 0 or math.isinf(base) or math.isinf(exponent):
        return _power_special(base, exponent)
    if exponent in {0.5, -0.5}:
        root = math.sqrt(base) if base >= 0 else math.nan
        return root if exponent > 0 else 1 / root
    fraction, whole = math.modf(abs(exponent))
    if fraction != 0 and base < 0:
        return math.nan
    if whole >= 2.0**63:
        if base == -1:
            return 1.0
        return 0.0 if (abs(base) < 1) == (exponent > 0) else math.inf
    return _power_finite(base, exponent, fraction, whole)


def _power_finite(base: float, exponent: float, fraction: float, whole: float) -> float:
    mantissa, binary = 1.0, 0
    if fraction != 0:
        if fraction > 0.5:
            fraction -= 1
            whole += 1
        mantissa = math.exp(fraction * math.log(base))
    factor, factor_binary = math.frexp(base)
    remaining = int(whole)
    while remaining:
        if not -(1 << 12) <= factor_binary <= 1 << 12:
            binary += factor_binary
            break
        if remaining & 1:
            mantissa *= factor
            binary += factor_binary
        factor *= factor
        factor_binary <<= 1
        if factor < 0.5:
            factor += factor
            factor_binary -= 1
        remaining >>= 1
    if exponent < 0:
        mantissa, binary = 1 / mantissa, -binary
    try:
        return math.ldexp(mantissa, binary)
    except OverflowError:
        return math.copysign(math.inf, mantissa)


def _power_special(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except ValueError:  # zero to a negative power
        odd = exponent % 2 == 1
        return math.copysign(math.inf, base) if odd else math.inf


def to_int(value: object) -> int:
    """Return a number as an integer; a fraction is cut off."""
    if _is_integer(value):
        return wrap(int(value))  # type: ignore[call-overload]
    if type(value) is float:
        return float_to_int(value)
    raise Failure(f"invalid operation: int({type_name(value)})")


def float_to_int(value: float) -> int:
    """Return the integer part; what does not fit gives the smallest integer, as on amd64."""
    if math.isfinite(value) and -(2.0**63) <= value < 2.0**63:
        return int(value)
    return -(1 << 63)


def to_float(value: object) -> float:
    """Return a number as a float."""
    if type(value) is float:
        return value
    if _is_integer(value):
        return float(value)  # type: ignore[arg-type]
    raise Failure(f"invalid operation: float({type_name(value)})")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def make_range(first: int, last: int) -> IntList:
    """Return the integers from ``first`` to ``last``, both included."""
    return IntList(range(first, last + 1))


# Comparison


def equal(left: object, right: object, tick: Tick = free) -> bool:
    """Return ``left == right``; ``tick`` counts the elements looked at."""
    kind = type(left)
    if kind is type(right) and kind in _DIRECT:
        return left == right
    if _is_number(left) and _is_number(right):
        if kind is float or type(right) is float:
            return to_float(left) == to_float(right)
        return left == right
    if isinstance(left, list) and isinstance(right, list) and _comparable_lists(left, right):
        tick(2 + 2 * len(left))
        return len(left) == len(right) and all(
            equal(one, two, tick) for one, two in zip(left, right, strict=True)
        )
    if isinstance(left, Time) and isinstance(right, Time):
        return left.same_instant(right)
    if is_nil(left) and is_nil(right):
        return True
    return deep_equal(left, right, tick)


_DIRECT = frozenset({str, bool, int, float})
_BASIC_LISTS = frozenset({"[]interface {}", "[]int", "[]string"})


def _comparable_lists(left: list[object], right: list[object]) -> bool:
    one, two = type_name(left), type_name(right)
    if one not in _BASIC_LISTS or two not in _BASIC_LISTS:
        return False
    return one == two or "[]interface {}" in {one, two}


def deep_equal(left: object, right: object, tick: Tick = free) -> bool:
    """Return whether two values are equal with all their types, as Go's reflect.DeepEqual says."""
    if type_name(left) != type_name(right):
        return False
    if left is right and not isinstance(left, float):
        return True
    tick(2)
    if isinstance(left, list) and isinstance(right, list):
        if is_nil(left) != is_nil(right) or len(left) != len(right):
            return False
        return all(deep_equal(one, two, tick) for one, two in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(deep_equal(left[key], right[key], tick) for key in left)
    if isinstance(left, AnyMap) and isinstance(right, AnyMap):
        one, two = left.entries, right.entries
        return one.keys() == two.keys() and all(deep_equal(one[key][1], two[key][1], tick) for key in one)
    if isinstance(left, Struct) and isinstance(right, Struct):
        return all(deep_equal(value, right.fields.get(name), tick) for name, value in left.fields.items())
    return left == right


def less(left: object, right: object) -> bool:
    """Return ``left < right``."""
    return _ordered("<", left, right, lambda one, two: one < two)


def more(left: object, right: object) -> bool:
    """Return ``left > right``."""
    return _ordered(">", left, right, lambda one, two: one > two)


def less_or_equal(left: object, right: object) -> bool:
    """Return ``left <= right``."""
    return _ordered("<=", left, right, lambda one, two: one <= two)


def more_or_equal(left: object, right: object) -> bool:
    """Return ``left >= right``."""
    return _ordered(">=", left, right, lambda one, two: one >= two)


def _ordered(operator: str, left: object, right: object, order: Callable[..., bool]) -> bool:
    if _is_number(left) and _is_number(right):
        if type(left) is float or type(right) is float:
            return order(to_float(left), to_float(right))
        return order(left, right)
    if type(left) is str and type(right) is str:
        if left.isascii() and right.isascii():
            return order(left, right)
        return order(to_bytes(left), to_bytes(right))
    if isinstance(left, Time) and isinstance(right, Time):
        return order(left.nanoseconds, right.nanoseconds)
    if isinstance(left, Duration) and isinstance(right, Duration):
        return order(left.nanoseconds, right.nanoseconds)
    raise _invalid(operator, left, right)


def contained(needle: object, container: object, tick: Tick = free) -> bool:
    """Return ``needle in container``."""
    if container is None:
        return False
    if isinstance(container, list):
        tick(len(container))
        return any(equal(item, needle, tick) for item in container)
    if isinstance(container, dict):
        return map_key(needle) in container
    if isinstance(container, AnyMap):
        return needle in container
    if isinstance(container, (Struct, Time)):
        if type(needle) is not str:
            raise Failure(f"cannot use {type_name(needle)} as field name of {type_name(container)}")
        return isinstance(container, Struct) and needle in container.fields
    if isinstance(container, bytes):
        return any(equal(item, needle) for item in container)
    raise Failure(f'operator "in" not defined on {type_name(container)}')


def map_key(key: object) -> str:
    """Return a key of a map with string keys; nil is the empty string.

    Raises:
        Failure: if it is of another type.
    """
    if type(key) is str:
        return key
    if key is None:
        return ""
    message = f"reflect.Value.MapIndex: value of type {type_name(key)} is not assignable to type string"
    raise Failure(message)


def is_basic_list(value: object) -> bool:
    """Return whether the value is a list that ``sort`` and ``join`` accept."""
    return isinstance(value, list) and (not isinstance(value, TypedList) or value.type_name in _BASIC_LISTS)
