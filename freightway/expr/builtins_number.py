"""Builtins on numbers.

Source: expr-lang 1.17.8 builtin/lib.go.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from freightway.expr.failure import Failure
from freightway.expr.gofloat import parse_float
from freightway.expr.gotime import Duration, Month, Weekday
from freightway.expr.operators import float_to_int, less, more, to_float
from freightway.expr.run import Run
from freightway.expr.values import MAX_INT, MIN_INT, TypedInt, type_name, wrap

MAX_DEPTH = 200
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _needs_number(name: str, value: object) -> Failure:
    return Failure(f"invalid argument for {name} (type {type_name(value)})")


def absolute(_run: Run, value: object) -> object:
    """Return the number without its sign."""
    if isinstance(value, float):
        return -value if value < 0 else value
    if isinstance(value, TypedInt):
        return type(value)(abs(value)) if value > MIN_INT else value
    if isinstance(value, int) and not isinstance(value, bool):
        return wrap(abs(value))
    raise _needs_number("abs", value)


def _rounding(name: str, change: Callable[[float], float]) -> Callable[[Run, object], float]:
    def apply(_run: Run, value: object) -> float:
        if not _is_number(value):
            raise _needs_number(name, value)
        number = to_float(value)
        if not math.isfinite(number) or abs(number) >= 2.0**53:
            return number
        return math.copysign(change(number), number)

    return apply


def _round_half_away(value: float) -> float:
    whole = math.trunc(value)
    return float(whole + (1 if value > 0 else -1)) if abs(value - whole) >= 0.5 else float(whole)


ceil = _rounding("ceil", lambda value: float(math.ceil(value)))
floor = _rounding("floor", lambda value: float(math.floor(value)))
round_ = _rounding("round", _round_half_away)


def integer(_run: Run, value: object) -> int:
    """Return a number without its fraction, or the integer that a text says."""
    if isinstance(value, float):
        return float_to_int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return wrap(int(value))
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            number = int(value)
            if MIN_INT <= number <= MAX_INT:
                return number
        raise Failure(f"invalid operation: int({value[:200]})")
    if isinstance(value, Duration):
        return value.nanoseconds
    if isinstance(value, (Month, Weekday)):
        return value.value
    raise Failure(f"invalid operation: int({type_name(value)})")


def floating(_run: Run, value: object) -> float:
    """Return a number as a float, or the one that a text says."""
    if isinstance(value, str):
        try:
            return parse_float(value)
        except ValueError:
            raise Failure(f"invalid operation: float({value[:200]})") from None
    return to_float(value)


# Aggregates


def maximum(run: Run, *arguments: object) -> object:
    """Return the largest of numbers and of numbers in lists; nil if there is none."""
    return _extreme(run, "max", less, arguments, 0)


def minimum(run: Run, *arguments: object) -> object:
    """Return the smallest of numbers and of numbers in lists; nil if there is none."""
    return _extreme(run, "min", more, arguments, 0)


def _extreme(
    run: Run,
    name: str,
    worse: Callable[[object, object], bool],
    arguments: tuple[object, ...],
    depth: int,
) -> object:
    _check_depth(depth)
    best: object = None
    for argument in arguments:
        candidates: Iterator[object]
        if isinstance(argument, (list, bytes)):
            run.step(4 + 3 * len(argument))
            candidates = _list_candidates(run, name, worse, argument, depth)
        elif _is_number(argument) or isinstance(argument, (Duration, Month, Weekday)):
            candidates = iter((argument,))
        elif len(arguments) == 1:
            return argument
        else:
            raise _needs_number(name, argument)
        for candidate in candidates:
            if best is None or worse(best, candidate):
                best = candidate
    return best


def _list_candidates(
    run: Run, name: str, worse: Callable[[object, object], bool], items: list[object] | bytes, depth: int
) -> Iterator[object]:
    strict = type_name(items) not in {"[]interface {}", "[]int"}
    for item in items:
        if isinstance(item, (list, bytes)):
            nested = _extreme(run, name, worse, (item,), depth + 1)
            if nested is not None:
                yield nested
            elif strict:
                raise _needs_number(name, nested)
        elif _is_number(item):
            yield item
        else:
            raise _needs_number(name, item)


def mean(run: Run, *arguments: object) -> float:
    """Return the mean of numbers and of numbers in lists; 0 if there is none."""
    total, count = 0.0, 0
    for subtotal, numbers in _groups(run, "mean", arguments, 0):
        total += subtotal
        count += numbers
    return total / count if count else 0.0


def _groups(run: Run, name: str, arguments: tuple[object, ...], depth: int) -> Iterator[tuple[float, int]]:
    """Yield sum and count of each number and each list: each list is summed by itself, as in Go."""
    _check_depth(depth)
    for argument in arguments:
        if isinstance(argument, (list, bytes)):
            run.step(4 + 3 * len(argument))
            if depth == 0:
                yield from _groups(run, name, tuple(argument), depth + 1)
                continue
            subtotal, count = 0.0, 0
            for part, numbers in _groups(run, name, tuple(argument), depth + 1):
                subtotal += part
                count += numbers
            yield subtotal, count
        else:
            yield _number(name, argument), 1


def _number(name: str, value: object) -> float:
    if isinstance(value, Duration):
        return float(value.nanoseconds)
    if isinstance(value, (Month, Weekday)):
        return float(value.value)
    if not _is_number(value):
        raise _needs_number(name, value)
    return to_float(value)


def median(run: Run, *arguments: object) -> float:
    """Return the median of numbers and of numbers in lists; 0 if there is none."""
    values = sorted(_flat_numbers(run, arguments, 0), key=lambda value: (value == value, value))
    if not values:
        return 0.0
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def _flat_numbers(run: Run, arguments: tuple[object, ...], depth: int) -> Iterator[float]:
    _check_depth(depth)
    for argument in arguments:
        if isinstance(argument, (list, bytes)):
            run.step(4 + 3 * len(argument))
            yield from _flat_numbers(run, tuple(argument), depth + 1)
        else:
            yield _number("median", argument)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Failure("recursion depth exceeded")


# Bits


def _bits(name: str, change: Callable[[int, int], int]) -> Callable[[Run, object, object], int]:
    def apply(_run: Run, left: object, right: object) -> int:
        return wrap(change(_bit_operand(name, left), _bit_operand(name, right)))

    return apply


def _bit_operand(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return wrap(int(value))
    raise Failure(f"cannot use {type_name(value)} as argument (type int) to call {name}")


def _shift(count: int) -> int:
    if count < 0:
        raise Failure(f"invalid operation: negative shift count {count} (type int)")
    return min(count, 64)


bitand = _bits("bitand", lambda left, right: left & right)
bitor = _bits("bitor", lambda left, right: left | right)
bitxor = _bits("bitxor", lambda left, right: left ^ right)
bitnand = _bits("bitnand", lambda left, right: left & ~right)
bitshl = _bits("bitshl", lambda left, right: left << _shift(right))
bitshr = _bits("bitshr", lambda left, right: left >> _shift(right))
bitushr = _bits("bitushr", lambda left, right: (left & 0xFFFF_FFFF_FFFF_FFFF) >> _shift(right))


def bitnot(_run: Run, value: object) -> int:
    """Return the bits inverted."""
    return ~_bit_operand("bitnot", value)
