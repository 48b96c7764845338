"""What is wrong with an input, as one sentence for whoever typed it: where, what is wanted, and what was given.

No value is repeated: a sentence is stored where the input may not be, and a value may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST_PROBLEMS = 5
"""Most problems that one sentence names."""

LONGEST = 300
"""Most characters of one problem."""

_WANTED = {
    "string_type": "a text",
    "string_sub_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dict_type": "an object",
    "mapping_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "none_required": "null",
    "datetime_type": "a time such as 2026-05-01T12:00:00Z",
    "datetime_parsing": "a time such as 2026-05-01T12:00:00Z",
    "datetime_from_date_parsing": "a time such as 2026-05-01T12:00:00Z",
    "datetime_object_invalid": "a time such as 2026-05-01T12:00:00Z",
    "timezone_aware": "a time with its zone, such as 2026-05-01T12:00:00Z",
    "time_delta_type": "a duration such as 90s, 5m or 1h30m",
    "time_delta_parsing": "a duration such as 90s, 5m or 1h30m",
    "bytes_type": "a text",
}
_ARGUMENTS = re.compile(
    r"^[\w.<>]+\(\) takes (?:from \d+ to )?(\d+) positional arguments? but (\d+) (?:was|were) given$"
)
_FIELD = re.compile(r"^[^\[\](){}\s]+$")


def input_sentence(error: ValidationError) -> str:
    """Return one line that names each field that is wrong and what is wanted there."""
    problems: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        problems.setdefault(_place(detail["loc"]), []).append(detail)
    said = [f"{place}: {_what(details)}" if place else _what(details) for place, details in problems.items()]
    more = f"; and {len(said) - MOST_PROBLEMS} more" if len(said) > MOST_PROBLEMS else ""
    return "; ".join(said[:MOST_PROBLEMS]) + more


def argument_sentence(error: TypeError) -> str:
    """Return a sentence if a handler was called with too many inputs, else an empty text."""
    match = _ARGUMENTS.match(str(error))
    if not match:
        return ""
    # Python counts the object that the handler belongs to.
    most, count = (int(number) - 1 for number in match.groups())
    return f"{'a single' if most else 'no'} input is wanted, not {count}"


def _place(location: Sequence[str | int]) -> str:
    """Return ``steps[0].config``; the names that pydantic gives to functions and unions are left out."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        elif _FIELD.match(part):
            place += f".{part}" if place else part
    return _short(place)


def _what(details: Sequence[ErrorDetails]) -> str:
    """Return what is wrong in one place; each member of a union has its own complaint."""
    wanted = list(dict.fromkeys(text for text in map(_wanted, details) if text))
    if wanted and len({detail["type"] for detail in details} & {"extra_forbidden", "missing"}) == 0:
        return f"{' or '.join(wanted)} is wanted, not {_given(details[0]['input'])}"
    return _short("; ".join(dict.fromkeys(map(_complaint, details))))


def _wanted(detail: ErrorDetails) -> str:
    if detail["type"] in ("literal_error", "enum"):
        return str(detail.get("ctx", {}).get("expected", ""))
    return _WANTED.get(detail["type"], "")


def _complaint(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "unknown field"
        case "json_invalid":
            return "the input is not valid JSON"
        case "string_too_short" | "too_short":
            return "is too short or empty"
        case "string_too_long" | "too_long":
            return "is too long"
    text = " ".join(detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").split())
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _given(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str() | bytes():
            return "a text" if value else "an empty text"
        case Mapping():
            return "an object"
        case _:
            return "a list"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
