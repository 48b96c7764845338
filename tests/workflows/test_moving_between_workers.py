"""An entity whose every task is done by a worker that begins with its history does as one that has it in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from freightway import FreightwayPlugin
from freightway.worker import WorkerSettings, workers
from tests.servers.manifests import PROJECT, stage, warehouse
from tests.servers.temporal import World, dev_server, until

A = "a" * 40
TASK_COMPLETED = "workflow_task_completed_event_attributes"
SIGNALED = "workflow_execution_signaled_event_attributes"


@pytest.mark.parametrize("cached", [0, 1000], ids=["moving", "staying"])
async def test_a_promotion_asked_for_after_a_turn_without_commands_has_one_name(
    tmp_path: Path, cached: int
) -> None:
    settings = WorkerSettings(home=tmp_path / "home", cached_workflows=cached)
    async with dev_server() as client, workers(client, settings):
        project = World(client, tmp_path / "home").project()
        await project.apply(PROJECT, warehouse(), stage("dev"))
        freight = await project.freight(A, stages=["dev"])
        handle = project.stage_handle("dev")

        async def history() -> WorkflowHistory:
            return await handle.fetch_history()

        def is_done(seen: WorkflowHistory) -> bool:
            """Whether the last signal's task is completed, with nothing after it."""
            return seen.events[-1].HasField(TASK_COMPLETED) and any(
                e.HasField(SIGNALED) for e in seen.events[-4:]
            )

        for _ in range(3):
            await until(
                history, lambda seen: not seen.events[-1].HasField("workflow_task_started_event_attributes")
            )
            # The Stage takes a turn, and has nothing to ask of the server.
            await handle.signal("metadata", {"values": {}})
            await until(history, is_done, 60)
            end = await project.ended(await project.promote("dev", freight), 60)
            assert end.phase == "Succeeded", end.message
        await Replayer(workflows=[], plugins=[FreightwayPlugin()]).replay_workflow(await history())
