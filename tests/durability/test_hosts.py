"""Losing a host, aborting, stopping a worker, and a server that is started anew."""

from __future__ import annotations

import asyncio
import json
import time

from freightway import names
from freightway.cli.drill_run.count import read_runs
from freightway.cli.drill_run.sandbox import branch_of
from freightway.cli.drill_run.stack import Sandbox
from tests.durability.conftest import Trap, ended, promote


async def outcomes(box: Sandbox, promotion: str, kind: str) -> list[dict]:
    """What each run of a kind of step answered, repetitions for a lost workspace included."""
    handle = box.client.get_workflow_handle(names.promotion_id(box.project, promotion))
    asked, found = {}, []
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            asked[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("activity_task_completed_event_attributes"):
            done = event.activity_task_completed_event_attributes
            if asked.get(done.scheduled_event_id) == kind:
                found.append(json.loads(done.result.payloads[0].data))
    return found


async def test_a_lost_host_is_replaced_and_the_workspace_rebuilt_with_the_same_commit(box: Sandbox) -> None:
    lost: list[str] = []
    box.gate = trap = Trap(box, "git-push", "before")
    trap.then = lambda host: (lost.append(host), box.hosts[host].kill(), None)[2]
    promotion = await promote(box)
    await asyncio.to_thread(trap.sprung.wait, 60)
    began = time.monotonic()
    await box.hosts[lost[0]].lose()
    end = await ended(box, promotion)
    assert end.phase == "Succeeded", end.message
    assert time.monotonic() - began < 75
    runs = await read_runs(box.client, [names.promotion_id(box.project, promotion)])
    assert {run.kind for run in runs if run.rebuilt} == {"git-clone", "yaml-update", "git-commit"}
    records = [one["record"]["resolved"]["commit"] for one in await outcomes(box, promotion, "git-commit")]
    assert len(records) == 2
    assert len(set(records)) == 1
    assert box.repository.subjects(branch_of("s1")).count(promotion) == 1


async def test_everything_goes_on_when_the_server_is_killed_and_started_with_its_file(box: Sandbox) -> None:
    trap = Trap(box, "http", "after")
    trap.then = lambda _host: None
    box.gate = trap
    promotion = await promote(box)
    assert await asyncio.to_thread(trap.sprung.wait, 60)
    await box.restart_server()
    assert (await ended(box, promotion)).phase == "Succeeded"
    second = await promote(box, number=1)
    assert (await ended(box, second)).phase == "Succeeded"
    assert box.repository.subjects(branch_of("s1"))[-2:] == [promotion, second]
