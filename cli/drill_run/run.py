"""Runs a drill from its beginning to its count."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from freightway import names
from freightway.cli.drill_run import sandbox
from freightway.cli.drill_run.count import Delays, Findings, Run, count, delays, read_runs
from freightway.cli.drill_run.killer import Kill, Killer
from freightway.cli.drill_run.stack import Sandbox
from freightway.entities.messages import PromoteRequest
from freightway.errors import FreightwayError, Refused

_PAUSE = 0.25
_SETTLE_SECONDS = 90.0
_LAST_SECONDS = 300.0
"""How long promotions have to end after the last one was asked for; others count as lost."""

_DELETED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a drill is asked to do.

    Attributes:
        folder: of everything it writes.
        kills: how many workers it kills.
        address: of a Temporal server; empty for an embedded one.
        hosts: worker hosts.
        limit: seconds after which no further promotion is asked for.
    """

    folder: Path
    promotions: int = 20
    kills: int = 22
    stages: int = 4
    address: str = ""
    namespace: str = ""
    seed: int = 1
    hosts: int = 2
    limit: float = 600.0
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
        stages = sandbox.stages(settings.stages)
        self.sandbox = Sandbox(
            folder=settings.folder,
            project=f"drill-{os.getpid()}",
            stages=stages,
            host_names=tuple("abcdefgh"[: settings.hosts]),
            freights=-(-settings.promotions // len(stages)),
            address=settings.address,
            namespace=settings.namespace,
        )
        self.ended: dict[str, str] = {}
        self.order: dict[str, list[tuple[str, str]]] = {stage: [] for stage in stages}
        self.notes: list[str] = []
        self._until = 0.0
        self._happened: set[str] = set()
        self._killer: Killer | None = None

    @property
    def killer(self) -> Killer:
        """What kills."""
        assert self._killer is not None
        return self._killer

    async def run(self) -> Report:
        """Run it.

        Raises:
            FreightwayError: if it cannot be set up.
        """
        began = time.monotonic()
        task = asyncio.current_task()
        assert task is not None
        # Servers and workers are processes of their own sessions: whoever ends the drill must end them too.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with self.sandbox as box:
            self._killer = Killer(
                box.hosts, box.client, self._active, self.settings.kills, self.settings.seed
            )
            box.gate = self.killer.gate
            self.say(f"{self.settings.promotions} promotions through {len(box.stages)} Stages begin")
            await self._promote()
            workspaces = await box.left_over(_SETTLE_SECONDS)
            ids = [names.promotion_id(box.project, name) for name in self.ended]
            runs = await read_runs(box.client, ids)
            report = self._report(time.monotonic() - began, runs, workspaces)
            if self.settings.address:
                await self._leave(report)
            return report

    async def _leave(self, report: Report) -> None:
        """Delete the drill's project from a server that goes on without it, unless there is something to look at."""
        project = self.sandbox.project
        if report.findings.total:
            report.notes.append(f"project {project} is left on {self.settings.address}, to look at")
        elif not await self.sandbox.delete_project(_DELETED_SECONDS):
            report.notes.append(f"project {project} was not gone from {self.settings.address} in time")

    # -- the promotions ----------------------------------------------------------------------------------------------

    def _active(self) -> list[str]:
        return [
            names.promotion_id(self.sandbox.project, name) for name, phase in self.ended.items() if not phase
        ]

    async def _promote(self) -> None:
        """Promote while workers die; what has not ended in time counts as lost."""
        stages = self.sandbox.stages
        share, extra = divmod(self.settings.promotions, len(stages))
        tasks = [
            asyncio.create_task(self._through(stage, self.sandbox.made[: share + (place < extra)]))
            for place, stage in enumerate(stages)
        ]
        killing = asyncio.create_task(self.killer.run(self._between))
        talking = asyncio.create_task(self._talk())
        self._until = time.monotonic() + self.settings.limit
        try:
            async with asyncio.timeout(self.settings.limit + _LAST_SECONDS):
                await asyncio.gather(*tasks)
        except TimeoutError:
            self.notes.append(f"promotions did not end within {_LAST_SECONDS:g} s of the last one asked for")
        finally:
            for task in (killing, talking):
                task.cancel()
            await asyncio.wait([killing, talking])
        if killing.done() and not killing.cancelled() and killing.exception():
            raise FreightwayError(f"the killing broke: {killing.exception()!r}") from killing.exception()

    async def _through(self, stage: str, freights: list[str]) -> None:
        """Bring one Freight after the other into a Stage; the next is asked for while one runs."""
        asked: list[str] = []
        for number, freight in enumerate(freights):
            if time.monotonic() > self._until:
                break
            asked.append(await self._ask(stage, freight, number))
            if len(asked) > 1:
                await self._until_ended(stage, asked.pop(0))
        for promotion in asked:
            await self._until_ended(stage, promotion)

    async def _ask(self, stage: str, freight: str, number: int) -> str:
        # The same id however often it is sent: a command whose answer was lost must not count twice.
        request = PromoteRequest(
            id=f"{self.sandbox.project}-{stage}-{number}",
            project=self.sandbox.project,
            stage=stage,
            freight=freight,
        )
        while True:
            try:
                answer = await self.sandbox.freightway.promote(request)
            except Refused:
                raise
            except FreightwayError:
                await asyncio.sleep(_PAUSE)
                continue
            self.ended[answer.promotion] = ""
            self.order[stage].append((answer.promotion, freight))
            return answer.promotion

    async def _until_ended(self, stage: str, promotion: str) -> None:
        while True:
            try:
                end = await self.sandbox.freightway.wait_for_promotion(
                    self.sandbox.project, promotion, stage=stage
                )
            except FreightwayError:
                await asyncio.sleep(_PAUSE)
                continue
            self.ended[promotion] = end.phase
            if end.phase != "Succeeded":
                self.notes.append(f"{promotion} ended {end.phase}: {end.message}")
            return

    async def _between(self, kills: int) -> None:
        """Once, lose a host; once, restart the server."""
        third = self.settings.kills // 3
        if self.settings.lose_host and kills >= third and self._first("host"):
            self.say("the folder of host b is removed")
            await self.killer.lose_host("b")
        if self.sandbox.server is not None and kills >= 2 * third and self._first("server"):
            self.say("the Temporal server is killed and started again")
            await self.sandbox.restart_server()

    def _first(self, what: str) -> bool:
        is_first = what not in self._happened
        self._happened.add(what)
        return is_first

    async def _talk(self) -> None:
        while True:
            await asyncio.sleep(10)
            over = sum(1 for phase in self.ended.values() if phase)
            self.say(
                f"{over} of {self.settings.promotions} promotions ended, {len(self.killer.kills)} workers killed"
            )

    def _report(self, seconds: float, runs: list[Run], workspaces: list[str]) -> Report:
        box, kills = self.sandbox, self.killer.kills
        by_kind = self.killer.by_kind()
        known = {"kills": [asdict(kill) for kill in kills], "steps": [asdict(run) for run in runs]}
        (self.settings.folder / "drill.json").write_text(json.dumps(known, indent=1))
        return Report(
            settings=self.settings,
            seconds=seconds,
            ended=self.ended,
            kills=kills,
            by_kind={kind: by_kind[kind] for kind in sandbox.KINDS},
            starts=sum(host.starts for host in box.hosts.values()),
            runs=runs,
            findings=count(self.ended, self.order, box.repository, box.record, runs, workspaces),
            delays=delays(kills, runs),
            recognised=len(box.record.answered),
            notes=self.notes,
        )
