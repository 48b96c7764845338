"""What pydantic found wrong with a document, in plain words and at its place in the document."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from freightway.resources.fields import Complaints
from freightway.resources.yaml_source import YamlPath

_MAX_SHOWN = 60

_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "model_type": "a map (key: value)",
    "model_attributes_type": "a map (key: value)",
    "dict_type": "a map (key: value)",
    "mapping_type": "a map (key: value)",
    "tuple_type": "a list (lines that start with -)",
    "list_type": "a list (lines that start with -)",
    "datetime_type": "a time such as 2024-05-01T12:00:00Z",
    "datetime_parsing": "a time such as 2024-05-01T12:00:00Z",
    "datetime_from_date_parsing": "a time such as 2024-05-01T12:00:00Z",
}


def explain(error: ValidationError, model: type[BaseModel], data: Any) -> list[tuple[YamlPath, str]]:
    """Return the path and the message of everything that a validation found.

    Args:
        error: what pydantic raised.
        model: the model that was validated.
        data: the document that was validated, with camelCase keys.
    """
    found: dict[YamlPath, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path_in_document(detail["loc"], data, is_missing=detail["type"] == "missing")
        context = detail.get("ctx", {})
        if _follows_from_others(detail):
            continue
        if detail["type"] == Complaints.CODE:
            for below, message in context["found"]:
                found.setdefault((*path, *below), []).append(message)
            continue
        found.setdefault(path, []).append(_message(detail, path, model))
    return [(path, message) for path, messages in found.items() for message in _joined(messages)]


def describe(value: Any) -> str:
    """Return a value with its YAML type, shortened: ``the number 1.2``, ``a list``."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"the boolean {'true' if value else 'false'}"
        case int() | float():
            return f"the number {value}"
        case str():
            return "the text " + shown(value)
        case Mapping():
            return "a map"
        case _:
            return "a list"


def shown(text: str) -> str:
    """Return a text in quotes, cut to a length that fits into a message."""
    return repr(text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "...")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` if a known word resembles the given one, else an empty text."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def _follows_from_others(detail: Any) -> bool:
    """Tell whether a list counts as too short only because its items are not valid."""
    return (
        detail["type"] == "too_short"
        and isinstance(detail["input"], (list, tuple))
        and len(detail["input"]) >= detail["ctx"]["min_length"]
    )


def _joined(messages: Sequence[str]) -> list[str]:
    """Join what the members of a union each wanted into one sentence."""
    unique = list(dict.fromkeys(messages))
    if len(unique) > 1 and all(text.startswith("must be ") and ", not " in text for text in unique):
        wanted = [text.removeprefix("must be ").split(", not ", 1)[0] for text in unique]
        return [f"must be {' or '.join(wanted)}, not {unique[0].split(', not ', 1)[1]}"]
    return unique


def _path_in_document(loc: Iterable[str | int], data: Any, *, is_missing: bool) -> YamlPath:
    """Leave out the parts of a location that name members of unions, which no document holds."""
    path: list[str | int] = []
    parts = list(loc)
    for index, part in enumerate(parts):
        is_key = isinstance(data, Mapping) and part in data
        if is_key or (isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data)):
            data = data[part]
        elif not (is_missing and index == len(parts) - 1):
            continue
        path.append(part)
    return tuple(path)


def _message(detail: Any, path: YamlPath, model: type[BaseModel]) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        parent = _model_at(model, detail["loc"][:-1])
        known = _keys(parent) if parent else []
        return "unknown field" + suggestion(str(path[-1]), known)
    if kind in _WANTED:
        hint = "; put it in quotes" if kind == "string_type" and isinstance(value, (bool, int, float)) else ""
        return f"must be {_WANTED[kind]}, not {describe(value)}{hint}"
    if kind == "literal_error":
        expected = _choices(str(context["expected"]))
        hint = suggestion(value, expected) if isinstance(value, str) else ""
        return f"must be {_one_of(expected)}, not {describe(value)}{hint}"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} is not valid; it must match {context['pattern']}"
    return _bounds_message(kind, context, value) or _lower_first(detail["msg"].removeprefix("Value error, "))


def _bounds_message(kind: str, context: Mapping[str, Any], value: Any) -> str:
    match kind:
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case "too_short":
            return f"must have at least {_items(context['min_length'])}"
        case "too_long":
            return f"must have at most {_items(context['max_length'])}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, not {value}"
        case "less_than_equal":
            return f"must be at most {context['le']}, not {value}"
        case _:
            return ""


def _items(count: int) -> str:
    return f"{count} item" if count == 1 else f"{count} items"


def _choices(expected: str) -> list[str]:
    return [choice for choice in re.findall(r"'([^']*)'", expected) if choice]


def _one_of(choices: Sequence[str]) -> str:
    if len(choices) < 2:
        return "".join(choices)
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(model: type[BaseModel], loc: Iterable[str | int]) -> type[BaseModel] | None:
    """Return the model that validates the map at a location."""
    current: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int) or current is None:
            continue
        fields = {info.alias or name: info for name, info in current.model_fields.items()}
        if part in fields:
            current = _model_in(fields[part].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
