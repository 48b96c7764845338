"""freightway dev: starts both, says where they are, restarts a dead worker, stops cleanly, keeps what was done."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from freightway.adapters.dev_server import free_port
from tests.servers.freightway_stack import CLI, Stack, environment


class Dev:
    """One `freightway dev` as a child process; what it prints is read as it comes."""

    def __init__(self, home: Path, *, folder: Path | None = None, **ports: int) -> None:
        self.home = home
        self.port, self.ui_port = ports.get("port") or free_port(), ports.get("ui_port") or free_port()
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [
                CLI[0],
                "-P",
                *CLI[1:],
                "dev",
                "--home",
                str(home),
                "--port",
                str(self.port),
                "--ui-port",
                str(self.ui_port),
            ],
            cwd=folder,
            # It serves its own server, whatever the environment names.
            env=environment("127.0.0.1:1", home, TEMPORAL_NAMESPACE="other"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in self.process.stdout)

    def _read_line(self, pattern: str) -> re.Match[str] | None:
        return next((found for line in self.lines if (found := re.search(pattern, line))), None)

    def until(self, pattern: str, seconds: float = 60.0) -> re.Match[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self._read_line(pattern)
            if found:
                return found
            if self.process.poll() is not None:
                self.reader.join(5)
                if not self._read_line(pattern):
                    break
        raise AssertionError(f"{pattern!r} was not printed:\n" + "\n".join(self.lines))

    def stack(self) -> Stack:
        stack = Stack(self.home)
        stack.server.port = self.port
        return stack

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(60)
        self.reader.join(5)
        return status


@pytest.fixture
def start():
    running: list[Dev] = []

    def started(home: Path, *, folder: Path | None = None, **ports: int) -> Dev:
        running.append(Dev(home, folder=folder, **ports))
        return running[-1]

    yield started
    for dev in running:
        dev.stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_dev_starts_everything_restarts_its_worker_and_keeps_what_was_done(start, tmp_path):
    home = tmp_path / "home"
    dev = start(home)
    worker = int(dev.until(r"worker +process (\d+)")[1])
    server = int(dev.until(r"Temporal +127\.0\.0\.1:\d+, namespace default, process (\d+)")[1])
    dev.until("Ctrl-C stops both")
    printed = "\n".join(dev.lines)
    for place in (
        f"http://127.0.0.1:{dev.ui_port}",
        str(home / "secrets"),
        str(home / "temporal" / "temporal.db"),
    ):
        assert place in printed
    dev.stack().ok("create", "project", "demo")

    second = start(home)
    assert second.process.wait(30) == 1
    assert second.until("another `freightway dev` uses")

    os.kill(worker, signal.SIGKILL)
    again = int(dev.until(r"the worker runs again, process (\d+)")[1])
    assert again != worker
    dev.stack().ok("describe", "project", "demo")

    assert dev.stop(signal.SIGINT) == 0
    assert dev.lines[-1] == "stopped"
    assert not alive(server)
    assert not alive(again)

    later = start(home)
    later.until("Ctrl-C stops both")
    assert "Project demo" in later.stack().ok("describe", "project", "demo")
    assert later.stop() == 0


def test_port_that_is_taken_is_named(start, stack, tmp_path):
    dev = start(tmp_path, port=stack.server.port)
    assert dev.process.wait(30) == 1
    dev.until(f"port {stack.server.port} is taken; name another one")


def test_server_that_ends_is_reported(start, tmp_path):
    dev = start(tmp_path)
    server = int(dev.until(r"Temporal +127\.0\.0\.1:\d+, namespace default, process (\d+)")[1])
    dev.until("Ctrl-C stops both")
    os.kill(server, signal.SIGKILL)
    assert dev.process.wait(60) == 1
    dev.until("the Temporal server ended with status -9")


def test_modules_of_the_folder_where_it_is_started_are_not_imported(start, tmp_path):
    """The worker imports git, yaml and more by name; a repository may have files called so."""
    for name in ("git", "yaml", "re2", "pydantic"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    dev = start(tmp_path / "home", folder=tmp_path)
    dev.until("Freightway is ready")
    assert dev.stop() == 0
