"""Discovery: one look at all subscriptions of a Warehouse, started by its Temporal Schedule."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import cell
    from freightway.resources.meta import Model

from freightway.workflows import options


class DiscoveryInput(Model):
    """What the Schedule starts a discovery with."""

    project: str = ""
    warehouse: str = ""
    spec: dict[str, Any] = Field(default_factory=dict)


class DiscoveryReport(Model):
    """What a discovery found; the next one of the same Schedule reads it for its shortcuts."""

    spec: dict[str, Any] = Field(default_factory=dict)
    artifacts: dict[str, Any] = Field(default_factory=dict)
    errors: tuple[contracts.DiscoveryError, ...] = ()


@workflow.defn(name="Discovery", failure_exception_types=options.DEFECTS)
class Discovery:
    """One look at all subscriptions."""

    @workflow.run
    async def run(self, request: DiscoveryInput | None = None) -> DiscoveryReport:
        """Look, tell the Warehouse, and report."""
        if request is None or not request.warehouse or not request.spec:
            raise ApplicationError(
                "a discovery is started by its Schedule; to look now: freightway refresh warehouse NAME",
                type="Refused",
                non_retryable=True,
            )
        queue = names.shard_queue(request.spec.get("shard", ""))
        _show(request, "Running", "")
        try:
            result = await workflow.execute_activity(
                contracts.discover,
                contracts.DiscoverRequest(
                    project=request.project,
                    warehouse=request.warehouse,
                    spec=request.spec,
                    previous=self._previous(request),
                ),
                task_queue=queue,
                summary=f"look at {_counted(request)}",
                **options.DISCOVER,
            )
        except ActivityError as error:
            cause = error.cause
            message = cause.message if isinstance(cause, FailureError) else str(cause or error)
            result = contracts.DiscoveryResult(
                discovered_at=workflow.now(),
                errors=(contracts.DiscoveryError(subscription=-1, message=f"discovery broke: {message}"),),
            )
        handle = workflow.get_external_workflow_handle(names.warehouse_id(request.project, request.warehouse))
        await handle.signal("discovered", result)
        problems = "; ".join(error.message for error in result.errors)
        _show(request, "Failed" if problems else "Succeeded", problems)
        return DiscoveryReport(spec=request.spec, artifacts=result.artifacts, errors=result.errors)

    def _previous(self, request: DiscoveryInput) -> dict[str, Any] | None:
        if not workflow.has_last_completion_result():
            return None
        last = workflow.get_last_completion_result(DiscoveryReport)
        return last.artifacts if last is not None and last.spec == request.spec and not last.errors else None


def _counted(request: DiscoveryInput) -> str:
    count = len(request.spec.get("subscriptions", ()))
    return f"{count} subscription" + ("" if count == 1 else "s")


def _show(request: DiscoveryInput, phase: str, problems: str) -> None:
    """Set what lists and the Web UI show; a look with problems is a completed workflow of the phase Failed."""
    memo = {
        "kind": "Discovery",
        "project": request.project,
        "name": request.warehouse,
        "phase": phase,
        "message": problems[:400],
    }
    workflow.upsert_memo({"freightway": memo})
    workflow.upsert_search_attributes([contracts.PHASE_ATTRIBUTE.value_set(phase)])
    text = f": {cell(problems, 2000)}" if problems else ""
    workflow.set_current_details(
        f"## Discovery of Warehouse {request.warehouse}\n\n**{phase}**{text}\n\n{_counted(request)}"
    )
