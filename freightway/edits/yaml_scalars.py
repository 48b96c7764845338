"""Values as YAML text that every reader takes for the same value, under YAML 1.1 and 1.2 alike.

A string stays plain only if no resolver in use (YAML 1.1, the 1.2 core schema, Go's) reads it as something else:
``1e10``, ``12e4567`` (a short commit id), ``on``, ``0o7`` and ``2024-01-02`` are quoted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from freightway.edits.errors import EditError
from freightway.edits.numbers import shown_number

WORDS = frozenset(
    {"~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", "inf", "nan", "infinity"}
)
NUMBER_LIKE = re.compile(
    r"""[-+]?(?:
        0[xX][0-9a-fA-F_.]+(?:[pP][-+]?[0-9]+)?   # hexadecimal
      | 0[oO]?[0-7_]+ | 0[bB][01_]+               # octal, binary
      | (?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9_]+)?
      | [0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?  # base 60
      | \.?(?:inf|nan) | infinity
    )""",
    re.VERBOSE | re.IGNORECASE,
)
DATE_LIKE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?")
PLAIN_START_REFUSED = "-?:,[]{}#&*!|>'\"%@`"
FLOW_REFUSED = re.compile(r"[,\[\]{}]")
BREAKS = "\n\r\x85\u2028\u2029\ufeff"
SHORT_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\0": "\\0"}


def render_value(value: object, *, style: str = "", flow: bool = False) -> str:
    """Return a value as one line of YAML; mappings and lists in flow style.

    Args:
        style: quotes to keep if the value is a string: ``"``, ``'`` or empty for plain.
        flow: whether the text will stand inside ``[]`` or ``{}``.
    Raises:
        EditError: if the value is of a type that YAML text cannot carry.
    """
    if isinstance(value, str):
        return render_string(value, style=style, flow=flow)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return render_float(value)
    if isinstance(value, Mapping):
        items = (f"{_inside(key)}: {_inside(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ", ".join(_inside(item) for item in value) + "]"
    raise EditError(f"a value of type {type(value).__name__} cannot be written as YAML")


def _inside(value: object) -> str:
    """A value inside a list or mapping: strings in double quotes, so that a JSON file stays one."""
    return render_value(value, style='"', flow=True)


def render_float(number: float) -> str:
    """Return a number so that YAML 1.1 and 1.2 read it as the same number."""
    if math.isnan(number):
        return ".nan"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    return shown_number(number)


def render_string(text: str, *, style: str = "", flow: bool = False) -> str:
    """Return a string as a scalar on one line, in the given quotes or, if it can be, plain."""
    is_one_line = text.isprintable() and not any(char in BREAKS for char in text)
    if style == "'" and is_one_line:
        return "'" + text.replace("'", "''") + "'"
    if style == "" and is_one_line and is_plain(text, flow=flow):
        return text
    return '"' + "".join(_escaped(char) for char in text) + '"'


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Return whether a printable one-line text may stand without quotes and still be read as a string."""
    if not text or text != text.strip() or text[0] in PLAIN_START_REFUSED or text.startswith("..."):
        return False
    if ": " in text or " #" in text or text.endswith(":"):
        return False
    if flow and (FLOW_REFUSED.search(text) or ":" in text):
        return False
    return not (text.lower() in WORDS or NUMBER_LIKE.fullmatch(text) or DATE_LIKE.fullmatch(text))


def _escaped(char: str) -> str:
    if char in SHORT_ESCAPES:
        return SHORT_ESCAPES[char]
    if char.isprintable() and char not in BREAKS:
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
