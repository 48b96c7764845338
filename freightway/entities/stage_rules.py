"""What a Stage decides: pure functions over its state, which the workflow asks and carries out.

The story of one pass: take what ended; pass Freight on (control flow); verify what is held; let auto-promotion
queue; start the next promotion, if nothing stands in its way. Each wait says what for and until when.

Source: Kargo pkg/controller/stages/regular_stages.go; differs: no list form of availability, a failed
re-verification withdraws "verified", windows and freezes are honoured, a promotion lost from outside is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from freightway import names
from freightway.entities.freight import FreightRecord, tell_apart
from freightway.entities.messages import PromoteRequest
from freightway.entities.project import StageConfiguration
from freightway.entities.stage import (
    MOST_QUEUED,
    Kind,
    Queued,
    StageState,
    Summary,
)
from freightway.errors import NotReady, Refused
from freightway.promotion.model import FreightReference, KindFacts, Phase, PlannedStep, PromotionPlan
from freightway.promotion.plan import freight_collection, make_plan
from freightway.resources.load import parse_resource
from freightway.resources.settings import ApprovalGate, stage_settings
from freightway.selection import auto_promotion, availability, holds, queue
from freightway.selection.auto_promotion import Attempt, Decision, PromotionPolicy, Situation
from freightway.selection.availability import Verdict
from freightway.selection.stage_selector import StageRef
from freightway.selection.windows import PromotionWindow, check_window


def stage_ref(state: StageState) -> StageRef:
    """Return what selectors look at."""
    return StageRef(project=state.project, name=state.name, labels=state.configuration.labels)


def policy(state: StageState) -> Mapping[str, Any] | None:
    """Return the promotion policy that counts for the Stage: the first that selects it."""
    for given in state.configuration.policies:
        fields = {key: given[key] for key in ("stage", "stageSelector") if key in given}
        if PromotionPolicy.model_validate(fields).selects(state.name, state.configuration.labels):
            return given
    return None


def is_auto_promotion_enabled(state: StageState) -> bool:
    """Return whether the Stage promotes by itself."""
    found = policy(state)
    return bool(found and found.get("autoPromotionEnabled")) and not state.is_control_flow


def resolve_freight(state: StageState, text: str, origin: str, now: datetime) -> FreightRecord:
    """Return the Freight that a person means: by name, digits or alias, or the newest available.

    Raises:
        Refused: saying what is wrong and what there is.
    """
    if text:
        found = tell_apart(state.freight, text)
        if len(found) == 1:
            return found[0]
        if found:
            labels = " and ".join(record.label for record in found)
            raise Refused(f"Freight {text!r} may mean {labels}; give more digits")
        recent = sorted(state.freight.values(), key=lambda record: record.age_key, reverse=True)[:5]
        known = ", ".join(record.label for record in recent) or "none"
        raise Refused(f"Freight {text!r} not found for Stage {state.name!r}; the newest are: {known}")
    pool = [record for record in state.freight.values() if not origin or record.origin == origin]
    if origin and origin not in state.origins:
        raise Refused(f"Stage {state.name!r} requests no Freight of Warehouse {origin!r}")
    available = availability.available_freight(state.name, state.requests, pool, now)
    if not available:
        raise Refused(
            f"no Freight is available to Stage {state.name!r}; see: freightway explain --stage {state.name}"
        )
    return state.freight[available[0].name]


def explain(state: StageState, freight: FreightRecord, now: datetime) -> Verdict:
    """Return whether Freight may come, with every condition."""
    return availability.explain(state.name, state.requests, freight, now)


def _not_heard(state: StageState, now: datetime) -> NotReady | None:
    """Return what to answer while a Warehouse has not sent its Freight yet, None once every one has."""
    missing = state.unheard_origins(now)
    if not missing:
        return None
    return NotReady(
        f"Stage {state.name!r} has not heard from Warehouse {missing[0]!r} yet; ask again in a moment"
    )


def check_promotion(state: StageState, request: PromoteRequest, now: datetime) -> FreightRecord:
    """Check that a promotion may be asked for; returns its Freight.

    Raises:
        Refused: with the reason and what to do.
    """
    if not state.configured:
        raise Refused(f"Stage {state.name!r} has no specification yet; apply it first")
    if state.is_control_flow:
        raise Refused(f"Stage {state.name!r} has no promotion steps: it only passes Freight on")
    if request.break_glass and not request.reason:
        raise Refused("break glass needs a reason")
    if len(state.queue) >= MOST_QUEUED:
        raise Refused(f"{len(state.queue)} promotions wait in Stage {state.name!r}; abort some first")
    try:
        freight = resolve_freight(state, request.freight, request.origin, now)
    except Refused as error:
        raise _not_heard(state, now) or error from None
    verdict = explain(state, freight, now)
    if not verdict.available:
        raise Refused(
            f"Freight {freight.label} is not available to Stage {state.name!r}: {verdict.needs}; to let it in all the "
            f"same: freightway approve --stage {state.name} --freight {freight.alias or freight.name}"
        )
    return freight


def plan_promotion(
    state: StageState,
    freight: FreightReference,
    *,
    now: datetime,
    entropy: bytes,
    kind: Kind = "manual",
    actor: str = "",
    reason: str = "",
    break_glass: bool = False,
    notify: str = "",
    collection: tuple[FreightReference, ...] = (),
) -> Queued:
    """Freeze the plan of a promotion and return it as it will wait in the queue.

    Raises:
        InvalidResource: if the template cannot be inflated, for want of a task for example.
    """
    name = names.promotion_name(state.name, names.ulid(int(now.timestamp() * 1000), entropy), freight.name)
    spec, configuration = state.spec, state.configuration
    tasks = {
        key.partition("/")[2]: value for key, value in configuration.tasks.items() if key.startswith("P")
    }
    cluster = {
        key.partition("/")[2]: value for key, value in configuration.tasks.items() if key.startswith("C")
    }
    held = state.holding.items if state.holding else ()
    origins = [f"Warehouse/{origin}" for origin in state.origins]
    plan = make_plan(
        project=state.project,
        stage=state.name,
        promotion=name,
        freight=freight,
        steps=state.template.get("steps") or (),
        facts=lambda _: KindFacts(),
        created_at=now,
        stage_vars=spec.get("vars") or (),
        template_vars=state.template.get("vars") or (),
        tasks=tasks,
        cluster_tasks=cluster,
        collection=collection or freight_collection(freight, origins, held),
        requested=spec.get("requestedFreight") or (),
        warehouses=configuration.warehouses,
        actor=actor,
        rollback=kind == "rollback",
        shard=state.shard,
        on_failure=state.settings.on_failure,
    )
    gate = state.settings.approval
    if gate is not None and kind != "rollback":
        plan = plan.model_copy(update={"steps": (_approval_step(plan, gate), *plan.steps)})
    return Queued(
        promotion=name,
        freight=freight.name,
        alias=freight.alias,
        origin=freight.origin.name,
        kind=kind,
        actor=actor,
        reason=reason,
        created_at=now,
        plan=plan,
        break_glass=break_glass,
        notify=(notify,) if notify else (),
    )


def _approval_step(plan: PromotionPlan, gate: ApprovalGate) -> PlannedStep:
    """The step that holds every promotion of a Stage until people approved; a rollback passes without."""
    taken = {step.alias for step in plan.steps}
    alias = next(name for name in ("approval", "approval-gate", "freightway-approval") if name not in taken)
    config = gate.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return PlannedStep(alias=alias, uses="wait-for-approval", config=config)


def queue_of(state: StageState) -> queue.StageQueue:
    """Return the Stage's queue as the rules of queues see it."""
    return queue.StageQueue(
        running=state.current.promotion if state.current else "",
        waiting=tuple(_waiting(state, item) for item in state.queue),
    )


