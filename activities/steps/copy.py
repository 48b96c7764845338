"""copy: copy a file or a folder inside the workspace.

Source: Kargo pkg/promotion/runner/builtin/file_copier.go; differs: a link in the way never leads out of the workspace.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import Field

from freightway.activities.files import copy_file, in_thread, make_folder
from freightway.activities.ignore_rules import IgnoreRules
from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.errors import StepErrored


class CopyConfig(StepConfig):
    """Configuration of copy."""

    in_path: str = Field(min_length=1, description="The file or folder to copy.")
    out_path: str = Field(
        min_length=1, description="Where the copy goes: the name of the file or folder itself."
    )
    ignore: str = Field(default="", description="Lines as in a `.gitignore`; what they match is not copied.")


@step("copy", config=CopyConfig, effect="files")
async def copy(config: CopyConfig, workspace: Workspace) -> None:
    """Copy; folders are merged, files are replaced, links and ``.git`` are left out.

    Raises:
        StepErrored: if there is nothing to copy, or a file cannot be read or written.
    """
    await in_thread(_copy, config, workspace)


def _copy(config: CopyConfig, workspace: Workspace) -> None:
    source = workspace.path(config.in_path)
    try:
        rules = IgnoreRules(config.ignore)
    except ValueError as error:
        raise StepErrored(f"ignore: {error}", terminal=True) from error
    try:
        if not source.is_dir():
            if not _left_out(source.name, rules, is_folder=False):
                _copy_file(workspace, source, workspace.path(config.out_path))
            return
        # Listed as a whole before anything is written: the copy may go into the folder that is copied.
        for path, is_folder in _listed(source, rules):
            target = workspace.path(f"{config.out_path}/{path}")
            if is_folder:
                make_folder(workspace, target)
            else:
                _copy_file(workspace, source / path, target)
    except OSError as error:
        place = f": {workspace.show(Path(error.filename))}" if error.filename else ""
        raise StepErrored(
            f"failed to copy {config.in_path!r} to {config.out_path!r}: {error.strerror}{place}"
        ) from error


def _left_out(path: str, rules: IgnoreRules, *, is_folder: bool) -> bool:
    return path.rpartition("/")[2] == ".git" or rules.ignores(path, is_folder=is_folder)


def _listed(source: Path, rules: IgnoreRules) -> list[tuple[str, bool]]:
    """Every folder and file to copy, a folder before what is in it."""
    found = [(".", True)]
    todo = [""]
    while todo:
        folder = todo.pop()
        with os.scandir(source / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                is_file = stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
                if not (is_folder or is_file) or _left_out(path, rules, is_folder=is_folder):
                    continue
                found.append((path, is_folder))
                if is_folder:
                    todo.append(path)
    return found


def _copy_file(workspace: Workspace, source: Path, target: Path) -> None:
    if source != target:
        copy_file(workspace, source, target)
