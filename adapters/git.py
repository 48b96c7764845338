"""The git command line: one session runs every git command of one step or one discovery.

GitPython finds the executable and its version (:func:`git_executable`) and refuses addresses and options with
which git would start another program (``Git.check_unsafe_protocols``, ``Git.check_unsafe_options``). The
command itself runs as a child process of :class:`ProcessRunner`, because a step that is aborted must end git and
its helpers at once, and because they must inherit the lock of the workspace; GitPython can do neither.
"""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from freightway.adapters.git_environment import (
    Access,
    Login,
    RemoteURL,
    clean_environment,
    remote_environment,
    write_access,
)
from freightway.adapters.git_errors import scrub, translate
from freightway.adapters.processes import (
    MOST_OUTPUT,
    Completed,
    ProcessFailed,
    ProcessRunner,
    ProcessTimedOut,
)
from freightway.errors import AdapterError, FreightwayError, StepFailed

PushPolicy = Literal["AlwaysRebase", "AlwaysMerge", "RebaseOrMerge", "RebaseOrFail"]
"""How a push takes in what others pushed before it."""

_OLDEST_GIT = (2, 31)
_LOCK_POLL_SECONDS = 0.02
_LONGEST_SECONDS = 3600.0
"""For the first transfer of a large repository; one that stalls is given up long before."""
_YOUNG_SECONDS = 60.0
"""A session's folder is not locked yet for a moment after it was made."""
_UNSAFE_OPTIONS = ["--upload-pack", "--receive-pack", "--exec", "--config", "-c", "--template", "--output"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes a commit."""

    name: str = "Freightway"
    email: str = "no-reply@freightway.dev"


@dataclass(frozen=True, slots=True)
class GitHost:
    """What git needs of the worker's host; one for all steps and discoveries of a worker.

    Attributes:
        home: Freightway's home folder; mirrors, locks and short-lived sessions live in it.
        identity: who writes a commit if the step names no author.
        policy: how a push takes in what others pushed.
        known_hosts: files with trusted SSH host keys.
    """

    home: Path
    identity: Identity = field(default_factory=Identity)
    policy: PushPolicy = "AlwaysRebase"
    known_hosts: tuple[Path, ...] = ()

    @classmethod
    def from_environment(cls, home: Path, environ: Mapping[str, str]) -> GitHost:
        """Read the operator's choices: GITCLIENT_NAME, GITCLIENT_EMAIL, GIT_PUSH_INTEGRATION_POLICY.

        Raises:
            FreightwayError: if the policy is not one of the four.
        """
        policy = environ.get("GIT_PUSH_INTEGRATION_POLICY") or "AlwaysRebase"
        if policy not in get_args(PushPolicy):
            raise FreightwayError(
                f"GIT_PUSH_INTEGRATION_POLICY is {policy!r}: use one of {', '.join(get_args(PushPolicy))}"
            )
        default = Identity()
        identity = Identity(
            environ.get("GITCLIENT_NAME") or default.name, environ.get("GITCLIENT_EMAIL") or default.email
        )
        candidates = (
            home / "known_hosts",
            Path.home() / ".ssh/known_hosts",
            Path("/etc/ssh/ssh_known_hosts"),
        )
        known = tuple(path for path in candidates if path.is_file())
        return cls(home, identity, policy, known)  # type: ignore[arg-type]

    @property
    def mirrors(self) -> Path:
        """The folder of the mirrors."""
        return self.home / "mirrors"

    def seal(self, text: str) -> str:
        """Return a code by which this host knows a text again as its own, whoever could write where it lies."""
        key = self.home / "git.key"
        if not key.is_file():
            self.home.mkdir(parents=True, exist_ok=True)
            fresh = self.home / f"git.key.{os.getpid()}.{threading.get_ident()}"
            fresh.write_bytes(secrets.token_bytes(32))
            fresh.chmod(0o600)
            # A link, not a renaming: the first of several that start at once wins.
            with suppress(FileExistsError):
                os.link(fresh, key)
            fresh.unlink()
        return hmac.new(key.read_bytes(), text.encode(), "sha256").hexdigest()

    def access(self, url: str, login: Login | None, *, insecure: bool = False) -> Access:
        """Return the access to a repository with the credentials that were found for it.

        Raises:
            StepFailed: if git must not be given this address.
        """
        return Access.of(RemoteURL.parse(url), login, insecure=insecure, known_hosts=self.known_hosts)

    @asynccontextmanager
    async def session(
        self, processes: ProcessRunner, access: Access, hide: tuple[Path, ...] = (), *, lazy: bool = False
    ) -> AsyncIterator[Git]:
        """Open a session with a home of its own, removed with the secrets in it when the block ends.

        Args:
            hide: folders that must not appear in messages, besides the session's own.
            lazy: every command may fetch content that a blobless clone lacks.
        """
        home, descriptor = _make_home(self.home / "sessions")
        try:
            write_access(home, access)
            yield Git(processes, home, access, tuple(str(path) for path in (*hide, self.home)), lazy)
        finally:
            shutil.rmtree(home, ignore_errors=True)
            os.close(descriptor)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[int]:
        """Hold a lock that all processes of this host respect; yields its file descriptor."""
        folder = self.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            folder / f"{sha256(name.encode()).hexdigest()}.lock", os.O_RDWR | os.O_CREAT, 0o600
        )
        try:
            # Other processes hold it too, so there is no event to wait for.
            while not _try_lock(descriptor):  # noqa: ASYNC110
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield descriptor
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git commands with the access to one repository."""

    processes: ProcessRunner
    home: Path
    access: Access
    hide: tuple[str, ...] = ()
    lazy: bool = False

    async def run(
        self,
        *args: str,
        cwd: Path | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> Completed:
        """Run a git command that stays on this machine.

        Raises:
            AdapterError: if ``check`` and git failed.
        """
        if self.lazy:
            environment = remote_environment(self.home, self.access, settings)
        else:
            environment = clean_environment(self.home, settings)
        environment |= env or {}
        try:
            return await self._run(args, cwd, environment, stdin, check=check)
        except (ProcessFailed, ProcessTimedOut) as error:
            said = error.stderr or error.stdout if isinstance(error, ProcessFailed) else str(error)
            raise AdapterError(
                f"git {args[0]} failed: {scrub(said, self.access.secrets, self.hide)}"
            ) from None

    async def text(self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a git command that stays on this machine and return what it printed, without the last new line."""
        return (await self.run(*args, cwd=cwd, env=env)).text.rstrip("\n")

    async def remote(
        self,
        verb: str,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a git command that talks to the repository.

        Raises:
            AdapterError: with host, whether it may be retried and a sentence that says what is wrong.
        """
        environment = remote_environment(self.home, self.access, settings) | dict(env or {})
        try:
            return await self._run((verb, *args), cwd, environment, None, check=True)
        except (ProcessFailed, ProcessTimedOut) as error:
            raise translate(error, verb, self.access, self.hide) from None

    async def _run(
        self,
        args: tuple[str, ...],
        cwd: Path | None,
        env: Mapping[str, str],
        stdin: str | None,
        *,
        check: bool,
    ) -> Completed:
        done = await self.processes.run(
            [git_executable(), *args],
            cwd=cwd or self.home,
            env=env,
            stdin=stdin.encode() if stdin is not None else None,
            timeout=_LONGEST_SECONDS,
            check=check,
        )
        if len(done.stdout) >= MOST_OUTPUT:
            raise AdapterError(f"git {args[0]} printed more than {MOST_OUTPUT >> 20} MiB")
        return done

    def holding(self, descriptor: int) -> Git:
        """Return a session whose children also inherit a lock, so that it outlives a killed worker with them."""
        runner = self.processes
        return replace(self, processes=ProcessRunner((*runner.inherit, descriptor), runner.on_start))


def check_user_value(what: str, value: str) -> str:
    """Return a value that a user wrote, after a look that git cannot take it for an option.

    Raises:
        StepFailed: if git could.
    """
    from git.cmd import Git as Command
    from git.exc import UnsafeOptionError

    try:
        Command.check_unsafe_options([value], _UNSAFE_OPTIONS)
    except UnsafeOptionError:
        raise StepFailed(f"{what} {value!r} is not allowed") from None
    if value.startswith("-") or any(ord(char) < 0x20 for char in value):
        raise StepFailed(f"{what} {value!r} is not allowed")
    return value


@cache
def git_executable() -> str:
    """Return the git program that GitPython found (GIT_PYTHON_GIT_EXECUTABLE or the PATH).

    Raises:
        FreightwayError: if there is none or it is older than 2.31.
    """
    try:
        from git.cmd import Git as Command
    except ImportError as error:
        raise FreightwayError("git is not installed or not on the PATH") from error
    version = Command().version_info
    if version[:2] < _OLDEST_GIT:
        raise FreightwayError(f"git {'.'.join(map(str, version))} is too old: install 2.31 or newer")
    return str(Command.GIT_PYTHON_GIT_EXECUTABLE)


def _make_home(folder: Path) -> tuple[Path, int]:
    """Make a session's folder and lock it; what a killed worker left there, keys included, is removed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _YOUNG_SECONDS:
                _remove_abandoned(old)
    home = Path(tempfile.mkdtemp(dir=folder))
    descriptor = os.open(home, os.O_RDONLY)
    _try_lock(descriptor)
    return home, descriptor


def _remove_abandoned(home: Path) -> None:
    descriptor = os.open(home, os.O_RDONLY)
    try:
        if _try_lock(descriptor):
            shutil.rmtree(home, ignore_errors=True)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
