"""A promotion's workspace: one folder on one host, written by one attempt at a time.

    <home>/host-id                     names this host; made once
    <home>/workspaces/<folder>/work/   the files that steps see
    <home>/workspaces/<folder>/lock    locked while an attempt or one of its children may write
    <home>/workspaces/<folder>/group   the worker of the last attempt and its children's process groups
    <home>/workspaces/<folder>/owner   project and promotion
    <home>/workspaces/<folder>/journal what the last step changed (:mod:`freightway.activities.journal`)

The lock belongs to the open file, which children inherit: it is held until the last of them has ended, also
when the worker was killed. A successor therefore never writes beside an orphan; it ends it first.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio import activity

from freightway.activities.beating import beating
from freightway.activities.files import in_thread
from freightway.activities.ghosts import Ledger, holders
from freightway.activities.journal import Journal
from freightway.activities.removal import remove_tree
from freightway.activities.steps.registry import Workspace
from freightway.activities.tree_hash import HashCache, tree_hash, tree_size
from freightway.adapters.processes import ProcessRunner
from freightway.contracts import ClaimRequest
from freightway.errors import FreightwayError, StepErrored
from freightway.names import host_queue
from freightway.promotion.model import WorkspaceRef

LIMIT_VARIABLE = "FREIGHTWAY_WORKSPACE_LIMIT"
"""Environment variable: most bytes one workspace may hold."""

DEFAULT_LIMIT = 10 * 1024**3

WAIT_SECONDS = 10.0
"""How long an attempt waits for another that still lives before it ends that one's children."""

_END_SECONDS = 2.0
_UNLISTED_SECONDS = 0.2
"""How long the listed groups have to let go before whoever else holds the lock is ended."""
_LOOK_SECONDS = 0.05
_BEAT_SECONDS = 1.0
_UNOWNED_SECONDS = 60.0
_PLAIN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,199}")


class WorkspaceLost(FreightwayError):
    """The folder is not there any more, or belongs to another host; it must be rebuilt."""


@dataclass(frozen=True, slots=True)
class OpenWorkspace:
    """A workspace that this attempt holds.

    Attributes:
        workspace: what a step sees of it.
        processes: runs children that hold the lock too and are known to a successor.
    """

    workspace: Workspace
    processes: ProcessRunner


