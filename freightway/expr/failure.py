"""How a failure travels inside this package until it leaves as an ``ExpressionError``.

``Failure`` carries the offset of the place in the expression; only :func:`expression_error` turns it into the
public error, because only there the source text is known.
"""

from __future__ import annotations

from typing import Literal

from freightway.errors import ExpressionError

Stage = Literal["compile", "run"]

SNIPPET_WIDTH = 100


class Failure(Exception):
    """Something is wrong at a place of the expression.

    Attributes:
        message: what is wrong.
        offset: 0-based character offset in the source, -1 while it is not known.
    """

    def __init__(self, message: str, offset: int = -1) -> None:
        self.message = message
        self.offset = offset
        super().__init__(message)


def expression_error(failure: Failure, source: str, stage: Stage) -> ExpressionError:
    """Return the public error for a failure in ``source``, with line, column and a caret."""
    offset = min(max(failure.offset, 0), len(source))
    line = source.count("\n", 0, offset) + 1
    start = source.rfind("\n", 0, offset) + 1
    end = source.find("\n", start)
    text = source[start : end if end >= 0 else len(source)].replace("\t", " ")
    column = offset - start
    first = max(0, column - SNIPPET_WIDTH // 2)
    shown = text[first : first + SNIPPET_WIDTH]
    snippet = f"{shown}\n{' ' * (column - first)}^" if text.strip() else ""
    return ExpressionError(failure.message, line, column + 1, stage=stage, snippet=snippet)
