"""Process groups that outlived the worker which started them: found again, and ended.

A number alone does not name a process, because numbers are used again; with the time the process started it
does. Where the system does not tell start times (no ``/proc``), nothing is ever killed.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STATE, _GROUP, _START = 0, 2, 19  # fields of /proc/<pid>/stat after the name


@dataclass(frozen=True, slots=True)
class Process:
    """A process, or the group it leads, told apart from a later one of the same number by its start.

    Attributes:
        started: clock ticks after boot, 0 if unknown.
    """

    pid: int
    started: int

    @classmethod
    def current(cls) -> Process:
        """Return this process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process of this number as it is now."""
        stat = _stat(pid)
        return cls(pid, int(stat[_START]) if stat else 0)

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        stat = _stat(self.pid)
        return stat is not None and stat[_STATE] != "Z" and int(stat[_START]) == self.started

    def end_group(self) -> bool:
        """Kill the process group it led; returns whether there was one to kill."""
        if not self.started or not self._still_leads():
            return False
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
            return True
        return False

    def kill(self) -> None:
        """Kill this very process, and nothing that took over its number."""
        if self.is_alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)

    def _still_leads(self) -> bool:
        """Whether the group is the one that was recorded: its leader started then, or is gone before the rest."""
        leader = _stat(self.pid)
        if leader is not None:
            return int(leader[_START]) == self.started
        return any(
            int(stat[_START]) >= self.started for stat in _all_stats() if stat[_GROUP] == str(self.pid)
        )


def holders(path: Path) -> list[Process]:
    """Return the other processes that hold a file open: a worker that was killed between starting a child and
    noting it leaves one that no list names, but the child holds the lock it inherited."""
    wanted = str(path)
    found = []
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if any(os.readlink(link) == wanted for link in (entry / "fd").iterdir()):  # noqa: PTH115 - as text
                found.append(Process.of(int(entry.name)))
    return found


class Ledger:
    """The file beside a workspace that lists who works in it: the worker first, then each child's group."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> None:
        """Start the list anew with this process as the worker; only the holder of the lock may."""
        self._path.write_text(self._line("worker", Process.current()))

    def add_group(self, pid: int) -> None:
        """Note the process group of a child that was started."""
        with self._path.open("a") as file:
            file.write(self._line("group", Process.of(pid)))

    def worker(self) -> Process | None:
        """Return the worker that began the list, None if there is none."""
        return next((process for role, process in self._entries() if role == "worker"), None)

    def end_groups(self) -> int:
        """Kill every listed group that still is what it was; returns how many."""
        return sum(process.end_group() for role, process in self._entries() if role == "group")

    def _entries(self) -> Iterator[tuple[str, Process]]:
        with suppress(OSError):
            for line in self._path.read_text().splitlines():
                with suppress(ValueError, TypeError):
                    role, pid, started = json.loads(line)
                    yield role, Process(int(pid), int(started))

    @staticmethod
    def _line(role: str, process: Process) -> str:
        return json.dumps([role, process.pid, process.started]) + "\n"


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _all_stats() -> Iterator[list[str]]:
    if not _PROC.is_dir():
        return
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            yield stat