@dataclass(slots=True)
class WorkspaceManager:
    """The workspaces of one host.

    Attributes:
        home: Freightway's folder on this host.
        queue: task queue of this host; empty for ``freightway.host.<host-id>``.
        limit: most bytes in one workspace; None for the environment's or 10 GiB.
        wait_seconds: how long to wait for a living holder of a lock.
    """

    home: Path
    queue: str = ""
    limit: int | None = None
    wait_seconds: float = WAIT_SECONDS
    _host: str = ""
    _hashes: dict[str, HashCache] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """The stable id of this host, made at the first use."""
        if not self._host:
            self._host = _host_id(self.home)
        return self._host

    @property
    def task_queue(self) -> str:
        """The task queue on which steps with files run on this host."""
        return self.queue or host_queue(self.host)

    async def claim(self, project: str, promotion: str, attempt: int = 0) -> WorkspaceRef:
        """Make (or find again) the folder of a promotion and return where it is.

        Args:
            attempt: how many workspaces the promotion lost before; each gets a folder of its own.
        """
        folder = _folder_name(project, promotion, attempt)
        top = self._top(folder)
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        (top / "owner").write_text(json.dumps([project, promotion]))
        (top / "lock").touch(mode=0o600)
        (top / "work").mkdir(mode=0o700, exist_ok=True)
        for earlier in range(attempt):
            with suppress(StepErrored):
                await self._remove(_folder_name(project, promotion, earlier))
        return WorkspaceRef(host=self.host, queue=self.task_queue, folder=folder)

    @asynccontextmanager
    async def open(self, ref: WorkspaceRef, key: str = "") -> AsyncIterator[OpenWorkspace]:
        """Hold a workspace for one attempt.

        Args:
            key: of the attempt's journal; empty to change files without one.
        Raises:
            WorkspaceLost: if the folder is not there or belongs to another host.
            StepErrored: if somebody else still writes in it and cannot be ended.
        """
        top = self._top(ref.folder)
        if ref.host != self.host:
            raise WorkspaceLost(f"workspace {ref.folder} belongs to host {ref.host}, this is {self.host}")
        if not (top / "work").is_dir():
            raise WorkspaceLost(f"workspace {ref.folder} is not on host {self.host} any more")
        async with self._lock(top) as (descriptor, ledger):
            if not (top / "work").is_dir():
                raise WorkspaceLost(f"workspace {ref.folder} was removed from host {self.host}")
            root = (top / "work").resolve()
            journal = None
            if key:
                journal = await in_thread(Journal.begin, root.with_name("journal"), root, key)
            yield OpenWorkspace(
                Workspace(root, journal),
                ProcessRunner(inherit=(descriptor,), on_start=ledger.add_group),
            )

    async def tree(self, ref: WorkspaceRef) -> str:
        """Return the hash of the workspace's content."""
        cache = self._hashes.setdefault(ref.folder, {})
        return await asyncio.to_thread(tree_hash, self._top(ref.folder) / "work", cache)

    async def check_size(self, ref: WorkspaceRef) -> None:
        """Raise if the workspace holds more than it may.

        Raises:
            StepErrored: terminal, with what is used, the limit and how to raise it.
        """
        limit = self.limit if self.limit is not None else _environment_limit()
        size = await asyncio.to_thread(tree_size, self._top(ref.folder) / "work")
        if size > limit:
            raise StepErrored(
                f"the workspace holds {_human(size)}, more than its limit of {_human(limit)}; "
                f"raise {LIMIT_VARIABLE} on the worker or check out less",
                terminal=True,
            )

    async def remove(self, ref: WorkspaceRef) -> None:
        """Remove a workspace; one that is gone or on another host is left as it is.

        Raises:
            StepErrored: if somebody still writes in it and cannot be ended.
        """
        if ref.host == self.host:
            await self._remove(ref.folder)

    async def sweep(self, is_owned: Callable[[str, str], Awaitable[bool]]) -> list[str]:
        """Remove the workspaces whose promotion (asked by project and name) is over; returns their folders."""
        removed = []
        folders = self.home / "workspaces"
        for top in sorted(folders.iterdir()) if folders.is_dir() else []:
            if top.name.startswith("."):  # moved away by a worker that died before it had removed it
                await asyncio.to_thread(remove_tree, top)
                continue
            try:
                project, promotion = json.loads((top / "owner").read_text())
            except (OSError, ValueError):
                # Its worker died between making it and saying whose it is; a claim under way takes no minute.
                if time.time() - top.stat().st_mtime > _UNOWNED_SECONDS:
                    with suppress(StepErrored, WorkspaceLost):
                        await self._remove(top.name)
                        removed.append(top.name)
                continue
            if await is_owned(project, promotion):
                continue
            with suppress(StepErrored, WorkspaceLost):
                await self._remove(top.name)
                removed.append(top.name)
        return removed

    async def _remove(self, folder: str) -> None:
        top = self._top(folder)
        self._hashes.pop(folder, None)
        if not top.is_dir():
            return
        async with self._lock(top):
            # Moved away first: a successor must not find half a workspace.
            gone = top.with_name(f".{folder}.{uuid.uuid4().hex[:8]}")
            top.rename(gone)
            await asyncio.to_thread(remove_tree, gone)

    def _top(self, folder: str) -> Path:
        if not _PLAIN.fullmatch(folder):
            raise WorkspaceLost(f"{folder!r} is not the name of a workspace")
        return self.home / "workspaces" / folder

    @asynccontextmanager
    async def _lock(self, top: Path) -> AsyncIterator[tuple[int, Ledger]]:
        ledger = Ledger(top / "group")
        try:
            descriptor = os.open(top / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise WorkspaceLost(f"workspace {top.name} is not on host {self.host} any more") from error
        try:
            if not await self._acquire(descriptor, ledger, (top / "lock").resolve()):
                raise StepErrored("another process still writes in the workspace and could not be ended")
            ledger.begin()
            yield descriptor, ledger
        finally:
            # Closed, never unlocked: unlocking would take the lock from children that still live.
            os.close(descriptor)

    async def _acquire(self, descriptor: int, ledger: Ledger, lock: Path) -> bool:
        if _try_lock(descriptor):
            return True
        worker = ledger.worker()
        if (worker is None or worker.is_alive) and await _wait_for_lock(descriptor, self.wait_seconds):
            return True
        ledger.end_groups()
        if await _wait_for_lock(descriptor, _UNLISTED_SECONDS):
            return True
        for holder in holders(lock):
            if holder != worker:
                holder.kill()
        return await _wait_for_lock(descriptor, _END_SECONDS)


def workspace_activities(manager: WorkspaceManager) -> list[Callable[..., Any]]:
    """Return the activities that claim and remove workspaces on this host."""

    @activity.defn(name="claim-workspace")
    async def claim_workspace(request: ClaimRequest) -> WorkspaceRef:
        async with beating(_BEAT_SECONDS):
            return await manager.claim(request.project, request.promotion, request.attempt)

    @activity.defn(name="remove-workspace")
    async def remove_workspace(ref: WorkspaceRef) -> None:
        async with beating(_BEAT_SECONDS):
            await manager.remove(ref)

    return [claim_workspace, remove_workspace]


@activity.defn(name="host-alive")
async def host_alive() -> None:
    """Answer on the queue that a host serves for nothing else, so that it is never too busy to."""


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


async def _wait_for_lock(descriptor: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not _try_lock(descriptor):
        if loop.time() >= end:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _host_id(home: Path) -> str:
    path = home / "host-id"
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = home / f".host-id.{uuid.uuid4().hex}"
        draft.write_text(uuid.uuid4().hex[:12])
        # A link appears whole and only if there is none: two workers that start at once agree.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


def _folder_name(project: str, promotion: str, attempt: int) -> str:
    name = f"{project}.{promotion}.{attempt}" if attempt else f"{project}.{promotion}"
    if _PLAIN.fullmatch(name):
        return name
    return f"w-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _environment_limit() -> int:
    text = os.environ.get(LIMIT_VARIABLE, "")
    return int(text) if text.isdigit() else DEFAULT_LIMIT


def _human(size: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
