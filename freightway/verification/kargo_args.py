"""Arguments of a Stage's verification: texts that may hold ``${{ }}``.

An argument must come out as text. With ``${{ }}`` in it the final text is read again, so a commit id of digits only
becomes a number and is refused; ``quote()`` around the expression keeps it text.

Source: Kargo ``pkg/rollouts`` AnalysisRun builder and ``pkg/expressions`` EvaluateTemplate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from freightway import expr
from freightway.errors import ExpressionError, InvalidResource
from freightway.expr.program import Functions
from freightway.expr.values import type_name
from freightway.resources.analysis import Argument


def evaluate_argument(
    text: str,
    environment: Mapping[str, Any],
    *,
    functions: Functions | None = None,
    now: datetime | None = None,
) -> str:
    """Return the value of one argument.

    Args:
        text: as written in the Stage.
        environment: ``ctx`` and ``vars``.
        functions: functions that the argument sees besides the builtins.
        now: what ``now()`` gives.
    Raises:
        ExpressionError: if an expression does not compile or does not evaluate.
        InvalidResource: if the outcome is not text.
    """
    value = expr.render(text, environment, functions=functions, now=now)
    if not isinstance(value, str):
        raise InvalidResource(
            f"the value is not a string but {_type_name(value)}; keep it text with quote()",
        )
    return value


def stage_arguments(
    arguments: Iterable[tuple[str, str]],
    environment: Mapping[str, Any],
    *,
    functions: Functions | None = None,
    now: datetime | None = None,
) -> tuple[Argument, ...]:
    """Return the arguments of a Stage's verification, evaluated; one with an empty text counts as not given.

    Args:
        arguments: names and texts in the order of the Stage.
        environment: ``ctx`` and ``vars``.
        functions: functions that the arguments see besides the builtins.
        now: what ``now()`` gives.
    Raises:
        InvalidResource: if an argument does not evaluate to text; the message names it.
    """
    found: list[Argument] = []
    for name, text in arguments:
        if not text:
            continue
        try:
            value = evaluate_argument(text, environment, functions=functions, now=now)
        except (ExpressionError, InvalidResource) as error:
            raise InvalidResource(f"error evaluating argument {name!r}: {error}") from error
        found.append(Argument(name=name, value=value))
    return tuple(found)


def _type_name(value: object) -> str:
    """Go's name of a type; every number that a template yields is a float."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "float64"
    return type_name(value)
