"""An abort ends what runs: its processes within two seconds, its folder, and nothing half made is left outside."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.api.enums.v1 import EventType

from freightway import names
from freightway.activities.ghosts import Process
from freightway.activities.step_activities import BEAT_SECONDS
from freightway.adapters.processes import GRACE_SECONDS
from freightway.cli.drill_run.hosts import Host
from freightway.cli.drill_run.sandbox import stages
from freightway.cli.drill_run.stack import Sandbox
from freightway.errors import NotFound
from freightway.worker import HEARTBEAT_THROTTLE
from tests.durability.conftest import add_stage, clone, ended, promote, url_of
from tests.servers.argocd_server import TOKEN, ArgoServer, Plan
from tests.servers.http_server import HttpServer, Reply

BOUND = 2.0
"""Seconds from the answer to an abort until the step's processes are gone."""

OVER = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
    EventType.EVENT_TYPE_TIMER_CANCELED,
)

TRIES = 3
"""A loaded machine may take longer by itself; a product that takes longer does so every time."""

STUBBORN = """#!/bin/sh
trap '' TERM
/bin/sleep 300 &
while :; do /bin/sleep 1; done
"""
"""A program that does not end when asked, with a child that does not either."""


def test_what_an_abort_takes_by_design_is_well_within_the_bound() -> None:
    assert BEAT_SECONDS + HEARTBEAT_THROTTLE.total_seconds() + GRACE_SECONDS <= BOUND - 0.5


@pytest.fixture(scope="module")
async def slow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """One worker host whose kustomize and helm do not end."""
    tmp_path = tmp_path_factory.mktemp("abort")
    program = tmp_path / "stubborn"
    program.write_text(STUBBORN)
    program.chmod(0o755)
    environment = {"FREIGHTWAY_KUSTOMIZE": str(program), "FREIGHTWAY_HELM": str(program)}
    sandbox = Sandbox(tmp_path, "sandbox", stages(1), host_names=("a",), environment=environment)
    async with sandbox as running:
        yield running


def processes(host: Host) -> set[Process]:
    """Every process that the worker of a host started, and those that they started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(entry.name))
    found, todo = set(), list(parents.get(host.pid, ()))
    while todo:
        pid = todo.pop()
        todo += parents.get(pid, ())
        found.add(Process.of(pid))
    return {process for process in found if process.is_alive}


async def appear(host: Host, count: int) -> set[Process]:
    for _ in range(1200):
        if len(found := processes(host)) >= count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{host.name} runs {len(processes(host))} processes, not {count}")


async def gone_after(box: Sandbox, promotion: str, host: Host, running: set[Process]) -> float:
    """Abort and return the seconds from the answer until nothing of it runs any more."""
    await box.freightway.abort(box.project, promotion)
    answered = time.monotonic()
    while {process for process in running if process.is_alive} | processes(host):
        assert time.monotonic() - answered < 60, processes(host)
        await asyncio.sleep(0.005)
    return time.monotonic() - answered


async def is_cleaned_up(box: Sandbox, promotion: str) -> None:
    end = await ended(box, promotion)
    assert end.phase == "Aborted", end.message
    for host in box.hosts.values():
        assert host.workspaces() == []


@asynccontextmanager
async def held(box: Sandbox, kind: str, moment: str, first: int = 1) -> AsyncIterator[threading.Event]:
    """An outside server takes a request of a kind of step, the first ones excepted, and does not go on with it."""
    holds, release, seen = threading.Event(), threading.Event(), itertools.count(1)

    def gate(asked: str, _host: str, now: str) -> bool:
        if (asked, now) == (kind, moment) and next(seen) >= first:
            holds.set()
            release.wait(120)
        return False

    box.gate = gate
    try:
        yield holds
    finally:
        release.set()
        box.gate = None


async def test_an_aborted_clone_ends_and_leaves_no_branch(slow: Sandbox) -> None:
    await add_stage(slow, "cloner", clone(slow, branch="deploy/new", create=True))
    host, took = slow.hosts["a"], []
    while not took or (min(took) > BOUND and len(took) < TRIES):
        # Of an empty mirror's requests the first two ask for the refs, the third one for the objects.
        await asyncio.to_thread(shutil.rmtree, host.home / "mirrors", True)
        async with held(slow, "git-clone", "after", first=3) as holds:
            promotion = await promote(slow, "cloner")
            assert await asyncio.to_thread(holds.wait, 60)
            running = await appear(host, 1)
            took.append(await gone_after(slow, promotion, host, running))
            await is_cleaned_up(slow, promotion)
    assert min(took) <= BOUND, took
    assert slow.repository.head("deploy/new") == ""
    # What an ended fetch left in the host's mirror is in nobody's way.
    assert (await ended(slow, await promote(slow, "cloner"))).phase == "Succeeded"


KUSTOMIZE = {"uses": "kustomize-build", "as": "slow", "config": {"path": "./out", "outPath": "./built.yaml"}}
HELM = {
    "uses": "helm-template",
    "as": "slow",
    "config": {"path": "./out", "outPath": "./built.yaml", "releaseName": "r"},
}


@pytest.mark.parametrize("build", [KUSTOMIZE, HELM], ids=lambda step: step["uses"])
async def test_an_aborted_build_ends_with_programs_that_do_not_want_to(
    slow: Sandbox, build: dict[str, Any]
) -> None:
    commit = {"uses": "git-commit", "config": {"path": "./out", "message": "${{ ctx.promotion }}"}}
    push = {"uses": "git-push", "config": {"path": "./out", "targetBranch": "deploy/built"}}
    files = {"uses": "copy", "config": {"inPath": "./out/number.txt", "outPath": "./out/kustomization.yaml"}}
    await add_stage(slow, "builder", clone(slow), files, build, commit, push)
    host, took = slow.hosts["a"], []
    while not took or (min(took) > BOUND and len(took) < TRIES):
        promotion = await promote(slow, "builder")
        running = await appear(host, 3)
        took.append(await gone_after(slow, promotion, host, running))
        await is_cleaned_up(slow, promotion)
    assert min(took) <= BOUND, took
    assert slow.repository.head("deploy/built") == ""


async def over_after(box: Sandbox, promotion: str) -> float:
    """Seconds, by the server's clock, from the abort until the wait, a timer or an activity, was over."""
    asked: datetime | None = None
    handle = box.client.get_workflow_handle(names.promotion_id(box.project, promotion))
    async for event in handle.fetch_history_events():
        at = event.event_time.ToDatetime()
        if event.HasField("workflow_execution_signaled_event_attributes"):
            name = event.workflow_execution_signaled_event_attributes.signal_name
            asked = at if name == "abort_now" else asked
        elif asked is not None and event.event_type in OVER:
            return (at - asked).total_seconds()
    raise AssertionError("nothing was cancelled")


