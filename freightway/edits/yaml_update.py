"""yaml-update: put new values in place of scalars and leave every other character as it was.

The text is never parsed into data and written back: the reader's positions say where a scalar stands, and only
that stretch is replaced. What comes out is read again and compared, so that a file is never written that says
something else anywhere.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

from freightway.edits.errors import EditError
from freightway.edits.keys import split_key
from freightway.edits.yaml_events import BYTE_ORDER_MARK, Signature, signatures
from freightway.edits.yaml_find import Place, find_scalars
from freightway.edits.yaml_scalars import render_value

BLOCK_HEADER_COMMENT = re.compile(r"[^\n\r]*?[|>][0-9+-]*([ \t]+#[^\n\r]*)?[ \t]*(?:[\n\r]|$)")
JSON_LITERAL = re.compile(r"null|true|false|-?[0-9][0-9.eE+-]*")
BLANK = " \t\r\n"


def update_yaml(text: str, updates: Sequence[tuple[str, object]]) -> str:
    """Return a YAML text with new values at the given keys of its first document.

    Trailing comments, anchors, quotes, line ends and everything else stay. All keys are looked up in the text as
    given; of two updates with the same key the later one wins. Numbers are written as given, strings are quoted
    where a reader could take them for something else, lists and mappings are written in flow style.

    Args:
        updates: pairs of key (``image.tag``, ``hosts.0.name``) and new value.
    Raises:
        EditError: if the text is not valid YAML, a key leads to no scalar, or a value cannot be written.
    Source: Kargo pkg/yaml/yaml.go at 1c764767a; differs: docs/differences-from-kargo.md, File edits.
    """
    if text.startswith(BYTE_ORDER_MARK):
        return BYTE_ORDER_MARK + update_yaml(text[1:], updates)
    places, hashes = find_scalars(text, [split_key(key) for key, _ in updates])
    changes: dict[int, tuple[Place, object]] = {}
    for place, (_, value) in zip(places, updates, strict=True):
        changes[place.event] = (place, value)
    pieces: list[str] = []
    expected: dict[int, list[Signature]] = {}
    done = 0
    for event in sorted(changes):
        place, value = changes[event]
        rendered = render_value(value, style=_quotes(text, place), flow=place.flow)
        end, replacement = _replacement(text, place, rendered)
        pieces += [text[done : place.start], replacement]
        done = end
        expected[event] = _expected(rendered, place.anchor)
    updated = "".join([*pieces, text[done:]])
    if updated != text:
        _check(hashes, updated, expected)
    return updated


def _quotes(text: str, place: Place) -> str:
    """The quotes for a string at a place: those it has, and double ones where the file may have to stay JSON."""
    if place.style in ("'", '"'):
        return place.style
    return '"' if place.flow and JSON_LITERAL.fullmatch(text[place.start : place.end]) else ""


def _replacement(text: str, place: Place, rendered: str) -> tuple[int, str]:
    """The end of the stretch to replace, and the text to put there."""
    new = f"&{place.anchor} {rendered}" if place.anchor else rendered
    end = place.end
    if place.style in ("|", ">"):
        stretch = text[place.start : end]
        comment = BLOCK_HEADER_COMMENT.match(stretch)
        end = place.start + len(stretch.rstrip(BLANK))
        return end, new + (comment.group(1) or "" if comment else "")
    if place.start == end:  # an empty value, right after its colon or dash
        if place.after_key >= 0 and ":" not in text[place.after_key : place.start]:
            new = ": " + new
        elif place.start and text[place.start - 1] not in BLANK:
            new = " " + new
    if text[end : end + 1] == "#":
        new += " "
    return end, new


def _expected(rendered: str, anchor: str) -> list[Signature]:
    """What the reader must say of a new value."""
    first, *rest = signatures(rendered)
    return [(first[0], anchor or None, *first[2:]), *rest]


def _check(before: array[int], after: str, expected: dict[int, list[Signature]]) -> None:
    """Raise EditError unless a text says what the hashed events said, but for the changed scalars."""
    found = signatures(after)
    for number, old in enumerate(before):
        if number in expected:
            is_same = all(next(found, None) == wanted for wanted in expected[number])
        else:
            is_same = hash(next(found, None)) == old
        if not is_same:
            break
    else:
        if next(found, None) is None:
            return
    raise EditError("the value cannot be put there without changing the meaning of its surroundings")
