"""A real Temporal server with our real workers in the process of the tests, and the world that tests act in."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, WorkflowEnvironment

from freightway import contracts, names
from freightway.adapters.dev_server import FLAGS, temporal_binary
from freightway.client import Freightway
from freightway.entities.events import Event
from freightway.entities.freight import FreightRecord
from freightway.entities.messages import PromoteAnswer, PromoteRequest, PromotionEnded
from freightway.entities.stage import StageState
from freightway.entities.warehouse import WarehouseState
from freightway.errors import NotFound
from freightway.worker import WorkerSettings, workers

TEST_FLAGS = {**FLAGS, "frontend.WorkflowTimeSkippingEnabled": "true"}
"""What the embedded server is started with, and virtual time."""

_numbers = itertools.count(1)


@asynccontextmanager
async def dev_server(flags: Mapping[str, str] = TEST_FLAGS) -> AsyncIterator[Client]:
    """Start a server that keeps its state in memory, and connect to it."""
    extra = [part for key, value in flags.items() for part in ("--dynamic-config-value", f"{key}={value}")]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(temporal_binary()),
        dev_server_extra_args=extra,
        dev_server_log_level="error",
        data_converter=pydantic_data_converter,
        search_attributes=list(contracts.SEARCH_ATTRIBUTES),
    ) as environment:
        yield environment.client


@asynccontextmanager
async def world(home: Path, flags: Mapping[str, str] = TEST_FLAGS) -> AsyncIterator[World]:
    """Start a server and a worker, and give what tests act through."""
    async with dev_server(flags) as client, workers(client, WorkerSettings(home=home, sandbox=True)):
        yield World(client, home)


@dataclass
class World:
    """A server with workers, seen as people see it."""

    client: Client
    home: Path
    api: Freightway = field(init=False)
    skipper: TimeSkipper = field(init=False)

    def __post_init__(self) -> None:
        self.api = Freightway(self.client, actor="ann")
        self.skipper = TimeSkipper(self.client)

    @property
    def address(self) -> str:
        return self.client.service_client.config.target_host

    def project(self) -> Pipeline:
        """Return a project of a name that no other test has; nothing is applied yet."""
        return Pipeline(self, f"p{next(_numbers)}-{secrets.token_hex(3)}")


@dataclass
class Pipeline:
    """One project of a test."""

    world: World
    name: str

    @property
    def api(self) -> Freightway:
        return self.world.api

    def handle(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        return self.world.client.get_workflow_handle(workflow_id)

    def stage_handle(self, stage: str) -> WorkflowHandle[Any, Any]:
        return self.handle(names.stage_id(self.name, stage))

    async def apply(self, *documents: Mapping[str, Any]) -> None:
        """Apply resources, with this project's name filled in, and wait until the entities know of it."""
        mine = [self.own(document) for document in documents]
        await self.api.apply(mine)
        for document in mine:
            name = document["metadata"]["name"]
            if document["kind"] == "Stage":
                await self.stage_is(name, lambda state: state.configured)
                for origin in (item["origin"]["name"] for item in document["spec"]["requestedFreight"]):
                    if origin in (await self.api.known(self.name)).warehouses:
                        await self.stage_is(name, lambda state, origin=origin: origin in state.snapshots)
            elif document["kind"] == "Warehouse":
                await self.warehouse_is(name, lambda state: bool(state.spec))

    def own(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a manifest with this project's name filled in."""
        metadata = dict(document.get("metadata") or {})
        if document["kind"] == "Project":
            metadata["name"] = self.name
        elif not document["kind"].startswith("Cluster"):
            metadata["namespace"] = self.name
            metadata.setdefault("name", self.name)
        return {**document, "metadata": metadata}

    async def stage(self, stage: str) -> StageState:
        """Return a Stage's state; a query that meets it between two runs is asked again."""
        return await self.stage_is(stage, lambda _: True)

    async def records(self, warehouse: str = "") -> list[FreightRecord]:
        """Return the Freight there is; a query that meets a Warehouse between two runs is asked again."""
        found: list[FreightRecord] = await until(
            lambda: self.api.freight(self.name, warehouse), lambda _: True
        )
        return found

    async def stage_is(
        self, stage: str, holds: Callable[[StageState], bool], seconds: float = 20
    ) -> StageState:
        """Wait until a condition on a Stage's state holds, and return the state."""
        found: StageState = await until(lambda: self.api.stage(self.name, stage), holds, seconds)
        return found

    async def warehouse_is(
        self, warehouse: str, holds: Callable[[WarehouseState], bool], seconds: float = 20
    ) -> WarehouseState:
        """Wait until a condition on a Warehouse's state holds, and return the state."""
        found: WarehouseState = await until(lambda: self.api.warehouse(self.name, warehouse), holds, seconds)
        return found

    async def freight(
        self, commit: str, warehouse: str = "app", *, stages: Iterable[str] = ()
    ) -> FreightRecord:
        """Make Freight by hand of one commit, and wait until the Stages know it."""
        repository = (await self.warehouse_is(warehouse, lambda _: True)).spec["subscriptions"][0]["git"][
            "repoURL"
        ]
        wanted = {"commits": [{"repoURL": repository, "id": commit, "branch": "main"}]}
        before = {record.name for record in await self.records(warehouse)}
        await self.api.create_freight(self.name, warehouse, wanted)
        record = next(item for item in await self.records(warehouse) if item.name not in before)
        for stage in stages:
            await self.stage_is(stage, lambda state: record.name in state.freight)
        return record

    async def promote(self, stage: str, freight: FreightRecord | None = None, **more: Any) -> PromoteAnswer:
        """Ask for a promotion."""
        name = freight.name if freight else ""
        if name:
            await self.stage_is(stage, lambda state: name in state.freight)
        return await self.api.promote(PromoteRequest(project=self.name, stage=stage, freight=name, **more))

    async def ended(self, answer: PromoteAnswer, seconds: float = 20) -> PromotionEnded:
        """Wait for the end of a promotion, until its Stage knows it too."""
        end = await self.api.wait_for_promotion(
            self.name, answer.promotion, stage=answer.stage, timeout=seconds
        )
        await self.stage_is(
            answer.stage, lambda state: any(item.promotion == answer.promotion for item in state.finished)
        )
        return end

    async def brought(self, stage: str, freight: FreightRecord, **more: Any) -> StageState:
        """Promote Freight and wait until the Stage holds it and has verified it."""
        end = await self.ended(await self.promote(stage, freight, **more))
        assert end.phase == "Succeeded", end
        return await self.stage_is(
            stage,
            lambda state: (
                state.holding is not None
                and freight.name in [item.name for item in state.holding.items]
                and bool(state.holding.verifications)
            ),
        )

    async def available(self, stage: str, freight: FreightRecord) -> None:
        """Wait until a Stage may take Freight."""

        async def look() -> bool:
            verdicts = await self.api.explain(self.name, stage, freight.name)
            return verdicts[0].available

        await self.stage_is(stage, lambda state: freight.name in state.freight)
        await until(look, bool)

    async def forward(self, workflow_id: str, time: timedelta) -> None:
        """Let the virtual clock of one workflow run ahead."""
        await self.world.skipper.fast_forward(self.handle(workflow_id), time)

    async def events(self, *reasons: str) -> list[Event]:
        """Return the project's events, of some reasons only if any are named."""
        found = await self.api.events(self.name)
        return [event for event in found if not reasons or event.reason.value in reasons]

    async def gone(self, workflow_id: str) -> None:
        """Wait until a workflow does not run any more."""
        await until(lambda: self.api.running(workflow_id), lambda running: not running)


async def until(look: Callable[[], Any], holds: Callable[[Any], bool], seconds: float = 20) -> Any:
    """Look every 50 ms until a condition holds, and return what was seen.

    Raises:
        AssertionError: if it does not hold in time, with what was seen last.
    """
    seen: Any = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    seen = look()
                    seen = await seen if inspect.isawaitable(seen) else seen
                except NotFound as error:
                    seen = error
                else:
                    if holds(seen):
                        return seen
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"did not come about within {seconds:g} s; seen last: {seen!r}") from None
