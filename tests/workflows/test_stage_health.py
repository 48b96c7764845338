"""The health of a Stage is looked at beside its work: an Argo CD that does not answer keeps nothing waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

import pytest_asyncio
import yaml

from freightway import names
from freightway.adapters.argocd import TYPE_LABEL
from freightway.entities.messages import HoldRequest
from tests.servers.argocd_server import TOKEN, ArgoServer
from tests.servers.http_server import Reply, Request
from tests.servers.manifests import PROJECT, stage, waits, warehouse
from tests.servers.temporal import Pipeline, World, until
from tests.workflows.conftest import Outside, continued

A, B = "a" * 40, "b" * 40
LONG = 60.0


@dataclass
class SlowArgo:
    """An Argo CD that answers its next so many looks at an Application only when it is let go."""

    server: ArgoServer = field(default_factory=ArgoServer)
    stuck: int = 0
    waiting: int = 0
    most: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._answers = self.server.server.handler
        self.server.server.handler = self._answer

    def _answer(self, request: Request) -> Reply | Awaitable[Reply]:
        if request.method == "GET" and self.stuck:
            self.stuck -= 1
            return self._late(request)
        return self._answers(request)

    async def _late(self, request: Request) -> Reply:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.go.wait()
        self.waiting -= 1
        answer = self._answers(request)
        assert isinstance(answer, Reply)
        return answer


@pytest_asyncio.fixture
async def argo() -> AsyncIterator[SlowArgo]:
    slow = SlowArgo()
    async with slow.server:
        yield slow
        slow.go.set()


async def healthy_stage(project: Pipeline, argo: SlowArgo, outside: Outside) -> None:
    """A Stage that holds verified Freight, with a health check, and whose next promotion waits at the gate."""
    folder = project.world.home / "secrets" / project.name
    folder.mkdir(parents=True, mode=0o700)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argo", "labels": {TYPE_LABEL: "argocd"}},
        "stringData": {"server": argo.server.url, "token": TOKEN},
    }
    (folder / "argo.yaml").write_text(yaml.safe_dump(secret))
    (folder / "argo.yaml").chmod(0o600)
    argo.server.add("app", {"repoURL": "https://git.example.com/app.git"}, stage=f"{project.name}:dev")
    outside.answers["/gate"] = Reply(json={"ready": True})
    sync = {"uses": "argocd-update", "as": "sync", "config": {"apps": [{"name": "app"}]}}
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[sync, waits(outside.at("/gate"))]))
    state = await project.brought("dev", await project.freight(A))
    assert state.health_checks
    assert state.health_status == "Healthy"
    outside.answers["/gate"] = Reply(json={"ready": False})


async def look(project: Pipeline, argo: SlowArgo) -> None:
    """Have the Stage look at its health, and wait until the look is stuck."""
    argo.stuck += 1
    before = argo.waiting
    await project.api.refresh(project.name, "stage", "dev")
    await until(lambda: argo.waiting, lambda waiting: waiting > before, LONG)


async def test_a_promotion_is_aborted_while_argo_cd_does_not_answer(
    project: Pipeline, argo: SlowArgo, outside: Outside
) -> None:
    await healthy_stage(project, argo, outside)
    seen = outside.count("/gate")
    running = await project.promote("dev", await project.freight(B))
    await until(lambda: outside.count("/gate"), lambda count: count > seen, LONG)
    await look(project, argo)
    await project.api.abort(project.name, running.promotion)
    assert (await project.ended(running)).phase == "Aborted"
    await project.api.hold(project.name, "dev", HoldRequest(reason="wait"))
    outside.answers["/gate"] = Reply(json={"ready": True})
    again = await project.promote("dev", await project.freight(A[:-1] + "b"))
    assert (await project.ended(again)).phase == "Succeeded"
    assert argo.waiting == 1, "the look at the health is over: this test shows nothing"


async def test_no_two_looks_at_the_health_run_at_once(
    project: Pipeline, argo: SlowArgo, outside: Outside
) -> None:
    await healthy_stage(project, argo, outside)
    await look(project, argo)
    argo.stuck = 5
    for number in range(5):
        await project.api.refresh(project.name, "stage", "dev")
        await project.api.hold(project.name, "dev", HoldRequest(reason=str(number)))
    assert (await project.stage("dev")).health_wanted, "what is asked for meanwhile is looked at afterwards"
    before = (await project.stage("dev")).health
    argo.stuck = 0
    argo.go.set()
    state = await project.stage_is(
        "dev", lambda state: not state.health_wanted and state.health != before, LONG
    )
    assert argo.most == 1
    assert state.health_status == "Healthy"


async def test_a_look_at_what_was_held_before_says_nothing_about_what_is_held_now(
    project: Pipeline, argo: SlowArgo, outside: Outside
) -> None:
    await healthy_stage(project, argo, outside)
    await look(project, argo)
    outside.answers["/gate"] = Reply(json={"ready": True})
    new = await project.freight(B)
    state = await project.brought("dev", new)
    assert state.health_status == "Healthy"
    assert argo.waiting == 1, "the old look is over: this test shows nothing"


async def test_what_is_queued_waits_for_the_first_look_at_new_freight(
    project: Pipeline, argo: SlowArgo, outside: Outside
) -> None:
    await healthy_stage(project, argo, outside)
    seen = outside.count("/gate")
    running = await project.promote("dev", await project.freight(B))
    await until(lambda: outside.count("/gate"), lambda count: count > seen, LONG)
    queued = await project.promote("dev", await project.freight(A[:-1] + "b"))
    argo.stuck = 1
    outside.answers["/gate"] = Reply(json={"ready": True})
    await project.api.refresh(project.name, "promotion", running.promotion)
    await until(lambda: argo.waiting, bool, LONG)
    state = await project.stage("dev")
    assert state.current is None
    assert [item.promotion for item in state.queue] == [queued.promotion]
    argo.go.set()
    assert (await project.ended(queued, LONG)).phase == "Succeeded"
    assert all(holding.verifications for holding in (await project.stage("dev")).history[1:])


async def test_a_stage_continues_as_new_while_argo_cd_does_not_answer(
    restless: World, argo: SlowArgo, outside: Outside
) -> None:
    project = restless.project()
    await healthy_stage(project, argo, outside)
    workflow_id = names.stage_id(project.name, "dev")
    await look(project, argo)
    argo.stuck = 1000
    before = await continued(restless, workflow_id)
    for number in range(150):
        await project.stage_handle("dev").signal("metadata", {"values": {f"key-{number}": number}})
    await project.stage_is("dev", lambda state: len(state.metadata) == 150, LONG)
    await until(lambda: continued(restless, workflow_id), lambda times: times > before, LONG)
    await until(lambda: argo.waiting, lambda waiting: waiting > 1, LONG)
    before_answer = (await project.stage("dev")).health
    argo.stuck = 0
    argo.go.set()
    state = await project.stage_is("dev", lambda state: state.health != before_answer, LONG)
    assert state.health_status == "Healthy"


async def test_a_stage_is_deleted_while_argo_cd_does_not_answer(
    project: Pipeline, argo: SlowArgo, outside: Outside
) -> None:
    await healthy_stage(project, argo, outside)
    await look(project, argo)
    await project.api.delete(project.name, ["Stage/dev"])
    await project.gone(names.stage_id(project.name, "dev"))
    assert argo.waiting == 1
