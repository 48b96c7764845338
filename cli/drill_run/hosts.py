"""The drill's worker hosts: one worker process with a home of its own, started again at once when it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from freightway.errors import FreightwayError

READY = "freightway worker is ready"
_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_KEPT = "secrets"
"""What its operator puts into a host's folder; it stays, with the drill's own log, when the folder is removed."""


@dataclass(slots=True)
class Host:
    """One worker process and its home.

    Attributes:
        environment: of the worker, without its home.
        log_name: of the file in its home that its workers write to.
        pid: the worker's process id, 0 while there is none.
        starts: how many worker processes it has had.
    """

    name: str
    home: Path
    environment: Mapping[str, str]
    log_name: str = "worker.log"
    pid: int = 0
    starts: int = 0
    _nursery: asyncio.subprocess.Process | None = None
    _listener: asyncio.Task[None] | None = None
    _wanted: bool = False
    _killed: int = 0
    _log_at: int = 0

    @property
    def log(self) -> Path:
        """What the workers of this host wrote."""
        return self.home / self.log_name

    @property
    def is_ready(self) -> bool:
        """Whether the present worker serves its queues."""
        if not self.pid or not self.log.exists():
            return False
        with self.log.open("rb") as file:
            file.seek(self._log_at)
            return READY.encode() in file.read()

    async def start(self) -> None:
        """Start a worker, and from now on another one at once whenever it ends."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log.touch(mode=0o600)
        self._wanted = True
        if self._nursery is None:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "freightway.cli.drill_nursery",
                str(self.home),
                str(self.log),
                env={**self.environment, "FREIGHTWAY_HOME": str(self.home)},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            self._listener = asyncio.create_task(self._listen(self._nursery))
        else:
            self._fork()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the present worker serves its queues.

        Raises:
            FreightwayError: if it does not within a minute, with the end of its log.
        """
        end = time.monotonic() + _READY_SECONDS
        while not self.is_ready:
            if time.monotonic() > end:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise FreightwayError(f"the worker of host {self.name} did not start:\n{tail}")
            await asyncio.sleep(_LOOK_SECONDS)

    def kill(self) -> int:
        """Kill the worker at once; its children are left behind. Returns its process id, 0 if none was alive."""
        pid = self.pid
        if not pid or pid == self._killed:
            return 0
        self._killed = pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    def freeze(self) -> int:
        """Stop the worker's clock; returns its process id, 0 if there is none."""
        pid = self.pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        return pid

    def thaw(self, pid: int) -> None:
        """Let a worker that was frozen go on."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    async def lose(self) -> int:
        """Kill the worker and remove the host's folder; then a new host takes its place.

        Returns:
            The process id that was killed.
        """
        self._wanted = False
        pid = self.kill()
        await self._gone()
        for entry in self.home.iterdir():
            if entry.name in (_KEPT, self.log_name):
                continue
            # Children of the dead worker may still write; what they write is lost with it.
            while entry.is_dir():
                await asyncio.to_thread(shutil.rmtree, entry, True)
            entry.unlink(missing_ok=True)
        self._wanted = True
        self._fork()
        return pid

    async def pause(self) -> None:
        """End the worker by SIGTERM; ``start`` brings another one."""
        self._wanted = False
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._gone(), _STOP_SECONDS)
        except TimeoutError:
            self.kill()
            await self._gone()

    async def stop(self) -> None:
        """End the worker for good, by SIGTERM first."""
        nursery, self._nursery = self._nursery, None
        if nursery is None:
            return
        await self.pause()
        assert nursery.stdin is not None
        nursery.stdin.close()
        await nursery.wait()
        if self._listener is not None:
            await self._listener

    def workspaces(self) -> list[str]:
        """Return the folders of workspaces that are there now."""
        folder = self.home / "workspaces"
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    async def _gone(self) -> None:
        while True:
            if not self.pid:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _fork(self) -> None:
        if self._nursery is None or self._nursery.stdin is None:
            return
        self._log_at = self.log.stat().st_size
        self._nursery.stdin.write(b"start\n")

    async def _listen(self, nursery: asyncio.subprocess.Process) -> None:
        assert nursery.stdout is not None
        while line := await nursery.stdout.readline():
            word, _, number = line.decode().strip().partition(" ")
            if word == "started":
                self.pid = int(number)
                self.starts += 1
                continue
            if word == "ended":
                self.pid = 0
            if self._wanted:
                self._fork()
        self.pid = 0
