"""The Stage: decides what is promoted into it and when, has it verified, and remembers what it holds.

Handlers (``stage_commands``) record; ``run`` asks the rules (``freightway.entities.stage_rules``) and acts. Promotions
and verifications are children that outlive the Stage; it continues as new only while none of them runs.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities import stage_gates, stage_rules
    from freightway.entities.display import clock
    from freightway.entities.events import Reason
    from freightway.entities.freight import StageFacts
    from freightway.entities.messages import TargetRequest
    from freightway.entities.promotion import Freeze, PromotionInput, PromotionResult
    from freightway.entities.stage import Health, Queued, Running, StageState, Verifying
    from freightway.entities.stage_display import stage_details, stage_phase, stage_summary
    from freightway.entities.verification import (
        VerificationInput,
        VerificationPhase,
        VerificationResult,
        VerificationState,
    )
    from freightway.errors import FreightwayError
    from freightway.promotion.model import FreightReference, Phase

from freightway.workflows import options
from freightway.workflows.entity import check_identity
from freightway.workflows.stage_commands import StageCommands

_ENDS = {
    Phase.SUCCEEDED: Reason.PROMOTION_SUCCEEDED,
    Phase.FAILED: Reason.PROMOTION_FAILED,
    Phase.ERRORED: Reason.PROMOTION_ERRORED,
    Phase.ABORTED: Reason.PROMOTION_ABORTED,
    Phase.SUPERSEDED: Reason.PROMOTION_SUPERSEDED,
}
_VERDICTS = {
    VerificationPhase.SUCCESSFUL: Reason.FREIGHT_VERIFICATION_SUCCEEDED,
    VerificationPhase.FAILED: Reason.FREIGHT_VERIFICATION_FAILED,
    VerificationPhase.ERROR: Reason.FREIGHT_VERIFICATION_ERRORED,
    VerificationPhase.ABORTED: Reason.FREIGHT_VERIFICATION_ABORTED,
    VerificationPhase.INCONCLUSIVE: Reason.FREIGHT_VERIFICATION_INCONCLUSIVE,
}


@workflow.defn(name="Stage")
class Stage(StageCommands):
    """One Stage of a project."""

    @workflow.init
    def __init__(self, state: StageState | None = None) -> None:
        super().__init__(state or StageState())
        self._fresh = not workflow.info().continued_run_id
        self._children: set[asyncio.Task[None]] = set()
        self._recheck: datetime | None = None
        self._recheck_after = timedelta(seconds=10)
        self._retiring = False

    @workflow.run
    async def run(self, state: StageState | None = None) -> None:
        """Act on what the handlers recorded until the Stage is deleted."""
        check_identity("stage", 3)
        if self._fresh:
            await self._adopt()
        await self.serve()
        if self.reborn is not None:
            # Applied again while it was being deleted: it starts clean.
            state = StageState(project=self.state.project, name=self.state.name)
            state.take_configuration(self.reborn)
            await workflow.wait_condition(workflow.all_handlers_finished)
            self.continue_as(state)

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
            self.dirty
            or self.ended
            or self.verified
            or state.outbox
            or state.notices
            or self.subscriptions
            or self.aborts
            or self.unknown
        )

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
        for record in stage_rules.pass_on(state, now, str(workflow.uuid4())):
            self.emit(
                Reason.FREIGHT_VERIFICATION_SUCCEEDED,
                f"Freight {record.label} passes through control-flow Stage {state.name}",
                stage=state.name,
                freight=record.name,
            )
        if state.health_wanted or (self._recheck and now >= self._recheck):
            await self._check_health()
        if stage_rules.wants_verification(state):
            await self._verify()
        self._refuse_unavailable(now)
        self._auto_promote(now)
        await self._start_next()
        await self._freeze_running()

    # -- promotions ----------------------------------------------------------------------------------------------------

    def _auto_promote(self, now: datetime) -> None:
        self.decisions = stage_rules.auto_promotions(self.state, now)
        for decision in self.decisions:
            if not decision.promote:
                continue
            record = self.state.freight[decision.freight]
            try:
                queued = stage_rules.plan_promotion(
                    self.state, record.reference, now=workflow.now(), entropy=self.entropy(), kind="auto"
                )
            except FreightwayError as error:
                self.problem = f"auto-promotion of {record.label} cannot be planned: {error}"
                continue
            self.problem = ""
            self.put_into_queue(queued)

    async def _start_next(self) -> None:
        """Start the promotion whose turn has come; one that may not take place any more is refused."""
        while True:
            now = workflow.now()
            turn = stage_gates.turn(self.state, now)
            if turn.start is None:
                return
            queued = next(item for item in self.state.queue if item.promotion == turn.start.promotion)
            self.state.queue.remove(queued)
            reason = stage_rules.refusal(self.state, queued, now)
            if reason:
                self._refuse(queued, reason)
                continue
            if turn.ends_verification:
                await self._give_up_verification()
            for barrier in turn.overrides:
                self.emit(
                    Reason.BREAK_GLASS,
                    f"promotion {queued.promotion} starts in spite of {barrier}: {queued.reason}",
                    actor=queued.actor,
                    stage=self.state.name,
                    promotion=queued.promotion,
                )
            await self._start(queued)

    def _refuse_unavailable(self, now: datetime) -> None:
        """Refuse what waits though its Freight may not come any more: a verification was withdrawn meanwhile."""
        for queued in list(self.state.queue):
            reason = stage_rules.refusal(self.state, queued, now)
            if reason:
                self.state.queue.remove(queued)
                self._refuse(queued, reason)

    def _refuse(self, queued: Queued, reason: str) -> None:
        self.emit(
            Reason.PROMOTION_REFUSED,
            f"promotion {queued.promotion} refused: {reason}",
            stage=self.state.name,
            freight=queued.freight,
            promotion=queued.promotion,
        )
        summary = stage_rules.summarize(queued, Phase.ERRORED, reason, workflow.now())
        self._over(summary, queued.notify)

    async def _give_up_verification(self) -> None:
        """End the verification of Freight that a rollback is about to replace."""
        state = self.state
        verifying = state.verifying
        if verifying is None:
            return
        await self.signal(
            names.verification_id(state.project, state.name, verifying.id),
            "abort_now",
            TargetRequest(actor="the rollback"),
        )
        self._verification_over(
            VerificationResult(
                id=verifying.id,
                phase=VerificationPhase.ABORTED,
                message="aborted by the rollback",
                started_at=verifying.started_at,
                finished_at=workflow.now(),
            )
        )

    async def _start(self, queued: Queued) -> None:
        state = self.state
        started = workflow.now()
        state.current = Running(
            promotion=queued.promotion,
            freight=queued.freight,
            alias=queued.alias,
            origin=queued.origin,
            kind=queued.kind,
            actor=queued.actor,
            created_at=queued.created_at,
            started_at=started,
            notify=queued.notify,
            break_glass=queued.break_glass,
        )
        given = PromotionInput(
            plan=queued.plan,
            stage_metadata=state.metadata,
            freight_metadata={
                item.name: state.freight[item.name].metadata
                for item in queued.plan.collection
                if item.name in state.freight
            },
            frozen="" if queued.break_glass else stage_gates.soft_freeze(state, started),
        )
        try:
            handle = await workflow.start_child_workflow(
                "Promotion",
                given,
                id=names.promotion_id(state.project, queued.promotion),
                parent_close_policy=ParentClosePolicy.ABANDON,
                execution_timeout=options.PROMOTION_LIFE,
                result_type=PromotionResult,
                static_summary=f"{state.name} ← {queued.alias or queued.freight[:7]}",
                static_details=f"Freight `{queued.freight}` into Stage `{state.name}` of project `{state.project}`, asked "
                f"for by {queued.actor or 'auto-promotion'}"
                + (f": {queued.reason[:300]}" if queued.reason else ""),
                search_attributes=self.child_attributes(queued.freight, phase="Pending"),
            )
        except WorkflowAlreadyStartedError:
            state.current = state.current.model_copy(update={"adopted": True})
            return
        self.emit(
            Reason.PROMOTION_STARTED,
            f"promotion of {state.label(queued.freight)} started",
            actor=queued.actor,
            stage=state.name,
            freight=queued.freight,
            promotion=queued.promotion,
        )
        self._watch(self._await_promotion(handle, queued.plan.freight))

    def _watch(self, waiting: Any) -> None:
        task = asyncio.create_task(waiting)
        self._children.add(task)
        task.add_done_callback(self._children.discard)

    async def _await_promotion(
        self, handle: workflow.ChildWorkflowHandle[Any, PromotionResult], freight: FreightReference
    ) -> None:
        """Take the end of a promotion from the server, which tells it however it came about."""
        try:
            result = await handle
        except ChildWorkflowError as error:
            result = _promotion_result(error, handle.id, freight)
        self.ended.append(result)

    async def _promotion_over(self, result: PromotionResult) -> None:
        state, now = self.state, workflow.now()
        running = state.current
        if running is None or running.promotion != result.promotion:
            return
        state.current = None
        if not running.freight:
            freight = result.freight
            running = running.model_copy(
                update={"freight": freight.name, "alias": freight.alias, "origin": freight.origin.name}
            )
        if result.phase is Phase.SUCCEEDED:
            stage_rules.take_holding(state, result, now, str(workflow.uuid4()))
            self._recheck, self._recheck_after = None, timedelta(seconds=10)
        summary = stage_rules.summarize(running, result.phase, result.message, now, running.started_at)
        self._over(summary, running.notify)
        if stage_rules.wants_rollback(state, result.phase.value, of_verification=False, kind=running.kind):
            self._roll_back(f"promotion {running.promotion} ended {result.phase.value}", failed=False)

    def _over(self, summary: Any, notify: tuple[str, ...]) -> None:
        stage_rules.finish(self.state, summary, notify)
        text = f": {summary.message}" if summary.message else ""
        self.emit(
            _ENDS[summary.phase],
            f"promotion of {self.state.label(summary.freight)} {summary.phase.value}{text}",
            actor=summary.actor,
            stage=self.state.name,
            freight=summary.freight,
            promotion=summary.promotion,
        )

    def _roll_back(self, why: str, *, failed: bool) -> None:
        """Queue the rollback that the policy asks for; ``failed`` tells that what is held is what failed."""
        state = self.state
        try:
            # A promotion that failed took nothing over: what is held is what to go back to.
            target = None if failed else state.holding
            target = target or stage_rules.rollback_target(state)
            self.queue_rollback(target, actor="", reason=why)
        except FreightwayError as error:
            self.problem = f"no rollback: {error}"

    async def _freeze_running(self) -> None:
        running = self.state.current
        if running is None or running.break_glass:
            return
        reason = stage_gates.soft_freeze(self.state, workflow.now())
        if reason != self.told_freeze:
            self.told_freeze = reason
            await self.signal(
                names.promotion_id(self.state.project, running.promotion), "freeze", Freeze(reason=reason)
            )

    async def _abort(self, request: tuple[str, TargetRequest]) -> None:
        workflow_id, target = request
        await self.signal(workflow_id, "abort_now", target)

    # -- verification and health ---------------------------------------------------------------------------------------

    async def _verify(self) -> None:
        state = self.state
        holding = state.holding
        assert holding is not None
        actor, state.wanted_verification = state.wanted_verification or "", None
        began = workflow.now()
        verification = names.ulid(int(began.timestamp() * 1000), self.entropy())
        spec = state.spec.get("verification")
        if not spec:
            result = VerificationResult(
                id=verification,
                phase=VerificationPhase.SUCCESSFUL,
                started_at=began,
                finished_at=began,
                actor=actor,
            )
            self._take_verdict(result, repeated=bool(holding.verifications))
            return
        missing = stage_rules.missing_templates(state)
        if missing:
            # Not "nothing to measure, so it is good": somebody deleted what decides.
            result = VerificationResult(
                id=verification,
                phase=VerificationPhase.ERROR,
                message=f"{', '.join(missing)} not found in project {state.project}; apply it, then verify again",
                started_at=began,
                finished_at=began,
                actor=actor,
            )
            self._take_verdict(result, repeated=bool(holding.verifications))
            return
        state.verifying = Verifying(
            id=verification,
            holding=holding.id,
            actor=actor,
            started_at=began,
            repeated=bool(holding.verifications),
        )
        handle = await workflow.start_child_workflow(
            "Verification",
            VerificationState(given=self._verification_input(verification), began_at=began),
            id=names.verification_id(state.project, state.name, verification),
            parent_close_policy=ParentClosePolicy.ABANDON,
            execution_timeout=options.PROMOTION_LIFE,
            result_type=VerificationResult,
            static_summary=f"verification of {holding.label} in {state.name}",
            static_details=f"Of what promotion `{holding.promotion}` brought to Stage `{state.name}` of project "
            f"`{state.project}`",
            search_attributes=self.child_attributes(*(item.name for item in holding.items), phase="Pending"),
        )
        self._watch(self._await_verification(handle, verification))

    def _verification_input(self, verification: str) -> VerificationInput:
        state = self.state
        spec = state.spec.get("verification") or {}
        holding = state.holding
        assert holding is not None
        templates = []
        for reference in spec.get("analysisTemplates") or ():
            kind = reference.get("kind") or "AnalysisTemplate"
            found = state.configuration.templates.get(f"{kind}/{reference['name']}")
            if found is not None:
                metadata = {"name": reference["name"]}
                if kind == "AnalysisTemplate":
                    metadata["namespace"] = state.project
                templates.append(
                    {
                        "apiVersion": "argoproj.io/v1alpha1",
                        "kind": kind,
                        "metadata": metadata,
                        "spec": found,
                    }
                )
        return VerificationInput(
            project=state.project,
            stage=state.name,
            id=verification,
            shard=state.shard,
            templates=tuple(templates),
            args=tuple(spec.get("args") or ()),
            vars=tuple(state.spec.get("vars") or ()),
            collection=tuple(item.model_dump(mode="json", by_alias=True) for item in holding.items),
            requested=tuple(state.spec.get("requestedFreight") or ()),
            warehouses=state.configuration.warehouses,
            stage_metadata=state.metadata,
            freight_metadata={
                item.name: state.freight[item.name].metadata
                for item in holding.items
                if item.name in state.freight
            },
        )

    async def _await_verification(
        self, handle: workflow.ChildWorkflowHandle[Any, VerificationResult], verification: str
    ) -> None:
        try:
            result = await handle
        except ChildWorkflowError as error:
            result = _verification_result(error, verification, workflow.now())
        self.verified.append(result)

    def _verification_over(self, result: VerificationResult) -> None:
        verifying = self.state.verifying
        if verifying is None or verifying.id != result.id:
            return
        self.state.verifying = None
        self._take_verdict(result.model_copy(update={"actor": verifying.actor}), repeated=verifying.repeated)

    def _take_verdict(self, result: VerificationResult, *, repeated: bool) -> None:
        state = self.state
        withdrawn = stage_rules.take_verification(state, result, str(workflow.uuid4()))
        holding = state.holding
        assert holding is not None
        text = f": {result.message}" if result.message else ""
        for item in holding.items:
            again = "re-verification" if repeated else "verification"
            self.emit(
                _VERDICTS[result.phase],
                f"{again} of {state.label(item.name)} in {state.name} {result.phase.value}{text}",
                actor=result.actor,
                stage=state.name,
                freight=item.name,
                promotion=holding.promotion,
            )
            if withdrawn:
                self.emit(
                    Reason.FREIGHT_VERIFICATION_WITHDRAWN,
                    f"{state.label(item.name)} no longer counts as verified in {state.name}",
                    stage=state.name,
                    freight=item.name,
                )
        last = next((item for item in state.finished if item.promotion == holding.promotion), None)
        kind = last.kind if last else "manual"
        if stage_rules.wants_rollback(state, result.phase.value, of_verification=True, kind=kind):
            self._roll_back(f"verification {result.id} ended {result.phase.value}", failed=True)

    async def _check_health(self) -> None:
        state, now = self.state, workflow.now()
        state.health_wanted = False
        if not state.health_checks:
            state.health = Health(checked_at=now)
            return
        try:
            answer = await workflow.execute_activity(
                contracts.check_health,
                contracts.HealthRequest(
                    project=state.project,
                    stages=(contracts.StageHealthRequest(stage=state.name, checks=state.health_checks),),
                ),
                task_queue=names.shard_queue(state.shard),
                summary="health",
                **options.HEALTH,
            )
            self.take_health(answer.stages[0])
        except FailureError as error:
            self.take_health(
                contracts.StageHealth(stage=state.name, status="Unknown", issues=(f"not checked: {error}",))
            )
        unsettled = state.health_status != "Healthy" and state.holding and not state.holding.verifications
        self._recheck = workflow.now() + self._recheck_after if unsettled else None
        self._recheck_after = min(self._recheck_after * 2, options.INTERVALS.health)

    # -- others --------------------------------------------------------------------------------------------------------

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

    async def signal(self, workflow_id: str, name: str, payload: Any) -> None:
        """Send a message to another workflow; one that does not run is passed over."""
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(name, payload)
        except ApplicationError:
            workflow.logger.info("%s does not run", workflow_id)

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


def _promotion_result(
    error: ChildWorkflowError, workflow_id: str, freight: FreightReference
) -> PromotionResult:
    """What a promotion that did not succeed says of itself, or what its end means if it says nothing."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details and isinstance(cause.details[0], dict):
        return PromotionResult.model_validate(cause.details[0])
    phase, message = Phase.ERRORED, str(cause or error)
    if isinstance(cause, TerminatedError):
        phase, message = Phase.ABORTED, "the promotion's workflow was terminated"
    elif isinstance(cause, CancelledError):
        phase, message = Phase.ABORTED, "the promotion's workflow was cancelled"
    name = workflow_id.rpartition("/")[2]
    return PromotionResult(promotion=name, phase=phase, message=message, freight=freight)


def _verification_result(error: ChildWorkflowError, verification: str, now: datetime) -> VerificationResult:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details and isinstance(cause.details[0], dict):
        return VerificationResult.model_validate(cause.details[0])
    stopped = isinstance(cause, TerminatedError | CancelledError)
    return VerificationResult(
        id=verification,
        phase=VerificationPhase.ABORTED if stopped else VerificationPhase.ERROR,
        message="the verification's workflow was ended from outside" if stopped else str(cause or error),
        finished_at=now,
    )
