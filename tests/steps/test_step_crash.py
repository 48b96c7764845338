"""A worker is killed in the middle of a step: the next one goes on, alone in the folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from freightway.activities.ghosts import Process
from freightway.activities.services import make_services
from freightway.activities.step_activities import step_activities
from freightway.activities.steps.registry import StepConfig, StepRegistry, Workspace, step
from freightway.activities.workspace import WorkspaceManager
from freightway.adapters.processes import ProcessRunner
from freightway.promotion.model import (
    FreightReference,
    KindFacts,
    Origin,
    PlannedStep,
    StepOutcome,
    StepRequest,
    StepStatus,
)


class Script(StepConfig):
    """The shell script that the step runs."""

    slow: str
    quick: str


def registry() -> StepRegistry:
    made = StepRegistry()

    @step("script", config=Script, registry=made)
    async def script(cfg: Script, workspace: Workspace, processes: ProcessRunner) -> dict[str, str]:
        text = cfg.quick if (workspace.root / "begun").exists() else cfg.slow
        (workspace.root / "begun").touch()
        done = await processes.run(["/bin/sh", "-c", text], cwd=workspace.root)
        return {"said": done.text.strip()}

    return made


@workflow.defn(name="Crashing")
class Crashing:
    @workflow.run
    async def run(self, request: StepRequest) -> StepOutcome:
        outcome: StepOutcome = await workflow.execute_activity(
            "script",
            request,
            result_type=StepOutcome,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )
        return outcome


async def serve(address: str, queue: str, home: str) -> None:
    from temporalio.contrib.pydantic import pydantic_data_converter

    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with Worker(
        client,
        task_queue=queue,
        activities=step_activities(make_services(Path(home), registry=registry()), beat_seconds=0.1),
        max_heartbeat_throttle_interval=timedelta(milliseconds=200),
    ):
        await asyncio.Event().wait()


def set_gate(home: Path, value: str) -> None:
    """Write the ConfigMap that the step's ``if`` reads."""
    folder = home / "secrets" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "gate"},
        "data": {"open": value},
    }
    (folder / "gate.yaml").write_text(json.dumps(manifest))


async def appears(path: Path) -> str:
    for _ in range(600):
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path.name} did not appear")


async def test_the_step_goes_on_where_the_killed_worker_left_it(temporal: Client, tmp_path: Path) -> None:
    queue, home = f"q-{uuid4().hex[:8]}", tmp_path / "home"
    ref = await WorkspaceManager(home).claim("demo", "p")
    work = home / "workspaces" / ref.folder / "work"
    request = StepRequest(
        project="demo",
        stage="test",
        promotion="p",
        freight=FreightReference(name="f", origin=Origin(name="wh")),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        workspace=ref,
        step=PlannedStep(
            alias="a",
            uses="script",
            if_="${{ configMap('gate').open == 'yes' }}",
            config={
                "slow": "echo $$ > child; while :; do echo slow >> log; sleep 0.02; done",
                "quick": "tail -n1 log; echo quick >> log; sleep 0.3; tail -n1 log",
            },
            facts=KindFacts(needs_files=True),
        ),
    )
    set_gate(home, "yes")
    first = subprocess.Popen(
        [sys.executable, __file__, temporal.service_client.config.target_host, queue, str(home)]
    )
    async with Worker(
        temporal, task_queue=queue, workflows=[Crashing], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await temporal.start_workflow(Crashing.run, request, id=f"w-{uuid4().hex}", task_queue=queue)
        child = int(await appears(work / "child"))
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        orphan = Process.of(child)
        assert orphan.is_alive
        set_gate(home, "no")  # the step has begun: its `if` must not be asked again
        second = subprocess.Popen(
            [sys.executable, __file__, temporal.service_client.config.target_host, queue, str(home)]
        )
        try:
            outcome = await handle.result()
        finally:
            second.kill()
            second.wait()
    assert outcome.status is StepStatus.SUCCEEDED, outcome.message
    assert outcome.output == {"said": "slow\nquick"}
    assert not orphan.is_alive


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
