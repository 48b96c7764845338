"""A worker is upgraded while promotions run: they go on under the new code, and none is lost or repeated."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client

import freightway
from freightway import names
from freightway.adapters.dev_server import temporal_binary
from freightway.client import Freightway
from freightway.connection import connect
from freightway.entities.messages import PromoteAnswer, PromoteRequest
from tests.servers.freightway_stack import Stack
from tests.servers.http_server import HttpServer, Reply, Request
from tests.servers.manifests import PROJECT, post, stage, warehouse
from tests.servers.temporal import Pipeline, World, until

SECONDS = 120.0
STAGES = ("s1", "s2", "s3")
ANCHOR = "        plan = await self._with_facts(self._given.plan)\n"
"""The first command of a promotion, which every history holds."""
CARELESS = "        await workflow.sleep(0.01)\n" + ANCHOR
PATCHED = '        if workflow.patched("sleeps-first"):\n            await workflow.sleep(0.01)\n' + ANCHOR


def new_code(folder: Path, change: str) -> Path:
    """Copy the package, and change the order of what a promotion does; returns what to put on the path."""
    source = Path(freightway.__file__).parent
    shutil.copytree(source, folder / "freightway", ignore=shutil.ignore_patterns("__pycache__"))
    promotion = folder / "freightway" / "workflows" / "promotion.py"
    text = promotion.read_text()
    assert text.count(ANCHOR) == 1
    promotion.write_text(text.replace(ANCHOR, change))
    return folder


class Outside(HttpServer):
    """Counts the effects, and lets go those who wait when the gate is open."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.is_open = False

    def _answer(self, request: Request) -> Reply:
        return Reply(json={"ready": self.is_open})

    def effects(self) -> Counter[str]:
        return Counter(request.path for request in self.requests if request.method == "POST")


