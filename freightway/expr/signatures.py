"""Static rules of the builtins: how many arguments of which types, and what comes back.

A builtin either lists its Go signatures or has a validator, which is given the types of the arguments.

Source: expr-lang 1.17.8 builtin/builtin.go and builtin/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from freightway.expr.gotime_natures import DURATION, LOCATION, TIME
from freightway.expr.natures import (
    ANY,
    ANY_MAP,
    FLOAT,
    FLOATS,
    GROUPS,
    INT,
    INTS,
    LIST,
    STRING,
    STRINGS,
    VARIADIC_ANY,
    Nature,
    Signature,
    function_of,
)

NUMERIC = frozenset(
    {
        "int",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
    }
)
SIGNED = frozenset({"int", "int8", "int16", "int32", "int64"})
LISTS = frozenset({"slice", "array"})


class InvalidArguments(Exception):
    """The arguments do not fit the builtin."""


def _function(*parameters: Nature, result: Nature = STRING) -> Signature:
    return Signature(parameters, result)


_TO_TEXT = (_function(ANY),)
_ONE_TEXT = (_function(STRING),)
_TWO_TEXTS = (_function(STRING, STRING),)
_BITS = (_function(INT, INT, result=INT),)
_SPLIT = (_function(STRING, STRING, result=STRINGS), _function(STRING, STRING, INT, result=STRINGS))
_TRIM_END = (_function(STRING, STRING), _function(STRING))
_FIND_TEXT = (_function(STRING, STRING, result=INT),)
_TEST_TEXT = (_function(STRING, STRING, result=Nature("bool", "bool")),)

SIGNATURES: dict[str, tuple[Signature, ...]] = {
    "type": _TO_TEXT,
    "string": _TO_TEXT,
    "trim": (_function(STRING), _function(STRING, STRING)),
    "trimPrefix": _TRIM_END,
    "trimSuffix": _TRIM_END,
    "upper": _ONE_TEXT,
    "lower": _ONE_TEXT,
    "split": _SPLIT,
    "splitAfter": _SPLIT,
    "replace": (_function(STRING, STRING, STRING, INT), _function(STRING, STRING, STRING)),
    "repeat": (_function(STRING, INT),),
    "join": (
        _function(STRINGS, STRING),
        _function(LIST, STRING),
        _function(LIST),
        _function(STRINGS),
    ),
    "indexOf": _FIND_TEXT,
    "lastIndexOf": _FIND_TEXT,
    "hasPrefix": _TEST_TEXT,
    "hasSuffix": _TEST_TEXT,
    "toJSON": _TO_TEXT,
    "fromJSON": (_function(STRING, result=ANY),),
    "toBase64": _ONE_TEXT,
    "fromBase64": _ONE_TEXT,
    "duration": (_function(STRING, result=DURATION),),
    "timezone": (_function(STRING, result=LOCATION),),
    "sort": tuple(
        _function(*parameters, result=LIST)
        for kind in (LIST, INTS, FLOATS, STRINGS)
        for parameters in ((kind, STRING), (kind,))
    ),
    "bitand": _BITS,
    "bitor": _BITS,
    "bitxor": _BITS,
    "bitnand": _BITS,
    "bitshl": _BITS,
    "bitshr": _BITS,
    "bitushr": _BITS,
    "bitnot": (_function(INT, result=INT),),
}

_TEST = Nature("func(interface {}) bool", "func")
_EACH = Nature("func(interface {}) interface {}", "func")
_FOLD = Nature("func(interface {}, interface {}) interface {}", "func")
PREDICATE_SIGNATURES: dict[str, Signature] = {
    **{name: _function(LIST, _TEST, result=Nature("bool", "bool")) for name in ("all", "none", "any", "one")},
    "filter": _function(LIST, _TEST, result=LIST),
    "map": _function(LIST, _EACH, result=LIST),
    **{name: _function(LIST, _TEST, result=ANY) for name in ("find", "findLast")},
    **{
        name: _function(LIST, _TEST, result=INT)
        for name in ("findIndex", "findLastIndex", "count", "sum")
    },
    "groupBy": _function(LIST, _EACH, result=GROUPS),
    "sortBy": _function(LIST, _TEST, STRING, result=LIST),
    "reduce": _function(LIST, _FOLD, ANY, result=ANY),
}  # fmt: skip


def _kind(nature: Nature) -> str:
    return nature.deref().kind


def _exactly(arguments: Sequence[Nature], count: int) -> None:
    if len(arguments) != count:
        message = f"invalid number of arguments (expected {count}, got {len(arguments)})"
        raise InvalidArguments(message)


def _one_of(name: str, kinds: frozenset[str], result: Nature | None) -> Callable[[Sequence[Nature]], Nature]:
    """Return a validator for one argument of the kinds; without ``result`` the type stays as it is."""

    def validate(arguments: Sequence[Nature]) -> Nature:
        _exactly(arguments, 1)
        if _kind(arguments[0]) not in kinds:
            raise InvalidArguments(f"invalid argument for {name} (type {arguments[0]})")
        return arguments[0] if result is None else result

    return validate


def _collection(verb: str, kinds: frozenset[str], result: Nature) -> Callable[[Sequence[Nature]], Nature]:
    def validate(arguments: Sequence[Nature]) -> Nature:
        _exactly(arguments, 1)
        if _kind(arguments[0]) not in kinds:
            raise InvalidArguments(verb.format(arguments[0]))
        return result

    return validate


def _element(which: str) -> Callable[[Sequence[Nature]], Nature]:
    def validate(arguments: Sequence[Nature]) -> Nature:
        _exactly(arguments, 1)
        kind = _kind(arguments[0])
        if kind == "interface":
            return ANY
        if kind in LISTS:
            # Go's element type counts here, not what the checker knows beyond it.
            return ANY if arguments[0].name == LIST.name else arguments[0].items()
        raise InvalidArguments(f"cannot get {which} element from {arguments[0]}")

    return validate


def _aggregate(name: str) -> Callable[[Sequence[Nature]], Nature]:
    def validate(arguments: Sequence[Nature]) -> Nature:
        if not arguments:
            raise InvalidArguments(f"not enough arguments to call {name}")
        for argument in arguments:
            kind = _kind(argument)
            if kind == "interface" or kind in LISTS:
                return ANY
            if kind not in NUMERIC:
                raise InvalidArguments(f"invalid argument for {name} (type {argument})")
        return arguments[0]

    return validate


def _now(arguments: Sequence[Nature]) -> Nature:
    if not arguments or (len(arguments) == 1 and arguments[0].assignable_to(LOCATION)):
        return TIME
    raise InvalidArguments(f"invalid number of arguments (expected 0, got {len(arguments)})")


def _date(arguments: Sequence[Nature]) -> Nature:
    if not arguments:
        raise InvalidArguments("invalid number of arguments (expected at least 1, got 0)")
    count = len(arguments) - arguments[0].assignable_to(LOCATION)
    if count > 3:
        raise InvalidArguments(f"invalid number of arguments (expected at most 3, got {count})")
    return TIME


def _take(arguments: Sequence[Nature]) -> Nature:
    _exactly(arguments, 2)
    if _kind(arguments[0]) not in LISTS | {"interface"}:
        raise InvalidArguments(f"cannot take from {arguments[0]}")
    if _kind(arguments[1]) not in SIGNED | {"interface"}:
        raise InvalidArguments(f"cannot take {arguments[1]} elements")
    return LIST if arguments[0].name == LIST.name else arguments[0]


def _concat(arguments: Sequence[Nature]) -> Nature:
    if not arguments:
        raise InvalidArguments("invalid number of arguments (expected at least 1, got 0)")
    for argument in arguments:
        if _kind(argument) not in LISTS | {"interface"}:
            raise InvalidArguments(f"cannot concat {argument}")
    return LIST


_ANY_KIND = frozenset({"interface"})
_ANY_LIST = LISTS | _ANY_KIND
_ANY_MAP_KIND = frozenset({"map"}) | _ANY_KIND
VALIDATORS: dict[str, Callable[[Sequence[Nature]], Nature]] = {
    "len": _one_of("len", LISTS | _ANY_MAP_KIND | {"string"}, INT),
    "abs": _one_of("abs", NUMERIC | _ANY_KIND, None),
    "ceil": _one_of("ceil", NUMERIC | _ANY_KIND, FLOAT),
    "floor": _one_of("floor", NUMERIC | _ANY_KIND, FLOAT),
    "round": _one_of("round", NUMERIC | _ANY_KIND, FLOAT),
    "int": _one_of("int", NUMERIC | _ANY_KIND | {"string"}, INT),
    "float": _one_of("float", NUMERIC | _ANY_KIND | {"string"}, FLOAT),
    "max": _aggregate("max"),
    "min": _aggregate("min"),
    "mean": _aggregate("mean"),
    "median": _aggregate("median"),
    "now": _now,
    "date": _date,
    "first": _element("first"),
    "last": _element("last"),
    "take": _take,
    "keys": _collection("cannot get keys from {}", _ANY_MAP_KIND, LIST),
    "values": _collection("cannot get values from {}", _ANY_MAP_KIND, LIST),
    "toPairs": _collection("cannot transform {} to pairs", _ANY_MAP_KIND, LIST),
    "fromPairs": _collection("cannot transform {} from pairs", _ANY_LIST, ANY_MAP),
    "reverse": _collection("cannot reverse {}", _ANY_LIST, LIST),
    "uniq": _collection("cannot uniq {}", _ANY_LIST, LIST),
    "concat": _concat,
    "flatten": _collection("cannot flatten {}", _ANY_LIST, LIST),
}


def _nature(name: str) -> Nature:
    if name in SIGNATURES:
        return function_of(*SIGNATURES[name])
    return function_of(PREDICATE_SIGNATURES.get(name, VARIADIC_ANY))


BUILTIN_NATURES = {name: _nature(name) for name in (*SIGNATURES, *PREDICATE_SIGNATURES, *VALIDATORS, "get")}
