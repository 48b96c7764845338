"""The worker: connects to Temporal and serves Freightway's task queues until it is told to stop.

Run it as ``freightway worker`` or ``python worker.py``. It finds Temporal by Temporal's own environment configuration
(``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_PROFILE``, ``temporal.toml``, TLS, API key).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from freightway import names
from freightway.activities.catalogue import Catalogue, make_catalogue
from freightway.activities.workspace import host_alive
from freightway.connection import connect, ensure_search_attributes
from freightway.encryption import converter_beside
from freightway.errors import FreightwayError
from freightway.resources.meta import build_models
from freightway.workflows.cluster import Cluster
from freightway.workflows.discovery import Discovery
from freightway.workflows.health_check import HealthCheck
from freightway.workflows.project import Project
from freightway.workflows.promote import Promote
from freightway.workflows.promotion import Promotion
from freightway.workflows.stage import Stage
from freightway.workflows.verification import Verification
from freightway.workflows.warehouse import Warehouse

logger = logging.getLogger("freightway.worker")

WORKFLOWS: tuple[type, ...] = (
    Cluster,
    Project,
    Warehouse,
    Discovery,
    HealthCheck,
    Stage,
    Promotion,
    Verification,
    Promote,
)
"""Every workflow type."""

PASSED_THROUGH = (
    # Each core package by name: passing the whole of `freightway` would switch the sandbox off for the workflows.
    "freightway.contracts",
    "freightway.edits",
    "freightway.entities",
    "freightway.errors",
    "freightway.expr",
    "freightway.names",
    "freightway.promotion",
    "freightway.resources",
    "freightway.selection",
    "freightway.verification",
    # Constants only, and the dearest of the workflows' modules to import.
    "freightway.workflows.options",
    "re2",
    "_re2",
    "yaml",
    "_yaml",
)

GRACE = timedelta(seconds=10)
"""How long steps that run may take to end when the worker is told to stop; longer ones are handed over. Steps of the
common queue have it first, then those of the host and of the shards: a worker is gone after twice as long."""

GRACE_VARIABLE = "FREIGHTWAY_GRACE"
"""Environment variable: another grace, in seconds."""

STICKY = timedelta(seconds=1.5)
"""How long a workflow's next task waits for the worker that has it in memory before any other may take it: a killed
worker costs every workflow it held this much. A worker that is merely busy costs a replay, which is cheap."""

HEARTBEAT_THROTTLE = timedelta(milliseconds=250)
"""How long a heartbeat may be held back to be sent with the next one: less than the pause between two beats of a
step, so that a cancellation reaches it with its next beat."""

SWEEP = timedelta(minutes=30)
"""How often a host looks for folders whose promotion is over."""


def default_home() -> Path:
    """Return Freightway's folder on this host: ``FREIGHTWAY_HOME`` or ``~/.freightway``."""
    return Path(os.environ.get("FREIGHTWAY_HOME") or Path.home() / ".freightway").expanduser().resolve()


