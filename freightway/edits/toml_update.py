"""toml-update: put new values in place of single values in TOML text and leave every other character as it was."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from freightway.edits.errors import EditError
from freightway.edits.keys import shown, split_key
from freightway.edits.toml_scalars import render_toml
from freightway.edits.toml_scan import Span, scan_toml

BYTE_ORDER_MARK = "\ufeff"


def update_toml(text: str, updates: Sequence[tuple[str, object]]) -> str:
    """Return a TOML text with new values at the given keys.

    Args:
        updates: pairs of key and new value; elements of arrays and of arrays of tables are addressed by index
            (``workers.1.env.KEY``). Of two updates with the same key the later one wins.
    Raises:
        EditError: if the text is not valid TOML, a key leads to no single value, or a value is none.
    Source: Kargo pkg/toml/toml.go at 1c764767a; differs: docs/differences-from-kargo.md, File edits.
    """
    try:
        tomllib.loads(text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise EditError(f"the file is not TOML: {error}") from error
    offset = len(text) - len(text.removeprefix(BYTE_ORDER_MARK))
    spans = scan_toml(text[offset:])
    changes: dict[int, tuple[int, str]] = {}
    for key, value in updates:
        span = _find(spans, split_key(key))
        start, end = span.start + offset, span.end + offset
        changes[start] = (end, render_toml(value, basic=text[start] != "'"))
    pieces: list[str] = []
    done = 0
    for start in sorted(changes):
        end, new = changes[start]
        pieces += [text[done:start], new]
        done = end
    return "".join([*pieces, text[done:]])


def _find(spans: dict[tuple[str, ...], Span], parts: tuple[str, ...]) -> Span:
    span = spans.get(parts)
    if span is None:
        raise EditError(f"key {shown(parts)!r} does not exist in the file")
    if span.kind != "value":
        kind = "an array" if span.kind == "array" else "a table"
        raise EditError(f"key {shown(parts)!r} holds {kind}; only single values can be updated")
    return span
