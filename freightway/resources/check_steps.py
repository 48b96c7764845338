"""Rules for steps, wherever they are written: tasks that exist, variables that have a value, expressions.

Source: Kargo pkg/api/promotion.go for which variables a task must be given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from freightway.expr import has_expression
from freightway.expr.functions_declared import STEPS, VARIABLES
from freightway.resources.check_expressions import Finding, check_template
from freightway.resources.meta import Variable
from freightway.resources.plain_words import suggestion
from freightway.resources.promotion_task import PromotionTaskSpec
from freightway.resources.step import Step, TaskReference
from freightway.resources.step_fields import STEP_FIELDS
from freightway.resources.yaml_source import YamlPath

FindTask = Callable[[TaskReference], PromotionTaskSpec | None]


def check_variables(variables: Sequence[Variable], path: YamlPath) -> Iterator[Finding]:
    """Yield the expressions in values of variables that do not compile."""
    for index, variable in enumerate(variables):
        yield from check_template(variable.value, (*path, index, "value"), VARIABLES)


def check_steps(steps: Sequence[Step], path: YamlPath) -> Iterator[Finding]:
    """Yield what is wrong with the expressions of steps."""
    for index, step in enumerate(steps):
        place = (*path, index)
        yield from check_variables(step.vars, (*place, "vars"))
        yield from check_template(step.config, (*place, "config"), STEPS)
        yield from check_template(step.if_, (*place, "if"), STEPS)
        if step.if_.strip() and not has_expression(step.if_):
            message = f"{step.if_!r} is plain text and never a boolean; write ${{{{ {step.if_.strip()} }}}}"
            yield Finding((*place, "if"), message)


def check_task_variables(
    steps: Sequence[Step], given: Sequence[Variable], find_task: FindTask, path: YamlPath
) -> Iterator[Finding]:
    """Yield the variables of tasks that nobody gives a value.

    Args:
        given: variables of the Stage and its template.
        find_task: returns the task's specification, None if it is not at hand.
    """
    promotion = {variable.name for variable in given if variable.value}
    for index, step in enumerate(steps):
        task = find_task(step.task) if step.task is not None else None
        if task is None or step.task is None:
            continue
        own = {variable.name for variable in step.vars if variable.value}
        for variable in task.vars:
            if not variable.value and variable.name not in promotion | own:
                yield Finding(
                    (*path, index, "vars"),
                    f"missing value for variable {variable.name!r} of {step.task.kind} {step.task.name!r}",
                )


def warn_about_kinds(steps: Sequence[Step], kinds: Collection[str], path: YamlPath) -> Iterator[Finding]:
    """Yield the steps whose kind is not known, and fields that theirs does not have or cannot do without.

    Warnings only: Kargo takes them, and a step that is skipped is never asked for its configuration.
    """
    for index, step in enumerate(steps):
        if step.uses and step.uses not in kinds:
            hint = suggestion(step.uses, kinds)
            message = (
                f"unknown step kind {step.uses!r}: Errored unless a package of the worker brings it{hint}"
            )
            yield Finding((*path, index, "uses"), message)
        elif step.uses in STEP_FIELDS:
            yield from _warn_about_fields(step, (*path, index))


def _warn_about_fields(step: Step, path: YamlPath) -> Iterator[Finding]:
    known, given = STEP_FIELDS[step.uses], dict(step.config or {})
    for name in given:
        if name not in known.names and not has_expression(name):
            hint = suggestion(name, known.names)
            yield Finding((*path, "config", name), f"{step.uses} has no field {name!r}{hint}")
    missing = [name for name in known.needed.split() if name not in given]
    if missing and not any(map(has_expression, given)):
        yield Finding((*path, "config"), f"{step.uses} needs {' and '.join(missing)}")
