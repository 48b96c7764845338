"""The one boundary between the engine and its steps.

A request comes in as a value and an outcome goes out as one: here expressions are evaluated beside the secrets, the
configuration is validated, capabilities are handed over, and whatever a step raises becomes an outcome without
secrets and machine paths. Only two things leave as exceptions: a cancellation and a lost workspace.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from freightway.activities.files import in_thread
from freightway.activities.masking import Masker
from freightway.activities.outcomes import (
    invalid_config,
    outcome_of,
    outcome_of_error,
    unknown_kind,
)
from freightway.activities.services import Attempt, Services
from freightway.activities.steps.registry import Recorder, StepInfo, StepKind
from freightway.activities.workspace import OpenWorkspace, WorkspaceLost
from freightway.errors import StepErrored
from freightway.promotion.evaluate import Evaluation
from freightway.promotion.model import StepOutcome, StepRecord, StepRequest, StepStatus

logger = logging.getLogger(__name__)


async def run_step(
    request: StepRequest, services: Services, *, on_begin: Callable[[], None] = lambda: None
) -> StepOutcome:
    """Run one attempt of a step and return what came of it.

    Args:
        on_begin: called when the step's ``if`` has let it start, so that it is not asked again.
    Raises:
        WorkspaceLost: if the workspace must be rebuilt first.
        asyncio.CancelledError: if the attempt was cancelled; its children have ended then.
    """
    data = services.data()
    masker = Masker(lambda: {*data.secrets(), *services.secrets()}, services.hidden)
    replayed = request.replay.evaluated_at if request.replay else None
    evaluation = Evaluation(request, data, replayed or services.clock(), masker.holds_secret)
    outcome = await _attempt(request, services, evaluation, masker, on_begin)
    return _without_secrets(request, outcome, masker)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A step that may run: its kind, its evaluated configuration and how to record that."""

    kind: StepKind
    config: dict[str, Any]
    record_config: dict[str, Any]
    evaluated_at: datetime


async def _attempt(
    request: StepRequest,
    services: Services,
    evaluation: Evaluation,
    masker: Masker,
    on_begin: Callable[[], None],
) -> StepOutcome:
    alias = request.step.alias
    try:
        ready = _prepare(request, services, evaluation, on_begin)
        if isinstance(ready, StepOutcome):
            return ready
        async with AsyncExitStack() as stack:
            held = None
            if request.step.facts.needs_files or ready.kind.facts.needs_files:
                if request.workspace is None:
                    raise StepErrored("this step needs a workspace and was given none", terminal=True)
                held = await stack.enter_async_context(
                    services.workspaces.open(request.workspace, _journal_key(request))
                )
                masker.hide(held.workspace.root)
            journal = held.workspace.journal if held else None
            if journal is not None and journal.outcome is not None:
                # Done by an attempt whose answer was lost.
                return StepOutcome.model_validate_json(journal.outcome)
            outcome = await _run(request, services, ready, held, masker)
            outcome = outcome if request.replay is None else _compared(request, outcome)
            outcome = _without_secrets(request, outcome, masker)
            if journal is not None and outcome.status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED):
                await in_thread(journal.finish, outcome.model_dump_json(by_alias=True))
            return outcome
    except WorkspaceLost:
        raise
    except Exception as error:  # noqa: BLE001 - the one boundary: what a step raises is a value from here on
        return _broke(alias, error, masker)


def _prepare(
    request: StepRequest, services: Services, evaluation: Evaluation, on_begin: Callable[[], None]
) -> _Ready | StepOutcome:
    """Decide whether the step runs and with which configuration, in Kargo's order."""
    step = request.step
    if request.replay is None and not request.begun:
        skipped = evaluation.decide()
        if skipped is not None:
            return skipped
    kind = services.registry.get(step.uses)
    if kind is None:
        return unknown_kind(step.uses)
    on_begin()
    if request.replay is not None:
        config, recorded = evaluation.restore(request.replay.config), request.replay.config
    else:
        configured = evaluation.configure()
        if isinstance(configured, StepOutcome):
            return configured
        config, recorded = configured.config, configured.record_config
    return _Ready(kind, config, recorded, evaluation.now)


