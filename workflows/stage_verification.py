"""What a Stage does to verify what it holds."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    TerminatedError,
)
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from freightway import names
    from freightway.entities import stage_holding, stage_rules
    from freightway.entities.events import Reason
    from freightway.entities.freight import statuses
    from freightway.entities.messages import TargetRequest
    from freightway.entities.stage import StageState, Verifying
    from freightway.entities.verification import (
        VerificationInput,
        VerificationPhase,
        VerificationResult,
        VerificationState,
    )
    from freightway.errors import FreightwayError

from freightway.workflows import options
from freightway.workflows.stage_health import StageHealth

_VERDICTS = {
    VerificationPhase.SUCCESSFUL: Reason.FREIGHT_VERIFICATION_SUCCEEDED,
    VerificationPhase.FAILED: Reason.FREIGHT_VERIFICATION_FAILED,
    VerificationPhase.ERROR: Reason.FREIGHT_VERIFICATION_ERRORED,
    VerificationPhase.ABORTED: Reason.FREIGHT_VERIFICATION_ABORTED,
    VerificationPhase.INCONCLUSIVE: Reason.FREIGHT_VERIFICATION_INCONCLUSIVE,
}


class StageVerification(StageHealth):
    """Verifications, and the rollback that a bad verdict may bring."""

    def __init__(self, state: StageState) -> None:
        super().__init__(state)
        self._children: set[asyncio.Task[None]] = set()

    def _watch(self, waiting: Any) -> None:
        task = asyncio.create_task(waiting)
        self._children.add(task)
        task.add_done_callback(self._children.discard)

    def _roll_back(self, why: str, *, failed: bool) -> None:
        """Queue the rollback that the policy asks for; ``failed`` tells that what is held is what failed."""
        state = self.state
        try:
            # A promotion that failed took nothing over: what is held is what to go back to.
            target = None if failed else state.holding
            target = target or stage_holding.rollback_target(state)
            self.queue_rollback(target, actor="", reason=why)
        except FreightwayError as error:
            self.problem = f"no rollback: {error}"

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
        missing = stage_holding.missing_templates(state)
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
            freight_status=statuses(
                state.freight, [item.name for item in holding.items], spec.get("args"), state.spec.get("vars")
            ),
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
        withdrawn = stage_holding.take_verification(state, result, str(workflow.uuid4()))
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
