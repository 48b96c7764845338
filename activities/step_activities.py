"""Steps as Temporal sees them: one activity for each kind, all the same function, and one for unknown kinds.

While a step runs, the activity beats, so that a cancellation arrives and a dead worker is noticed.
Its details say whether the step has begun and what it last waited for. A poll that found nothing new fails with a
benign error and the delay the step asks for: Temporal asks again, and the history does not grow. Anything new goes
back to the workflow as an outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from freightway.activities.run_step import run_step
from freightway.activities.services import Services
from freightway.activities.steps.registry import StepRegistry
from freightway.activities.workspace import WorkspaceLost
from freightway.contracts import WORKSPACE_LOST, KindsAnswer, KindsRequest
from freightway.promotion.completion import poll_interval
from freightway.promotion.model import StepOutcome, StepRequest, StepStatus
from freightway.resources.meta import Model

logger = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
"""Pause between two heartbeats of a running step. A heartbeat brings back that the step was cancelled, so an abort
reaches a step within this time and :data:`freightway.worker.HEARTBEAT_THROTTLE` together."""

STILL_WAITING = "StillWaiting"
"""Type of the benign failure with which a poll that found nothing new is asked again later."""


class Memory(Model):
    """What one attempt tells the next through its heartbeats.

    Attributes:
        begun: the step's ``if`` let it start.
        polls: polls of this activity that found nothing new.
        waits: a poll has answered; ``status``, ``wait`` and ``output`` are what it said.
    """

    begun: bool = False
    polls: int = 0
    waits: bool = False
    status: str = ""
    wait: str = ""
    output: dict[str, Any] | None = None

    @classmethod
    def of(cls, request: StepRequest, details: Sequence[Any]) -> Memory:
        """Return what an earlier attempt left, else what the workflow knows."""
        if details:
            with suppress(ValidationError):
                return cls.model_validate(details[0])
        alias = request.step.alias
        meta = next((meta for meta in request.metas if meta.alias == alias), None)
        status = meta.status.value if meta and meta.status else ""
        return cls(
            begun=request.begun,
            waits=request.begun and status in (StepStatus.RUNNING, StepStatus.FAILED, StepStatus.ABORTED),
            status=status,
            wait=request.last_wait,
            output=request.outputs.get(alias),
        )

    def says(self, outcome: StepOutcome) -> bool:
        """Return whether the outcome of a poll says what the poll before it said."""
        known = (self.status, self.wait, self.output)
        return self.waits and known == (outcome.status.value, outcome.message, outcome.output)


def step_activities(services: Services, *, beat_seconds: float = BEAT_SECONDS) -> list[Callable[..., Any]]:
    """Return the activities of a worker that runs steps: one for each registered kind and the dynamic one."""
    named = [_activity(kind, services, beat_seconds) for kind in services.registry.names()]

    @activity.defn(dynamic=True)
    async def unknown_kind(arguments: Sequence[RawValue]) -> StepOutcome:
        try:
            request: StepRequest = activity.payload_converter().from_payload(
                arguments[0].payload, StepRequest
            )
        except Exception as error:
            name = activity.info().activity_type
            raise ApplicationError(
                f"activity {name!r} is not known to this worker", type="UnknownActivity", non_retryable=True
            ) from error
        return await _perform(request, services, beat_seconds)

    return [*named, unknown_kind]


def kinds_activity(registry: StepRegistry) -> Callable[..., Any]:
    """Return the activity that tells what a plan must know of step kinds."""

    @activity.defn(name="step-kinds")
    async def step_kinds(request: KindsRequest) -> KindsAnswer:
        return KindsAnswer(facts={kind: registry.facts(kind) for kind in request.kinds})

    return step_kinds


def _activity(kind: str, services: Services, beat_seconds: float) -> Callable[..., Any]:
    @activity.defn(name=kind)
    async def run(request: StepRequest) -> StepOutcome:
        return await _perform(request, services, beat_seconds)

    return run


async def _perform(request: StepRequest, services: Services, beat_seconds: float) -> StepOutcome:
    memory = Memory.of(request, activity.info().heartbeat_details)
    request = request.model_copy(
        update={"begun": request.begun or memory.begun, "poll": request.poll + memory.polls}
    )
    try:
        async with _beating(memory, beat_seconds) as beat:
            outcome = await run_step(request, services, on_begin=beat.begin)
    except WorkspaceLost as error:
        raise ApplicationError(str(error), type=WORKSPACE_LOST, non_retryable=True) from error
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        stopping = details is not None and details.worker_shutdown
        logger.info("step %s: %s", request.step.alias, "the worker stops" if stopping else "cancelled")
        raise
    now = services.clock()
    may_retry = request.step.facts.repeatable and not _is_over(request.deadline, now)
    if not (_asks_again(outcome) and may_retry and beat.memory.says(outcome)):
        return outcome.model_copy(update={"polls": memory.polls})
    # Sent before the failure, so that the next attempt knows what this one saw.
    activity.heartbeat(beat.remember(outcome))
    raise ApplicationError(
        f"waiting: {outcome.message}" if outcome.message else "waiting",
        type=STILL_WAITING,
        category=ApplicationErrorCategory.BENIGN,
        next_retry_delay=poll_interval(
            outcome.retry_after, now, request.deadline, floor=services.minimum_poll
        ),
    )


def _asks_again(outcome: StepOutcome) -> bool:
    """Whether the step is not finished, without an error."""
    waits = outcome.status not in (StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.ERRORED)
    return outcome.ran and waits and not outcome.error and not outcome.terminal


def _is_over(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and now >= deadline


class _Beat:
    """The details that the heartbeats of one attempt carry."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def begin(self) -> None:
        """The step starts: its ``if`` is not asked again, even if this worker dies now."""
        self.memory = self.memory.model_copy(update={"begun": True})
        activity.heartbeat(self.details())

    def remember(self, outcome: StepOutcome) -> dict[str, Any]:
        """Keep what a poll said and return the details."""
        changes = {
            "polls": self.memory.polls + 1,
            "waits": True,
            "status": outcome.status.value,
            "wait": outcome.message,
            "output": outcome.output,
        }
        self.memory = self.memory.model_copy(update=changes)
        return self.details()

    def details(self) -> dict[str, Any]:
        return self.memory.model_dump(mode="json", by_alias=True)


@asynccontextmanager
async def _beating(memory: Memory, seconds: float) -> AsyncIterator[_Beat]:
    beat = _Beat(memory)

    async def keep_beating() -> None:
        while True:
            activity.heartbeat(beat.details())
            await asyncio.sleep(seconds)

    task = asyncio.create_task(keep_beating())
    try:
        yield beat
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
