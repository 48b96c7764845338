"""Static types: what is known of a value before the expression runs.

A nature mirrors a Go type by its printed name, because Go's rules of assignment compare names. ``UNKNOWN`` is the
type of everything that comes from the environment.

Source: expr-lang 1.17.8 checker/nature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

INTEGER_KINDS = frozenset(
    {"int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64"}
)
FLOAT_KINDS = frozenset({"float32", "float64"})
NILABLE_KINDS = frozenset({"ptr", "interface", "func", "map", "slice"})


@dataclass(frozen=True, slots=True, eq=False)
class Nature:
    """A static type.

    Attributes:
        name: the type as Go prints it; empty if unknown.
        kind: Go's kind (``int``, ``slice``, ``struct`` …); empty if unknown.
        element: type of the elements of a slice, a map, or what a pointer points at.
        key: type of a map's keys.
        fields: exported fields of a struct.
        methods: exported methods, as function types without their receiver.
        function: the signatures, of a function.
        is_nil: whether this is the literal ``nil``.
    """

    name: str = ""
    kind: str = ""
    element: Nature | None = None
    key: Nature | None = None
    fields: Mapping[str, Nature] = field(default_factory=dict)
    methods: Mapping[str, Signature] = field(default_factory=dict)
    function: tuple[Signature, ...] = ()
    is_nil: bool = False

    def __str__(self) -> str:
        return self.name or "unknown"

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known; the empty interface counts."""
        return (not self.name and not self.is_nil) or self.kind == "interface"

    @property
    def is_integer(self) -> bool:
        """Whether this is a plain integer type (not ``time.Month``)."""
        return self.kind in INTEGER_KINDS and self.name == self.kind

    @property
    def is_float(self) -> bool:
        """Whether this is a plain floating-point type."""
        return self.kind in FLOAT_KINDS and self.name == self.kind

    @property
    def is_number(self) -> bool:
        """Whether arithmetic applies."""
        return self.is_integer or self.is_float

    @property
    def is_bool(self) -> bool:
        """Whether this is a bool."""
        return self.kind == "bool"

    @property
    def is_string(self) -> bool:
        """Whether this is a string."""
        return self.kind == "string"

    @property
    def is_array(self) -> bool:
        """Whether this is a list."""
        return self.kind in {"slice", "array"}

    @property
    def is_map(self) -> bool:
        """Whether this is a map."""
        return self.kind == "map"

    @property
    def is_time(self) -> bool:
        """Whether this is ``time.Time``."""
        return self.name == "time.Time"

    @property
    def is_duration(self) -> bool:
        """Whether this is ``time.Duration``."""
        return self.name == "time.Duration"

    def deref(self) -> Nature:
        """Return what a pointer points at, else the type itself."""
        return self.element if self.kind == "ptr" and self.element is not None else self

    def items(self) -> Nature:
        """Return the type of the elements."""
        return self.element if self.element is not None else UNKNOWN

    def assignable_to(self, other: Nature) -> bool:
        """Return whether Go would let a value of this type be assigned to ``other``."""
        if self.is_nil and other.kind in NILABLE_KINDS:
            return True
        if not self.name or not other.name:
            return False
        return other.kind == "interface" or self.name == other.name

    def comparable_to(self, other: Nature) -> bool:
        """Return whether ``==`` accepts both types."""
        return (
            self.is_unknown
            or other.is_unknown
            or self.is_nil
            or other.is_nil
            or (self.is_number and other.is_number)
            or (self.is_array and other.is_array)
            or self.assignable_to(other)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """One way to call a function.

    Attributes:
        parameters: types of the parameters; the last one is repeated if ``variadic``.
        result: type of the result.
        variadic: whether the last parameter takes any number of arguments.
        results: how many values Go returns; 0 and more than 2 cannot be called from an expression.
    """

    parameters: tuple[Nature, ...]
    result: Nature
    variadic: bool = False
    results: int = 1

    def __str__(self) -> str:
        names = [str(parameter) for parameter in self.parameters]
        if self.variadic:
            names[-1] = f"...{names[-1]}"
        return f"func({', '.join(names)}) {self.result}"

    def parameter(self, index: int) -> Nature:
        """Return the type of the parameter that takes the argument at ``index``."""
        if self.variadic and index >= len(self.parameters) - 1:
            return self.parameters[-1]
        return self.parameters[index]


UNKNOWN = Nature()
NIL = Nature(is_nil=True)
ANY = Nature("interface {}", "interface")
BOOL = Nature("bool", "bool")
INT = Nature("int", "int")
INT64 = Nature("int64", "int64")
UINT8 = Nature("uint8", "uint8")
UINT64 = Nature("uint64", "uint64")
FLOAT = Nature("float64", "float64")
STRING = Nature("string", "string")
LIST = Nature("[]interface {}", "slice", element=ANY)
BYTES = Nature("[]uint8", "slice", element=UINT8)
INTS = Nature("[]int", "slice", element=INT)
FLOATS = Nature("[]float64", "slice", element=FLOAT)
STRINGS = Nature("[]string", "slice", element=STRING)
MAP = Nature("map[string]interface {}", "map", element=ANY, key=STRING)
STRING_MAP = Nature("map[string]string", "map", element=STRING, key=STRING)
ANY_MAP = Nature("map[interface {}]interface {}", "map", element=ANY, key=ANY)
GROUPS = Nature("map[interface {}][]interface {}", "map", element=LIST, key=ANY)


def list_of(element: Nature) -> Nature:
    """Return the type of a list whose elements are known better than Go's ``[]any`` says."""
    return replace(LIST, element=element)


def pointer_to(element: Nature, methods: Mapping[str, Signature] | None = None) -> Nature:
    """Return the type of a pointer."""
    return Nature(f"*{element.name}", "ptr", element=element, methods={} if methods is None else methods)


def function_of(*signatures: Signature) -> Nature:
    """Return the type of a function; its name is that of the first signature."""
    return Nature(str(signatures[0]), "func", function=signatures)


def predicate_of(result: Nature) -> Nature:
    """Return the type of a predicate with that result."""
    return Nature(f"func(interface {{}}) {result.name or 'interface {}'}", "func", element=result)


VARIADIC_ANY = Signature((ANY,), ANY, variadic=True, results=2)
