"""delete: remove files and folders of the workspace.

Source: Kargo pkg/promotion/runner/builtin/file_deleter.go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from freightway.activities.files import in_thread, remove
from freightway.activities.ignore_rules import glob_source
from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.errors import StepErrored

OUTSIDE = "path attempts to traverse outside the working directory"


class DeleteConfig(StepConfig):
    """Configuration of delete."""

    path: str | None = Field(default=None, min_length=1, description="What to remove.")
    paths: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="What to remove; instead of `path`."
    )
    paths_are_globs: bool = Field(
        default=False, description="Whether the paths are patterns with `*`, `**`, `?`, `[a-z]` and `{a,b}`."
    )
    strict: bool = Field(
        default=False,
        description="Whether it is an error if a path does not exist or a pattern matches nothing.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.path is None) == (self.paths is None):
            raise ValueError("give either path or paths")
        if self.paths is not None and not all(self.paths):
            raise ValueError("an entry of paths is empty")
        return self


@step("delete", config=DeleteConfig, effect="files")
async def delete(config: DeleteConfig, workspace: Workspace) -> None:
    """Remove; a link is removed itself, not what it leads to.

    Raises:
        StepErrored: if a path leads out of the workspace, or with ``strict`` to nothing; nothing is removed then.
    """
    await in_thread(_delete, config, workspace)


def _delete(config: DeleteConfig, workspace: Workspace) -> None:
    root = workspace.root.resolve()
    wanted: dict[Path, None] = {}
    for text in config.paths or (config.path or "",):
        found = _matches(root, text) if config.paths_are_globs else [text]
        targets = [target for name in found if (target := _resolve(root, name, text)) is not None]
        if config.strict and not targets:
            what = "no paths matched pattern" if config.paths_are_globs else "path"
            raise StepErrored(f'{what} "{text}"' + ("" if config.paths_are_globs else " does not exist"))
        wanted.update(dict.fromkeys(targets))
    for target in wanted:
        try:
            remove(workspace, target)
        except FileNotFoundError:
            continue  # went with a folder above it
        except OSError as error:
            shown = workspace.show(workspace.root / target.relative_to(root))
            raise StepErrored(f"failed to delete {shown!r}: {error.strerror}") from error


def _resolve(root: Path, name: str, text: str) -> Path | None:
    """The place of a path with every link but the last followed, None if nothing is there."""
    if "\0" in name:
        raise StepErrored("a path must not hold a NUL character", terminal=True)
    path = Path(os.path.normpath(f"{root}/{name}"))
    if not path.is_relative_to(root) or path == root:
        raise StepErrored(f'could not resolve path "{text}": {OUTSIDE}')
    try:
        parent = path.parent.resolve(strict=True)
        if not parent.is_relative_to(root):
            raise StepErrored(f'could not resolve path "{text}": {OUTSIDE}')
        target = parent / path.name
        target.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "too many links"
        raise StepErrored(f'could not resolve path "{text}": {why}') from error
    return target


def _matches(root: Path, text: str) -> list[str]:
    pattern = text.removeprefix("./")
    if ".." in pattern.split("/"):
        raise StepErrored(f'could not resolve path "{text}": {OUTSIDE}')
    try:
        matcher = re.compile(glob_source(pattern, braces=True), re.DOTALL)
    except (ValueError, re.error) as error:
        raise StepErrored(f'invalid glob pattern "{text}": {error}', terminal=True) from error
    return sorted(path for path in _below(root) if matcher.fullmatch(path))


def _below(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield (Path(folder) / name).relative_to(root).as_posix()
