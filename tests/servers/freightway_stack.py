"""Freightway as people run it: a real Temporal server, a worker process and the command line as child processes.

Nothing here runs in the test's own process, and nothing is shared with the user's home or environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freightway.adapters.dev_server import DevServer, free_port

READY = "freightway worker is ready"
CLI = (sys.executable, "-m", "freightway.cli.main")


def environment(address: str, home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a child: nothing of the user's Temporal or Freightway."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "FREIGHTWAY_"))}
    ours = {
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "FREIGHTWAY_HOME": str(home),
        "FREIGHTWAY_ACTOR": "ann",
    }
    return {**kept, **ours, **more}


@dataclass
class Stack:
    """A server without a database, a worker with a home of its own, and commands against both."""

    home: Path
    server: DevServer = field(default_factory=lambda: DevServer(port=free_port()))
    worker: subprocess.Popen[str] | None = None
    worker_log: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    async def start(self, *, worker: bool = True) -> None:
        """Start the server, and a worker if wished, and wait until both serve."""
        await self.server.start()
        if worker:
            await asyncio.to_thread(self.start_worker)

    async def stop(self) -> None:
        """Stop the worker, then the server."""
        await asyncio.to_thread(self.stop_worker)
        await self.server.stop()

    def start_worker(self, *arguments: str, seconds: float = 60.0, code: Path | None = None) -> None:
        """Start a worker and wait until it serves; ``code`` is a folder with another version of the package."""
        other = {"PYTHONPATH": str(code)} if code else {}
        self.worker = subprocess.Popen(
            [*CLI, "worker", "--home", str(self.home), "--log-level", "warning", *arguments],
            env=environment(self.server.address, self.home, **other),
            cwd=code,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        is_ready = threading.Event()
        reader = threading.Thread(target=self._read, args=(self.worker, is_ready), daemon=True)
        reader.start()
        self._readers.append(reader)
        if not is_ready.wait(seconds) or self.worker.poll() is not None:
            self.stop_worker()
            raise RuntimeError("the worker did not start:\n" + "\n".join(self.worker_log[-40:]))

    def _read(self, worker: subprocess.Popen[str], is_ready: threading.Event) -> None:
        assert worker.stderr is not None
        for line in worker.stderr:
            self.worker_log.append(line.rstrip())
            if line.strip() == READY:
                is_ready.set()
        is_ready.set()
        worker.stderr.close()

    def stop_worker(self, *, seconds: float = 30.0) -> None:
        """Tell the worker to stop, and kill it if it does not."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        if worker.poll() is None:
            worker.terminate()
            try:
                worker.wait(seconds)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        for reader in self._readers:
            reader.join(5)
        self._readers.clear()

    def kill_worker(self) -> None:
        """End the worker and all it started at once, as a power cut would."""
        worker, self.worker = self.worker, None
        assert worker is not None
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def cli(
        self,
        *arguments: str | Path,
        stdin: str = "",
        seconds: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [*CLI, *map(str, arguments)],
            env=environment(self.server.address, self.home, **(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def ok(self, *arguments: str | Path, **options: Any) -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.cli(*arguments, **options)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def data(self, *arguments: str | Path, **options: Any) -> Any:
        """Run a command with ``-o json`` and return what it printed, parsed."""
        return json.loads(self.ok(*arguments, "-o", "json", **options))