def _waiting(state: StageState, item: Queued) -> queue.Queued:
    record = state.freight.get(item.freight)
    urgent: dict[str, queue.Priority] = {"rollback": "rollback", "hotfix": "hotfix"}
    return queue.Queued(
        promotion=item.promotion,
        freight=item.freight,
        origin=item.origin,
        discovered_at=record.discovered_at if record else item.created_at,
        requested_at=item.created_at,
        requested_by=item.actor,
        priority=urgent.get(item.kind, "normal"),
        break_glass=item.reason if item.break_glass else "",
    )


def enqueue(state: StageState, queued: Queued) -> list[Queued]:
    """Put a promotion into the queue; returns those that it supersedes and that are taken out."""
    waiting = _waiting(state, queued)
    _, superseded = queue.enqueue(queue_of(state), waiting, state.settings.queue_policy)
    out = {item.promotion for item in superseded}
    removed = [item for item in state.queue if item.promotion in out]
    state.queue = [*(item for item in state.queue if item.promotion not in out), queued]
    return removed


def note_hold(state: StageState, queued: Queued, now: datetime) -> None:
    """Note what a promotion that a person asked for means for auto-promotion."""
    if not is_auto_promotion_enabled(state) or queued.kind == "auto":
        return
    request = next((item for item in state.requests if item.origin == queued.origin), None)
    if request is None:
        return
    chosen = auto_promotion.candidate(state.name, request, state.freight.values(), now)
    state.holds = holds.promotion_requested(
        state.holds,
        promotion=queued.promotion,
        origin=queued.origin,
        freight=queued.freight,
        candidate=chosen.name if chosen else "",
        by=queued.actor,
        now=now,
        reason=queued.reason,
        kind="rollback" if queued.kind == "rollback" else "promotion",
    )


