"""What a Stage does about promotions: it queues them, starts the next, and takes their ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.exceptions import (
    TimeoutError as TemporalTimeout,
)
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from freightway import names
    from freightway.entities import stage_gates, stage_holding, stage_rules
    from freightway.entities.events import Reason
    from freightway.entities.freight import statuses
    from freightway.entities.messages import TargetRequest
    from freightway.entities.promotion import Freeze, PromotionInput, PromotionResult
    from freightway.entities.stage import Queued, Running
    from freightway.errors import FreightwayError
    from freightway.promotion.model import FreightReference, Phase

from freightway.workflows import options
from freightway.workflows.stage_verification import StageVerification

_ENDS = {
    Phase.SUCCEEDED: Reason.PROMOTION_SUCCEEDED,
    Phase.FAILED: Reason.PROMOTION_FAILED,
    Phase.ERRORED: Reason.PROMOTION_ERRORED,
    Phase.ABORTED: Reason.PROMOTION_ABORTED,
    Phase.SUPERSEDED: Reason.PROMOTION_SUPERSEDED,
}
TIME_OVER = "the promotion took longer than a promotion of its Stage may, and was ended"


class StagePromotions(StageVerification):
    """Auto-promotion, the queue, the promotion that runs, and its end."""

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
        self.emit_of(
            queued,
            Reason.PROMOTION_REFUSED,
            f"promotion {queued.promotion} refused: {reason}",
        )
        summary = stage_rules.summarize(queued, Phase.ERRORED, reason, workflow.now())
        self._over(summary, queued.notify)

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
            freight_status=statuses(
                state.freight,
                [item.name for item in queued.plan.collection],
                queued.plan.model_dump(mode="json", include={"steps", "vars"}),
            ),
            frozen="" if queued.break_glass else stage_gates.soft_freeze(state, started),
        )
        try:
            handle = await workflow.start_child_workflow(
                "Promotion",
                given,
                id=names.promotion_id(state.project, queued.promotion),
                parent_close_policy=ParentClosePolicy.ABANDON,
                execution_timeout=state.settings.longest_promotion or options.PROMOTION_LIFE,
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
        self.emit_of(
            queued,
            Reason.PROMOTION_STARTED,
            f"promotion of {state.label(queued.freight)} started",
            actor=queued.actor,
        )
        self._watch(self._await_promotion(handle, queued.plan.freight))

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
            stage_holding.take_holding(state, result, now, str(workflow.uuid4()))
            self._expect_new_health()
        summary = stage_rules.summarize(running, result.phase, result.message, now, running.started_at)
        self._over(summary, running.notify)
        if stage_rules.wants_rollback(state, result.phase.value, of_verification=False, kind=running.kind):
            self._roll_back(f"promotion {running.promotion} ended {result.phase.value}", failed=False)

    def _over(self, summary: Any, notify: tuple[str, ...]) -> None:
        stage_rules.finish(self.state, summary, notify)
        text = f": {summary.message}" if summary.message else ""
        self.emit_of(
            summary,
            _ENDS[summary.phase],
            f"promotion of {self.state.label(summary.freight)} {summary.phase.value}{text}",
            actor=summary.actor,
        )

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
    elif isinstance(cause, TemporalTimeout):
        message = TIME_OVER
    name = workflow_id.rpartition("/")[2]
    return PromotionResult(promotion=name, phase=phase, message=message, freight=freight)
