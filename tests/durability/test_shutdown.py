"""A worker that is told to stop: short steps end on it, long ones go on elsewhere, and nobody sees an error."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio.api.history.v1 import HistoryEvent

from freightway import names
from freightway.cli.drill_run.hosts import Host
from freightway.cli.drill_run.sandbox import branch_of, stages
from freightway.cli.drill_run.servers import Moment
from freightway.cli.drill_run.stack import Sandbox
from freightway.entities.messages import PromotionEnded
from freightway.errors import FreightwayError
from tests.durability.conftest import add_stage, clone, ended, pending, promote

SLOW_ONCE = """#!/bin/sh
echo run >> {runs}
if [ $(/usr/bin/wc -l < {runs}) = 1 ]; then exec /bin/sleep 300; fi
echo 'kind: List'
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the slow program notes each of its runs."""
    return tmp_path_factory.mktemp("runs") / "runs"


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, runs: Path) -> AsyncIterator[tuple[Sandbox, Host]]:
    folder = tmp_path_factory.mktemp("stops")
    program = folder / "slow-once"
    program.write_text(SLOW_ONCE.format(runs=runs))
    program.chmod(0o755)
    environment = {"FREIGHTWAY_GRACE": "1", "FREIGHTWAY_KUSTOMIZE": str(program)}
    sandbox = Sandbox(folder, "sandbox", stages(1), host_names=("a",), environment=environment)
    async with sandbox as box:
        first = box.hosts["a"]
        second = Host("second", first.home, first.environment, log_name="second.log")
        try:
            yield box, second
        finally:
            await second.stop()


@pytest.fixture
async def pair(shared: tuple[Sandbox, Host]) -> tuple[Sandbox, Host]:
    """Two worker processes on one host, both with one second of grace."""
    box, second = shared
    for host in (box.hosts["a"], second):
        if not host.pid:
            await host.start()
    await answers(box)
    return shared


@contextmanager
def held_after(box: Sandbox, kind: str) -> Iterator[threading.Event]:
    """The first request of a kind of step takes effect, and its answer is held back until the block ends."""
    held, release, asked = threading.Event(), threading.Event(), itertools.count()

    def gate(seen: str, _host: str, moment: Moment) -> bool:
        if (seen, moment) == (kind, "after") and next(asked) == 0:
            held.set()
            release.wait(240)
        return False

    box.gate = gate
    try:
        yield held
    finally:
        release.set()


async def attempts(box: Sandbox, promotion: str, kind: str) -> list[HistoryEvent]:
    """The events with which the steps of a kind were started for the last time."""
    scheduled: dict[int, str] = {}
    found = []
    handle = box.client.get_workflow_handle(names.promotion_id(box.project, promotion))
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("activity_task_started_event_attributes"):
            started = event.activity_task_started_event_attributes
            if scheduled[started.scheduled_event_id] == kind:
                found.append(started)
    return found


async def no_error_was_shown(box: Sandbox, promotion: str, end: PromotionEnded) -> None:
    assert end.phase == "Succeeded", end.message
    assert "error" not in end.message.lower()
    progress = await box.freightway.progress(box.project, promotion)
    assert progress is not None
    assert [meta.error_count for meta in progress.metas] == [0] * len(progress.metas)
    assert [meta.message for meta in progress.metas if "error" in meta.message.lower()] == []


async def answers(box: Sandbox) -> None:
    """Wait until the Stage answers: a worker that stopped may have taken its last task away for ten seconds."""
    end = time.monotonic() + 90
    while True:
        try:
            return await box.until_ready("s1")
        except FreightwayError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)


async def stop_the_one_that_runs(box: Sandbox, second: Host, promotion: str, kind: str) -> Host:
    """Tell the worker that runs a step to stop, for good, and wait until it is gone."""
    name = await pending(box, promotion, kind, second)
    worker = second if name == second.name else box.hosts[name]
    await worker.pause()
    assert worker.pid == 0
    return worker


async def test_a_build_longer_than_the_grace_goes_on_with_the_other_worker_of_the_host(
    pair: tuple[Sandbox, Host], runs: Path
) -> None:
    box, second = pair
    files = {"uses": "copy", "config": {"inPath": "./out/number.txt", "outPath": "./out/kustomization.yaml"}}
    build = {"uses": "kustomize-build", "as": "slow", "config": {"path": "./out", "outPath": "./built.yaml"}}
    await add_stage(box, "builder", clone(box), files, build)
    promotion = await promote(box, "builder")
    await stop_the_one_that_runs(box, second, promotion, "kustomize-build")
    await no_error_was_shown(box, promotion, await ended(box, promotion))
    assert runs.read_text().count("run") == 2
    assert [one.attempt for one in await attempts(box, promotion, "kustomize-build")] == [2]
    assert [one.attempt for one in await attempts(box, promotion, "git-clone")] == [1]


@pytest.mark.parametrize("kind", ["git-push", "http", "argocd-update"])
async def test_an_effect_whose_answer_takes_longer_than_the_grace_is_there_once(
    pair: tuple[Sandbox, Host], kind: str
) -> None:
    box, second = pair
    with held_after(box, kind) as held:
        promotion = await promote(box)
        assert await asyncio.to_thread(held.wait, 60)
        await stop_the_one_that_runs(box, second, promotion, kind)
    await no_error_was_shown(box, promotion, await ended(box, promotion))
    assert box.repository.subjects(branch_of("s1")).count(promotion) == 1
    assert box.record.promotions("http").count(promotion) == 1
    assert box.record.promotions("argocd-update").count(promotion) == 1


async def test_a_step_shorter_than_the_grace_ends_on_the_worker_that_stops(
    pair: tuple[Sandbox, Host],
) -> None:
    box, second = pair
    environment = {**second.environment, "FREIGHTWAY_GRACE": "120"}
    patient = Host("patient", second.home, environment, log_name="patient.log")
    await patient.start()
    for host in (box.hosts["a"], second):
        await host.pause()
    await answers(box)
    try:
        with held_after(box, "http") as held:
            promotion = await promote(box)
            assert await asyncio.to_thread(held.wait, 60)
            await second.start()
            os.kill(patient.pid, signal.SIGTERM)
        end = await ended(box, promotion)
        await no_error_was_shown(box, promotion, end)
        assert [one.attempt for one in await attempts(box, promotion, "http")] == [1]
    finally:
        await patient.stop()
