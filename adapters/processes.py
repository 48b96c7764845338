"""Child processes: one way to run git, kubectl and helm, with a limit on time and an end that is certain.

Each child gets a session (process group) of its own and inherits the lock of the workspace it writes in, so
that nobody else writes there while it lives, even after its parent was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from freightway.errors import FreightwayError

GRACE_SECONDS = 0.5
"""How long a child that was asked to end (SIGTERM) has before it is killed; with it, an abort ends every child
within two seconds."""

MOST_OUTPUT = 16 * 1024 * 1024
"""Bytes kept of a child's standard output and, apart, of its standard error."""


class ProcessFailed(FreightwayError):
    """A child ended with another status than 0.

    Attributes:
        returncode: its status; negative for a signal.
        stderr: what it wrote to standard error, decoded; may hold secrets until masked.
    """

    def __init__(self, program: str, returncode: int, stdout: str, stderr: str) -> None:
        self.program = program
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        detail = (stderr.strip() or stdout.strip() or "no output")[-2000:]
        super().__init__(f"{program} ended with status {returncode}: {detail}")


class ProcessTimedOut(FreightwayError):
    """A child was ended because it took longer than it may."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a child gave: its status and its output."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output, decoded."""
        return self.stdout.decode("utf-8", "replace")


@dataclass(slots=True)
class ProcessRunner:
    """Runs child processes for one step or one discovery.

    Attributes:
        inherit: file descriptors the children inherit (the lock of the workspace).
        on_start: called with the process group of each child that starts, so that a successor can end it.
    """

    inherit: tuple[int, ...] = ()
    on_start: Callable[[int], None] | None = None
    _groups: set[int] = field(default_factory=set)

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 600.0,
        check: bool = True,
        memory: int | None = None,
        cpu_seconds: int | None = None,
    ) -> Completed:
        """Run a program to its end.

        Args:
            env: the whole environment of the child; None for an empty one with PATH.
            timeout: seconds until the child's group is ended.
            check: raise if the status is not 0.
            memory: most bytes of address space, None for no limit.
            cpu_seconds: most seconds of processor time, None for no limit.
        Raises:
            ProcessFailed: if ``check`` and the status is not 0.
            ProcessTimedOut: if the time ran out.
            FreightwayError: if the program is not there.
        """
        limits = _limits(memory, cpu_seconds)
        try:
            process = await asyncio.create_subprocess_exec(
                *limits,
                *argv,
                cwd=cwd,
                env=dict(env) if env is not None else {"PATH": os.environ.get("PATH", os.defpath)},
                stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                pass_fds=self.inherit,
                limit=MOST_OUTPUT,
            )
        except FileNotFoundError as error:
            raise FreightwayError(f"{argv[0]} is not installed or not on the PATH") from error
        self._groups.add(process.pid)
        if self.on_start:
            self.on_start(process.pid)
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError:
            raise ProcessTimedOut(f"{Path(argv[0]).name} did not end within {timeout:g} s") from None
        finally:
            await _end_group(process)
            self._groups.discard(process.pid)
        code = process.returncode or 0
        if check and code != 0:
            raise ProcessFailed(
                Path(argv[0]).name, code, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")
            )
        return Completed(code, stdout[:MOST_OUTPUT], stderr[:MOST_OUTPUT])


def _limits(memory: int | None, cpu_seconds: int | None) -> list[str]:
    """A shell prefix that lowers the child's limits; preexec_fn is not safe in a process with threads."""
    parts = []
    if memory is not None:
        parts.append(f"ulimit -v {memory // 1024}")
    if cpu_seconds is not None:
        parts.append(f"ulimit -t {cpu_seconds}")
    return ["/bin/sh", "-c", "; ".join([*parts, 'exec "$@"']), "sh"] if parts else []


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End what is left of the child's process group: ask first, then kill."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        # Shielded: a cancelled step must still see its children dead before it lets go of the workspace.
        waiting = asyncio.ensure_future(process.wait())
        with suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(waiting), GRACE_SECONDS)
        _signal_group(process.pid, signal.SIGKILL)
        await asyncio.shield(waiting)
    else:
        _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
