"""The sandbox of the workflows: the core passes through it, and careless workflow code is refused."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from freightway.worker import WORKFLOWS, workflow_runner
from tests.servers.careless import LooksAtTheClock, ReadsAFile, ThrowsDice
from tests.servers.temporal import dev_server

CARELESS = [LooksAtTheClock, ThrowsDice, ReadsAFile]


async def test_a_careless_workflow_is_refused() -> None:
    async with (
        dev_server() as client,
        Worker(
            client,
            task_queue="careless",
            workflows=CARELESS,
            workflow_runner=workflow_runner(),
            workflow_failure_exception_types=[Exception],
        ),
    ):
        for careless in CARELESS:
            with pytest.raises(WorkflowFailureError) as failed:
                await client.execute_workflow(careless.__name__, id=careless.__name__, task_queue="careless")
            assert "from inside a workflow" in str(failed.value.cause)


def test_the_core_passes_through_and_the_workflows_do_not() -> None:
    passed = workflow_runner().restrictions.passthrough_modules
    for package in ("promotion", "verification", "selection", "entities", "expr", "resources", "contracts"):
        assert f"freightway.{package}" in passed
    assert not {"freightway", "freightway.workflows", "freightway.worker"} & set(passed)


async def test_every_workflow_prepares_in_the_sandbox() -> None:
    runner = workflow_runner()
    for workflow_type in WORKFLOWS:
        definition = workflow._Definition.from_class(workflow_type)
        assert definition is not None
        runner.prepare_workflow(definition)
