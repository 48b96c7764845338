"""The commands of people to a Stage: Workflow Updates with validators. Handlers only record; ``run`` acts."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from freightway import names
    from freightway.entities import stage_gates, stage_holding, stage_rules
    from freightway.entities.events import Reason
    from freightway.entities.messages import (
        Done,
        HoldRequest,
        PromoteAnswer,
        PromoteRequest,
        RefreshRequest,
        TargetRequest,
    )
    from freightway.entities.stage import Holding, Queued
    from freightway.promotion.model import Phase
    from freightway.selection import holds

from freightway.workflows.entity import refused
from freightway.workflows.stage_messages import StageMessages

_MOST_HOLDS = 50


class StageCommands(StageMessages):
    """The updates of a Stage, and the queue they fill."""

    def put_into_queue(self, queued: Queued) -> None:
        """Queue a promotion; what it supersedes is over."""
        for other in stage_rules.enqueue(self.state, queued):
            text = f"gave way to {self.state.label(queued.freight)}"
            summary = stage_rules.summarize(other, Phase.SUPERSEDED, text, workflow.now())
            stage_rules.finish(self.state, summary, other.notify)
            self.emit_of(
                other,
                Reason.PROMOTION_SUPERSEDED,
                f"promotion of {self.state.label(other.freight)} {text}",
            )
        self.emit_of(
            queued,
            Reason.PROMOTION_CREATED,
            f"promotion of {self.state.label(queued.freight)} asked for",
            actor=queued.actor,
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
            target = stage_holding.rollback_target(self.state, request.freight)
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
            stage_holding.rollback_target(self.state, request.freight)

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
                self.emit_of(
                    queued,
                    Reason.PROMOTION_ABORTED,
                    f"promotion of {self.state.label(queued.freight)} aborted before it started",
                    actor=request.actor,
                )
                return Done(message=f"promotion {request.name} is taken out of the queue")
            current = self._current(request.name)
            self.aborts.append((names.promotion_id(self.state.project, current), request))
            return Done(message=f"promotion {current} is being aborted")

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
