"""Two hundred commands at once, on the dev server's default flags too: none lost, none applied twice, none unanswered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import pytest_asyncio

from freightway.entities.messages import Done, FreezeRequest, HoldRequest, PromoteRequest
from freightway.errors import Refused
from tests.servers.manifests import PROJECT, REPOSITORY, stage, warehouse
from tests.servers.temporal import TEST_FLAGS, World, world
from tests.servers.temporal_cli import sentence

SECONDS = 180.0


@pytest_asyncio.fixture(scope="module", params=["default flags", "tuned flags"])
async def flooded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A server as ``temporal server start-dev`` starts it, and one as ``freightway dev`` does."""
    flags = {} if request.param == "default flags" else TEST_FLAGS
    async with world(tmp_path_factory.mktemp("flooded"), flags) as found:
        yield found


async def answered(commands: list[Awaitable[Any]]) -> tuple[list[Any], list[str]]:
    """Send all commands at once; return what was answered and the sentences of what was refused."""
    async with asyncio.timeout(SECONDS):
        results = await asyncio.gather(*commands, return_exceptions=True)
    refused = [result for result in results if isinstance(result, BaseException)]
    for error in refused:
        assert isinstance(error, Refused), repr(error)
    return [result for result in results if not isinstance(result, BaseException)], [
        sentence(str(error)) for error in refused
    ]


async def test_two_hundred_commands_to_one_stage(flooded: World) -> None:
    project = flooded.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    client = project.api
    right = [f"reason-{number}" for number in range(45)]
    commands: list[Awaitable[Any]] = []
    for number in range(200):
        if number < len(right):
            commands.append(client.hold(project.name, "dev", HoldRequest(reason=right[number])))
        elif number % 3 == 0:
            commands.append(client.hold(project.name, "dev", HoldRequest(origin=f"none-{number}")))
        elif number % 3 == 1:
            commands.append(client.abort(project.name, f"dev.{number:026d}.1234567"))
        else:
            wrong = PromoteRequest(project=project.name, stage="dev", freight=f"none-{number}")
            commands.append(client.promote(wrong))
    done, refused = await answered(commands)
    assert len(done) == len(right)
    assert all(isinstance(answer, Done) for answer in done)
    assert len(refused) == 200 - len(right)
    # Every refusal names what was wrong with that very command.
    assert len(set(refused)) == len(refused)
    state = await project.stage_is("dev", lambda state: len(state.holds) == len(right), 60)
    assert Counter(hold.reason for hold in state.holds) == Counter(right)
    assert len(await project.events("HoldSet")) == len(right)


async def test_two_hundred_commands_to_a_warehouse_and_its_project(flooded: World) -> None:
    project = flooded.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    api = project.api

    def freight(number: int) -> dict[str, Any]:
        return {"commits": [{"repoURL": REPOSITORY, "id": f"{number:040x}", "branch": "main"}]}

    commands: list[Awaitable[Any]] = []
    for number in range(120):
        commands.append(api.create_freight(project.name, "app", freight(number)))
    for number in range(30):
        commands.append(api.create_freight(project.name, "app", {"commits": [{"id": f"{number}"}]}))
        selector = {"name": "nobody"}
        request = FreezeRequest(name=f"freeze-{number}", reason="a flood", selector=selector)
        commands.append(api.freeze(project.name, request))
    for number in range(20):
        commands.append(api.unfreeze(project.name, f"none-{number}"))
    assert len(commands) == 200
    done, refused = await answered(commands)
    assert (len(done), len(refused)) == (150, 50)
    state = await project.stage_is("dev", lambda state: len(state.freight) == 120, 120)
    assert Counter(record.artifacts["commits"][0]["id"] for record in state.freight.values()) == Counter(
        f"{number:040x}" for number in range(120)
    )
    records = await project.records()
    assert len({record.alias for record in records}) == 120
    frozen = await api.project(project.name)
    assert sorted(item.id for item in frozen.freezes) == sorted(f"freeze-{number}" for number in range(30))
