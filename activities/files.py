"""How steps read and write files of a workspace: byte for byte, atomically, and off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
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
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else FILE_MODE
        descriptor, temporary = tempfile.mkstemp(prefix=".freightway-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).chmod(mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StepErrored(f"file {workspace.show(path)!r} cannot be written: {error.strerror}") from error


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
