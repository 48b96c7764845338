"""Many Stages at once: each costs the server as little as can be, and none misses any Freight."""

from __future__ import annotations

from collections import Counter

from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from freightway import names
from tests.servers.manifests import PROJECT, say, stage, waits, warehouse
from tests.servers.temporal import Pipeline, until
from tests.workflows.conftest import Outside

MANY = [f"s{number}" for number in range(12)]
LONG = 90.0
FIRST_TASK = 5


async def events(project: Pipeline, workflow_id: str) -> Counter[str]:
    """Count the events in the history of a workflow, by type."""
    history = await project.handle(workflow_id).fetch_history()
    return Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events)


async def test_a_new_stage_takes_one_task_and_nothing_else(project: Pipeline) -> None:
    """What it shows comes with its start, and nothing is asked of anybody."""
    await project.apply(PROJECT, warehouse(), *map(stage, MANY))
    rows = await until(
        lambda: project.api.rows("Stage", project.name), lambda rows: len(rows) == len(MANY), LONG
    )
    assert {row["phase"] for row in rows} == {"Empty"}
    for name in MANY:
        state = await project.stage_is(name, lambda state: state.configured, LONG)
        assert state.snapshots == ["app"]
        seen = await events(project, names.stage_id(project.name, name))
        assert set(seen) <= {
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_COMPLETED",
            "WORKFLOW_TASK_TIMED_OUT",
        }, seen
    told = await events(project, names.warehouse_id(project.name, "app"))
    assert not told["SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED"]


async def test_freight_reaches_many_stages_by_one_activity(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), *map(stage, MANY))
    workflow_id = names.warehouse_id(project.name, "app")
    before = await events(project, workflow_id)
    await project.freight("a" * 40, stages=MANY)
    await project.warehouse_is("app", lambda state: not state.untold, LONG)
    seen = await events(project, workflow_id)
    seen.subtract(before)
    # One message to the Project, which keeps the aliases.
    assert seen["SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED"] == 1
    assert seen["ACTIVITY_TASK_SCHEDULED"] == 1


async def test_a_stage_applied_later_gets_the_freight_there_is(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight("b" * 40, stages=["dev"])
    await project.apply(stage("late"), stage("later"))
    for name in ("late", "later"):
        await project.stage_is(name, lambda state: freight.name in state.freight, LONG)


async def test_stages_of_a_project_that_was_lost_get_their_freight(project: Pipeline) -> None:
    """A Project that was terminated takes every Stage for new; some run, and the Warehouse has Freight."""
    documents = (PROJECT, warehouse(), stage("dev"), stage("test"))
    await project.apply(*documents)
    freight = await project.freight("c" * 40, stages=["dev", "test"])
    await project.handle(names.project_id(project.name)).terminate()
    await project.stage_handle("test").terminate()
    await project.apply(*documents)
    for name in ("dev", "test"):
        await project.stage_is(name, lambda state: freight.name in state.freight, LONG)


async def test_a_stage_that_comes_back_while_its_promotion_runs_knows_of_it(
    project: Pipeline, outside: Outside
) -> None:
    """Project and Stage are gone and applied again as new: the promotion that runs is found all the same."""
    documents = (PROJECT, warehouse(), stage("dev", steps=[say(), waits(outside.at("/never"))]))
    await project.apply(*documents)
    freight = await project.freight("d" * 40, stages=["dev"])
    answer = await project.promote("dev", freight)
    await project.stage_is("dev", lambda state: state.current is not None, LONG)
    running = 'ExecutionStatus = "Running" AND WorkflowType = "Promotion"'
    await until(
        lambda: project.world.client.count_workflows(f'{running} AND FreightwayProject = "{project.name}"'),
        lambda found: found.count == 1,
        LONG,
    )
    await project.handle(names.project_id(project.name)).terminate()
    await project.stage_handle("dev").terminate()
    await project.apply(*documents)
    state = await project.stage_is("dev", lambda state: state.current is not None, LONG)
    assert state.current is not None
    assert state.current.promotion == answer.promotion
    await project.api.abort(project.name, answer.promotion)
    await project.ended(answer, LONG)


async def test_a_stage_that_is_reset_to_its_beginning_finds_what_runs(
    project: Pipeline, outside: Outside
) -> None:
    """At its start nothing of it ran; after a reset that is not so."""
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[say(), waits(outside.at("/never"))]))
    freight = await project.freight("e" * 40, stages=["dev"])
    answer = await project.promote("dev", freight)
    await project.stage_is("dev", lambda state: state.current is not None, LONG)
    client = project.world.client
    described = await project.stage_handle("dev").describe()
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        reason="test",
        request_id=answer.promotion,
        workflow_task_finish_event_id=FIRST_TASK,
    )
    request.workflow_execution.workflow_id = described.id
    request.workflow_execution.run_id = described.run_id
    await client.workflow_service.reset_workflow_execution(request)
    state = await project.stage_is(
        "dev", lambda state: state.current is not None and state.current.adopted, LONG
    )
    assert state.current is not None
    assert state.current.promotion == answer.promotion
    await project.api.abort(project.name, answer.promotion)
    await project.ended(answer, LONG)
