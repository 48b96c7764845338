"""Runs a drill from its beginning to its count."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from freightway import names
from freightway.adapters.dev_server import DevServer, free_port
from freightway.cli.demo_pipeline.git_server import need_git
from freightway.cli.drill_run import sandbox
from freightway.cli.drill_run.count import Delays, Findings, Run, count, delays, read_runs
from freightway.cli.drill_run.hosts import Host
from freightway.cli.drill_run.killer import Kill, Killer
from freightway.cli.drill_run.servers import (
    DrillArgoCD,
    DrillGit,
    DrillRepository,
    Moment,
    Receiver,
    Record,
    password_of,
)
from freightway.client import Freightway
from freightway.connection import connect
from freightway.entities.messages import PromoteRequest
from freightway.errors import FreightwayError, NotFound, Refused

HOSTS = ("a", "b")
_GIT_FORGET = ("TEMPORAL_", "FREIGHTWAY_", "ARGOCD_", "GITCLIENT_", "GIT_")
_PAUSE = 0.25
_SETTLE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a drill is asked to do.

    Attributes:
        folder: of everything it writes.
        kills: how many workers it kills.
        address: of a Temporal server; empty for an embedded one.
        limit: seconds after which what has not ended counts as lost.
    """

    folder: Path
    promotions: int = 20
    kills: int = 22
    stages: int = 4
    address: str = ""
    namespace: str = ""
    seed: int = 1
    limit: float = 900.0
    restart_server: bool = True
    lose_host: bool = True


@dataclass(slots=True)
class Report:
    """What a drill found."""

    settings: Settings
    seconds: float
    ended: dict[str, str]
    kills: list[Kill]
    by_kind: dict[str, int]
    starts: int
    runs: list[Run]
    findings: Findings
    delays: Delays
    recognised: int
    notes: list[str] = field(default_factory=list)