async def waits(box: Sandbox, promotion: str, alias: str) -> None:
    """Wait until a step has said what it waits for."""
    for _ in range(1200):
        progress = None
        with suppress(NotFound):  # its Stage has not started it yet
            progress = await box.freightway.progress(box.project, promotion)
        for meta in progress.metas if progress else ():
            if meta.alias == alias and meta.status == "Running" and meta.message:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{alias} does not wait")


async def abort_while_waiting(box: Sandbox, stage: str, alias: str) -> None:
    took: list[float] = []
    while not took or (min(took) > BOUND and len(took) < TRIES):
        promotion = await promote(box, stage)
        await waits(box, promotion, alias)
        await box.freightway.abort(box.project, promotion)
        await is_cleaned_up(box, promotion)
        took.append(await over_after(box, promotion))
        assert processes(box.hosts["a"]) == set()
    assert min(took) <= BOUND, took


async def test_an_aborted_wait_for_argocd_ends(slow: Sandbox) -> None:
    async with ArgoServer() as argo:
        source = {"repoURL": url_of(slow), "path": ".", "targetRevision": "main"}
        argo.add("app", source, stage=f"{slow.project}:argo", plan=Plan(ticks=10**6))
        use_argocd(slow.hosts["a"], slow.project, argo.url)
        step = {"uses": "argocd-update", "as": "sync", "config": {"apps": [{"name": "app"}]}}
        await add_stage(slow, "argo", clone(slow), step)
        await abort_while_waiting(slow, "argo", "sync")


def use_argocd(host: Host, project: str, server: str) -> None:
    file = host.home / "secrets" / project / "argocd.yaml"
    secret = yaml.safe_load(file.read_text())
    secret["stringData"] = {"server": server, "token": TOKEN}
    file.write_text(yaml.safe_dump(secret))


def poll(url: str) -> dict[str, Any]:
    config = {
        "url": url,
        "timeout": "5m",
        "pollInterval": "1h",
        "successExpression": "response.body.ready",
    }
    return {"uses": "http", "as": "poll", "config": config}


async def test_an_aborted_http_step_ends_between_two_polls(slow: Sandbox) -> None:
    async with HttpServer(lambda _: Reply(json={"ready": False})) as server:
        await add_stage(slow, "poller", clone(slow), poll(server.url))
        await abort_while_waiting(slow, "poller", "poll")


async def test_an_aborted_http_step_ends_while_the_server_says_nothing(slow: Sandbox) -> None:
    reached, never, took = asyncio.Event(), asyncio.Event(), []

    def answer(_request: Any) -> Reply:
        reached.set()
        return Reply(wait_for=never)

    async with HttpServer(answer) as server:
        await add_stage(slow, "silent", clone(slow), poll(server.url))
        while not took or (min(took) > BOUND and len(took) < TRIES):
            reached.clear()
            promotion = await promote(slow, "silent")
            await asyncio.wait_for(reached.wait(), 60)
            await slow.freightway.abort(slow.project, promotion)
            await is_cleaned_up(slow, promotion)
            took.append(await over_after(slow, promotion))
        never.set()
    assert min(took) <= BOUND, took


async def test_an_aborted_wait_for_an_approval_ends(slow: Sandbox) -> None:
    await add_stage(slow, "asker", clone(slow), {"uses": "wait-for-approval", "as": "ask", "config": {}})
    await abort_while_waiting(slow, "asker", "ask")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_abort_while_a_push_is_under_way_leaves_the_whole_commit_or_none_of_it(
    slow: Sandbox, moment: str
) -> None:
    before = slow.repository.head("deploy/s1")
    async with held(slow, "git-push", moment) as holds:
        promotion = await promote(slow)
        assert await asyncio.to_thread(holds.wait, 60)
        host = slow.hosts["a"]
        await gone_after(slow, promotion, host, await appear(host, 1))
    await is_cleaned_up(slow, promotion)
    assert slow.repository.check() == ""
    after = slow.repository.head("deploy/s1")
    assert after == before or slow.repository.subjects("deploy/s1")[-1] == promotion
