"""HealthCheck: looks at the health of all Stages of a project, started by the project's Schedule."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import fit, table
    from freightway.resources.meta import Model

from freightway.workflows import options
from freightway.workflows.entity import refused


class HealthCheckInput(Model):
    """Which project's Stages to look at."""

    project: str = ""


@workflow.defn(name="HealthCheck", failure_exception_types=options.DEFECTS)
class HealthCheck:
    """One look at the health of all Stages of a project."""

    @workflow.run
    async def run(self, request: HealthCheckInput | None = None) -> contracts.HealthAnswer:
        """Look, and signal only the Stages whose health changed."""
        if request is None or not request.project:
            raise refused('give the project: {"project": "..."}')
        self._show(request.project, "Running", ())
        answer = await workflow.execute_activity(
            contracts.check_health,
            contracts.HealthRequest(project=request.project),
            summary=f"health of the Stages of {request.project}",
            **options.HEALTH,
        )
        for health in answer.stages:
            handle = workflow.get_external_workflow_handle(names.stage_id(request.project, health.stage))
            try:
                await handle.signal("health", health)
            except FailureError as error:
                workflow.logger.warning("Stage %s did not take its health: %s", health.stage, error)
        self._show(request.project, "Succeeded", answer.stages)
        return answer

    def _show(self, project: str, phase: str, changed: Sequence[contracts.StageHealth]) -> None:
        shown = [f"{health.stage} is {health.status}" for health in changed]
        memo = {
            "kind": "HealthCheck",
            "project": project,
            "name": project,
            "phase": phase,
            "message": "; ".join(shown)[:400],
        }
        workflow.upsert_memo({"freightway": memo})
        workflow.upsert_search_attributes([contracts.PHASE_ATTRIBUTE.value_set(phase)])
        rows = [(health.stage, health.status, "; ".join(health.issues)) for health in changed]
        listed = table(("Stage", "health", "issues"), rows) if rows else "No Stage's health changed."
        workflow.set_current_details(
            fit(
                f"## Health of the Stages of {project}\n\n**{phase}**\n\n"
                + (listed if phase != "Running" else "")
            )
        )
