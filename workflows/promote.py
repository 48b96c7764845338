"""Promote: a person's command as a workflow. It asks the Stage, waits for the end, and ends the same way."""

from __future__ import annotations

from typing import Any, Self

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

    from freightway import contracts, names
    from freightway.entities.display import cell
    from freightway.entities.input_errors import input_sentence
    from freightway.entities.messages import PromoteAnswer, PromoteRequest, PromotionEnded

from freightway.workflows import options
from freightway.workflows.entity import refused, tolerant

_NEEDED = "give the project and the Stage"
_EXAMPLE = '{"project": "demo", "stage": "dev", "freight": "brave-otter"}'


class PromoteInput(PromoteRequest):
    """What a person typed; anything that is no request is kept as the sentence that refuses it."""

    problem: str = ""

    @model_validator(mode="wrap")
    @classmethod
    def _keep_the_problem(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            is_whole = any(not detail["loc"] for detail in error.errors(include_url=False))
            return handler({"problem": _NEEDED if is_whole else input_sentence(error)})


@workflow.defn(name="Promote", failure_exception_types=options.DEFECTS)
class Promote:
    """Promote Freight into a Stage and wait for the end."""

    def __init__(self) -> None:
        self._answer: PromoteAnswer | None = None
        self._ended: PromotionEnded | None = None

    @workflow.run
    async def run(self, request: PromoteInput | None = None) -> PromotionEnded:
        """Ask, wait, and fail with the promotion's message unless it succeeded."""
        try:
            await self._ask(self._checked(request))
        except ApplicationError as error:
            self._show_refusal(request or PromoteInput(), error.message)
            raise
        assert self._answer is not None
        self._show()
        while self._ended is None:
            try:
                await workflow.wait_condition(
                    lambda: self._ended is not None,
                    timeout=options.INTERVALS.promote_check,
                    timeout_summary=f"the end of {self._answer.promotion}",
                )
            except TimeoutError:
                await self._look()
        self._show()
        ended = self._ended
        if ended.phase == "Succeeded":
            return ended
        raise ApplicationError(
            ended.message or f"promotion {ended.phase}",
            ended.model_dump(mode="json", by_alias=True),
            type=ended.phase,
            non_retryable=True,
        )

    def _checked(self, request: PromoteInput | None) -> PromoteRequest:
        if request is not None and request.problem:
            raise refused(f"{request.problem}; the input looks like {_EXAMPLE}")
        if request is None or not request.project or not request.stage:
            raise refused(f"{_NEEDED}, for example {_EXAMPLE}")
        for word, name in (("project", request.project), ("Stage", request.stage)):
            if not names.is_object_name(name):
                raise refused(f"{cell(name)!r} is not the name of a {word}")
        workflow.upsert_search_attributes(
            [
                contracts.PROJECT_ATTRIBUTE.value_set(request.project),
                contracts.STAGE_ATTRIBUTE.value_set(request.stage),
                contracts.PHASE_ATTRIBUTE.value_set("Pending"),
            ]
        )
        info = workflow.info()
        given = request.model_dump(exclude={"problem", "id", "notify"})
        return PromoteRequest(**given, id=request.id or f"promote/{info.run_id}", notify=info.workflow_id)

    async def _ask(self, request: PromoteRequest) -> None:
        """Ask the Stage, and keep its answer."""
        stage_id = names.stage_id(request.project, request.stage)
        try:
            answer = await workflow.execute_activity(
                contracts.command,
                contracts.CommandRequest(
                    workflow_id=stage_id,
                    update="promote",
                    payload=request.model_dump(mode="json", by_alias=True),
                    id=request.id,
                ),
                summary=f"ask Stage {request.stage}",
                **options.COMMAND,
            )
        except ActivityError as error:
            raise refused(f"Stage {request.stage!r} did not answer: {error.cause or error}") from error
        if answer.refused == f"{stage_id} not found":
            raise refused(f"Stage {request.stage!r} not found in project {request.project!r}")
        if answer.refused:
            raise refused(answer.refused)
        self._answer = PromoteAnswer.model_validate(answer.result)
        if self._ended is not None and self._ended.promotion != self._answer.promotion:
            self._ended = None

    async def _look(self) -> None:
        """Ask Temporal for the promotion's end, should the Stage's message have been lost."""
        assert self._answer is not None
        workflow_id = names.promotion_id(self._answer.project, self._answer.promotion)
        answer = await workflow.execute_activity(
            contracts.workflow_status,
            contracts.StatusRequest(workflow_ids=(workflow_id,)),
            summary="how does the promotion stand?",
            **options.QUICK,
        )
        status = answer.workflows[0]
        if status.status in ("RUNNING", "NOT_FOUND"):
            return
        result: dict[str, Any] = status.result or {}
        self._ended = PromotionEnded(
            promotion=self._answer.promotion,
            phase=str(result.get("phase") or ("Succeeded" if status.status == "COMPLETED" else "Errored")),
            message=str(result.get("message") or status.message),
            freight=self._answer.freight,
        )

    @workflow.signal
    @tolerant
    def promotion_ended(self, ended: PromotionEnded | None = None) -> None:
        """Take the end of the promotion; what names no promotion or another one is dropped."""
        if ended is None or not ended.phase or not ended.promotion:
            return
        # It may be over before the Stage's answer has come.
        if self._answer is None or ended.promotion == self._answer.promotion:
            self._ended = ended

    @workflow.query
    def answer(self) -> PromoteAnswer | None:
        """What the Stage answered: the promotion's name, its place and its plan."""
        return self._answer

    def _show(self) -> None:
        assert self._answer is not None
        asked = self._answer
        phase = self._ended.phase if self._ended else "Running"
        workflow.upsert_search_attributes(
            [
                contracts.PHASE_ATTRIBUTE.value_set(phase),
                contracts.FREIGHT_ATTRIBUTE.value_set([asked.freight]),
            ]
        )
        waits = f"waits for {asked.waits_for}" if asked.waits_for and self._ended is None else ""
        message = self._ended.message if self._ended else ""
        self._note(asked.project, asked.stage, phase, message or waits)
        workflow.set_current_details(
            f"## {asked.stage} ← {asked.alias or asked.freight[:7]}\n\n"
            f"**{phase}**{f': {cell(message, 400)}' if message else ''}\n\n"
            + (f"It {waits}\n\n" if waits else "")
            + f"Promotion `{names.promotion_id(asked.project, asked.promotion)}`"
        )

    def _show_refusal(self, request: PromoteInput, sentence: str) -> None:
        # The Web UI's form copies the attributes of the last such workflow, its Freight too.
        workflow.upsert_search_attributes(
            [contracts.PHASE_ATTRIBUTE.value_set("Refused"), contracts.FREIGHT_ATTRIBUTE.value_unset()]
        )
        self._note(request.project, request.stage, "Refused", sentence)
        workflow.set_current_details(f"## Refused\n\n**{cell(sentence, 400)}**")

    def _note(self, project: str, stage: str, phase: str, message: str) -> None:
        """Set the memo, by which lists show a person's command."""
        answer = self._answer
        memo = {
            "kind": "Promote",
            "project": project,
            "stage": stage,
            "name": answer.promotion if answer else "",
            "phase": phase,
            "freight": answer.freight if answer else "",
            "alias": answer.alias if answer else "",
            "message": message[:400],
        }
        workflow.upsert_memo({"freightway": memo})
