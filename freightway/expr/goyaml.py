"""YAML as go.yaml.in/yaml/v3 writes it: indent 4, keys in natural order, text quoted only where it must be.

Source: go.yaml.in/yaml/v3 3.0.5 (encode.go, emitterc.go, sorter.go).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from functools import cmp_to_key

from freightway.expr.failure import Failure
from freightway.expr.gofloat import format_general
from freightway.expr.gotime import RFC3339_NANO, Duration, Location, Month, Time, Weekday
from freightway.expr.goyaml_text import (
    is_ambiguous,
    plain_allowed,
    quote_double,
    quote_single,
    single_allowed,
)
from freightway.expr.text import to_bytes
from freightway.expr.values import AnyMap, Function, Object, Struct, Tick, adopt, free, is_nil

INDENT = 4
MAX_DEPTH = 200
MAX_SIMPLE_KEY = 128


def encode_yaml(value: object, tick: Tick = free) -> str:
    """Return the YAML of a value, with a newline at the end.

    Args:
        tick: counts the elements looked at.
    Raises:
        Failure: if the value has no YAML.
    """
    parts: list[str] = []
    _Emitter(parts.append, tick).node(value, -1, in_list=False, depth=0)
    text = "".join(parts)
    return text if text.endswith("\n") else f"{text}\n"


def _deeper(indent: int, *, in_list: bool, scalar: bool = False) -> int:
    """Return the indent of what is inside a node."""
    if indent < 0:
        return INDENT if scalar else 0
    return indent + 2 if in_list else INDENT * ((indent + INDENT) // INDENT)


class _Emitter:
    def __init__(self, write: Callable[[str], None], tick: Tick) -> None:
        self.write = write
        self.tick = tick

    def node(self, value: object, indent: int, *, in_list: bool, depth: int) -> None:
        """Write a node after ``key:`` or ``-``; a collection starts on the same line in a list only."""
        if depth > MAX_DEPTH:
            raise Failure("the value is nested too deeply")
        entries = _entries(value)
        if entries is not None:
            self.mapping(entries, _deeper(indent, in_list=in_list), in_list=in_list, depth=depth)
        elif isinstance(value, (list, bytes)):
            self.sequence(list(value), _deeper(indent, in_list=in_list), in_list=in_list, depth=depth)
        else:
            self.scalar(value, _deeper(indent, in_list=in_list, scalar=True), space=indent >= 0)

    def mapping(
        self, entries: list[tuple[object, object]], indent: int, *, in_list: bool, depth: int
    ) -> None:
        if not entries:
            self.write(" {}" if depth else "{}")
            return
        self.tick(8 + 8 * len(entries))
        same_line = in_list or depth == 0
        if in_list:
            self.write(" ")
        for key, item in sorted(entries, key=cmp_to_key(_compare_entries)):
            if not same_line:
                self.write(f"\n{' ' * indent}")
            same_line = False
            name = _scalar_text(key, key=True)
            if len(name) > MAX_SIMPLE_KEY:
                self.write(f"? {name}\n{' ' * indent}:")
            else:
                self.write(f"{name}:")
            self.node(item, indent, in_list=False, depth=depth + 1)

    def sequence(self, items: list[object], indent: int, *, in_list: bool, depth: int) -> None:
        if not items:
            self.write(" []" if depth else "[]")
            return
        self.tick(8 + 8 * len(items))
        same_line = in_list or depth == 0
        if in_list:
            self.write(" ")
        for item in items:
            if not same_line:
                self.write(f"\n{' ' * indent}")
            same_line = False
            self.write("-")
            self.node(item, indent, in_list=True, depth=depth + 1)

    def scalar(self, value: object, indent: int, *, space: bool) -> None:
        if space:
            self.write(" ")
        if isinstance(value, str) and "\n" in value and _literal_allowed(value):
            self.write(_literal(value, indent))
        else:
            self.write(_scalar_text(value))


def _compare_entries(one: tuple[object, object], two: tuple[object, object]) -> int:
    return _compare(one[0], two[0])


def _entries(value: object) -> list[tuple[object, object]] | None:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, AnyMap):
        return list(value.items())
    if isinstance(value, Struct):
        return [(name.lower(), item) for name, item in value.fields.items()]
    return [] if isinstance(value, Location) else None


def _scalar_text(value: object, *, key: bool = False) -> str:
    if isinstance(value, str):
        return _string(value, key=key)
    if value is None or is_nil(value):
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Time):
        return value.format(RFC3339_NANO)
    if isinstance(value, (Month, Weekday)):
        return str(value.value)
    if isinstance(value, (Duration, Object)):
        return _string(str(value), key=key)
    if isinstance(value, Function):
        raise Failure("cannot marshal type: func")
    return _scalar_text(adopt(value), key=key)


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return format_general(value)


def _string(text: str, *, key: bool) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"!!binary {base64.b64encode(to_bytes(text)).decode('ascii')}"
    if "\n" in text or is_ambiguous(text):
        return quote_double(text)
    if plain_allowed(text) and not (key and not text):
        return text
    return quote_single(text) if single_allowed(text) else quote_double(text)


def _literal_allowed(text: str) -> bool:
    """Return whether ``|`` can hold the text: no space before a line's end, nothing that must be escaped."""
    if text.endswith(" ") or any(line.endswith(" ") for line in text.split("\n")[:-1]):
        return False
    body = text.replace("\n", "").replace("\t", "")
    return quote_double(body) == f'"{body}"' or _only_quotes_differ(body)


