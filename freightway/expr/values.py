"""Values at run time, and which Go value each Python value stands for.

=====================  =============================================================
Python                 Go
=====================  =============================================================
None                   nil
bool, int, float       bool, int (64 bit), float64
str, bytes             string, []byte
list, dict             []any, map[string]any
subclasses below       typed slices, other integer types, maps with other keys
=====================  =============================================================

Only these types, the times of ``gotime`` and :class:`Struct` and :class:`Function` below take part in an evaluation;
:func:`adopt` turns what an environment may hold into them. No attribute of a Python object is ever looked up by a
name that comes from an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from freightway.expr.failure import Failure
from freightway.expr.natures import Nature, Signature
from freightway.expr.text import to_bytes

Tick = Callable[[int], None]

MIN_INT = -(1 << 63)
MAX_INT = (1 << 63) - 1


def free(_steps: int) -> None:
    """Count nothing: for values whose size is known to be small."""


def wrap(value: int) -> int:
    """Return the value as a 64-bit signed integer, overflow wrapped around."""
    if MIN_INT <= value <= MAX_INT:
        return value
    return ((value - MIN_INT) & 0xFFFF_FFFF_FFFF_FFFF) + MIN_INT


class TypedInt(int):
    """An integer of a Go type other than ``int``; arithmetic gives plain ints."""

    type_name: ClassVar[str] = "int"


class Int64(TypedInt):
    """Go's int64."""

    type_name = "int64"


class Uint8(TypedInt):
    """Go's uint8: a byte of a string."""

    type_name = "uint8"


class Uint64(TypedInt):
    """Go's uint64: a part of a semantic version."""

    type_name = "uint64"


class TypedList(list[object]):
    """A list of a Go type other than ``[]any``.

    Attributes:
        is_nil: whether it is Go's nil slice: empty, and nil to ``??`` and JSON.
    """

    type_name: ClassVar[str] = "[]interface {}"
    is_nil: ClassVar[bool] = False


class IntList(TypedList):
    """``[]int``: a range."""

    type_name = "[]int"


class StringList(TypedList):
    """``[]string``: the parts of a split."""

    type_name = "[]string"


class PairList(TypedList):
    """``[][2]any``: the pairs of a map."""

    type_name = "[][2]interface {}"


class PairArray(TypedList):
    """``[2]any``: one key and its value."""

    type_name = "[2]interface {}"


class NilList(TypedList):
    """A nil ``[]any``."""

    is_nil = True


class NilStringList(StringList):
    """A nil ``[]string``."""

    is_nil = True


class StringMap(dict[str, object]):
    """``map[string]string``: a missing key is the empty string."""


class AnyMap:
    """A map whose keys are of any type; 1, 1.0 and true are three keys.

    Attributes:
        of_lists: whether this is ``map[any][]any``, where a missing key is an empty list.
    """

    __slots__ = ("entries", "of_lists")

    def __init__(self, *, of_lists: bool = False) -> None:
        self.entries: dict[object, tuple[object, object]] = {}
        self.of_lists = of_lists

    def get(self, key: object) -> object:
        """Return the value of a key, or the zero value."""
        entry = self.entries.get(hash_key(key))
        if entry is not None:
            return entry[1]
        return NilList() if self.of_lists else None

    def set(self, key: object, value: object) -> None:
        """Set the value of a key."""
        self.entries[hash_key(key)] = key, value

    def __contains__(self, key: object) -> bool:
        return hash_key(key) in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def items(self) -> Iterator[tuple[object, object]]:
        """Yield keys and values."""
        return iter(self.entries.values())


def hash_key(key: object) -> object:
    """Return what stands for a key of any type.

    Raises:
        Failure: if Go could not hash it.
    """
    if isinstance(key, (list, dict, AnyMap, bytes, Function)) and not isinstance(key, PairArray):
        raise Failure(f"hash of unhashable type: {type_name(key)}")
    if isinstance(key, PairArray):
        return type_name(key), tuple(hash_key(item) for item in key)
    if isinstance(key, Struct):
        return type_name(key), tuple((name, hash_key(value)) for name, value in key.fields.items())
    if isinstance(key, float) and key != key:
        return object()  # every NaN is a key of its own
    return type_name(key), key


