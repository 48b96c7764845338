"""Members, indexes and slices of values.

Only keys of maps, elements of lists, bytes of strings, declared fields of structs and declared methods of objects can
be reached; nothing here looks up a Python attribute by a name.

Source: expr-lang 1.17.8 vm/runtime/runtime.go.
"""

from __future__ import annotations

from freightway.expr.calls import bound_method
from freightway.expr.failure import Failure
from freightway.expr.goformat import format_value
from freightway.expr.operators import map_key, to_int
from freightway.expr.text import byte_length, byte_slice, to_bytes
from freightway.expr.values import AnyMap, Object, StringMap, Struct, TypedList, Uint8, adopt, type_name


def fetch(base: object, key: object) -> object:
    """Return ``base[key]``.

    Raises:
        Failure: if there is no such element.
    """
    if isinstance(base, dict):
        value = base.get(map_key(key))
        if value is None and isinstance(base, StringMap):
            return ""
        return adopt(value)
    if isinstance(base, list):
        return adopt(base[_index(key, len(base))])
    if isinstance(base, AnyMap):
        return base.get(key)
    if isinstance(base, (str, bytes)):
        data = to_bytes(base) if isinstance(base, str) else base
        return Uint8(data[_index(key, len(data))])
    if isinstance(base, Struct) and type(key) is str and key in base.fields:
        return base.fields[key]
    if isinstance(base, Object) and type(key) is str:
        method = bound_method(base, key)
        if method is not None:
            return method
    raise Failure(f"cannot fetch {format_value(key)} from {type_name(base)}")


def _index(key: object, length: int) -> int:
    index = to_int(key)
    if index < 0:
        index += length
    if not 0 <= index < length:
        raise Failure(f"index out of range: {index} (array length is {length})")
    return index


def get(base: object, key: object) -> object:
    """Return ``base[key]``, or nil where there is no such element.

    Raises:
        Failure: if the key is of a type that the base can never have.
    """
    if isinstance(base, dict):
        return adopt(base.get(map_key(key)))
    if isinstance(base, AnyMap):
        return base.get(key) if key in base else None
    if isinstance(base, (list, str, bytes)):
        index = to_int(key)
        length = byte_length(base) if isinstance(base, str) else len(base)
        if not -length <= index < length:
            return None
        return fetch(base, index)
    if isinstance(base, Struct):
        return base.fields.get(key) if type(key) is str else None
    if isinstance(base, Object) and type(key) is str:
        return bound_method(base, key)
    return None


def slice_value(base: object, start: object, stop: object | None) -> object:
    """Return ``base[start:stop]``; strings are cut by bytes, bounds outside are moved inside.

    Args:
        stop: None for the end.
    Raises:
        Failure: if the base has no slices or a bound is no number.
    """
    if not isinstance(base, (list, str, bytes)):
        raise Failure(f"cannot slice {type_name(base)}")
    length = byte_length(base) if isinstance(base, str) else len(base)
    first = to_int(start)
    last = length if stop is None else to_int(stop)
    first = max(first + length, 0) if first < 0 else first
    last = max(last + length, 0) if last < 0 else min(last, length)
    first = min(first, last)
    if isinstance(base, str):
        return byte_slice(base, first, last)
    part = base[first:last]
    if isinstance(base, TypedList):
        return type(base)(part)
    return part