class Upgrade:
    """A pipeline whose promotions wait in their middle."""

    def __init__(self, stack: Stack, client: Client, outside: Outside) -> None:
        self.stack = stack
        self.client = client
        self.outside = outside
        self.project = Pipeline(World(client, stack.home), "upgrade")

    @property
    def api(self) -> Freightway:
        return self.project.api

    async def begin(self) -> list[PromoteAnswer]:
        """Ask for two promotions in each Stage: one waits in a step, the other in the queue."""
        steps: list[dict[str, Any]] = [
            {"uses": "delete", "as": "files", "config": {"path": "nothing", "strict": False}},
            post(f"{self.outside.url}/before/${{{{ ctx.promotion }}}}", "before"),
            {
                "uses": "http",
                "as": "waits",
                "config": {
                    "url": f"{self.outside.url}/gate",
                    "successExpression": "response.body.ready == true",
                    "pollInterval": "1s",
                },
            },
            {"uses": "delete", "as": "again", "config": {"path": "nothing", "strict": False}},
            post(f"{self.outside.url}/after/${{{{ ctx.promotion }}}}", "after"),
        ]
        await self.project.apply(PROJECT, warehouse(), *(stage(name, steps=steps) for name in STAGES))
        first = await self.project.freight("a" * 40, stages=STAGES)
        second = await self.project.freight("b" * 40, stages=STAGES)
        asked = [await self.ask(name, item.name) for item in (first, second) for name in STAGES]
        for answer in asked[: len(STAGES)]:
            await self.at(answer, "waits")
        return asked

    async def ask(self, stage_name: str, freight: str = "") -> PromoteAnswer:
        return await self.api.promote(
            PromoteRequest(project=self.project.name, stage=stage_name, freight=freight)
        )

    async def markers(self, answers: list[PromoteAnswer]) -> list[int]:
        """How many patches each promotion met."""
        return [len(await self.events(answer, EventType.EVENT_TYPE_MARKER_RECORDED)) for answer in answers]

    async def at(self, answer: PromoteAnswer, alias: str) -> None:
        """Wait until a promotion is at a step."""

        async def step() -> str:
            progress = await self.api.progress(self.project.name, answer.promotion)
            return progress.step.alias if progress and progress.step else ""

        await until(step, lambda found: found == alias, SECONDS)

    async def events(self, answer: PromoteAnswer, kind: EventType.ValueType) -> list[Any]:
        workflow_id = names.promotion_id(self.project.name, answer.promotion)
        handle = self.client.get_workflow_handle(workflow_id)
        return [event async for event in handle.fetch_history_events() if event.event_type == kind]

    async def all_succeed(self, asked: list[PromoteAnswer]) -> None:
        """Check that every promotion ends well, and did everything once."""
        for answer in asked:
            end = await self.api.wait_for_promotion(
                self.project.name, answer.promotion, stage=answer.stage, timeout=SECONDS
            )
            assert end.phase == "Succeeded", end
        wanted = [f"/{place}/{answer.promotion}" for answer in asked for place in ("before", "after")]
        assert self.outside.effects() == Counter(wanted)

    def temporal(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(temporal_binary()), *arguments, "--address", self.stack.server.address],
            env={**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
async def upgrade(tmp_path: Path) -> AsyncIterator[Upgrade]:
    """A server that is there, without a worker."""
    stack = Stack(tmp_path / "home")
    await stack.start(worker=False)
    try:
        async with Outside() as outside:
            yield Upgrade(stack, await connect(stack.server.address), outside)
    finally:
        await stack.stop()


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
async def test_promotions_go_on_under_new_code_that_patches_its_change(
    upgrade: Upgrade, tmp_path: Path, killed: bool
) -> None:
    code = new_code(tmp_path / "new", PATCHED)
    stack = upgrade.stack
    await asyncio.to_thread(stack.start_worker)
    asked = await upgrade.begin()
    await asyncio.to_thread(stack.kill_worker if killed else stack.stop_worker)
    await asyncio.to_thread(stack.start_worker, code=code)
    upgrade.outside.is_open = True
    late = await upgrade.ask("s1")
    await upgrade.all_succeed([*asked, late])
    # What ran before keeps the old order, what began afterwards has the new one.
    assert await upgrade.markers([*asked, late]) == [0, 0, 0, 1, 1, 1, 1]


async def test_code_that_does_not_fit_leaves_promotions_waiting_with_an_error_until_it_is_taken_back(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    code = new_code(tmp_path / "careless", CARELESS)
    stack = upgrade.stack
    await asyncio.to_thread(stack.start_worker)
    asked = await upgrade.begin()
    await asyncio.to_thread(stack.stop_worker)
    await asyncio.to_thread(stack.start_worker, code=code)
    upgrade.outside.is_open = True
    for answer in asked[: len(STAGES)]:
        failed = await until(
            lambda answer=answer: upgrade.events(answer, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED),
            bool,
            SECONDS,
        )
        cause = failed[0].workflow_task_failed_event_attributes.cause
        assert cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
        assert await upgrade.api.running(names.promotion_id(upgrade.project.name, answer.promotion))
    shown = await asyncio.to_thread(stack.cli, "describe", "promotion", asked[0].promotion, "-p", "upgrade")
    assert "the code of the worker does not fit its history; see docs/upgrading.md" in shown.stderr
    assert not [path for path in upgrade.outside.effects() if path.startswith("/after/")]
    await asyncio.to_thread(stack.stop_worker)
    await asyncio.to_thread(stack.start_worker)
    await upgrade.all_succeed(asked)


async def test_promotions_move_to_the_version_that_becomes_current(upgrade: Upgrade, tmp_path: Path) -> None:
    code = new_code(tmp_path / "new", PATCHED)
    stack = upgrade.stack

    def make_current(build: str) -> None:
        where = ("--deployment-name", "freightway", "--build-id", build)
        upgrade.temporal("worker", "deployment", "set-current-version", *where, "--yes")

    await asyncio.to_thread(stack.start_worker, "--build-id", "0.1.0")
    await asyncio.to_thread(make_current, "0.1.0")
    asked = await upgrade.begin()
    await asyncio.to_thread(stack.stop_worker)
    await asyncio.to_thread(stack.start_worker, "--build-id", "0.2.0", code=code)
    await asyncio.to_thread(make_current, "0.2.0")
    upgrade.outside.is_open = True
    late = await upgrade.ask("s1")
    await upgrade.all_succeed([*asked, late])
    assert await upgrade.markers([*asked, late]) == [0, 0, 0, 1, 1, 1, 1]
    where = ("--deployment-name", "freightway", "--build-id", "0.1.0")
    told = await asyncio.to_thread(upgrade.temporal, "worker", "deployment", "describe-version", *where)
    assert re.search(r"DrainageStatus +drain", told), told