def _only_quotes_differ(body: str) -> bool:
    plain = body.replace('"', "").replace("\\", "")
    return quote_double(plain) == f'"{plain}"'


def _literal(text: str, indent: int) -> str:
    hint = str(INDENT) if text[0] in " \n" else ""
    if not text.endswith("\n"):
        chomp = "-"
    elif text == "\n" or text.endswith("\n\n"):
        chomp = "+"
    else:
        chomp = ""
    lines = text.removesuffix("\n").split("\n")
    body = "".join(f"\n{' ' * indent}{line}" if line else "\n" for line in lines)
    return f"|{hint}{chomp}{body}" + ("\n" if chomp == "+" else "")


# Order of keys


def _compare(one: object, two: object) -> int:
    """Compare two keys; digits inside compare as numbers, letters come after them."""
    if not isinstance(one, str) or not isinstance(two, str):
        return _compare_mixed(one, two)
    digits = False
    for index, (left, right) in enumerate(zip(one, two, strict=False)):
        if left == right:
            digits = left.isdecimal()
            continue
        if left.isalpha() and right.isalpha():
            return -1 if left < right else 1
        if left.isalpha() or right.isalpha():
            before = left.isalpha() if digits else right.isalpha()
            return -1 if before else 1
        return _compare_numbers(one, two, index)
    return len(one) - len(two)


def _compare_numbers(one: str, two: str, index: int) -> int:
    start = 0
    if "0" in {one[index], two[index]}:
        position = index - 1
        while position >= 0 and one[position].isdecimal():
            if one[position] != "0":
                start = 1
                break
            position -= 1
    left, left_end = _number(one, index, start)
    right, right_end = _number(two, index, start)
    if left != right:
        return -1 if left < right else 1
    if left_end != right_end:
        return left_end - right_end
    return -1 if one[index] < two[index] else 1


def _number(text: str, index: int, value: int) -> tuple[int, int]:
    while index < len(text) and text[index].isdecimal() and value < 10**40:
        value = value * 10 + int(text[index])
        index += 1
    return value, index


def _compare_mixed(one: object, two: object) -> int:
    left, right = _rank(one), _rank(two)
    return (left > right) - (left < right)


def _rank(key: object) -> tuple[int, float]:
    if isinstance(key, bool):
        return 1, float(key)
    if isinstance(key, (int, float)):
        return 2, float(key)
    return 3 if isinstance(key, str) else 0, 0.0
