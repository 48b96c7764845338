"""Finds expressions that do not compile, in raw form and inside ``${{ }}`` and ``${% %}``.

Each is compiled with the functions of its place, so that a wrong argument or a misspelt function is found as well.

Source: Kargo finds these only when a promotion evaluates them; differs: a call of an unknown function is refused
also where it might never be evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from freightway import expr
from freightway.errors import ExpressionError
from freightway.expr.failure import Failure
from freightway.expr.functions_declared import Declared
from freightway.expr.grammar import BUILTINS
from freightway.expr.template import DELIMITERS, split_template
from freightway.expr.unknown_calls import unknown_calls
from freightway.resources.plain_words import suggestion
from freightway.resources.yaml_source import YamlPath

_CLOSING = dict(DELIMITERS)


class Finding(NamedTuple):
    """What is wrong at a YAML path, and on which 1-based line of the text there."""

    path: YamlPath
    message: str
    text_line: int = 1


def check_expression(source: str, path: YamlPath, functions: Declared | None = None) -> Iterator[Finding]:
    """Yield what keeps a raw expression from compiling; an empty one is left out.

    Args:
        functions: all functions that it may call besides the builtins; None if they are not known.
    """
    if source.strip():
        yield from _compile(source, source, 0, path, functions)


def check_template(value: Any, path: YamlPath, functions: Declared | None = None) -> Iterator[Finding]:
    """Yield what keeps the expressions in a text, list or map from compiling; keys are never evaluated.

    Args:
        functions: as for :func:`check_expression`.
    """
    if isinstance(value, str):
        yield from _check_text(value, path, functions)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from check_template(item, (*path, key), functions)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from check_template(item, (*path, index), functions)


def _check_text(text: str, path: YamlPath, functions: Declared | None) -> Iterator[Finding]:
    try:
        for piece in split_template(text):
            offset = piece.end - len("}}") - len(piece.expression)
            if piece.expression.strip():
                yield from _compile(piece.expression, text, offset, path, functions)
            else:
                line, column = _place(text, offset - len("${{"))
                yield Finding(path, f"the expression in column {column} is empty", line)
    except Failure as failure:
        line, column = _place(text, failure.offset)
        start = text[failure.offset : failure.offset + len("${{")]
        message = (
            f"the expression that begins with {start} in column {column} is not closed by {_CLOSING[start]}"
        )
        yield Finding(path, message, line)


def _compile(
    source: str, text: str, offset: int, path: YamlPath, functions: Declared | None
) -> Iterator[Finding]:
    wrong: list[tuple[str, int, int]] = []
    try:
        expr.compile(source, functions=functions)
        if functions is not None:
            names = {*functions, *BUILTINS}
            wrong = [
                (f"unknown function {call.name!r}{suggestion(call.name, names)}", call.line, call.column)
                for call in unknown_calls(source, functions)
            ]
    except ExpressionError as error:
        wrong = [(error.message, error.line, error.column)]
    for message, source_line, source_column in wrong:
        lines = source.split("\n")
        inside = sum(len(line) + 1 for line in lines[: source_line - 1]) + source_column - 1
        line, column = _place(text, offset + min(max(inside, 0), len(source)))
        yield Finding(path, f"expression {source.strip()!r} is not valid: {message} (column {column})", line)


def _place(text: str, offset: int) -> tuple[int, int]:
    """Return the 1-based line and column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1
