"""The least that a step can cost here: a workflow of the SDK alone with activities that do nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

STEPS = 20
_QUEUE = "benchmark-bare"


@activity.defn
async def nothing(given: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return given


@workflow.defn
class Bare:
    """Runs the activity that does nothing, one after the other."""

    @workflow.run
    async def run(self) -> None:
        """Run them all."""
        for number in range(STEPS):
            await workflow.execute_activity(
                nothing,
                {"step": number},
                start_to_close_timeout=timedelta(minutes=1),
                summary=f"step {number}",
            )


@asynccontextmanager
async def bare(client: Client) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """Give a function that runs the bare workflow once and returns seconds a step."""
    worker = Worker(
        client,
        task_queue=_QUEUE,
        workflows=[Bare],
        activities=[nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
    )

    async def once() -> float:
        began = time.perf_counter()
        await client.execute_workflow(Bare.run, id=f"bare-{began}", task_queue=_QUEUE)
        return (time.perf_counter() - began) / STEPS

    async with worker:
        yield once
