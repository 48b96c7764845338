"""What an ``expressionFilter`` may see, and how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping

from freightway.errors import ExpressionError

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})

Env = Mapping[str, object]
"""Names an expression may use."""


def read_verdict(value: object) -> bool:
    """Return the truth of what a filter evaluated to; text such as ``"true"`` or ``"0"`` counts.

    Raises:
        ExpressionError: if the value is neither true nor false.
    Source: Kargo pkg/controller/git/commit, Go strconv.ParseBool.
    """
    if isinstance(value, bool):
        return value
    text = str(value)
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ExpressionError(f"the filter must answer true or false, not {text[:80]!r}")
