"""The Promotion: one Freight into one Stage, step by step, each step an activity.

The rules are in ``freightway.promotion``; here is what they need of Temporal: activities, timers, a workspace on
a host, and the messages abort, repair, answer and refresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import promotion_details, waiting_text
    from freightway.entities.freight import StageFacts
    from freightway.entities.messages import (
        AnswerRequest,
        Command,
        Done,
        RefreshRequest,
        RepairRequest,
        TargetRequest,
    )
    from freightway.entities.promotion import Freeze, PromotionInput, PromotionResult, WaitingFor
    from freightway.errors import FreightwayError
    from freightway.promotion import repair
    from freightway.promotion.model import Answer, Phase, PromotionPlan, StepOutcome
    from freightway.promotion.progress import Finished, Parked, Progress, RunStep
    from freightway.resources.meta import Variable

from freightway.workflows import options
from freightway.workflows.entity import refused, tolerant
from freightway.workflows.steps import StepRunner, StepStopped


@workflow.defn(name="Promotion", failure_exception_types=options.DEFECTS)
class Promotion:
    """One promotion."""

    @workflow.init
    def __init__(self, given: PromotionInput | None = None) -> None:
        self._given = given or PromotionInput()
        self._progress: Progress | None = None
        self._runner: StepRunner | None = None
        self._seen: dict[str, Done] = {}
        self._answers: list[Answer] = []
        self._frozen = self._given.frozen
        self._abort: Command | None = None
        self._woken = False
        self._waits_for = ""
        self._told: WaitingFor | None = None
        self._memo: dict[str, Any] = {}
        self._memo_at: datetime | None = None

    @workflow.run
    async def run(self, given: PromotionInput | None = None) -> PromotionResult:
        """Run the plan to its end; a promotion that does not succeed fails the workflow with its message."""
        if self._given.plan is None:
            raise ApplicationError(
                'a promotion is started by its Stage; ask for one with the workflow "Promote" and the input '
                '{"project": "...", "stage": "...", "freight": "..."}',
                type="Refused",
                non_retryable=True,
            )
        plan = await self._with_facts(self._given.plan)
        self._progress = Progress.start(plan, workflow.now())
        self._runner = StepRunner(plan, self._given)
        try:
            await self._steps()
        except asyncio.CancelledError:
            self._progress = self._progress.abort(workflow.now(), "the Temporal command cancel")
            raise
        finally:
            self._publish()
            await self._runner.clean()
            await self._report()
        result = PromotionResult.of(self._progress)
        if result.phase is Phase.SUCCEEDED:
            return result
        raise ApplicationError(
            result.message or f"promotion {result.phase.value}",
            result.model_dump(mode="json", by_alias=True),
            type=result.phase.value,
            non_retryable=True,
        )

    async def _with_facts(self, plan: PromotionPlan) -> PromotionPlan:
        kinds = tuple(sorted({step.uses for step in plan.steps}))
        queue = names.shard_queue(plan.shard)
        workflow.set_current_details(f"Waits for a worker of queue `{queue}` to say what the steps need.")
        answer = await workflow.execute_activity(
            contracts.step_kinds,
            contracts.KindsRequest(kinds=kinds),
            task_queue=queue,
            summary="what the steps need",
            **options.QUICK,
        )
        steps = [step.model_copy(update={"facts": answer.facts[step.uses]}) for step in plan.steps]
        return plan.model_copy(update={"steps": tuple(steps)})

    # -- the steps -----------------------------------------------------------------------------------------------

    async def _steps(self) -> None:
        while True:
            progress = self._now()
            if self._abort is not None and not progress.phase.is_terminal:
                progress = self._progress = progress.abort(workflow.now(), self._abort.actor)
            self._publish()
            move = progress.next()
            if isinstance(move, Finished):
                return
            if isinstance(move, Parked):
                await self._wait_while_parked(move)
            elif self._frozen and move.step.facts.effect == "outside":
                await self._wait_while_frozen(move)
            else:
                await self._attempt()

    async def _attempt(self) -> None:
        """Wait out the pause before the attempt, then ask the step once."""
        progress = self._now()
        if progress.pause is not None:
            until = workflow.now() + progress.pause
            await self._pause(progress.pause.total_seconds(), waiting_text(progress, until))
            if self._abort is not None:
                return
        self._woken = False
        progress = self._progress = self._now().begin(workflow.now())
        assert self._runner is not None
        try:
            outcome = await self._runner.attempt(progress, self._interrupted, tuple(self._answers))
        except StepStopped as stopped:
            if self._abort is None and not self._woken:
                self._progress = progress.lost(stopped.reason, workflow.now())
            return
        self._progress = progress.record(outcome, workflow.now())
        self._runner.keep_metadata(outcome)
        await self._tell_metadata(outcome)

    def _interrupted(self) -> bool:
        return self._abort is not None or self._woken

    async def _pause(self, seconds: float, what_for: str) -> None:
        self._waits_for = what_for
        self._publish()
        await self._tell_waiting()
        try:
            await workflow.wait_condition(self._interrupted, timeout=seconds, timeout_summary=what_for)
        except TimeoutError:
            pass
        finally:
            self._waits_for = ""

    async def _wait_while_parked(self, move: Parked) -> None:
        self._waits_for = f'a person: step "{move.step.alias}" failed; retry, skip or abort it'
        self._publish()
        await self._tell_waiting()
        await workflow.wait_condition(
            lambda: self._abort is not None or self._now().phase is not Phase.PARKED
        )
        self._waits_for = ""
        await self._tell_waiting()

    async def _wait_while_frozen(self, move: RunStep) -> None:
        self._waits_for = f'the freeze to be lifted before step "{move.step.alias}": {self._frozen}'
        self._publish()
        await self._tell_waiting()
        await workflow.wait_condition(lambda: self._abort is not None or not self._frozen)
        self._waits_for = ""
        await self._tell_waiting()

    def _now(self) -> Progress:
        assert self._progress is not None
        return self._progress

    # -- messages --------------------------------------------------------------------------------------------------

    @workflow.signal
    @tolerant
    def freeze(self, freeze: Freeze | None = None) -> None:
        """Wait before the next step with an effect outside, or go on."""
        self._frozen = freeze.reason if freeze else ""

    @workflow.signal
    @tolerant
    def wake(self, request: RefreshRequest | None = None) -> None:
        """Ask a waiting step again now."""
        self._woken = True

    @workflow.update
    def refresh(self, request: RefreshRequest | None = None) -> Done:
        """Ask a waiting step again now."""
        self._woken = True
        return Done(message="the waiting step is asked again")

    @refresh.validator
    def _check_refresh(self, request: RefreshRequest | None = None) -> None:
        self._check_runs()

    @workflow.update
    def abort(self, request: TargetRequest | None = None) -> Done:
        """End the promotion: the running step is cancelled and its workspace cleaned."""
        self._abort = request or TargetRequest()
        return Done(message="the promotion is being aborted")

    @abort.validator
    def _check_abort(self, request: TargetRequest | None = None) -> None:
        self._check_runs()

    @workflow.signal(name="abort_now")
    @tolerant
    def abort_signal(self, request: TargetRequest | None = None) -> None:
        """As the update ``abort``, sent by the Stage."""
        self._abort = request or TargetRequest()

    @workflow.update
    def repair(self, request: RepairRequest | None = None) -> Done:
        """Retry, skip or abort the failed step of a parked promotion."""
        assert request is not None
        if request.id in self._seen:
            return self._seen[request.id]
        if request.action == "abort":
            self._abort = request
            answer = Done(message="the promotion is being aborted")
        else:
            try:
                self._progress = self._repaired(request)
            except FreightwayError as error:
                raise refused(str(error)) from error
            answer = Done(
                message=f"the failed step is {'retried' if request.action == 'retry' else 'skipped'}"
            )
        if request.id:
            self._seen[request.id] = answer
        return answer

    @repair.validator
    def _check_repair(self, request: RepairRequest | None = None) -> None:
        if request is None:
            raise refused('this update needs an argument such as {"action": "retry"}')
        if request.id and request.id in self._seen:
            return
        self._check_runs()
        try:
            self._repaired(request)
        except (FreightwayError, ValueError) as error:
            raise refused(str(error)) from error

    def _repaired(self, request: RepairRequest) -> Progress:
        if request.action == "skip":
            return repair.skip(self._now(), workflow.now(), request.reason, actor=request.actor)
        variables = [Variable(name=name, value=value) for name, value in request.vars.items()]
        return repair.retry(self._now(), workflow.now(), actor=request.actor, variables=variables)

    @workflow.update
    def answer(self, request: AnswerRequest | None = None) -> Done:
        """Approve or reject at a step that waits for a person."""
        assert request is not None
        step = self._now().step
        given = Answer(
            target=request.target or (step.alias if step else ""),
            actor=request.actor,
            approve=request.approve,
            reason=request.reason,
            groups=request.groups,
            at=workflow.now(),
        )
        others = [a for a in self._answers if (a.target, a.actor) != (given.target, given.actor)]
        self._answers = [*others, given]
        self._woken = True
        return Done(message=f"{'approved' if request.approve else 'rejected'} step {given.target!r}")

    @answer.validator
    def _check_answer(self, request: AnswerRequest | None = None) -> None:
        if request is None:
            raise refused('this update needs an argument such as {"actor": "ann", "approve": true}')
        self._check_runs()
        step = self._now().step
        if step is None or step.uses != "wait-for-approval":
            raise refused("no step of this promotion waits for an approval now")
        if request.target and request.target != step.alias:
            raise refused(f"step {request.target!r} does not wait for an approval; {step.alias!r} does")
        if not request.actor:
            raise refused("say who answers: actor")
        if not request.approve and not request.reason:
            raise refused("say why it is rejected: reason")
        asked_by = self._now().plan.actor
        if request.approve and request.actor == asked_by and not (step.config or {}).get("allowRequester"):
            raise refused(f"{asked_by} asked for this promotion; another person must approve it")

    @workflow.update(dynamic=True)
    def any_update(self, name: str, args: Sequence[RawValue]) -> None:
        """Never runs: its validator refuses every update without a name of its own."""

    @any_update.validator
    def _refuse_unknown(self, name: str, args: Sequence[RawValue]) -> None:
        raise refused(f"Promotion has no update {name!r}; it has abort, answer, refresh and repair")

    @workflow.signal(dynamic=True)
    def any_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Drop a signal of an unknown name."""
        workflow.logger.warning("dropped the unknown signal %s", name)

    @workflow.query
    def progress(self) -> Progress | None:
        """How far the promotion has come; configuration in it is raw, so it holds no secret."""
        return self._progress

    def _check_runs(self) -> None:
        if self._progress is None:
            raise refused("the promotion has not started its steps yet; try again")
        if self._progress.phase.is_terminal or self._abort is not None:
            raise refused(f"the promotion is over: {self._progress.phase.value}")

    # -- what others see ---------------------------------------------------------------------------------------------

    async def _tell_metadata(self, outcome: StepOutcome) -> None:
        plan = self._now().plan
        for update in outcome.metadata:
            if update.kind == "Stage":
                await self._signal(
                    names.stage_id(plan.project, update.name), "metadata", {"values": update.values}
                )
                continue
            origins = [item.origin.name for item in plan.collection if item.name == update.name]
            for origin in origins or [plan.freight.origin.name]:
                facts = StageFacts(
                    id=str(workflow.uuid4()), stage=plan.stage, metadata={update.name: update.values}
                )
                await self._signal(names.warehouse_id(plan.project, origin), "facts", facts)

    async def _tell_waiting(self) -> None:
        """Tell the Stage when the promotion begins or ceases to wait for a person or a freeze."""
        progress = self._now()
        person = progress.phase is Phase.PARKED or bool(self._frozen and self._waits_for)
        person = person or bool(
            progress.step and progress.step.uses == "wait-for-approval" and self._waits_for
        )
        news = WaitingFor(
            promotion=progress.plan.promotion,
            phase=progress.phase,
            step=progress.step.alias if progress.step else "",
            text=self._waits_for if person else "",
        )
        if news != self._told and (news.text or (self._told and self._told.text)):
            self._told = news
            await self._signal(names.stage_id(progress.plan.project, progress.plan.stage), "waiting", news)

    async def _report(self) -> None:
        """Tell the Stage the end: the close of a child tells it too, but not to a Stage started anew."""
        plan = self._now().plan
        result = PromotionResult.of(self._now())
        await self._signal(names.stage_id(plan.project, plan.stage), "promotion_result", result)

    async def _signal(self, workflow_id: str, name: str, payload: Any) -> None:
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(name, payload)
        except FailureError as error:
            workflow.logger.warning("%s did not take %s: %s", workflow_id, name, error)

    def _publish(self) -> None:
        progress = self._now()
        plan = progress.plan
        memo = {
            "kind": "Promotion",
            "project": plan.project,
            "stage": plan.stage,
            "name": plan.promotion,
            "phase": progress.phase.value,
            "freight": plan.freight.name,
            "alias": plan.freight.alias,
            "actor": plan.actor,
            "step": progress.step.alias if progress.step and not progress.phase.is_terminal else "",
            "message": self._sentence()[:400],
        }
        if self._is_news(memo):
            if memo["phase"] != self._memo.get("phase"):
                workflow.upsert_search_attributes([contracts.PHASE_ATTRIBUTE.value_set(progress.phase.value)])
            workflow.upsert_memo({"freightway": memo})
            self._memo, self._memo_at = memo, workflow.now()
        workflow.set_current_details(promotion_details(progress, self._waits_for))

    def _sentence(self) -> str:
        """What lists say of the promotion: what it waits for, and why if a step failed before."""
        message = self._now().message
        if not self._waits_for:
            return message
        return f"{message}; waits for {self._waits_for}" if message else f"waits for {self._waits_for}"

    def _is_news(self, memo: dict[str, Any]) -> bool:
        """Whether the memo is written now: each write costs the server one of its list, so quick steps share one."""
        if memo == self._memo:
            return False
        weighty = any(memo[key] != self._memo.get(key) for key in ("phase", "message"))
        return weighty or self._memo_at is None or workflow.now() - self._memo_at >= options.MEMO_EVERY