def summarize(
    item: Queued | Any, phase: Phase, message: str, now: datetime, started_at: datetime | None = None
) -> Summary:
    """Return the summary of a promotion that ended."""
    return Summary(
        promotion=item.promotion,
        freight=item.freight,
        alias=item.alias,
        kind=item.kind,
        actor=item.actor,
        phase=phase,
        message=message,
        created_at=item.created_at,
        started_at=started_at,
        finished_at=now,
    )


def finish(state: StageState, summary: Summary, notify: tuple[str, ...] = ()) -> None:
    """Record that a promotion is over, and whom to tell."""
    state.finished = [summary, *state.finished][: state.settings.keep_promotions]
    state.holds = holds.promotion_ended(state.holds, summary.promotion, summary.phase.value)
    news = {
        "promotion": summary.promotion,
        "phase": summary.phase.value,
        "message": summary.message,
        "freight": summary.freight,
        "finishedAt": summary.finished_at.isoformat(),
    }
    state.notices += [(workflow_id, news) for workflow_id in notify]


def check_configuration(project: str, name: str, news: StageConfiguration) -> None:
    """Check that a Stage can live by a configuration; only what a person sent past the Project cannot.

    Raises:
        ValueError: or InvalidResource, if it cannot.
    """
    if news.spec is not None:
        metadata = {"name": name, "namespace": project}
        parse_resource(
            {
                "apiVersion": "kargo.akuity.io/v1alpha1",
                "kind": "Stage",
                "metadata": metadata,
                "spec": news.spec,
            }
        )
    stage_settings(news.annotations)
    for given in news.policies:
        fields = {key: given[key] for key in ("stage", "stageSelector") if key in given}
        PromotionPolicy.model_validate(fields)
    for window in news.windows:
        check_window(PromotionWindow.model_validate(window))


def auto_promotions(state: StageState, now: datetime) -> tuple[Decision, ...]:
    """Return what auto-promotion does now."""
    enabled = is_auto_promotion_enabled(state)
    state.holds = holds.prune(state.holds, state.origins, enabled=enabled, now=now)
    attempts = [
        Attempt(promotion=item.promotion, freight=item.freight, phase="Pending", created_at=item.created_at)
        for item in state.queue
    ]
    if state.current is not None:
        running = state.current
        attempts.append(
            Attempt(
                promotion=running.promotion,
                freight=running.freight,
                phase="Running",
                created_at=running.created_at,
            )
        )
    attempts += [
        Attempt(
            promotion=item.promotion,
            freight=item.freight,
            phase=item.phase.value,
            created_at=item.created_at,
        )
        for item in state.finished
    ]
    situation = Situation(
        current=state.held_freight(),
        attempts=tuple(attempts),
        held=holds.held_reasons(state.holds, state.origins, now),
    )
    return auto_promotion.decide(
        state.name,
        enabled=enabled,
        requests=state.requests,
        freight=tuple(state.freight.values()),
        situation=situation,
        now=now,
    )


def wants_rollback(state: StageState, phase: str, *, of_verification: bool, kind: Kind) -> bool:
    """Return whether the policy rolls back by itself after this end; never after a rollback."""
    if kind == "rollback":
        return False
    settings = (policy(state) or {}).get("autoRollback")
    if settings is None:
        return False
    if of_verification:
        return phase in (settings.get("onVerification") or ("Failed",))
    return phase in (settings.get("onPromotion") or ())


def refusal(state: StageState, queued: Queued, now: datetime) -> str:
    """Return why a promotion that waited may not take place any more, empty if it may."""
    record = state.freight.get(queued.freight)
    if queued.kind == "rollback":
        return ""
    if record is None:
        return f'Freight "{queued.freight}" not found in namespace "{state.project}"'
    verdict = explain(state, record, now)
    if verdict.available:
        return ""
    return f'Freight "{record.name}" is not available to Stage "{state.name}" any more: {verdict.needs}'