class Struct:
    """A Go struct: only the fields named here can be reached.

    Attributes:
        nature: its static type, which names the fields.
        fields: values by Go field name.
        json: what it serialises as.
    """

    __slots__ = ("fields", "json", "nature")

    def __init__(self, nature: Nature, fields: Mapping[str, object], json: object) -> None:
        self.nature = nature
        self.fields = fields
        self.json = json


class Object:
    """A Go value with methods, such as a time or a semantic version."""

    __slots__ = ()
    nature: ClassVar[Nature]

    def method(self, name: str, /) -> Callable[..., object]:
        """Return the implementation of a method that ``nature`` declares."""
        raise NotImplementedError


class Function:
    """A function that expressions may call.

    Attributes:
        name: for messages.
        call: the implementation; its arguments have the declared types.
        signatures: the ways to call it; without any, every call is allowed.
    """

    __slots__ = ("call", "name", "signatures")

    def __init__(
        self, name: str, call: Callable[..., object], signatures: tuple[Signature, ...] = ()
    ) -> None:
        self.name = name
        self.call = call
        self.signatures = signatures


NATIVE: frozenset[type] = frozenset({
    type(None), bool, int, float, str, bytes, list, dict, Int64, Uint8, Uint64, IntList, StringList, PairList,
    PairArray, NilList, NilStringList, StringMap, AnyMap, Struct, Function,
})  # fmt: skip

_TYPE_NAMES: dict[type, str] = {
    type(None): "<nil>",
    bool: "bool",
    int: "int",
    float: "float64",
    str: "string",
    bytes: "[]uint8",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    StringMap: "map[string]string",
}


def type_name(value: object) -> str:
    """Return the Go type of a value, as ``%T`` prints it."""
    name = _TYPE_NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, (TypedInt, TypedList)):
        return value.type_name
    if isinstance(value, AnyMap):
        return f"map[interface {{}}]{'[]' if value.of_lists else ''}interface {{}}"
    if isinstance(value, (Struct, Object)):
        return value.nature.name
    return "func" if isinstance(value, Function) else "unsupported value"


def is_nil(value: object) -> bool:
    """Return whether the value is nil to ``??``, ``?.`` and ``==``."""
    return value is None or (isinstance(value, TypedList) and value.is_nil)


class NoElement:
    """Stands for an entry of a map inside a predicate, where only looking at it fails."""


NO_ELEMENT = NoElement()


def adopt(value: object) -> object:
    """Return the value as one that expressions know.

    Raises:
        Failure: if there is none.
    """
    if type(value) in NATIVE or isinstance(value, Object):
        return value
    if isinstance(value, (bool, int, float, str, bytes)):  # subclasses, such as enumerations of strings
        return _plain(value)
    if isinstance(value, (datetime, timedelta)):
        from freightway.expr.gotime import from_python

        return from_python(value)
    if isinstance(value, Mapping):
        return {str(key): adopt(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [adopt(item) for item in value]
    if isinstance(value, NoElement):
        raise Failure("reflect: call of reflect.Value.Index on map Value")
    raise Failure(f"values of type {type(value).__name__} cannot be used in expressions")


def _plain(value: bool | float | str | bytes) -> object:
    """Return a value of a subclass, such as a member of an enumeration, as the built-in type."""
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return str.__str__(value) if isinstance(value, str) else bytes(value)


def elements(value: object) -> list[object]:
    """Return what a predicate walks over: the elements of a list, the bytes of a string.

    Raises:
        Failure: if there is nothing to walk over.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [Uint8(byte) for byte in to_bytes(value)]
    if isinstance(value, bytes):
        return [Uint8(byte) for byte in value]
    if isinstance(value, (dict, AnyMap)):
        return [NO_ELEMENT] * len(value)
    raise Failure(f"cannot iterate over {type_name(value)}")
