"""How steps read and change files of a workspace: byte for byte, atomically, and off the event loop.

Every change is noted in the attempt's journal before it is made, so that an attempt whose worker was killed is undone
before the step begins again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from freightway.activities.steps.registry import Workspace
from freightway.edits.errors import EditError
from freightway.errors import StepErrored

P = ParamSpec("P")
T = TypeVar("T")

FILE_MODE = 0o600
FOLDER_MODE = 0o700
MOST_BYTES = 256 * 1024 * 1024
"""Largest file that is read to be edited or parsed."""


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread and wait for its end, also when the step is cancelled.

    The lock of the workspace must not be given back while the thread still writes.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await task
        raise


def read_text(workspace: Workspace, name: str) -> str:
    """Return the text of a file that a user named; line ends and a byte order mark stay in it.

    Raises:
        StepErrored: if it is no readable file of UTF-8 text.
    """
    path = workspace.path(name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise StepErrored(f"file {name!r} is larger than {MOST_BYTES} bytes")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StepErrored(f"file {name!r} is not UTF-8 text: byte {error.start} does not fit") from error
    except OSError as error:
        raise StepErrored(f"file {name!r} cannot be read: {error.strerror}") from error


def write_text(workspace: Workspace, name: str, text: str) -> None:
    """Write a file that a user named, with the folders above it; a file that is there keeps its mode.

    Raises:
        StepErrored: if it cannot be written.
    """
    write_file(workspace, workspace.path(name), text.encode("utf-8"))


def write_file(workspace: Workspace, path: Path, content: bytes) -> None:
    """Write a file in one move: other processes see the old content or the new one, never a part.

    Args:
        path: inside the workspace, links resolved.
    Raises:
        StepErrored: if it cannot be written.
    """
    try:
        make_folder(workspace, path.parent)
        mode = path.stat().st_mode & 0o777 if path.exists() else FILE_MODE
        _put(workspace, path, lambda temporary: temporary.write_bytes(content), mode)
    except OSError as error:
        raise StepErrored(f"file {workspace.show(path)!r} cannot be written: {error.strerror}") from error


def copy_file(workspace: Workspace, source: Path, path: Path) -> None:
    """Copy a file with its mode, in one move.

    Args:
        path: inside the workspace, links resolved.
    Raises:
        OSError: if it cannot be read or written.
    """
    mode = source.stat().st_mode & 0o777
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    make_folder(workspace, path.parent)
    _put(workspace, path, lambda temporary: shutil.copyfile(source, temporary), mode)


def make_folder(workspace: Workspace, path: Path) -> None:
    """Make a folder and those above it, as far as they are not there.

    Args:
        path: inside the workspace, links resolved.
    Raises:
        OSError: if it cannot be made.
    """
    if workspace.journal is not None:
        workspace.journal.make_folder(path, FOLDER_MODE)
    else:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def remove(workspace: Workspace, path: Path) -> None:
    """Remove a file, a link or a whole folder.

    Args:
        path: inside the workspace, links above it resolved.
    Raises:
        OSError: if it cannot be removed, or is not there.
    """
    if workspace.journal is not None:
        workspace.journal.remove(path)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _put(workspace: Workspace, path: Path, write: Callable[[Path], object], mode: int) -> None:
    """Fill a file elsewhere and move it to its place."""
    if workspace.journal is not None:
        # Not beside its place: a killed worker would leave it there, and the next commit would take it in.
        temporary = workspace.journal.temporary()
    else:
        descriptor, name = tempfile.mkstemp(prefix=".freightway-", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(mode)
        if workspace.journal is not None:
            workspace.journal.replaces(path)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def edit_text(workspace: Workspace, name: str, edit: Callable[[str], str]) -> None:
    """Edit a file that a user named; without a change it is not written.

    Raises:
        StepErrored: if it cannot be read or written, or the edit does not fit it.
    """
    text = read_text(workspace, name)
    try:
        edited = edit(text)
    except EditError as error:
        raise StepErrored(f"file {name!r}: {error}") from error
    if edited != text:
        write_text(workspace, name, edited)


def is_yaml_name(name: str) -> bool:
    """Return whether an output path names one YAML file rather than a folder."""
    return name.endswith((".yaml", ".yml"))
