"""What people, Projects, Warehouses and children say to a Stage. Every handler only records; ``run`` acts."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from pydantic import Field

    from freightway import contracts, names
    from freightway.entities import stage_gates, stage_rules
    from freightway.entities.events import Reason
    from freightway.entities.freight import FreightNews
    from freightway.entities.messages import (
        Done,
        HoldRequest,
        PromoteAnswer,
        PromoteRequest,
        RefreshRequest,
        TargetRequest,
    )
    from freightway.entities.project import StageConfiguration
    from freightway.entities.promotion import PromotionResult, WaitingFor
    from freightway.entities.stage import Health, Holding, Queued, StageState
    from freightway.entities.verification import VerificationResult
    from freightway.promotion.model import Phase
    from freightway.resources.meta import Model
    from freightway.selection import holds
    from freightway.selection.auto_promotion import Decision
    from freightway.selection.availability import Verdict

from freightway.workflows.entity import Entity, refused, tolerant

_MOST_HOLDS = 50


class MetadataNews(Model):
    """Values that the step ``set-metadata`` writes to its Stage."""

    values: dict[str, Any] = Field(default_factory=dict)


class ExplainRequest(Model):
    """Which Freight to explain; empty for all."""

    freight: str = ""


class StageCommands(Entity):
    """The handlers of a Stage, and what they share with its run."""

    state: StageState

    def __init__(self, state: StageState) -> None:
        super().__init__()
        self.state = state
        parts = workflow.info().workflow_id.split("/")
        if len(parts) == 3:
            self.state.project, self.state.name = parts[1], parts[2]
        self.ended: list[PromotionResult] = []
        self.verified: list[VerificationResult] = []
        self.aborts: list[tuple[str, TargetRequest]] = []
        self.subscriptions = state.missing_origins
        self.decisions: tuple[Decision, ...] = ()
        self.told_freeze = ""
        self.reborn: StageConfiguration | None = None
        self.unknown = False

    # -- what handlers and run share -------------------------------------------------------------------------------

    def entropy(self) -> bytes:
        """Ten bytes that are random, and the same when the history is replayed."""
        return workflow.random().randbytes(10)

    def child_attributes(self, *freight: str, phase: str) -> TypedSearchAttributes:
        """Search attributes of a promotion or verification."""
        return TypedSearchAttributes(
            [
                SearchAttributePair(contracts.PROJECT_ATTRIBUTE, self.state.project),
                SearchAttributePair(contracts.STAGE_ATTRIBUTE, self.state.name),
                SearchAttributePair(contracts.PHASE_ATTRIBUTE, phase),
                SearchAttributePair(contracts.FREIGHT_ATTRIBUTE, list(freight)),
            ]
        )

    def put_into_queue(self, queued: Queued) -> None:
        """Queue a promotion; what it supersedes is over."""
        for other in stage_rules.enqueue(self.state, queued):
            text = f"gave way to {self.state.label(queued.freight)}"
            summary = stage_rules.summarize(other, Phase.SUPERSEDED, text, workflow.now())
            stage_rules.finish(self.state, summary, other.notify)
            self.emit(
                Reason.PROMOTION_SUPERSEDED,
                f"promotion of {self.state.label(other.freight)} {text}",
                stage=self.state.name,
                freight=other.freight,
                promotion=other.promotion,
            )
        self.emit(
            Reason.PROMOTION_CREATED,
            f"promotion of {self.state.label(queued.freight)} asked for",
            actor=queued.actor,
            stage=self.state.name,
            freight=queued.freight,
            promotion=queued.promotion,
            why=queued.reason,
        )

    def queue_rollback(self, target: Holding, *, actor: str, reason: str, notify: str = "") -> Queued:
        """Queue the promotion that brings back a set of Freight the Stage held before."""
        held = self.state.held_freight()
        changed = [item for item in target.items if held.get(item.origin.name) != item.name]
        freight = (changed or list(target.items))[0]
        queued = stage_rules.plan_promotion(
            self.state,
            freight,
            now=workflow.now(),
            entropy=self.entropy(),
            kind="rollback",
            actor=actor,
            reason=reason,
            notify=notify,
            collection=target.items,
        )
        self._note_hold(queued)
        self.put_into_queue(queued)
        self.emit(
            Reason.ROLLBACK_STARTED,
            f"rollback to {target.label}: {reason}" if reason else f"rollback to {target.label}",
            actor=actor,
            stage=self.state.name,
            freight=freight.name,
            promotion=queued.promotion,
        )
        return queued

    def _note_hold(self, queued: Queued) -> None:
        """Note what a promotion that a person asked for means for auto-promotion, and say so."""
        before = self.state.holds
        stage_rules.note_hold(self.state, queued, workflow.now())
        for hold in self.state.holds:
            if hold not in before and not hold.suspended_by:
                self.emit(Reason.HOLD_SET, str(hold), actor=queued.actor, stage=self.state.name)
            elif hold not in before:
                text = f"suspended by the promotion of {self.state.label(queued.freight)}"
                self.emit(Reason.HOLD_LIFTED, text, actor=queued.actor, stage=self.state.name)

    def take_health(self, health: contracts.StageHealth) -> None:
        """Note the Stage's health."""
        before = self.state.health_status
        self.state.health = Health(
            status=health.status, issues=health.issues, output=health.output, checked_at=workflow.now()
        )
        if before != health.status:
            text = f": {'; '.join(health.issues)}" if health.issues else ""
            self.emit(
                Reason.HEALTH_CHANGED,
                f"health is {health.status}{text}",
                stage=self.state.name,
                before=before,
            )

    def _answer(self, queued: Queued) -> PromoteAnswer:
        waiting = stage_rules.queue_of(self.state)
        place = waiting.position(queued.promotion) - (0 if waiting.running else 1)
        turn = stage_gates.turn(self.state, workflow.now())
        starts = turn.start is not None and turn.start.promotion == queued.promotion
        waits = "" if starts else turn.waits_for or "the promotions before it"
        return PromoteAnswer(
            promotion=queued.promotion,
            project=self.state.project,
            stage=self.state.name,
            freight=queued.freight,
            alias=queued.alias,
            place=place,
            waits_for=waits,
            plan=tuple({"alias": step.alias, "uses": step.uses} for step in queued.plan.steps),
        )

    # -- commands --------------------------------------------------------------------------------------------------

    @workflow.update
    def promote(self, request: PromoteRequest | None = None) -> PromoteAnswer:
        """Ask for a promotion; answers with its name, its place in the queue and its frozen plan."""

        def act() -> PromoteAnswer:
            assert request is not None
            now = workflow.now()
            freight = stage_rules.check_promotion(self.state, request, now)
            queued = stage_rules.plan_promotion(
                self.state,
                freight.reference,
                now=now,
                entropy=self.entropy(),
                kind="rollback" if request.rollback else "hotfix" if request.hotfix else "manual",
                actor=request.actor,
                reason=request.reason,
                break_glass=request.break_glass,
                notify=request.notify,
            )
            self._note_hold(queued)
            self.put_into_queue(queued)
            if request.break_glass:
                self.emit(
                    Reason.BREAK_GLASS,
                    f"promotion of {freight.label} may start in spite of windows and freezes: {request.reason}",
                    actor=request.actor,
                    stage=self.state.name,
                    freight=freight.name,
                    promotion=queued.promotion,
                )
            return self._answer(queued)

        return self.apply_once(request, act, PromoteAnswer)

    @promote.validator
    def _check_promote(self, request: PromoteRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            freight = stage_rules.check_promotion(self.state, request, workflow.now())
            # A dry plan, with entropy of no consequence: a validator must not draw from the workflow's source.
            stage_rules.plan_promotion(
                self.state, freight.reference, now=workflow.now(), entropy=bytes(10), actor=request.actor
            )

        self.check(request, rule)

    @workflow.update
    def rollback(self, request: PromoteRequest | None = None) -> PromoteAnswer:
        """Go back to the last verified set of Freight, or to the one named; first in the queue, and held."""

        def act() -> PromoteAnswer:
            assert request is not None
            target = stage_rules.rollback_target(self.state, request.freight)
            return self._answer(
                self.queue_rollback(target, actor=request.actor, reason=request.reason, notify=request.notify)
            )

        return self.apply_once(request, act, PromoteAnswer)

    @rollback.validator
    def _check_rollback(self, request: PromoteRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if self.state.is_control_flow:
                raise refused(f"Stage {self.state.name!r} has no promotion steps")
            stage_rules.rollback_target(self.state, request.freight)

        self.check(request, rule)

    @workflow.update
    def abort(self, request: TargetRequest | None = None) -> Done:
        """End a promotion that waits or runs."""

        def act() -> Done:
            assert request is not None
            by = f"by {request.actor}" if request.actor else "per user request"
            for queued in self.state.queue:
                if queued.promotion != request.name:
                    continue
                self.state.queue.remove(queued)
                text = f"Promotion terminated {by}"
                summary = stage_rules.summarize(queued, Phase.ABORTED, text, workflow.now())
                stage_rules.finish(self.state, summary, queued.notify)
                self.emit(
                    Reason.PROMOTION_ABORTED,
                    f"promotion of {self.state.label(queued.freight)} aborted before it started",
                    actor=request.actor,
                    stage=self.state.name,
                    freight=queued.freight,
                    promotion=queued.promotion,
                )
                return Done(message=f"promotion {request.name} is taken out of the queue")
            promotion = names.promotion_id(self.state.project, self._current(request.name))
            self.aborts.append((promotion, request))
            return Done(message=f"promotion {request.name} is being aborted")

        return self.apply_once(request, act, Done)

    @abort.validator
    def _check_abort(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if all(queued.promotion != request.name for queued in self.state.queue):
                self._current(request.name)

        self.check(request, rule)

    def _current(self, promotion: str) -> str:
        current = self.state.current
        if current is not None and promotion in ("", current.promotion):
            return current.promotion
        past = next((item for item in self.state.finished if item.promotion == promotion), None)
        if past is not None:
            raise refused(f"promotion {promotion} is over: {past.phase.value}")
        raise refused(f"no promotion {promotion!r} waits or runs in Stage {self.state.name!r}")

    @workflow.update
    def hold(self, request: HoldRequest | None = None) -> Done:
        """Keep auto-promotion from changing what the Stage holds."""

        def act() -> Done:
            assert request is not None
            hold_id = f"hold-{names.ulid(int(workflow.now().timestamp() * 1000), self.entropy())[-8:]}"
            self.state.holds = holds.hold(
                self.state.holds,
                holds.Hold(
                    id=hold_id,
                    kind="person",
                    origin=request.origin,
                    by=request.actor,
                    reason=request.reason,
                    since=workflow.now(),
                    until=request.until,
                ),
            )
            self.emit(Reason.HOLD_SET, f"held: {request.reason}", actor=request.actor, stage=self.state.name)
            return Done(message=f"Stage {self.state.name} is held: {hold_id}")

        return self.apply_once(request, act, Done)

    @hold.validator
    def _check_hold(self, request: HoldRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if len(self.state.holds) >= _MOST_HOLDS:
                raise refused(
                    f"Stage {self.state.name!r} has {len(self.state.holds)} holds; release some first"
                )
            if request.origin and request.origin not in self.state.origins:
                raise refused(
                    f"Stage {self.state.name!r} requests no Freight of Warehouse {request.origin!r}"
                )
            if request.until is not None and request.until <= workflow.now():
                raise refused("the end of the hold is in the past")

        self.check(request, rule)

    @workflow.update
    def release(self, request: TargetRequest | None = None) -> Done:
        """Release a hold by its id, or with an empty name every hold."""

        def act() -> Done:
            assert request is not None
            self.state.holds = holds.release(self.state.holds, request.name) if request.name else ()
            what = request.name or "every hold"
            self.emit(Reason.HOLD_LIFTED, f"{what} released", actor=request.actor, stage=self.state.name)
            return Done(message=f"released {what} of Stage {self.state.name}")

        return self.apply_once(request, act, Done)

    @release.validator
    def _check_release(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if request.name:
                holds.release(self.state.holds, request.name)
            elif not self.state.holds:
                raise refused(f"Stage {self.state.name!r} has no hold")

        self.check(request, rule)

    @workflow.update
    def verify(self, request: TargetRequest | None = None) -> Done:
        """Verify again what the Stage holds."""

        def act() -> Done:
            assert request is not None
            self.state.wanted_verification = request.actor or ""
            return Done(message=f"Stage {self.state.name} verifies what it holds")

        return self.apply_once(request, act, Done)

    @verify.validator
    def _check_verify(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            if self.state.is_control_flow:
                raise refused(f"Stage {self.state.name!r} verifies nothing: it only passes Freight on")
            if self.state.holding is None:
                raise refused(f"Stage {self.state.name!r} holds no Freight yet")
            if self.state.verifying is not None:
                raise refused(f"verification {self.state.verifying.id} is running")
            if self.state.current is not None:
                raise refused(f"promotion {self.state.current.promotion} is running")

        self.check(request, rule)

    @workflow.update
    def abort_verification(self, request: TargetRequest | None = None) -> Done:
        """End the running verification; it is recorded as Aborted."""

        def act() -> Done:
            assert request is not None
            assert self.state.verifying is not None
            running = self.state.verifying.id
            workflow_id = names.verification_id(self.state.project, self.state.name, running)
            self.aborts.append((workflow_id, request))
            return Done(message=f"verification {running} is being aborted")

        return self.apply_once(request, act, Done)

    @abort_verification.validator
    def _check_abort_verification(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            if self.state.verifying is None:
                raise refused(f"no verification is running in Stage {self.state.name!r}")

        self.check(request, rule)

    @workflow.update
    def refresh(self, request: RefreshRequest | None = None) -> Done:
        """Look at the health now and ask the Warehouses for all Freight again."""

        def act() -> Done:
            self.state.health_wanted = bool(self.state.health_checks)
            self.subscriptions = list(self.state.origins)
            if self.state.current is not None:
                return Done(
                    message=f"Stage {self.state.name} looks again; promotion {self.state.current.promotion} runs"
                )
            return Done(message=f"Stage {self.state.name} looks again")

        return self.apply_once(request, act, Done)

    @refresh.validator
    def _check_refresh(self, request: RefreshRequest | None = None) -> None:
        self.check(request or RefreshRequest(), lambda: None)

    # -- what others say ---------------------------------------------------------------------------------------------

    @workflow.signal
    @tolerant
    def configure(self, news: StageConfiguration | None = None) -> None:
        """Take what the Project says; a specification that did not change is not sent again."""
        state = self.state
        if news is None:
            return
        if state.retired:
            self.reborn = news
            return
        if news.generation < state.configuration.generation:
            return
        stage_rules.check_configuration(state.project, state.name, news)
        self.problem = ""
        self.subscriptions += state.take_configuration(news)
        self.unknown = not state.configured
        self.dirty = True

    @workflow.signal
    @tolerant
    def freight(self, news: FreightNews | None = None) -> None:
        """Take what a Warehouse says about its Freight."""
        if news is None or news.origin not in self.state.origins:
            return
        state = self.state
        if news.snapshot:
            state.freight = {
                name: record for name, record in state.freight.items() if record.origin != news.origin
            }
            if news.origin not in state.snapshots:
                state.snapshots.append(news.origin)
        for record in news.records:
            state.freight[record.name] = record
        for name in news.removed:
            state.freight.pop(name, None)
        stage_rules.recover(state)
        self._note_withdrawal()
        self.dirty = True

    def _note_withdrawal(self) -> None:
        """A running promotion whose Freight lost its availability goes on, and the Stage says so."""
        current = self.state.current
        record = self.state.freight.get(current.freight) if current else None
        if current is None or record is None or current.kind == "rollback":
            return
        verdict = stage_rules.explain(self.state, record, workflow.now())
        note = (
            "" if verdict.available else f"Freight {record.label} is not available any more: {verdict.needs}"
        )
        if note != current.note:
            self.state.current = current.model_copy(update={"note": note})

    @workflow.signal
    @tolerant
    def metadata(self, news: MetadataNews | None = None) -> None:
        """Take values that ``set-metadata`` writes to the Stage; a null removes its key."""
        if news is not None:
            merged = {**self.state.metadata, **news.values}
            self.state.metadata = {key: value for key, value in merged.items() if value is not None}
            self.dirty = True

    @workflow.signal
    @tolerant
    def waiting(self, news: WaitingFor | None = None) -> None:
        """Take what the running promotion waits for."""
        current = self.state.current
        if news is None or current is None or current.promotion != news.promotion:
            return
        self.state.current = current.model_copy(update={"waiting": news if news.text else None})
        facts = {"stage": self.state.name, "freight": current.freight, "promotion": current.promotion}
        if not news.text:
            self.emit(Reason.PROMOTION_RESUMED, "the promotion goes on", **facts)
        elif news.phase is Phase.PARKED:
            self.emit(Reason.PROMOTION_PARKED, f"parked; waits for {news.text}", **facts)
        else:
            self.emit(Reason.PROMOTION_WAITING_FOR_PERSON, f"waits for {news.text}", **facts)

    @workflow.signal
    @tolerant
    def verification_waiting(self, news: WaitingFor | None = None) -> None:
        """Take what the running verification waits for."""
        verifying = self.state.verifying
        if news is None or verifying is None or verifying.id != news.promotion:
            return
        self.state.verifying = verifying.model_copy(update={"waiting": news.text})
        if news.text:
            self.emit(
                Reason.PROMOTION_WAITING_FOR_PERSON,
                f"verification waits for {news.text}",
                stage=self.state.name,
            )
        self.dirty = True

    @workflow.signal
    @tolerant
    def promotion_result(self, result: PromotionResult | None = None) -> None:
        """Take the end that a promotion tells itself; the server's word for it comes to the same."""
        if result is not None and self.state.current is not None and self.state.current.adopted:
            self.ended.append(result)

    @workflow.signal
    @tolerant
    def verification_result(self, result: VerificationResult | None = None) -> None:
        """Take the end that a verification tells itself."""
        if result is not None and self.state.verifying is not None and self.state.verifying.adopted:
            self.verified.append(result)

    @workflow.signal
    @tolerant
    def health(self, health: contracts.StageHealth | None = None) -> None:
        """Take the health that a HealthCheck saw."""
        if health is not None and self.state.current is None:
            self.take_health(health)

    @workflow.signal
    @tolerant
    def retire(self, request: TargetRequest | None = None) -> None:
        """End: the Stage was deleted."""
        self.state.retired = True
        self.reborn = None
        self.dirty = True

    # -- questions ---------------------------------------------------------------------------------------------------

    @workflow.query
    def describe(self) -> StageState:
        """Everything the Stage knows but the plans that wait and the commands it applied."""
        queue = [
            item.model_copy(update={"plan": item.plan.model_copy(update={"steps": (), "warehouses": {}})})
            for item in self.state.queue
        ]
        return self.state.model_copy(update={"seen": {}, "queue": queue})

    @workflow.query
    def explain(self, request: ExplainRequest | None = None) -> list[Verdict]:
        """Whether Freight may come, with every condition; the Freight named, or all, newest first."""
        now = workflow.now()
        if request is not None and request.freight:
            chosen = [stage_rules.resolve_freight(self.state, request.freight, "", now)]
        else:
            chosen = sorted(self.state.freight.values(), key=lambda record: record.age_key, reverse=True)
        return [stage_gates.explain_start(self.state, record, now) for record in chosen]

    @workflow.query
    def health_request(self) -> contracts.StageHealthRequest:
        """The health checks to look at, for HealthCheck."""
        return contracts.StageHealthRequest(stage=self.state.name, checks=self.state.health_checks)