def default_grace() -> timedelta:
    """Return how long steps may take to end when the worker is told to stop: ``FREIGHTWAY_GRACE`` or 10 s.

    Raises:
        FreightwayError: if the variable is not a number of seconds.
    """
    text = os.environ.get(GRACE_VARIABLE, "")
    if not text:
        return GRACE
    if not text.isdigit():
        raise FreightwayError(f"{GRACE_VARIABLE} must be a whole number of seconds, not {text!r}")
    return timedelta(seconds=int(text))


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told.

    Attributes:
        home: Freightway's folder on this host: secrets, mirrors, workspaces, the host's id.
        shards: shards whose queues it serves besides the common one.
        workflows: whether it runs workflows and steps of the common queue; off for a worker of shards alone.
        activities_at_once: most activities that run at once on each queue.
        build_id: turns worker versioning on (see docs/upgrading.md); empty for none.
        cached_workflows: most workflows kept in memory; a Stage at rest takes a tenth of a megabyte, and one that is
            not kept reads its whole history for each message.
        grace: how long steps may take to end when the worker is told to stop.
        sandbox: whether workflows run in the SDK's sandbox, which refuses careless workflow code. Off, because it
            costs memory for every workflow and time for every message, and users bring no workflows of their own;
            the tests of the workflows and the replay of histories run in it.
    """

    home: Path = field(default_factory=default_home)
    shards: tuple[str, ...] = ()
    workflows: bool = True
    activities_at_once: int = 50
    build_id: str = ""
    cached_workflows: int = 3000
    grace: timedelta = field(default_factory=default_grace)
    sandbox: bool = False


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox of our workflows: the core passes through, the workflows do not."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def our_client(client: Client) -> Client:
    """Return a client over the same connection that speaks pydantic, whatever the given one speaks.

    A codec of the given client is kept; without one, the keys that are configured for Freightway are used.
    """
    converter = converter_beside(client.data_converter)
    return Client(client.service_client, namespace=client.namespace, data_converter=converter)


@asynccontextmanager
async def workers(client: Client, settings: WorkerSettings) -> AsyncIterator[Catalogue]:
    """Serve Freightway's task queues while the context lasts.

    Raises:
        FreightwayError: if the namespace lacks search attributes and may not be given them.
    """
    build_models()
    ours = our_client(client)
    await ensure_search_attributes(ours)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    catalogue = make_catalogue(settings.home, ours)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(catalogue.aclose)
        # Left in reverse order: the workflow worker stops first, while steps can still answer it.
        alive = names.alive_queue(catalogue.host_queue)
        await stack.enter_async_context(_worker(ours, settings, alive, [host_alive]))
        steps = [_worker(ours, settings, catalogue.host_queue, catalogue.host)]
        steps += [
            _worker(ours, settings, names.shard_queue(shard), catalogue.anywhere) for shard in settings.shards
        ]
        for one in steps:
            await stack.enter_async_context(one)
        stack.push_async_callback(_shut_down, steps)
        if settings.workflows:
            await stack.enter_async_context(
                _worker(ours, settings, names.TASK_QUEUE, catalogue.anywhere, WORKFLOWS)
            )
        sweeper = asyncio.create_task(_sweep(ours, catalogue))
        stack.push_async_callback(_stop, sweeper)
        yield catalogue


def _worker(
    client: Client,
    settings: WorkerSettings,
    queue: str,
    activities: Sequence[Any],
    workflows: Sequence[type] = (),
) -> Worker:
    deployment = None
    if settings.build_id and workflows:
        deployment = WorkerDeploymentConfig(
            version=WorkerDeploymentVersion("freightway", settings.build_id),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
        )
    return Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=workflow_runner() if settings.sandbox else UnsandboxedWorkflowRunner(),
        workflow_failure_exception_types=[ValidationError, TypeError],
        max_cached_workflows=settings.cached_workflows,
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_concurrent_activities=settings.activities_at_once,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=settings.grace,
        # Fixed numbers of pollers wait for one of a queue's partitions two to three times longer.
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        deployment_config=deployment,
    )


async def _shut_down(together: Sequence[Worker]) -> None:
    """Stop several workers at once, so that their steps have one grace and not one after the other."""
    await asyncio.gather(*(worker.shutdown() for worker in together))


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _sweep(client: Client, catalogue: Catalogue) -> None:
    """Remove the folders of promotions that are over, now and every half hour."""

    async def is_owned(project: str, promotion: str) -> bool:
        handle = client.get_workflow_handle(names.promotion_id(project, promotion))
        try:
            status = (await handle.describe()).status
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return status == WorkflowExecutionStatus.RUNNING

    while True:
        try:
            removed = await catalogue.services.workspaces.sweep(is_owned)
            if removed:
                logger.info("removed %d folders of promotions that are over", len(removed))
        except (RPCError, FreightwayError, OSError) as error:
            logger.warning("folders of old promotions were not swept: %s", error)
        await asyncio.sleep(SWEEP.total_seconds())


async def serve(settings: WorkerSettings, *, client: Client | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = client or await connect()
    async with workers(client, settings) as catalogue:
        queues = [names.TASK_QUEUE, catalogue.host_queue, *map(names.shard_queue, settings.shards)]
        logger.info("serving %s of namespace %s", ", ".join(queues), client.namespace)
        print("freightway worker is ready", file=sys.stderr, flush=True)
        await stop.wait()
        logger.info("stopping")


def main() -> None:
    """Run a worker with the settings of the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    shards = tuple(filter(None, os.environ.get("FREIGHTWAY_SHARDS", "").split(",")))
    code = 0
    try:
        settings = WorkerSettings(shards=shards, build_id=os.environ.get("FREIGHTWAY_BUILD_ID", ""))
        asyncio.run(serve(settings))
    except FreightwayError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # The SDK's threads may crash a process that exits the usual way (temporalio/sdk-python issue 300).
    os._exit(code)


if __name__ == "__main__":
    main()
