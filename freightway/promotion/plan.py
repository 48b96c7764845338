"""From a Stage's template to a frozen plan: tasks are inflated, aliases given, facts of the kinds kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from freightway.errors import InvalidResource, Problem
from freightway.promotion.model import FreightReference, KindFacts, PlannedStep, PromotionPlan, Retry
from freightway.resources.meta import Variable

Plain = Mapping[str, Any]
"""A resource, step or variable in Kargo's JSON form."""

TASK_KIND = "PromotionTask"
CLUSTER_TASK_KIND = "ClusterPromotionTask"
NAMESPACE_SEPARATOR = "::"

_RESOURCE_NAMES = {
    TASK_KIND: "promotiontasks.kargo.akuity.io",
    CLUSTER_TASK_KIND: "clusterpromotiontasks.kargo.akuity.io",
}


class TaskReference(NamedTuple):
    """A task that a template refers to."""

    kind: str
    name: str


def split_alias(alias: str) -> tuple[str, str]:
    """Return the task's alias and the short alias; the first is empty unless there is exactly one ``::``."""
    task, separator, short = alias.partition(NAMESPACE_SEPARATOR)
    if not separator or NAMESPACE_SEPARATOR in short:
        return "", alias
    return task, short


def task_references(steps: Sequence[Plain | BaseModel]) -> tuple[TaskReference, ...]:
    """Return the tasks that a template's steps refer to, each once, in order of their first use."""
    references = [_reference(_plain(step)) for step in steps]
    return tuple(dict.fromkeys(reference for reference in references if reference))


def inflate(
    steps: Sequence[Plain | BaseModel],
    variables: Sequence[Plain | BaseModel] = (),
    tasks: Mapping[str, Plain | BaseModel] | None = None,
    cluster_tasks: Mapping[str, Plain | BaseModel] | None = None,
) -> tuple[PlannedStep, ...]:
    """Replace every step that refers to a task by the steps of that task.

    Each inflated step gets a list of variables of its own; Kargo shares one list between the steps of a task,
    so that one step's variables can overwrite another's.

    Args:
        steps: the template's steps in Kargo's JSON form.
        variables: the promotion's variables (the Stage's, then the template's).
        tasks: specification (``vars`` and ``steps``) of each PromotionTask of the project by name.
        cluster_tasks: specification of each ClusterPromotionTask by name.
    Raises:
        InvalidResource: with every problem found.
    Source: Kargo ``pkg/api/promotion.go`` (``InflateSteps``).
    """
    known = {TASK_KIND: tasks or {}, CLUSTER_TASK_KIND: cluster_tasks or {}}
    given = {item["name"] for item in map(_plain, variables) if item.get("value")}
    planned: list[PlannedStep] = []
    problems: list[Problem] = []
    for number, step in enumerate(map(_plain, steps), start=1):
        path = f"steps[{number - 1}]"
        try:
            if step.get("task"):
                planned.extend(_inflate_task(step, step.get("as") or f"task-{number}", given, known))
            else:
                planned.append(_planned(step, step.get("as") or f"step-{number}", step.get("vars") or ()))
        except _Unfit as unfit:
            problems.append(Problem(str(unfit), path=path))
        except ValidationError as error:
            problems.extend(_validation_problems(error, path))
    if problems:
        raise InvalidResource(problems)
    return tuple(planned)


