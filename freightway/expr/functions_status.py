"""``always``, ``success``, ``failure`` and ``status``: what became of the steps so far.

Source: Kargo pkg/expressions/function/functions.go at 1c764767 (StatusOperations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from freightway.expr.failure import Failure
from freightway.expr.natures import BOOL, STRING, Signature
from freightway.expr.values import Function

ALIAS_SEPARATOR = "::"
FAILURES = frozenset({"Failed", "Errored"})
_TEST = (Signature((), BOOL),)
_STATUS = (Signature((STRING,), STRING),)


def _split_alias(alias: str) -> tuple[str, str]:
    """Return the task namespace (empty outside of tasks) and the short alias."""
    parts = alias.split(ALIAS_SEPARATOR)
    return (parts[0], parts[1]) if len(parts) == 2 else ("", alias)


def status_functions(current_alias: str, steps: Sequence[Mapping[str, object]]) -> dict[str, Function]:
    """Return the functions for ``if`` and ``config`` of a step.

    Args:
        current_alias: full alias of the step that asks, ``task::step`` inside a task.
        steps: records of the steps that have started, in Kargo's JSON form (``alias``, ``status``,
            ``continueOnError``).
    """
    namespace = _split_alias(current_alias)[0]

    def failure() -> bool:
        return any(step.get("status") in FAILURES and not step.get("continueOnError") for step in steps)

    def status(alias: str) -> str:
        if not alias:
            raise Failure("argument must not be empty")
        for step in steps:
            if _split_alias(str(step.get("alias") or "")) == (namespace, alias):
                return str(step.get("status") or "")
        return ""

    return {
        "always": Function("always", lambda: True, _TEST),
        "success": Function("success", lambda: not failure(), _TEST),
        "failure": Function("failure", failure, _TEST),
        "status": Function("status", status, _STATUS),
    }
