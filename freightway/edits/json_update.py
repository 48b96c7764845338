"""json-update: set single values in JSON text and leave every other character as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from freightway.edits.errors import EditError
from freightway.edits.json_path import Part, find_matches, parse_path, parse_patterns
from freightway.edits.json_scan import Member, check_json, members, skip_gap, value_end
from freightway.edits.numbers import shown_number

MOST_NULLS = 10_000
BLANK = " \t\r\n"


def update_json(text: str, updates: Sequence[tuple[str, object]]) -> str:
    """Return a JSON text with values set at the given keys, one after the other.

    A name or index that does not exist is created, and so are the objects and arrays on the way (``a.0.b``);
    a single value on the way gives way to them. ``-1`` appends to an array, ``:1`` is a name and not an index,
    ``*`` and ``?`` match the first name that fits, ``#`` every item. A key with wildcards that fits nothing changes
    nothing. An empty text counts as an empty document.

    Raises:
        EditError: if the text is not JSON, a value is not a string, number or boolean, or a name is used on an array.
    Source: github.com/tidwall/sjson v1.2.5 as used by Kargo's json-update at 1c764767a; differs: a text that is not
        JSON is refused, numbers stay as given, new members are laid out like their neighbours.
    """
    checked = text.strip(BLANK + "\ufeff") == ""
    for key, value in updates:
        raw = render_json(key, value)
        if not checked:
            check_json(text)
            checked = True
        text = _set(text, key, raw)
    return text


def render_json(key: str, value: object) -> str:
    """Return a single value as JSON; the key is for the message of the EditError if it is none."""
    if isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and math.isfinite(value):
        return shown_number(value)
    shown = "null" if value is None else f"of type {type(value).__name__}"
    raise EditError(
        f"key {key!r}: the value is {shown}; only a string, a finite number or a boolean can be set"
    )


def _set(text: str, key: str, raw: str) -> str:
    if not key:
        raise EditError("the key is empty")
    at = skip_gap(text, 0)
    parts = parse_path(key)
    if parts is None:
        patterns = parse_patterns(key)
        places = list(find_matches(text, at, patterns)) if patterns and at < len(text) else []
        for start, end in reversed(places):
            text = text[:start] + raw + text[end:]
        return text
    if at == len(text):
        return _container(parts, raw, ":")
    start, end, new = _edit(text, at, key, parts, raw)
    return text[:start] + new + text[end:]


def _edit(text: str, at: int, key: str, parts: tuple[Part, ...], raw: str) -> tuple[int, int, str]:
    """The stretch to replace, and what to put there."""
    for depth, part in enumerate(parts):
        if text[at] not in "[{":
            return at, value_end(text, at), _container(parts[depth:], raw, _colon(text))
        last = found = None
        for number, last in enumerate(members(text, at)):
            if (last.key == part.text) if last.key is not None else _is_index(part, number):
                found = last
                break
        if found is None:
            return _insertion(text, at, last, key, parts[depth:], raw)
        at = found.value_start
    return at, value_end(text, at), raw


def _is_index(part: Part, number: int) -> bool:
    return part.text.isdecimal() and int(part.text) == number


def _insertion(
    text: str, at: int, last: Member | None, key: str, parts: tuple[Part, ...], raw: str
) -> tuple[int, int, str]:
    """A new member at the end of the object, or a new item at the end of the array, that opens at ``at``."""
    colon = _colon(text)
    new = _built(parts[1:], raw, colon)
    if text[at] == "{":
        if last is not None and text[last.key_end : last.value_start].strip(" ") == ":":
            colon = text[last.key_end : last.value_start]
        news = [json.dumps(parts[0].text, ensure_ascii=False) + colon + new]
    else:
        count = sum(1 for _ in members(text, at))
        index = count if parts[0].appends else parts[0].index
        if index is None:
            raise EditError(f"key {key!r}: {parts[0].text!r} is no index, but there is an array")
        news = [*_nulls(key, index - count), new]
    if last is None:
        return at + 1, at + 1, ", ".join(news)
    gap = _gap(text, at, last)
    return last.value_end, last.value_end, "".join(f",{gap}{item}" for item in news)


def _gap(text: str, at: int, last: Member) -> str:
    """The white space to put before a new neighbour of the last member."""
    gap = text[last.gap_start : last.start]
    if gap.strip(BLANK):
        gap = " "  # a comment stands there
    is_only_one = last.gap_start == at + 1
    return _colon(text)[1:] if is_only_one and "\n" not in gap else gap


def _nulls(key: str, count: int) -> list[str]:
    if count > MOST_NULLS:
        raise EditError(
            f"key {key!r}: the index is {count} beyond the end of the array, at most {MOST_NULLS} are filled"
        )
    return ["null"] * max(count, 0)


def _container(parts: tuple[Part, ...], raw: str, colon: str) -> str:
    """A new object or array in place of a single value; ``-1`` is a name there, as in sjson."""
    if parts[0].index is None:
        return (
            "{" + json.dumps(parts[0].text, ensure_ascii=False) + colon + _built(parts[1:], raw, colon) + "}"
        )
    return _built(parts, raw, colon)


def _built(parts: tuple[Part, ...], raw: str, colon: str) -> str:
    """The value with the objects and arrays that the parts ask for around it."""
    if not parts:
        return raw
    inner = _built(parts[1:], raw, colon)
    index = 0 if parts[0].appends else parts[0].index
    if index is None:
        return "{" + json.dumps(parts[0].text, ensure_ascii=False) + colon + inner + "}"
    separator = "," if colon == ":" else ", "
    return "[" + separator.join([*_nulls(".".join(part.text for part in parts), index), inner]) + "]"


def _colon(text: str) -> str:
    """The colon as this text writes it."""
    return ": " if '": ' in text else ":"