def make_plan(
    *,
    project: str,
    stage: str,
    promotion: str,
    freight: FreightReference,
    steps: Sequence[Plain | BaseModel],
    facts: Callable[[str], KindFacts],
    created_at: datetime,
    stage_vars: Sequence[Plain | BaseModel] = (),
    template_vars: Sequence[Plain | BaseModel] = (),
    tasks: Mapping[str, Plain | BaseModel] | None = None,
    cluster_tasks: Mapping[str, Plain | BaseModel] | None = None,
    collection: Sequence[FreightReference] = (),
    requested: Sequence[Plain | BaseModel] = (),
    warehouses: Mapping[str, Plain | BaseModel] | None = None,
    actor: str = "",
    rollback: bool = False,
    ui_base_url: str = "",
    shard: str = "",
    on_failure: Literal["fail", "park"] = "fail",
) -> PromotionPlan:
    """Freeze everything that a promotion needs.

    Args:
        facts: looks up what the engine must know of a step kind.
        collection: what the steps see; see :func:`freight_collection`. Empty for the Freight alone.
    Raises:
        InvalidResource: if the Stage has no steps or they cannot be inflated.
    """
    if not steps:
        raise InvalidResource(f'Stage "{stage}" in namespace "{project}" defines no promotion steps')
    variables = (*stage_vars, *template_vars)
    planned = inflate(steps, variables, tasks, cluster_tasks)
    nested = [step for step in planned if step.task]
    if nested:
        raise InvalidResource(
            [
                Problem(
                    f'step "{step.alias}" refers to a task inside a task; only a Stage may refer to tasks'
                )
                for step in nested
            ]
        )
    return PromotionPlan(
        project=project,
        stage=stage,
        promotion=promotion,
        freight=freight,
        collection=tuple(collection) or (freight,),
        requested=tuple(_plain(item) for item in requested),
        warehouses={name: _plain(spec) for name, spec in (warehouses or {}).items()},
        vars=tuple(Variable.model_validate(_plain(item)) for item in variables),
        steps=tuple(step.model_copy(update={"facts": facts(step.uses)}) for step in planned),
        actor=actor,
        rollback=rollback,
        ui_base_url=ui_base_url,
        shard=shard,
        on_failure=on_failure,
        created_at=created_at,
    )


def freight_collection(
    freight: FreightReference,
    requested_origins: Sequence[str],
    current: Sequence[FreightReference],
) -> tuple[FreightReference, ...]:
    """Return the Freight that the steps see: the promoted one and what other requested origins last brought.

    Args:
        requested_origins: origin keys (``Warehouse/<name>``) that the Stage requests.
        current: the collection of the Stage's last promotion.
    """
    if len(set(requested_origins)) < 2:
        return (freight,)
    others = [
        item
        for item in current
        if item.origin.key != freight.origin.key and item.origin.key in requested_origins
    ]
    return (freight, *others)


class _Unfit(Exception):
    """A task reference that cannot be inflated."""


def _inflate_task(
    step: Plain, alias: str, given: set[str], known: Mapping[str, Mapping[str, Plain | BaseModel]]
) -> list[PlannedStep]:
    reference = _reference(step)
    assert reference is not None
    where = f'inflate task steps for task "{reference.name}" ("{alias}")'
    if reference.kind not in known:
        raise _Unfit(f'{where}: unknown task reference kind "{reference.kind}"')
    if reference.name not in known[reference.kind]:
        raise _Unfit(f'{where}: {_RESOURCE_NAMES[reference.kind]} "{reference.name}" not found')
    task = _plain(known[reference.kind][reference.name])
    own = step.get("vars") or ()
    inherited = [*_defaults(task.get("vars") or (), own, given, where), *own]
    inflated = []
    for number, inner in enumerate(task.get("steps") or (), start=1):
        kind = "task" if inner.get("task") else "step"
        short = inner.get("as") or f"{kind}-{number}"
        full = f"{alias}{NAMESPACE_SEPARATOR}{short}"
        inflated.append(_planned(inner, full, [*inherited, *(inner.get("vars") or ())]))
    return inflated


def _defaults(declared: Sequence[Plain], own: Sequence[Plain], given: set[str], where: str) -> list[Plain]:
    """The task's defaults that apply; a variable without any value is a problem."""
    provided = {item["name"] for item in own if item.get("value")}
    kept = []
    for variable in declared:
        if variable["name"] in given:
            continue
        if variable.get("value"):
            kept.append(variable)
        elif variable["name"] not in provided:
            raise _Unfit(f'{where}: missing value for variable "{variable["name"]}"')
    return kept


def _planned(step: Plain, alias: str, variables: Sequence[Plain]) -> PlannedStep:
    return PlannedStep(
        alias=alias,
        uses=step.get("uses") or "",
        if_=step.get("if") or "",
        continue_on_error=bool(step.get("continueOnError")),
        retry=Retry.model_validate(
            {key: value for key, value in (step.get("retry") or {}).items() if value is not None}
        ),
        vars=tuple(Variable.model_validate(item) for item in variables),
        config=step.get("config"),
        task=step.get("task"),
    )


def _reference(step: Plain) -> TaskReference | None:
    task = step.get("task")
    return TaskReference(task.get("kind") or TASK_KIND, task.get("name") or "") if task else None


def _plain(value: Plain | BaseModel) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return dict(value)


def _validation_problems(error: ValidationError, path: str) -> list[Problem]:
    return [
        Problem(item["msg"], path=".".join([path, *(str(part) for part in item["loc"])]))
        for item in error.errors()
    ]
