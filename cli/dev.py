"""freightway dev: a Temporal server and a worker on this machine, until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from freightway.cli.home import home_folder, home_option
from freightway.cli.session import Failure
from freightway.errors import FreightwayError

if TYPE_CHECKING:
    from freightway.adapters.dev_server import DevServer

READY = "freightway worker is ready"
"""What a worker prints on standard error when it serves its queues."""

DEATHS = 5
"""How often the worker may die within a minute before `dev` gives up."""

_MINUTE = 60.0
_WORKER_STOPS_WITHIN = 20.0
_RESTART_AFTER = 1.0


@click.command("dev")
@home_option
@click.option("--port", default=7233, show_default=True, type=click.IntRange(1, 65535), help="Of gRPC.")
@click.option(
    "--ui-port",
    default=8233,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Of the Web UI; 0 for none.",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder of Temporal's SQLite file and log; <home>/temporal if left out.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Of the worker, on standard error.",
)
def dev_command(home: Path | None, port: int, ui_port: int, state_dir: Path | None, log_level: str) -> None:
    """Start a Temporal server and a worker on this machine; Ctrl-C stops both. What was done is kept."""
    folder = home_folder(home)
    stack = DevStack(
        home=folder,
        state=state_dir.expanduser().resolve() if state_dir else folder / "temporal",
        port=port,
        ui_port=ui_port,
        log_level=log_level,
    )
    try:
        with ExitStack() as locks:
            locks.enter_context(_claim(stack.state))
            asyncio.run(stack.run())
    except (FreightwayError, OSError) as error:
        raise Failure(str(error)) from None


def _claim(state: Path) -> TextIO:
    """Keep a second `dev` off the same SQLite file; the lock ends with the process."""
    import fcntl

    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise FreightwayError(
            f"another `freightway dev` uses {state}; stop it, or give --home or --state-dir"
        ) from None
    return lock


@dataclass(slots=True)
class DevStack:
    """One Temporal server and one worker process of this machine.

    Attributes:
        home: Freightway's folder: secrets, mirrors, workspaces.
        state: folder of Temporal's SQLite file and log.
        ui_port: of the Web UI; 0 for none.
    """

    home: Path
    state: Path
    port: int = 7233
    ui_port: int = 8233
    log_level: str = "warning"
    _deaths: deque[float] = field(default_factory=deque)
    _was_ready: bool = False

    async def run(self) -> None:
        """Run both until SIGTERM or Ctrl-C; the worker is stopped first, then the server.

        Raises:
            FreightwayError: if a port is taken, the server ends, or the worker dies again and again.
        """
        from freightway.adapters.dev_server import DevServer

        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.home / "secrets" / "shared").mkdir(parents=True, exist_ok=True, mode=0o700)
        server = DevServer(
            database=self.state / "temporal.db",
            port=self.port,
            ui_port=self.ui_port,
            log=self.state / "temporal.log",
        )
        click.echo(f"starting Temporal on port {self.port} and a worker …", err=True)
        await server.start()
        try:
            await self._until_stopped(server, stop)
        finally:
            await server.stop()
        click.echo("stopped", err=True)

    async def _until_stopped(self, server: DevServer, stop: asyncio.Event) -> None:
        """Keep a worker running until it is time to stop, or the server has ended."""
        stopping = asyncio.create_task(stop.wait())
        server_over = asyncio.create_task(server.wait())
        workers = asyncio.create_task(self._keep_worker(server))
        try:
            await asyncio.wait((stopping, server_over, workers), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                click.echo("stopping …", err=True)
                return
            if workers.done():
                workers.result()
            if server_over.done():
                raise FreightwayError(
                    f"the Temporal server ended with status {server_over.result()}; see {server.log}"
                )
        finally:
            # Cancelling it stops the worker; the server must still be there while it does.
            for task in (workers, stopping, server_over):
                task.cancel()
                await asyncio.wait([task])

    async def _keep_worker(self, server: DevServer) -> None:
        while True:
            status = await self._run_worker(server)
            now = asyncio.get_running_loop().time()
            self._deaths.append(now)
            while self._deaths and now - self._deaths[0] > _MINUTE:
                self._deaths.popleft()
            if len(self._deaths) >= DEATHS:
                raise FreightwayError(
                    f"the worker died {DEATHS} times within a minute, with status {status} last"
                )
            click.echo(f"the worker ended with status {status}; it is started again", err=True)
            await asyncio.sleep(_RESTART_AFTER)

    async def _run_worker(self, server: DevServer) -> int:
        """Run one worker process to its end and return its status; cancelling this stops it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Without -P a module of the folder where it was started, such as git.py, would be taken for the real one.
            "-P",
            "-m",
            "freightway.cli.main",
            "worker",
            "--home",
            str(self.home),
            "--log-level",
            self.log_level,
            env=worker_environment(server),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C in the terminal must reach this process alone: the order of stopping is its matter.
            start_new_session=True,
        )
        assert process.stderr is not None
        relay = asyncio.create_task(self._relay(process.stderr, server, process.pid))
        try:
            status = await process.wait()
            await relay
            return status
        finally:
            await _end(process)
            relay.cancel()

    async def _relay(self, stream: asyncio.StreamReader, server: DevServer, pid: int) -> None:
        """Pass on what the worker says, and say where everything is when it is ready."""
        while line := await stream.readline():
            text = line.decode(errors="replace").rstrip()
            if text != READY:
                click.echo(text, err=True)
            elif self._was_ready:
                click.echo(f"the worker runs again, process {pid}", err=True)
            else:
                self._was_ready = True
                click.echo("\n".join(self.places(server, pid)))

    def places(self, server: DevServer, worker: int) -> list[str]:
        """Return the lines that say where everything is."""
        lines = [
            "Freightway is ready",
            f"  Temporal   {server.address}, namespace {server.namespace}, process {server.pid}",
            f"  Web UI     {server.ui_address or 'none'}",
            f"  worker     process {worker}",
            f"  home       {self.home}",
            f"  secrets    {self.home / 'secrets'}",
            f"  state      {server.database}",
            f"  log        {server.log}",
        ]
        if server.port != 7233:
            lines.append(f"For other terminals: export TEMPORAL_ADDRESS={server.address}")
        if server.ui_port not in (0, 8233):
            lines.append(f"For links to the Web UI: export FREIGHTWAY_TEMPORAL_UI={server.ui_address}")
        return [*lines, "Ctrl-C stops both"]


def worker_environment(server: DevServer) -> dict[str, str]:
    """Return the environment of a worker that serves this server, whatever Temporal the user's own names."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return {
        **kept,
        "TEMPORAL_ADDRESS": server.address,
        "TEMPORAL_NAMESPACE": server.namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a worker: it may finish its steps, and is killed if it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_WORKER_STOPS_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
