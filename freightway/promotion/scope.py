"""What the expressions of a promotion can see: ``ctx``, ``vars``, ``outputs``, ``task`` and ``stepMetas``.

Source: Kargo ``pkg/promotion/evaluator.go``.
"""

from __future__ import annotations

from typing import Any

from freightway.expr.natures import ANY, BOOL, STRING, Nature
from freightway.expr.values import Object, Struct
from freightway.promotion.model import StepMeta, StepRequest
from freightway.promotion.plan import split_alias


class NamedStatus(Object):
    """A status in ``stepMetas``: of a type of its own, so that it never equals a plain text.

    ``status('a') == 'Failed'`` is the documented way; ``string(stepMetas.a.Status)`` gives a text to compare.
    """

    __slots__ = ("text",)
    nature = Nature("v1alpha1.PromotionStepStatus", "string")

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedStatus) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


_META = Nature(
    "v1alpha1.StepExecutionMetadata",
    "struct",
    fields={
        "Alias": STRING,
        "StartedAt": ANY,
        "FinishedAt": ANY,
        "ErrorCount": Nature("uint32", "uint32"),
        "Status": NamedStatus.nature,
        "Message": STRING,
        "ContinueOnError": BOOL,
    },
)


def promotion_scope(request: StepRequest) -> dict[str, Any]:
    """Return what the promotion's variables see: ``ctx`` and, filled one by one, ``vars``."""
    return {
        "ctx": {
            "uiBaseUrl": request.ui_base_url,
            "project": request.project,
            "promotion": request.promotion,
            "stage": request.stage,
            "targetFreight": {
                "name": request.freight.name,
                "alias": request.freight.alias,
                "origin": {"name": request.freight.origin.name},
            },
            "meta": {
                "promotion": {"actor": request.actor, "rollback": request.rollback},
                "step": {"alias": request.step.alias},
            },
        },
        "vars": {},
    }


def step_scope(request: StepRequest) -> dict[str, Any]:
    """Return what a step's variables, its ``if`` and its configuration see besides.

    ``task`` is there for the steps of a task only; it holds their outputs by short alias.
    """
    outputs = floats(request.outputs)
    scope: dict[str, Any] = {
        "outputs": outputs,
        "stepMetas": {meta.alias: _struct(meta) for meta in request.metas},
    }
    task, _ = split_alias(request.step.alias)
    if task:
        scope["task"] = {"outputs": _task_outputs(outputs, task)}
    return scope


def floats(value: Any) -> Any:
    """Return plain JSON with every number as a float: what expressions see of values that were stored."""
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [floats(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _task_outputs(outputs: dict[str, Any], wanted: str) -> dict[str, Any]:
    found = {}
    for alias, output in outputs.items():
        task, short = split_alias(alias)
        if task == wanted:
            found[short] = output
    return found


def _struct(meta: StepMeta) -> Struct:
    fields: dict[str, object] = {
        "Alias": meta.alias,
        "StartedAt": meta.started_at,
        "FinishedAt": meta.finished_at,
        "ErrorCount": meta.error_count,
        "Status": NamedStatus(meta.status.value if meta.status else ""),
        "Message": meta.message,
        "ContinueOnError": meta.continue_on_error,
    }
    plain = meta.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"uses"})
    return Struct(_META, fields, plain)
