"""Builtins on lists and maps that take no predicate.

Source: expr-lang 1.17.8 builtin/builtin.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cmp_to_key

from freightway.expr import access
from freightway.expr.failure import Failure
from freightway.expr.gotime import Duration
from freightway.expr.operators import equal, is_basic_list, less
from freightway.expr.run import Run
from freightway.expr.values import (
    AnyMap,
    NilList,
    Object,
    PairArray,
    PairList,
    Struct,
    TypedInt,
    Uint8,
    adopt,
    type_name,
)

MAX_DEPTH = 200
# Go sorts up to so many elements by insertion.
INSERTION_LIMIT = 12


def length(_run: Run, value: object) -> int:
    """Return how many elements, entries or characters there are."""
    if isinstance(value, (list, dict, AnyMap, str, bytes)):
        return len(value)
    raise Failure(f"invalid argument for len (type {type_name(value)})")


def type_of(_run: Run, value: object) -> str:
    """Return the name of the value's type."""
    if isinstance(value, (Struct, Object)):
        return value.nature.deref().name
    if isinstance(value, TypedInt):
        return "uint" if value.type_name.startswith("uint") else "int"
    for kinds, name in _TYPE_NAMES:
        if isinstance(value, kinds):
            return name
    return "func"


_TYPE_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "nil"),
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "string"),
    ((list, bytes), "array"),
    ((dict, AnyMap), "map"),
)


def _items(value: object, verb: str) -> list[object]:
    if isinstance(value, list):
        return value
    if isinstance(value, bytes):
        return [Uint8(byte) for byte in value]
    raise Failure(f"cannot {verb} {type_name(value)}")


def first(_run: Run, value: object) -> object:
    """Return the first element, nil if there is none."""
    return _fetch_or_nil(value, 0)


def last(_run: Run, value: object) -> object:
    """Return the last element, nil if there is none."""
    return _fetch_or_nil(value, -1)


def _fetch_or_nil(value: object, index: int) -> object:
    try:
        return access.fetch(value, index)
    except Failure:
        return None


def get(_run: Run, value: object, key: object) -> object:
    """Return an element, nil if there is none."""
    return access.get(value, key)


def take(_run: Run, value: object, count: object) -> object:
    """Return the first elements."""
    if not isinstance(value, (list, bytes)):
        raise Failure(f"cannot take from {type_name(value)}")
    if isinstance(count, Duration):
        count = count.nanoseconds
    if not isinstance(count, int) or isinstance(count, (bool, Uint8)):
        raise Failure(f"cannot take {type_name(count)} elements")
    if count < 0:
        raise Failure("reflect.Value.Slice: slice index out of bounds")
    return access.slice_value(value, 0, int(count))


def _entries(value: object, message: str) -> list[tuple[object, object]]:
    if isinstance(value, (dict, AnyMap)):
        return [(key, adopt(item)) for key, item in value.items()]
    raise Failure(message.format(type_name(value)))


def keys(run: Run, value: object) -> list[object]:
    """Return the keys of a map."""
    entries = _entries(value, "cannot get keys from {}")
    run.step(len(entries))
    return [key for key, _ in entries]


def values(run: Run, value: object) -> list[object]:
    """Return the values of a map, in the order of its keys."""
    entries = _entries(value, "cannot get values from {}")
    run.step(len(entries))
    return [item for _, item in entries]


def to_pairs(run: Run, value: object) -> PairList:
    """Return the entries of a map as pairs."""
    entries = _entries(value, "cannot transform {} to pairs")
    run.step(len(entries))
    return PairList(PairArray(entry) for entry in entries)


def from_pairs(run: Run, value: object) -> AnyMap:
    """Return the map of a list of pairs."""
    result = AnyMap()
    pairs = _items(value, "transform from pairs")
    run.step(4 * len(pairs))
    for pair in pairs:
        if not isinstance(pair, list):
            raise Failure(f"invalid pair of type {type_name(pair)}")
        if len(pair) != 2:
            raise Failure("invalid pair length")
        result.set(adopt(pair[0]), adopt(pair[1]))
    return result


def reverse(run: Run, value: object) -> list[object]:
    """Return the elements from last to first."""
    items = _items(value, "reverse")
    run.grow(len(items))
    return list(reversed(items))


def uniq(run: Run, value: object) -> list[object]:
    """Return the elements without those that equal an earlier one."""
    items = _items(value, "uniq")
    run.step(len(items))
    if items and all(type(item) is str for item in items):
        return list(dict.fromkeys(items))
    kept: list[object] = []
    for item in items:
        run.step(1 + len(kept))
        if not any(equal(item, other, run.step) for other in kept):
            kept.append(item)
    return kept


def concat(run: Run, *arguments: object) -> list[object]:
    """Return the elements of all lists in one."""
    parts = [_items(argument, "concat") for argument in arguments]
    run.grow(sum(map(len, parts)))
    result = [item for part in parts for item in part]
    return result or NilList()


def flatten(run: Run, value: object) -> list[object]:
    """Return the elements of nested lists in one list."""
    result: list[object] = []
    _flatten(run, _items(value, "flatten"), result, 0)
    run.grow(len(result))
    return result


def _flatten(run: Run, items: list[object], result: list[object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Failure("recursion depth exceeded")
    run.step(2 + 2 * len(items))
    for item in items:
        if isinstance(item, (list, bytes)):
            _flatten(run, _items(item, "flatten"), result, depth + 1)
        else:
            result.append(item)


def sort(run: Run, value: object, order: object = "asc") -> list[object]:
    """Return the elements in order, ``asc`` or ``desc``."""
    if order not in {"asc", "desc"}:
        raise Failure(f"invalid order {order}, expected asc or desc")
    if not is_basic_list(value):
        return NilList()
    assert isinstance(value, list)
    items = list(value)
    run.grow(len(items))
    return [items[index] for index in sorted_indexes(run, items, descending=order == "desc")]


def sorted_indexes(run: Run, values: list[object], *, descending: bool) -> list[int]:
    """Return the indexes that bring the values into order; equal values keep their order.

    Raises:
        Failure: if two values cannot be compared.
    """
    count = len(values)
    indexes = list(range(count))
    if _is_plain(values):
        run.step(count)
        indexes.sort(key=values.__getitem__, reverse=descending)  # type: ignore[arg-type]
        return indexes

    def before(one: int, two: int) -> bool:
        return less(values[two], values[one]) if descending else less(values[one], values[two])

    run.step(count * max(count.bit_length(), 1))

    def order(one: int, two: int) -> int:
        return before(two, one) - before(one, two)

    if count <= INSERTION_LIMIT:
        _insertion_sort(indexes, before)
    else:
        indexes.sort(key=cmp_to_key(order))
    return indexes


def _is_plain(values: list[object]) -> bool:
    """Return whether Python orders the values as Go does: integers, finite floats, or ASCII text."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return True
    if kinds == {float}:
        return all(math.isfinite(value) for value in values)  # type: ignore[arg-type]
    return kinds == {str} and all(value.isascii() for value in values)  # type: ignore[attr-defined]


def _insertion_sort(indexes: list[int], before: Callable[[int, int], bool]) -> None:
    for start in range(1, len(indexes)):
        position = start
        while position > 0 and before(indexes[position], indexes[position - 1]):
            indexes[position - 1], indexes[position] = indexes[position], indexes[position - 1]
            position -= 1
