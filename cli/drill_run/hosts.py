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
from dataclasses import dataclass, field
from pathlib import Path

from freightway.errors import FreightwayError

READY = "freightway worker is ready"
_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_KEPT = ("secrets", "worker.log")
"""What stays when a host's folder is removed: what its operator puts there, and the drill's own log."""


@dataclass(slots=True)
class Host:
    """One worker process and its home.

    Attributes:
        environment: of the worker, without its home.
        starts: how many worker processes it has had.
    """

    name: str
    home: Path
    environment: Mapping[str, str]
    starts: int = 0
    _process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = None
    _may_start: asyncio.Event = field(default_factory=asyncio.Event)
    _log_at: int = 0

    @property
    def pid(self) -> int:
        """The worker's process id, 0 while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    @property
    def log(self) -> Path:
        """What the workers of this host wrote."""
        return self.home / "worker.log"

    @property
    def is_ready(self) -> bool:
        """Whether the present worker serves its queues."""
        if not self.pid or not self.log.exists():
            return False
        with self.log.open("rb") as file:
            file.seek(self._log_at)
            return READY.encode() in file.read()

    async def start(self) -> None:
        """Start a worker, and from now on another one whenever it ends."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._may_start.set()
        self._keeper = asyncio.create_task(self._keep())
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
        """Kill the worker at once; its children are left behind. Returns the process id, 0 if there was none."""
        pid = self.pid
        if pid:
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
        self._may_start.clear()
        pid = self.kill()
        if self._process is not None:
            await self._process.wait()
        for entry in self.home.iterdir():
            if entry.name in _KEPT:
                continue
            if entry.is_dir():
                # Children of the dead worker may still write; what they write is lost with it.
                await asyncio.to_thread(shutil.rmtree, entry, True)
            else:
                entry.unlink(missing_ok=True)
        self._may_start.set()
        return pid

    async def stop(self) -> None:
        """End the worker for good, by SIGTERM first."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def workspaces(self) -> list[str]:
        """Return the folders of workspaces that are there now."""
        folder = self.home / "workspaces"
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    async def _keep(self) -> None:
        while True:
            await self._may_start.wait()
            with self.log.open("ab") as log:
                self._log_at = log.tell()
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "freightway.cli.main",
                    "worker",
                    "--home",
                    str(self.home),
                    "--log-level",
                    "warning",
                    env={**self.environment, "FREIGHTWAY_HOME": str(self.home)},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.starts += 1
            await self._process.wait()
