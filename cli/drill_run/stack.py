"""The sandbox as it runs: a Temporal server, outside servers, worker hosts, and a project with Freight."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from temporalio.client import Client

from freightway import names
from freightway.adapters.dev_server import DevServer, free_port
from freightway.cli.demo_pipeline.git_server import git, need_git
from freightway.cli.drill_run import sandbox
from freightway.cli.drill_run.hosts import Host
from freightway.cli.drill_run.servers import (
    DrillArgoCD,
    DrillGit,
    DrillRepository,
    Gate,
    Moment,
    Receiver,
    Record,
    password_of,
)
from freightway.client import Freightway
from freightway.connection import connect
from freightway.errors import FreightwayError, NotFound, Refused

_FORGET = ("TEMPORAL_", "FREIGHTWAY_", "ARGOCD_", "GITCLIENT_", "GIT_")
"""The user's own settings of these names must not reach the sandbox."""

_PAUSE = 0.25


@dataclass(slots=True)
class Sandbox:
    """Everything a drill needs, started together and stopped together.

    Attributes:
        folder: of everything it writes.
        freights: how many Freight it makes.
        address: of a Temporal server; empty for an embedded one.
        environment: further variables of the workers.
        gate: asked by the outside servers at each request of a step.
    """

    folder: Path
    project: str
    stages: tuple[str, ...]
    freights: int = 1
    host_names: tuple[str, ...] = ("a", "b")
    address: str = ""
    namespace: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    gate: Gate | None = None
    record: Record = field(default_factory=Record)
    server: DevServer | None = None
    hosts: dict[str, Host] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Names of the Freight, oldest first."""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _client: Client | None = None
    _repository: DrillRepository | None = None

    @property
    def client(self) -> Client:
        """A client of the Temporal server."""
        assert self._client is not None
        return self._client

    @property
    def freightway(self) -> Freightway:
        """What people use."""
        return Freightway(self.client, actor="drill")

    @property
    def repository(self) -> DrillRepository:
        """The Git repository, as its owner sees it."""
        assert self._repository is not None
        return self._repository

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        need_git()
        address = await self._temporal()
        servers = DrillGit(self.folder / "git", self.host_names, self._ask)
        self._stack.callback(servers.close)
        receiver = Receiver(self.host_names, self._ask, self.record)
        self._stack.callback(receiver.close)
        bare = servers.root / sandbox.REPOSITORY
        self._repository = await asyncio.to_thread(_new_repository, bare)
        git_url = f"http://{servers.host}/{sandbox.REPOSITORY}"
        argocd = self._argocd(git_url)
        self._stack.callback(argocd.close)
        self._make_hosts(address, git_url, f"http://{argocd.start()}")
        for host in self.hosts.values():
            self._stack.push_async_callback(host.stop)
        await asyncio.gather(*(host.start() for host in self.hosts.values()))
        self._client = await connect(address, self.namespace)
        await self._prepare(git_url, receiver.url, bare)

    def _ask(self, kind: str, host: str, moment: Moment) -> bool:
        return self.gate(kind, host, moment) if self.gate else False

    async def _temporal(self) -> str:
        if self.address:
            return self.address
        self.server = DevServer(
            database=self.folder / "temporal.db", port=free_port(), log=self.folder / "temporal.log"
        )
        self._stack.push_async_callback(self.server.stop)
        await self.server.start()
        return self.server.address

    def _argocd(self, git_url: str) -> DrillArgoCD:
        argocd = DrillArgoCD(
            password_of("drill"),
            self.repository,
            hosts=self.host_names,
            gate=self._ask,
            record=self.record,
        )
        for stage in self.stages:
            argocd.add(
                sandbox.application_of(stage),
                stage=f"{self.project}:{stage}",
                repo_url=git_url,
                branch=sandbox.branch_of(stage),
            )
        return argocd

    def _make_hosts(self, address: str, git_url: str, argocd: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FORGET)}
        environment = {
            **kept,
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": self.namespace or "default",
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **self.environment,
        }
        for name in self.host_names:
            home = self.folder / f"host-{name}"
            sandbox.write_secrets(home, name, self.project, git_url, argocd)
            self.hosts[name] = Host(name, home, environment)

    async def _prepare(self, git_url: str, receiver: str, bare: Path) -> None:
        """Apply the project and make its Freight."""
        freightway = self.freightway
        commits = await asyncio.to_thread(sandbox.seed, bare, self.stages, self.freights)
        await freightway.apply(sandbox.resources(self.project, self.stages, git_url, receiver))
        await self._until_running(names.warehouse_id(self.project, sandbox.WAREHOUSE))
        for place, commit in enumerate(commits, start=1):
            freight = sandbox.freight(git_url, commit, place)
            await freightway.create_freight(self.project, sandbox.WAREHOUSE, freight)
        records = await freightway.freight(self.project)
        by_commit = {str(record.reference.commits[0]["id"]): record.name for record in records}
        self.made = [by_commit[commit] for commit in commits]
        for stage in self.stages:
            await self.until_ready(stage)

    async def _until_running(self, workflow_id: str) -> None:
        while True:
            if await self.freightway.running(workflow_id):
                return
            await asyncio.sleep(_PAUSE)

    async def until_ready(self, stage: str) -> None:
        """Wait until a Stage runs and knows the Freight."""
        await self._until_running(names.stage_id(self.project, stage))
        while True:
            try:
                await self.freightway.explain(self.project, stage, self.made[-1])
            except (NotFound, Refused):
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def restart_server(self) -> None:
        """Kill the Temporal server, as a power cut would, and start it again with its file."""
        assert self.server is not None
        self.server.kill()
        await self.server.stop()
        await self.server.start()

    async def delete_project(self, seconds: float) -> bool:
        """Delete the project with all it has; returns whether nothing of it runs any more."""
        query = f'FreightwayProject = "{self.project}" AND ExecutionStatus = "Running"'
        try:
            async with asyncio.timeout(seconds):
                await self.freightway.delete(self.project, everything=True)
                while True:
                    if not (await self.client.count_workflows(query)).count:
                        return True
                    await asyncio.sleep(_PAUSE)
        except (FreightwayError, TimeoutError):
            return False

    async def left_over(self, seconds: float) -> list[str]:
        """Start every host anew, so that it sweeps, and return the workspaces that stay."""
        for host in self.hosts.values():
            await host.pause()
            await host.start()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            left = [f"{host.name}: {name}" for host in self.hosts.values() for name in host.workspaces()]
            if not left or loop.time() > end:
                return left
            await asyncio.sleep(_PAUSE)


def _new_repository(bare: Path) -> DrillRepository:
    bare.mkdir(parents=True)
    git(bare, "init", "-q", "--bare", "--initial-branch=main")
    git(bare, "config", "http.receivepack", "true")
    return DrillRepository(bare)
