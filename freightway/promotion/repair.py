"""What a person can do about a parked promotion: try the step again, with other variables, or skip it.

Each function takes the progress of a promotion that is parked at a failed step and returns one that goes on
from that very step. What succeeded before keeps its outputs and does not run again. Aborting a parked promotion
is :meth:`Progress.abort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from freightway.errors import Refused
from freightway.promotion.model import Phase, PlannedStep, StepMeta
from freightway.promotion.progress import Progress, Repair
from freightway.resources.meta import Variable


def retry(
    progress: Progress, now: datetime, *, actor: str = "", variables: Sequence[Variable] = ()
) -> Progress:
    """Start the failed step anew: its ``if`` is asked again, its errors and its time are counted from zero.

    Args:
        variables: values that replace every definition of their names, for this step and all later ones.
    Raises:
        Refused: if the promotion is not parked.
    """
    step = _failed_step(progress, "retried")
    fresh = StepMeta(alias=step.alias, uses=step.uses, continue_on_error=step.continue_on_error)
    changed = {variable.name for variable in variables}
    kept = [variable for variable in progress.overrides if variable.name not in changed]
    return progress.model_copy(
        update={
            "phase": Phase.RUNNING,
            "message": "",
            "metas": tuple(fresh if meta.alias == step.alias else meta for meta in progress.metas),
            "overrides": (*kept, *variables),
            "errors_in_row": 0,
            "last_wait": "",
            "pause": None,
            "repairs": (
                *progress.repairs,
                Repair(
                    action="retry",
                    alias=step.alias,
                    actor=actor,
                    variables=tuple(variable.name for variable in variables),
                    at=now,
                ),
            ),
        }
    )


def skip(progress: Progress, now: datetime, reason: str, *, actor: str = "") -> Progress:
    """Count the failed step as Skipped and go on with the step after it.

    Raises:
        Refused: if the promotion is not parked or no reason is given.
    """
    step = _failed_step(progress, "repaired")
    if not reason.strip():
        raise Refused(f'say why step "{step.alias}" is skipped')
    by = f" by {actor}" if actor else ""
    repaired = Repair(action="skip", alias=step.alias, actor=actor, reason=reason.strip(), at=now)
    return progress.model_copy(
        update={"phase": Phase.RUNNING, "repairs": (*progress.repairs, repaired)}
    ).pass_over(f"skipped{by}: {reason.strip()}", now)


def _failed_step(progress: Progress, verb: str) -> PlannedStep:
    step = progress.step
    if progress.phase is not Phase.PARKED or step is None:
        raise Refused(
            f"promotion {progress.plan.promotion} is {progress.phase.value}; only a Parked promotion can be {verb}"
        )
    return step
