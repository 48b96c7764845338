"""Thousands of updates and signals through each entity, which continues as new over and over meanwhile.

Every command has an effect of its own that a second application, or none, would show: the number of events of an entity
counts each hold, release, freeze, Freight and change of health.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from freightway import names
from freightway.entities.events import EventLog
from freightway.entities.messages import FreezeRequest, HoldRequest
from tests.servers.manifests import KARGO, PROJECT, REPOSITORY, stage, warehouse
from tests.servers.temporal import TEST_FLAGS, Pipeline, World, until, world
from tests.workflows.conftest import continued

LONG = 120.0
AT_ONCE = 8
PAIRS = 1000
SIGNALS = 1000
OWNER_PAIRS = 150


@pytest_asyncio.fixture(scope="module")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server that asks every workflow to continue as new after five hundred events."""
    often = {**TEST_FLAGS, "limit.historyCount.suggestContinueAsNew": "500"}
    async with world(tmp_path_factory.mktemp("busy"), often) as found:
        # What counts here is that nothing is lost, not how fast a loaded machine answers.
        found.api.answer_within = timedelta(seconds=LONG)
        yield found


async def in_turns(count: int, act: Callable[[int], Awaitable[None]]) -> None:
    """Do something for each number below ``count``, eight at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await act(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def count_of_events(project: Pipeline, workflow_id: str) -> int:
    """How many events an entity has emitted in all its runs."""
    log = await project.api._query(workflow_id, "events", EventLog)
    return int(log.sequence)


async def test_a_stage_loses_none_of_thousands_and_applies_none_twice(busy: World) -> None:
    project = busy.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    kept = await project.brought("dev", await project.freight("a" * 40))
    workflow_id, handle = names.stage_id(project.name, "dev"), project.stage_handle("dev")
    before = await count_of_events(project, workflow_id)
    ids: set[str] = set()

    async def hold_and_release(number: int) -> None:
        done = await project.api.hold(project.name, "dev", HoldRequest(reason=f"reason-{number}"))
        found = re.search(r"hold-\w+", done.message)
        assert found is not None
        ids.add(found[0])
        if number >= 10:
            await project.api.release(project.name, "dev", found[0])

    async def tell(number: int) -> None:
        if number % 2:
            await handle.signal("metadata", {"values": {f"key-{number}": number}})
        else:
            await handle.signal("health", {"stage": "dev", "status": f"status-{number}"})

    await asyncio.gather(in_turns(PAIRS, hold_and_release), in_turns(SIGNALS, tell))
    state = await project.stage_is("dev", lambda state: len(state.metadata) == SIGNALS // 2, LONG)
    assert sum(state.metadata.values()) == sum(range(1, SIGNALS, 2))
    assert len(ids) == PAIRS
    assert sorted(hold.reason for hold in state.holds) == [f"reason-{number}" for number in range(10)]
    assert await count_of_events(project, workflow_id) - before == 2 * PAIRS - 10 + SIGNALS // 2
    assert state.history == kept.history
    assert await until(lambda: continued(busy, workflow_id), lambda times: times >= 3)


async def test_a_warehouse_loses_none_of_thousands_and_applies_none_twice(busy: World) -> None:
    project = busy.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    first = await project.freight("a" * 40, stages=["dev"])
    workflow_id = names.warehouse_id(project.name, "app")
    handle = project.handle(workflow_id)
    before = await count_of_events(project, workflow_id)

    async def make_and_delete(number: int) -> None:
        commit = {"repoURL": REPOSITORY, "id": f"{number:040x}", "branch": "main"}
        done = await project.api.create_freight(project.name, "app", {"commits": [commit]})
        if number >= 10:
            await project.api._target(workflow_id, "delete_freight", done.message.rpartition(" ")[2])

    async def tell(number: int) -> None:
        news = {"id": str(number), "stage": "dev", "metadata": {first.name: {f"key-{number}": number}}}
        await handle.signal("facts", news)

    await asyncio.gather(in_turns(PAIRS, make_and_delete), in_turns(SIGNALS, tell))
    records = await until(
        project.records,
        lambda records: any(len(record.metadata) == SIGNALS for record in records),
        LONG,
    )
    known = {record.name: record for record in records}
    assert sum(known[first.name].metadata.values()) == sum(range(SIGNALS))
    assert {record.reference.commits[0]["id"] for record in records} == {
        "a" * 40,
        *(f"{number:040x}" for number in range(10)),
    }
    assert await count_of_events(project, workflow_id) - before == 2 * PAIRS - 10
    await project.stage_is("dev", lambda state: state.freight == known, LONG)
    index = await until(
        lambda: project.api.project(project.name), lambda found: len(found.aliases) == len(known), LONG
    )
    assert sorted(index.aliases) == sorted(record.alias for record in records)
    assert await until(lambda: continued(busy, workflow_id), lambda times: times >= 3)


@pytest.mark.parametrize("owner", ["project", "cluster"])
async def test_who_freezes_loses_none_of_hundreds_and_applies_none_twice(busy: World, owner: str) -> None:
    project = busy.project()
    config = {"apiVersion": KARGO, "kind": "ClusterConfig", "metadata": {"name": "cluster"}, "spec": {}}
    await project.apply(PROJECT, warehouse(), stage("dev"))
    await project.api.apply([config])
    name = project.name if owner == "project" else ""
    workflow_id = names.project_id(project.name) if name else names.CLUSTER_ID
    before = await count_of_events(project, workflow_id)

    async def freeze_and_lift(number: int) -> None:
        await project.api.freeze(name, FreezeRequest(name=f"n-{number}", reason=f"reason-{number}"))
        if number >= 10:
            await project.api.unfreeze(name, f"n-{number}")

    async def tell(number: int) -> None:
        if name:
            news = {"aliases": {f"{number:040x}@app": f"alias-{number}"}}
            await project.handle(workflow_id).signal("aliases", news)
        else:
            await project.handle(workflow_id).signal("forget", {"name": f"nobody-{number}"})

    await asyncio.gather(in_turns(OWNER_PAIRS, freeze_and_lift), in_turns(OWNER_PAIRS, tell))
    wanted = {f"n-{number}" for number in range(10)}
    state = await project.stage_is(
        "dev", lambda state: {freeze.id for freeze in state.configuration.freezes} == wanted, LONG
    )
    assert {freeze.reason for freeze in state.configuration.freezes} == {f"reason-{n}" for n in range(10)}
    assert await count_of_events(project, workflow_id) - before == 2 * OWNER_PAIRS - 10
    if name:
        index = await until(
            lambda: project.api.project(name), lambda found: len(found.aliases) == OWNER_PAIRS, LONG
        )
        assert index.aliases["alias-7"] == f"{7:040x}@app"
    assert await until(lambda: continued(busy, workflow_id), lambda times: times >= 1)
