"""The Verification: the metrics of a Stage's AnalysisTemplates, measurement by measurement.

The rules are in ``freightway.verification``. Measurements that are due together are awaited together before they
are assessed; the pauses between are durable timers; the answer to a ``signal`` metric is an update or a signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import verification_details
    from freightway.entities.messages import AnswerRequest, Done, TargetRequest
    from freightway.entities.promotion import WaitingFor
    from freightway.entities.verification import (
        VerificationInput,
        VerificationPhase,
        VerificationResult,
        VerificationState,
    )
    from freightway.errors import FreightwayError
    from freightway.resources.analysis import AnalysisPhase, Argument
    from freightway.resources.load import parse_resource
    from freightway.verification import answers, assess, lifecycle, schedule
    from freightway.verification.run import Action, AnalysisRun, Due, MeasurementResult

from freightway.workflows import options
from freightway.workflows.entity import refused, tolerant

WorkT = TypeVar("WorkT")


@workflow.defn(name="Verification", failure_exception_types=options.DEFECTS)
class Verification:
    """One verification of what a Stage holds."""

    @workflow.init
    def __init__(self, state: VerificationState | None = None) -> None:
        self._state = state or VerificationState()
        self._run: AnalysisRun | None = self._state.run
        self._aborted_by: str | None = self._state.aborted_by
        self._woken = False
        self._asked: tuple[str, ...] = ()
        self._memo: dict[str, Any] = {}

    @workflow.run
    async def run(self, state: VerificationState | None = None) -> VerificationResult:
        """Measure until the run has its final phase; one that is not Successful fails the workflow."""
        given = self._state.given
        if not given.stage:
            raise ApplicationError(
                "a verification is started by its Stage; to verify again: freightway verify stage NAME",
                type="Refused",
                non_retryable=True,
            )
        began = self._state.began_at or workflow.now()
        try:
            if self._run is None:
                self._run = await self._unless_aborted(self._start(given)) or lifecycle.fail(
                    AnalysisRun(project=given.project, name=given.id), "aborted", workflow.now()
                )
            await self._measure()
        except asyncio.CancelledError:
            self._aborted_by = "the Temporal command cancel"
            raise
        finally:
            if self._run is not None:
                self._publish()
                result = self._result(began)
                await self._signal("verification_result", result)
        if result.phase is VerificationPhase.SUCCESSFUL:
            return result
        raise ApplicationError(
            result.message or f"verification {result.phase.value}",
            result.model_dump(mode="json", by_alias=True),
            type=result.phase.value,
            non_retryable=True,
        )

    async def _start(self, given: VerificationInput) -> AnalysisRun:
        failed = AnalysisRun(project=given.project, name=given.id)
        answer = await workflow.execute_activity(
            contracts.verification_arguments,
            contracts.ArgumentsRequest(
                project=given.project,
                stage=given.stage,
                args=given.args,
                vars=given.vars,
                collection=given.collection,
                requested=given.requested,
                warehouses=given.warehouses,
                stage_metadata=given.stage_metadata,
                freight_metadata=given.freight_metadata,
                freight_status=given.freight_status,
            ),
            task_queue=names.shard_queue(given.shard),
            summary="arguments of the metrics",
            **options.QUICK,
        )
        if answer.error:
            return lifecycle.fail(failed, answer.error, workflow.now())
        try:
            templates = [parse_resource(template) for template in given.templates]
            args = [Argument.model_validate(argument) for argument in answer.args]
        except (FreightwayError, ValidationError) as error:
            return lifecycle.fail(failed, str(error), workflow.now())
        return lifecycle.start(
            templates,  # type: ignore[arg-type]
            args,
            workflow.now(),
            project=given.project,
            name=given.id,
        )

    async def _measure(self) -> None:
        while True:
            run = self._now()
            if self._aborted_by is not None:
                run = self._run = lifecycle.terminate(run)
            self._woken = False
            if run.is_completed:
                return
            tasks, _ = schedule.due(run, workflow.now())
            taking = self._take_all(run, tasks)
            results = await (taking if run.is_terminating else self._unless_aborted(taking))
            if results is None:
                continue
            for task, result in zip(tasks, results, strict=True):
                self._run = lifecycle.record(self._now(), task, result, workflow.now())
            self._run = assess.assess(self._now(), workflow.now())
            self._publish()
            await self._tell_questions()
            await self._pause()

    async def _unless_aborted(self, work: Coroutine[Any, Any, WorkT]) -> WorkT | None:
        """Await work and return what it gives; when the run is aborted meanwhile, cancel it and return None."""
        task = asyncio.create_task(work)
        try:
            await workflow.wait_condition(lambda: task.done() or self._aborted_by is not None)
        finally:
            if not task.done():
                task.cancel()
        await workflow.wait([task])
        return None if task.cancelled() else _result_unless_cancelled(task)

    async def _take_all(self, run: AnalysisRun, tasks: Sequence[Due]) -> list[MeasurementResult]:
        return list(await asyncio.gather(*(self._take(run, task) for task in tasks)))

    async def _take(self, run: AnalysisRun, task: Due) -> MeasurementResult:
        if answers.is_answered_by_signal(run, task):
            return answers.ask(run, task)
        try:
            return await workflow.execute_activity(
                contracts.measure,
                run.request(task),
                task_queue=names.shard_queue(self._state.given.shard),
                summary=f"{task.metric}: {task.action.value}",
                **(options.END_MEASUREMENT if task.action is Action.TERMINATE else options.MEASURE),
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            cause = error.cause or error
            return MeasurementResult(phase=AnalysisPhase.ERROR, message=f"the measurement was lost: {cause}")

    async def _pause(self) -> None:
        pause = schedule.pause(self._now(), workflow.now())
        if pause is None or pause <= timedelta(0):
            return
        questions = answers.open_questions(self._now())
        what_for = f"an answer: {questions[0].prompt}" if questions else "the next measurement"
        try:
            await workflow.wait_condition(
                lambda: self._woken or self._aborted_by is not None or self._must_continue(),
                timeout=pause,
                timeout_summary=what_for[:200],
            )
        except TimeoutError:
            return
        if self._must_continue():
            await workflow.wait_condition(workflow.all_handlers_finished)
            state = self._state.model_copy(update={"run": self._run, "aborted_by": self._aborted_by})
            workflow.continue_as_new(state, memo=dict(workflow.memo()))

    def _must_continue(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    def _now(self) -> AnalysisRun:
        assert self._run is not None
        return self._run

    def _result(self, began: Any) -> VerificationResult:
        run = self._now()
        phase = VerificationPhase(run.phase.value)
        message = run.message
        if self._aborted_by is not None:
            phase, message = VerificationPhase.ABORTED, f"aborted by {self._aborted_by or 'a person'}"
        return VerificationResult(
            id=self._state.given.id,
            phase=phase,
            message=message,
            started_at=began,
            finished_at=workflow.now(),
        )

    # -- messages --------------------------------------------------------------------------------------------------

    @workflow.update
    def answer(self, request: AnswerRequest | None = None) -> Done:
        """Approve or reject the question of a ``signal`` metric."""
        assert request is not None
        given = _answer(request)
        question = answers.check_answer(self._now(), given)
        self._run = answers.take_answer(self._now(), given, workflow.now())
        self._woken = True
        return Done(message=f"{'approved' if request.approve else 'rejected'} {question.metric}")

    @answer.validator
    def _check_answer(self, request: AnswerRequest | None = None) -> None:
        if request is None:
            raise refused('this update needs an argument such as {"actor": "ann", "approve": true}')
        if self._run is None or self._run.is_completed:
            raise refused("the verification waits for no answer now")
        try:
            answers.check_answer(self._run, _answer(request))
        except (FreightwayError, ValueError) as error:
            raise refused(str(error)) from error

    @workflow.signal(name="answer_now")
    @tolerant
    def answer_signal(self, request: AnswerRequest | None = None) -> None:
        """As the update ``answer``, for systems that can only signal; one that does not fit is dropped."""
        if request is None or self._run is None or self._run.is_completed:
            return
        try:
            self._run = answers.take_answer(self._run, _answer(request), workflow.now())
        except (FreightwayError, ValueError) as error:
            workflow.logger.warning("dropped an answer: %s", error)
            return
        self._woken = True

    @workflow.update
    def abort(self, request: TargetRequest | None = None) -> Done:
        """End the verification early; its phase becomes Aborted."""
        self._aborted_by = (request.actor if request else "") or "a person"
        return Done(message="the verification is being aborted")

    @abort.validator
    def _check_abort(self, request: TargetRequest | None = None) -> None:
        if self._run is not None and self._run.is_completed:
            raise refused(f"the verification is over: {self._run.phase.value}")

    @workflow.signal(name="abort_now")
    @tolerant
    def abort_signal(self, request: TargetRequest | None = None) -> None:
        """As the update ``abort``, sent by the Stage."""
        self._aborted_by = (request.actor if request else "") or "a person"

    @workflow.update(dynamic=True)
    def any_update(self, name: str, args: Sequence[RawValue]) -> None:
        """Never runs: its validator refuses every update without a name of its own."""

    @any_update.validator
    def _refuse_unknown(self, name: str, args: Sequence[RawValue]) -> None:
        raise refused(f"Verification has no update {name!r}; it has abort and answer")

    @workflow.signal(dynamic=True)
    def any_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Drop a signal of an unknown name."""
        workflow.logger.warning("dropped the unknown signal %s", name)

    @workflow.query
    def analysis_run(self) -> AnalysisRun | None:
        """The run as it stands; secret arguments in it are references."""
        return self._run

    # -- what others see ---------------------------------------------------------------------------------------------

    async def _tell_questions(self) -> None:
        asked = tuple(question.prompt for question in answers.open_questions(self._now()))
        if asked != self._asked:
            self._asked = asked
            text = f"an answer: {'; '.join(asked)}" if asked else ""
            await self._signal("verification_waiting", WaitingFor(promotion=self._state.given.id, text=text))

    async def _signal(self, name: str, payload: Any) -> None:
        given = self._state.given
        handle = workflow.get_external_workflow_handle(names.stage_id(given.project, given.stage))
        try:
            await handle.signal(name, payload)
        except FailureError as error:
            workflow.logger.warning("Stage %s did not take %s: %s", given.stage, name, error)

    def _publish(self) -> None:
        run, given = self._now(), self._state.given
        phase = "Aborted" if self._aborted_by is not None else run.phase.value
        memo = {
            "kind": "Verification",
            "project": given.project,
            "stage": given.stage,
            "name": given.id,
            "phase": phase,
            "message": (run.message or self._question())[:400],
        }
        if memo != self._memo:
            workflow.upsert_memo({"freightway": memo})
            workflow.upsert_search_attributes([contracts.PHASE_ATTRIBUTE.value_set(phase)])
            self._memo = memo
        title = f"Verification of {self._freight()} in {given.stage}"
        workflow.set_current_details(verification_details(run, answers.open_questions(run), title))

    def _question(self) -> str:
        asked = [question.prompt for question in answers.open_questions(self._now())]
        return f"waits for an answer: {'; '.join(asked)}" if asked else ""

    def _freight(self) -> str:
        held = self._state.given.collection
        return ", ".join(str(item.get("alias") or item.get("name", ""))[:63] for item in held) or "no Freight"


def _result_unless_cancelled(task: asyncio.Task[WorkT]) -> WorkT | None:
    try:
        return task.result()
    except ActivityError as error:
        if is_cancelled_exception(error):
            return None
        raise


def _answer(request: AnswerRequest) -> answers.Answer:
    return answers.Answer(
        metric=request.target, approve=request.approve, reason=request.reason, actor=request.actor
    )
