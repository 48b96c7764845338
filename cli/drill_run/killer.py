"""Kills the drill's workers: inside each kind of step, before and after its effect, and at random.

A step that speaks to an outside server is met there: the server has the worker killed before the request takes
effect, or after it and before the answer. A step that works on this host alone is met by freezing its worker:
while it is frozen, Temporal is asked whether the step is still under way, and only then the worker is killed.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.service import RPCError

from freightway.cli.drill_run.hosts import Host
from freightway.cli.drill_run.sandbox import KINDS
from freightway.cli.drill_run.servers import Moment

LOCAL = ("yaml-update", "git-commit")
"""Kinds that no outside server sees."""

SHARE = 3
"""Kills inside each kind of step that are aimed for before all others."""

_AIM_SECONDS = 8.0
_LOOK_SECONDS = 0.01
_RANDOM_SHARE = 6


@dataclass(frozen=True, slots=True)
class Victim:
    """A step that a kill interrupted: one attempt of one activity."""

    workflow_id: str
    activity_id: str
    kind: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Kill:
    """One killed worker.

    Attributes:
        at: seconds since the epoch.
        aim: the kind that was aimed at, ``random`` or ``host``.
        victims: steps that it interrupted.
    """

    at: float
    aim: str
    host: str
    victims: tuple[Victim, ...]


@dataclass(slots=True)
class Killer:
    """Kills workers until there have been enough.

    Attributes:
        active: gives the workflow ids of the promotions that may run now.
        wanted: how many kills.
        seed: of the random choices.
    """

    hosts: Mapping[str, Host]
    client: Client
    active: Callable[[], list[str]]
    wanted: int
    seed: int = 0
    kills: list[Kill] = field(default_factory=list)
    _aims: dict[str, Moment] = field(default_factory=dict)
    _armed: bool = False
    _struck: asyncio.Queue[tuple[float, str, str, int]] = field(default_factory=asyncio.Queue)
    _loop: asyncio.AbstractEventLoop | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def gate(self, kind: str, host: str, moment: Moment) -> bool:
        """Kill the sender of a request if this is the request that was aimed at; called by the servers."""
        with self._lock:
            if not self._armed or self._aims.get(kind) != moment or self._loop is None:
                return False
            self._armed = False
        pid = self.hosts[host].kill()
        if not pid:
            # An orphan of a dead worker asks.
            with self._lock:
                self._armed = True
            return False
        self._loop.call_soon_threadsafe(self._struck.put_nowait, (time.time(), kind, host, pid))
        return True

    def by_kind(self) -> Counter[str]:
        """Return how often each kind of step was interrupted."""
        return Counter(victim.kind for kill in self.kills for victim in kill.victims)

    async def run(self, between: Callable[[int], Awaitable[None]]) -> None:
        """Kill until there have been enough; ``between`` is called with the number of kills before each."""
        self._loop = asyncio.get_running_loop()
        choice = random.Random(self.seed)  # noqa: S311 - which worker dies is no secret
        turn = 0
        while len(self.kills) < self.wanted:
            await between(len(self.kills))
            turn += 1
            if turn % _RANDOM_SHARE == 0:
                await self._at_random(choice)
                continue
            counts = self.by_kind()
            # First every kind its share; then whatever is met.
            missing = {kind for kind in KINDS if counts[kind] < SHARE}
            await self._inside(missing or set(KINDS), choice)

    async def lose_host(self, name: str) -> None:
        """Kill a host's worker and remove its folder."""
        at = time.time()
        pid = await self.hosts[name].lose()
        await self._note(at, "host", name, pid)
        await self.hosts[name].ready()

    async def _inside(self, kinds: set[str], choice: random.Random) -> None:
        """Kill the first worker that is met inside a step of one of these kinds."""
        moments: tuple[Moment, ...] = ("before", "after")
        with self._lock:
            self._aims = {kind: choice.choice(moments) for kind in sorted(kinds) if kind not in LOCAL}
            self._armed = True
        local = kinds & set(LOCAL)
        end = time.monotonic() + _AIM_SECONDS
        while time.monotonic() < end and self._struck.empty():
            if local and await self._freeze(local):
                return
            await asyncio.sleep(_LOOK_SECONDS)
        if not self._disarm():
            # A server's thread has struck; its word may still be on the way.
            at, kind, host, pid = await self._struck.get()
            await self._note(at, kind, host, pid)
            await self._breathe()

    async def _breathe(self) -> None:
        """Wait until some host works again, so that the promotions go on between two kills."""
        while True:
            if any(host.is_ready for host in self.hosts.values()):
                return
            await asyncio.sleep(_LOOK_SECONDS * 5)

    def _disarm(self) -> bool:
        """Aim at nothing any more; whether something was still aimed at."""
        with self._lock:
            armed, self._armed, self._aims = self._armed, False, {}
        return armed

    async def _at_random(self, choice: random.Random) -> None:
        await asyncio.sleep(choice.uniform(0.1, 1.5))
        name = choice.choice(sorted(self.hosts))
        at = time.time()
        pid = self.hosts[name].kill()
        if pid:
            await self._note(at, "random", name, pid)
        await self._breathe()

    async def _freeze(self, kinds: set[str]) -> bool:
        """Freeze a worker that runs such a step, see that the step is still under way, and kill it."""
        for name, host in self.hosts.items():
            pid = host.pid
            if not pid or not any(victim.kind in kinds for victim in await self._victims(pid)):
                continue
            if host.freeze() != pid:
                continue
            met = [victim.kind for victim in await self._victims(pid) if victim.kind in kinds]
            if met and self._disarm():
                at = time.time()
                host.kill()
                await self._note(at, met[0], name, pid)
                await self._breathe()
                return True
            host.thaw(pid)
        return False

    async def _note(self, at: float, aim: str, host: str, pid: int) -> None:
        self.kills.append(Kill(at, aim, host, tuple(await self._victims(pid))))

    async def _victims(self, pid: int) -> list[Victim]:
        """Return the steps that Temporal believes to be under way in a process."""
        found = await asyncio.gather(*(self._pending(name, f"{pid}@") for name in self.active()))
        return [victim for group in found for victim in group]

    async def _pending(self, workflow_id: str, prefix: str) -> list[Victim]:
        try:
            description = await self.client.get_workflow_handle(workflow_id).describe()
        except RPCError:  # it still waits in the queue, or the server is being restarted
            return []
        return [
            Victim(workflow_id, one.activity_id, one.activity_type.name, one.attempt)
            for one in description.raw_description.pending_activities
            if one.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            and one.last_worker_identity.startswith(prefix)
        ]
