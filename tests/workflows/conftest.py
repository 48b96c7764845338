"""One server and one worker for the tests of the workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import hypothesis  # noqa: F401 - its plugin imports it last otherwise, and Python 3.11.7 may fail to compile it then
import pytest
import pytest_asyncio

from tests.servers.http_server import HttpServer, Reply, Request
from tests.servers.temporal import TEST_FLAGS, Pipeline, World, world


@pytest_asyncio.fixture(scope="session")
async def temporal_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server with our workers, for as long as the tests run."""
    async with world(tmp_path_factory.mktemp("home")) as found:
        yield found


OFTEN = {**TEST_FLAGS, "limit.historyCount.suggestContinueAsNew": "100"}


@pytest_asyncio.fixture(scope="session")
async def restless(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server that asks every workflow to continue as new after a hundred events."""
    async with world(tmp_path_factory.mktemp("restless"), OFTEN) as found:
        yield found


async def continued(where: World, workflow_id: str) -> int:
    """How often a workflow continued as new."""
    query = f'WorkflowId = "{workflow_id}" AND ExecutionStatus = "ContinuedAsNew"'
    return (await where.client.count_workflows(query)).count


@pytest.fixture
def project(temporal_world: World) -> Pipeline:
    """A project of this test alone."""
    return temporal_world.project()


class Outside(HttpServer):
    """The world outside: counts what is asked of it, and answers what a test put into ``answers``."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.answers: dict[str, Reply] = {}

    def _answer(self, request: Request) -> Reply:
        return self.answers.get(request.path, Reply(json={"ok": True}))

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def at(self, path: str) -> str:
        return f"{self.url}{path}"


@pytest_asyncio.fixture
async def outside() -> AsyncIterator[Outside]:
    """An HTTP server that counts."""
    async with Outside() as server:
        yield server