async def _run(
    request: StepRequest, services: Services, ready: _Ready, held: OpenWorkspace | None, masker: Masker
) -> StepOutcome:
    step, replay = request.step, request.replay
    try:
        config = ready.kind.config.model_validate_json(json.dumps(ready.config), strict=True)
    except ValidationError as error:
        return invalid_config(step.alias, step.uses, error)
    recorder = Recorder(pinned=replay.resolved, rebuilding=True) if replay else Recorder()
    attempt = Attempt(request, _info(request, services.clock()), recorder, held)
    try:
        outcome = outcome_of(step.alias, await ready.kind.run(config, **services.inject(ready.kind, attempt)))
        if held is not None and request.workspace is not None:
            await services.workspaces.check_size(request.workspace)
    except Exception as error:  # noqa: BLE001 - the one boundary: what a step raises is a value from here on
        outcome = _broke(step.alias, error, masker)
    changes: dict[str, Any] = {"task_output": ready.kind.task_output}
    if held is not None and request.workspace is not None:
        changes["record"] = StepRecord(
            config=ready.record_config,
            resolved=recorder.resolved,
            tree=await services.workspaces.tree(request.workspace),
            evaluated_at=ready.evaluated_at,
        )
    return outcome.model_copy(update=changes)


def _journal_key(request: StepRequest) -> str:
    """The same for every attempt of one poll of one step; a repetition to rebuild a workspace is another."""
    step = request.step
    config = hashlib.sha256(json.dumps(step.config, sort_keys=True).encode()).hexdigest()
    return json.dumps([step.alias, step.uses, request.poll, request.replay is not None, config])


def _compared(request: StepRequest, outcome: StepOutcome) -> StepOutcome:
    """The outcome of a repetition: only its files count, and they must be what they were."""
    alias, replay = request.step.alias, request.replay
    tree = outcome.record.tree if outcome.record else ""
    if replay is None or not replay.tree or replay.tree == tree:
        return StepOutcome(status=StepStatus.SUCCEEDED, message="rebuilt", record=replay)
    why = f" ({outcome.message})" if outcome.error else ""
    return StepOutcome(
        status=StepStatus.ERRORED,
        message=(
            f'step "{alias}" was repeated to rebuild the lost workspace and gave other files than before{why}; '
            "start the promotion again"
        ),
        error=True,
        terminal=True,
    )


def _broke(alias: str, error: Exception, masker: Masker) -> StepOutcome:
    """An outcome for people; the cause, masked, for the log."""
    logger.warning(
        "step %s broke: %s: %s", alias, type(error).__name__, masker.text(str(error)), extra={"step": alias}
    )
    return outcome_of_error(alias, error)


def _without_secrets(request: StepRequest, outcome: StepOutcome, masker: Masker) -> StepOutcome:
    """Mask what people read; refuse what later steps would read."""
    stored = {
        "output": outcome.output,
        "health check": outcome.health_check.config if outcome.health_check else None,
        "metadata": [update.model_dump(mode="json") for update in outcome.metadata],
        "record": outcome.record.resolved if outcome.record else None,
    }
    for what, value in stored.items():
        place = masker.find(value)
        if place is not None:
            return StepOutcome(
                status=StepStatus.ERRORED,
                message=(
                    f'step "{request.step.alias}": its {what} holds a secret at {place}, and secrets are never '
                    "stored; let the step that needs it read it with secret() itself"
                ),
                error=True,
                terminal=True,
            )
    return outcome.model_copy(
        update={"message": masker.text(outcome.message), "error_text": masker.text(outcome.error_text)}
    )


def _info(request: StepRequest, now: datetime) -> StepInfo:
    alias = request.step.alias
    started = next((meta.started_at for meta in request.metas if meta.alias == alias), None)
    return StepInfo(
        project=request.project,
        stage=request.stage,
        promotion=request.promotion,
        alias=alias,
        actor=request.actor,
        freight=request.freight,
        collection=request.collection or (request.freight,),
        requested=request.requested,
        warehouses=request.warehouses,
        started_at=request.created_at,
        previous=request.outputs.get(alias),
        poll=request.poll,
        idempotency_key=f"{request.project}/{request.promotion}/{alias}/{request.poll}",
        ui_base_url=request.ui_base_url,
        answers=request.answers,
        step_started_at=started,
        now=now,
    )
