"""Finds expressions that do not compile, in raw form and inside ``${{ }}`` and ``${% %}``.

Source: Kargo pkg/expressions/json_templates.go for how a template is scanned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from freightway import expr
from freightway.errors import ExpressionError
from freightway.resources.yaml_source import YamlPath

_DELIMITERS = {"${{": "}}", "${%": "%}"}


class Finding(NamedTuple):
    """What is wrong at a YAML path, and on which 1-based line of the text there."""

    path: YamlPath
    message: str
    text_line: int = 1


def has_expression(text: str) -> bool:
    """Tell whether a text holds the beginning of an expression."""
    return any(start in text for start in _DELIMITERS)


def check_expression(source: str, path: YamlPath) -> Iterator[Finding]:
    """Yield what keeps a raw expression from compiling; an empty one is left out."""
    if source.strip():
        yield from _compile(source, source, 0, path)


def check_template(value: Any, path: YamlPath) -> Iterator[Finding]:
    """Yield what keeps the expressions in a text, list or map from compiling; keys are never evaluated."""
    if isinstance(value, str):
        yield from _check_text(value, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from check_template(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from check_template(item, (*path, index))


def _check_text(text: str, path: YamlPath) -> Iterator[Finding]:
    position = 0
    while True:
        starts = [at for at in (text.find(start, position) for start in _DELIMITERS) if at >= 0]
        if not starts:
            return
        begin = min(starts)
        start = text[begin : begin + 3]
        end = text.find(_DELIMITERS[start], begin + 3)
        line, column = _place(text, begin)
        if end < 0:
            message = f"the expression that begins with {start} in column {column} is not closed by {_DELIMITERS[start]}"
            yield Finding(path, message, line)
            return
        source = text[begin + 3 : end]
        if source.strip():
            yield from _compile(source, text, begin + 3, path)
        else:
            yield Finding(path, f"the expression in column {column} is empty", line)
        position = end + 2


def _compile(source: str, text: str, offset: int, path: YamlPath) -> Iterator[Finding]:
    try:
        expr.compile(source)
    except ExpressionError as error:
        lines = source.split("\n")
        inside = sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1
        line, column = _place(text, offset + min(max(inside, 0), len(source)))
        yield Finding(
            path, f"expression {source.strip()!r} is not valid: {error.message} (column {column})", line
        )


def _place(text: str, offset: int) -> tuple[int, int]:
    """Return the 1-based line and column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1