class Drill:
    """One drill under way."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self.project = f"drill-{os.getpid()}"
        self.stages = sandbox.stages(settings.stages)
        self.record = Record()
        self.ended: dict[str, str] = {}
        self.order: dict[str, list[tuple[str, str]]] = {stage: [] for stage in self.stages}
        self.notes: list[str] = []
        self.killer: Killer | None = None
        self.server: DevServer | None = None

    async def run(self) -> Report:
        """Run it.

        Raises:
            FreightwayError: if it cannot be set up.
        """
        need_git()
        began = time.monotonic()
        task = asyncio.current_task()
        assert task is not None
        # Servers and workers are processes of their own sessions: whoever ends the drill must end them too.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with AsyncExitStack() as stack:
            address = await self._temporal(stack)
            git = DrillGit(self.settings.folder / "git", HOSTS, self._gate)
            stack.callback(git.close)
            receiver = Receiver(HOSTS, self._gate, self.record)
            stack.callback(receiver.close)
            bare = git.root / sandbox.REPOSITORY
            repository = await asyncio.to_thread(self._repository, bare)
            git_url = f"http://{git.host}/{sandbox.REPOSITORY}"
            argocd = self._argocd(repository, git_url)
            stack.callback(argocd.close)
            hosts = self._hosts(address, git_url, f"http://{argocd.start()}")
            for host in hosts.values():
                stack.push_async_callback(host.stop)
            await asyncio.gather(*(host.start() for host in hosts.values()))
            client = await connect(address, self.settings.namespace)
            freightway = Freightway(client, actor="drill")
            self.killer = Killer(hosts, client, self._active, self.settings.kills, self.settings.seed)
            freights = await self._prepare(freightway, git_url, receiver.url, bare)
            self.say(f"{self.settings.promotions} promotions through {len(self.stages)} Stages begin")
            await self._promote(freightway, freights)
            workspaces = await self._tidy(hosts)
            runs = await read_runs(client, [names.promotion_id(self.project, name) for name in self.ended])
            return self._report(time.monotonic() - began, repository, hosts, runs, workspaces)

    # -- setting up --------------------------------------------------------------------------------------------------

    async def _temporal(self, stack: AsyncExitStack) -> str:
        if self.settings.address:
            return self.settings.address
        folder = self.settings.folder
        self.server = DevServer(
            database=folder / "temporal.db", port=free_port(), log=folder / "temporal.log"
        )
        stack.push_async_callback(self.server.stop)
        await self.server.start()
        return self.server.address

    def _repository(self, bare: Path) -> DrillRepository:
        from freightway.cli.demo_pipeline.git_server import git

        bare.mkdir(parents=True)
        git(bare, "init", "-q", "--bare", "--initial-branch=main")
        git(bare, "config", "http.receivepack", "true")
        return DrillRepository(bare)

    def _argocd(self, repository: DrillRepository, git_url: str) -> DrillArgoCD:
        argocd = DrillArgoCD(
            password_of("drill"), repository, hosts=HOSTS, gate=self._gate, record=self.record
        )
        for stage in self.stages:
            argocd.add(
                sandbox.application_of(stage),
                stage=f"{self.project}:{stage}",
                repo_url=git_url,
                branch=sandbox.branch_of(stage),
            )
        return argocd

    def _hosts(self, address: str, git_url: str, argocd: str) -> dict[str, Host]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_GIT_FORGET)}
        environment = {
            **kept,
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": self.settings.namespace or "default",
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
        hosts = {}
        for name in HOSTS:
            home = self.settings.folder / f"host-{name}"
            sandbox.write_secrets(home, name, self.project, git_url, argocd)
            hosts[name] = Host(name, home, environment)
        return hosts

    async def _prepare(self, freightway: Freightway, git_url: str, receiver: str, bare: Path) -> list[str]:
        """Apply the project and make its Freight; returns the Freight's names, oldest first."""
        number = -(-self.settings.promotions // len(self.stages))
        commits = await asyncio.to_thread(sandbox.seed, bare, self.stages, number)
        await freightway.apply(sandbox.resources(self.project, self.stages, git_url, receiver))
        wanted = [names.stage_id(self.project, stage) for stage in self.stages]
        for workflow_id in (names.warehouse_id(self.project, sandbox.WAREHOUSE), *wanted):
            await self._until_running(freightway, workflow_id)
        for place, commit in enumerate(commits, start=1):
            await freightway.create_freight(
                self.project, sandbox.WAREHOUSE, sandbox.freight(git_url, commit, place)
            )
        records = await freightway.freight(self.project)
        by_commit = {str(record.reference.commits[0]["id"]): record.name for record in records}
        for stage in self.stages:
            await self._until_known(freightway, stage, by_commit[commits[-1]])
        return [by_commit[commit] for commit in commits]

    async def _until_running(self, freightway: Freightway, workflow_id: str) -> None:
        while True:
            if await freightway.running(workflow_id):
                return
            await asyncio.sleep(_PAUSE)

    async def _until_known(self, freightway: Freightway, stage: str, freight: str) -> None:
        while True:
            try:
                await freightway.explain(self.project, stage, freight)
            except (NotFound, Refused):
                await asyncio.sleep(_PAUSE)
            else:
                return

    # -- the promotions ----------------------------------------------------------------------------------------------

    def _gate(self, kind: str, host: str, moment: Moment) -> bool:
        return self.killer.gate(kind, host, moment) if self.killer else False

    def _active(self) -> list[str]:
        return [names.promotion_id(self.project, name) for name, phase in self.ended.items() if not phase]

    async def _promote(self, freightway: Freightway, freights: list[str]) -> None:
        """Promote while workers die; what has not ended in time counts as lost."""
        assert self.killer is not None
        left = [self.settings.promotions // len(self.stages)] * len(self.stages)
        for extra in range(self.settings.promotions % len(self.stages)):
            left[extra] += 1
        tasks = [
            asyncio.create_task(self._through(freightway, stage, freights[:number]))
            for stage, number in zip(self.stages, left, strict=True)
        ]
        killing = asyncio.create_task(self.killer.run(self._between))
        talking = asyncio.create_task(self._talk())
        try:
            await asyncio.wait_for(asyncio.gather(*tasks), self.settings.limit)
        except TimeoutError:
            self.notes.append(f"stopped after {self.settings.limit:g} s")
        finally:
            for task in (killing, talking):
                task.cancel()
            await asyncio.wait([killing, talking])
        if killing.done() and not killing.cancelled() and killing.exception():
            raise FreightwayError(f"the killing broke: {killing.exception()!r}") from killing.exception()

    async def _through(self, freightway: Freightway, stage: str, freights: list[str]) -> None:
        """Bring one Freight after the other into a Stage; the next is asked for while one runs."""
        asked: list[str] = []
        for number, freight in enumerate(freights):
            asked.append(await self._ask(freightway, stage, freight, number))
            if len(asked) > 1:
                await self._until_ended(freightway, stage, asked.pop(0))
        for promotion in asked:
            await self._until_ended(freightway, stage, promotion)

    async def _ask(self, freightway: Freightway, stage: str, freight: str, number: int) -> str:
        # The same id however often it is sent: a command whose answer was lost must not count twice.
        request = PromoteRequest(
            id=f"{self.project}-{stage}-{number}", project=self.project, stage=stage, freight=freight
        )
        while True:
            try:
                answer = await freightway.promote(request)
            except Refused:
                raise
            except FreightwayError:
                await asyncio.sleep(_PAUSE)
                continue
            self.ended[answer.promotion] = ""
            self.order[stage].append((answer.promotion, freight))
            return answer.promotion

    async def _until_ended(self, freightway: Freightway, stage: str, promotion: str) -> None:
        while True:
            try:
                end = await freightway.wait_for_promotion(self.project, promotion, stage=stage)
            except FreightwayError:
                await asyncio.sleep(_PAUSE)
                continue
            self.ended[promotion] = end.phase
            if end.phase != "Succeeded":
                self.notes.append(f"{promotion} ended {end.phase}: {end.message}")
            return

    async def _between(self, kills: int) -> None:
        """Once, restart the server; once, lose a host."""
        assert self.killer is not None
        if self.settings.lose_host and kills >= self.settings.kills // 3 and "host" not in self._done():
            self.say("the folder of host b is removed")
            await self.killer.lose_host("b")
        if (
            self.settings.restart_server
            and self.server is not None
            and kills >= self.settings.kills * 2 // 3
            and "server" not in self._done()
        ):
            self.say("the Temporal server is killed and started again")
            self.notes.append("server")
            self.server.kill()
            await self.server.stop()
            await self.server.start()

    def _done(self) -> set[str]:
        assert self.killer is not None
        return {kill.aim for kill in self.killer.kills} | set(self.notes)

    async def _talk(self) -> None:
        assert self.killer is not None
        while True:
            await asyncio.sleep(10)
            over = sum(1 for phase in self.ended.values() if phase)
            self.say(
                f"{over} of {self.settings.promotions} promotions ended, {len(self.killer.kills)} workers killed"
            )

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _tidy(self, hosts: dict[str, Host]) -> list[str]:
        """Let the hosts sweep what dead workers left, and return the workspaces that are still there."""
        for host in hosts.values():
            await host.stop()
            await host.start()
        end = time.monotonic() + _SETTLE_SECONDS
        while True:
            left = [f"{host.name}: {name}" for host in hosts.values() for name in host.workspaces()]
            if not left or time.monotonic() > end:
                return left
            await asyncio.sleep(_PAUSE)

    def _report(
        self,
        seconds: float,
        repository: DrillRepository,
        hosts: dict[str, Host],
        runs: list[Run],
        workspaces: list[str],
    ) -> Report:
        assert self.killer is not None
        by_kind = self.killer.by_kind()
        known = {
            "kills": [asdict(kill) for kill in self.killer.kills],
            "steps": [asdict(run) for run in runs],
        }
        (self.settings.folder / "drill.json").write_text(json.dumps(known, indent=1))
        return Report(
            settings=self.settings,
            seconds=seconds,
            ended=self.ended,
            kills=self.killer.kills,
            by_kind={kind: by_kind[kind] for kind in sandbox.KINDS},
            starts=sum(host.starts for host in hosts.values()),
            runs=runs,
            findings=count(self.ended, self.order, repository, self.record, runs, workspaces),
            delays=delays(self.killer.kills, runs),
            recognised=len(self.record.answered),
            notes=[note for note in self.notes if note != "server"],
        )
