"""The Stage: decides what is promoted into it and when, has it verified, and remembers what it holds.

Handlers (``stage_messages``, ``stage_commands``) record; ``run`` asks the rules (``freightway.entities.stage_rules``) and acts. Promotions
and verifications are children that outlive the Stage; it continues as new only while none of them runs.
"""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities import stage_gates, stage_holding, stage_rules
    from freightway.entities.display import clock
    from freightway.entities.events import Reason
    from freightway.entities.freight import StageFacts
    from freightway.entities.messages import TargetRequest
    from freightway.entities.promotion import PromotionResult
    from freightway.entities.stage import Running, StageState, Verifying
    from freightway.entities.stage_display import stage_details, stage_phase, stage_summary
    from freightway.entities.verification import (
        VerificationResult,
    )
    from freightway.promotion.model import Phase

from freightway.workflows import options
from freightway.workflows.entity import check_identity
from freightway.workflows.stage_promotions import TIME_OVER, StagePromotions


@workflow.defn(name="Stage")
class Stage(StagePromotions):
    """One Stage of a project."""

    @workflow.init
    def __init__(self, state: StageState | None = None) -> None:
        super().__init__(state or StageState())
        self._retiring = False

    @workflow.run
    async def run(self, state: StageState | None = None) -> None:
        """Act on what the handlers recorded until the Stage is deleted."""
        check_identity("stage", 3)
        if self._is_anew():
            await self._adopt()
        await self.serve()
        await self._put_aside()
        if self.reborn is not None:
            # Applied again while it was being deleted: it starts clean.
            state = StageState(project=self.state.project, name=self.state.name)
            state.take_configuration(self.reborn)
            await workflow.wait_condition(workflow.all_handlers_finished)
            self.continue_as(state)

    def _is_anew(self) -> bool:
        """Whether promotions of an earlier life may run: it was started after a termination, or reset."""
        info = workflow.info()
        if info.continued_run_id:
            return False
        was_reset = info.run_id != info.first_execution_run_id
        # A history that is replayed up to where it was reset to did not ask; only the rest of it may.
        return not self.state.alone or (was_reset and workflow.patched("ask-after-reset"))

    def _is_idle(self) -> bool:
        """Whether the end of what runs, if anything does, is looked for by the next run too."""
        running, verifying = self.state.current, self.state.verifying
        watched = (running is not None and not running.adopted) or (
            verifying is not None and not verifying.adopted
        )
        return not (watched or self._has_work())

    def _is_over(self) -> bool:
        state = self.state
        return state.retired and not (self._has_work() or state.current or state.verifying)

    def _let_go(self) -> None:
        state = self.state
        if state.current is not None:
            state.current = state.current.model_copy(update={"adopted": True})
        if state.verifying is not None:
            state.verifying = state.verifying.model_copy(update={"adopted": True})

    def _has_work(self) -> bool:
        state = self.state
        return bool(
            self.dirty or state.outbox or state.notices or self._health_has_come() or self._has_orders()
        )

    def _has_orders(self) -> bool:
        """Whether something is to be done that only this run knows of."""
        return bool(self.ended or self.verified or self.subscriptions or self.aborts or self.unknown)

    def _is_carried(self) -> bool:
        return not (self._has_orders() or self.state.retired)

    async def _act(self) -> None:
        self.dirty = False
        now = workflow.now()
        while self.ended:
            await self._promotion_over(self.ended.pop(0))
        while self.verified:
            self._verification_over(self.verified.pop(0))
        while self.aborts:
            await self._abort(self.aborts.pop(0))
        await self._look_after_adopted()
        if self.state.retired:
            await self._retire()
        else:
            await self._subscribe()
            await self._decide(now)
        await self._flush()
        await self._say_unknown()

    async def _decide(self, now: datetime) -> None:
        state = self.state
        if not state.configured:
            return
        for record in stage_holding.pass_on(state, now, str(workflow.uuid4())):
            self.emit(
                Reason.FREIGHT_VERIFICATION_SUCCEEDED,
                f"Freight {record.label} passes through control-flow Stage {state.name}",
                stage=state.name,
                freight=record.name,
            )
        self._look_after_health(now)
        if stage_holding.wants_verification(state):
            await self._verify()
        self._refuse_unavailable(now)
        self._auto_promote(now)
        await self._start_next()
        await self._freeze_running()

    async def _adopt(self) -> None:
        """Take over what runs already: this Stage was terminated or reset, and its children were not."""
        state = self.state
        answer = await workflow.execute_activity(
            contracts.running_workflows,
            contracts.RunningRequest(project=state.project, stage=state.name),
            summary="what runs already?",
            **options.QUICK,
        )
        now = workflow.now()
        for found in answer.workflows:
            name = found.workflow_id.rpartition("/")[2]
            if found.type == "Promotion" and state.current is None:
                state.current = Running(
                    promotion=name, freight="", created_at=now, started_at=now, adopted=True
                )
            elif found.type == "Verification" and state.verifying is None:
                state.verifying = Verifying(id=name, holding="", started_at=now, adopted=True)

    async def _look_after_adopted(self) -> None:
        """Ask Temporal how adopted children stand; they tell their end too, but that message may be lost."""
        state = self.state
        adopted = []
        if state.current is not None and state.current.adopted:
            adopted.append(names.promotion_id(state.project, state.current.promotion))
        if state.verifying is not None and state.verifying.adopted:
            adopted.append(names.verification_id(state.project, state.name, state.verifying.id))
        if not adopted:
            return
        answer = await workflow.execute_activity(
            contracts.workflow_status,
            contracts.StatusRequest(workflow_ids=tuple(adopted)),
            summary="how do they stand?",
            **options.QUICK,
        )
        for found in answer.workflows:
            if found.status not in ("RUNNING", "CONTINUED_AS_NEW"):
                await self._adopted_over(found)

    async def _adopted_over(self, found: contracts.RunningWorkflow) -> None:
        state, now = self.state, workflow.now()
        if found.workflow_id.startswith("verification/"):
            assert state.verifying is not None
            result = found.result or {"id": state.verifying.id, "phase": "Error", "message": found.message}
            self._verification_over(VerificationResult.model_validate(result))
            return
        assert state.current is not None
        if found.result:
            await self._promotion_over(PromotionResult.model_validate(found.result))
            return
        phase = Phase.ABORTED if found.status in ("TERMINATED", "CANCELED") else Phase.ERRORED
        text = found.message or f"the promotion's workflow was {found.status.lower()}"
        if found.status == "TIMED_OUT":
            text = TIME_OVER
        running, state.current = state.current, None
        self._over(stage_rules.summarize(running, phase, text, now, running.started_at), running.notify)

    async def _say_unknown(self) -> None:
        """Tell the Project that this Stage was started anew and knows no specification."""
        if self.unknown:
            self.unknown = False
            self.problem = "the specification is not known any more; apply the Stage again"
            await self.signal(
                names.project_id(self.state.project), "lost", TargetRequest(name=self.state.name)
            )

    async def _subscribe(self) -> None:
        """Ask the Warehouses whose Freight has not arrived for all of it."""
        while self.subscriptions:
            origin = self.subscriptions.pop(0)
            await self.signal(
                names.warehouse_id(self.state.project, origin),
                "subscribe",
                TargetRequest(name=self.state.name),
            )

    async def _retire(self) -> None:
        """Abort what runs and wait for its end: what is applied again must not run beside it."""
        state = self.state
        for queued in state.queue:
            summary = stage_rules.summarize(queued, Phase.ABORTED, "the Stage was deleted", workflow.now())
            self._over(summary, queued.notify)
        state.queue = []
        by = TargetRequest(actor="the deletion of the Stage")
        if state.current is not None:
            await self.signal(names.promotion_id(state.project, state.current.promotion), "abort_now", by)
        if state.verifying is not None:
            verification = names.verification_id(state.project, state.name, state.verifying.id)
            await self.signal(verification, "abort_now", by)
        if self._retiring:
            return
        self._retiring = True
        for origin in state.origins:
            state.outbox.append((origin, StageFacts(id=str(workflow.uuid4()), stage=state.name, forget=True)))

    async def _flush(self) -> None:
        state = self.state
        while state.outbox:
            origin, facts = state.outbox.pop(0)
            await self.signal(names.warehouse_id(state.project, origin), "facts", facts)
        while state.notices:
            workflow_id, news = state.notices.pop(0)
            await self.signal(workflow_id, "promotion_ended", news)

    def _next_moment(self) -> datetime | None:
        state, now = self.state, workflow.now()
        watches = stage_rules.is_auto_promotion_enabled(state) or state.is_control_flow
        moments = [stage_gates.next_change(state, now, watches_freight=watches), self._recheck]
        if state.retired:
            moments = []
        adopted = (state.current and state.current.adopted) or (state.verifying and state.verifying.adopted)
        if adopted:
            moments.append(now + options.INTERVALS.adopted)
        return min((moment for moment in moments if moment is not None), default=None)

    def _publish(self) -> None:
        state, now = self.state, workflow.now()
        phase = stage_phase(state)
        waits = ""
        if state.queue:
            turn = stage_gates.turn(state, now)
            waits = turn.waits_for + (f" (until {clock(turn.until)})" if turn.until else "")
        self.show(
            stage_summary(state, phase, waits, self.problem),
            [
                contracts.PROJECT_ATTRIBUTE.value_set(state.project),
                contracts.STAGE_ATTRIBUTE.value_set(state.name),
                contracts.PHASE_ATTRIBUTE.value_set(phase),
                contracts.FREIGHT_ATTRIBUTE.value_set(list(state.held_freight().values())),
            ],
            stage_details(state, phase, waits, self.problem, self.decisions),
        )
