"""What one attempt of a step changes in its workspace, so that the next attempt starts where this one did.

    <workspace>/journal/key      step and poll
    <workspace>/journal/log      one line for each change, written before it
    <workspace>/journal/<n>      what change n replaced or removed
    <workspace>/journal/outcome  the answer of a step that is done

An attempt that was cut short is undone before the step begins again; one that was done is not repeated: its answer
is given again. So a step that appends, merges a file into itself or wants what it removes to be there has its effect
once, whenever its worker is killed. Nothing is copied: what is replaced is kept by a hard link, what is removed is
moved here. All changes of files go through :mod:`freightway.activities.files`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from freightway.activities.removal import remove_tree

Change = Literal["made", "replaced", "removed"]

_KEY, _LOG, _OUTCOME = "key", "log", "outcome"


class Journal:
    """The journal of one attempt; only the holder of the workspace's lock may have one.

    Attributes:
        outcome: what the step answered, if an attempt before this one was done with it.
    """

    def __init__(
        self, folder: Path, root: Path, *, on_change: Callable[[Change], None] = lambda _change: None
    ) -> None:
        """Take over what is in ``folder``; :meth:`begin` is what attempts use.

        Args:
            on_change: called with each change when it is noted and not yet made.
        """
        self._folder = folder
        self._root = root
        self._changes = 0
        self._on_change = on_change
        self.outcome: str | None = None

    @classmethod
    def begin(
        cls,
        folder: Path,
        root: Path,
        key: str,
        *,
        on_change: Callable[[Change], None] = lambda _change: None,
    ) -> Journal:
        """Open the journal of an attempt, undoing first what an earlier one of the same key left half done.

        Args:
            folder: of the journal, on the file system of ``root`` and not inside it.
            root: the files that steps see.
            key: the same for every attempt of one poll of one step, and for nothing else.
        """
        journal = cls(folder, root, on_change=on_change)
        _remove(folder.with_name(f"{folder.name}.old"))
        if _read(folder / _KEY) != key:
            journal._start(key)
            return journal
        journal.outcome = _read(folder / _OUTCOME) or None
        if journal.outcome is None:
            journal._undo()
            journal._start(key)
        return journal

    def finish(self, outcome: str) -> None:
        """Keep the answer of a step that is done, and nothing of what it replaced or removed."""
        self._write(_OUTCOME, outcome)
        for entry in self._folder.iterdir():
            if entry.name.isdigit():
                _remove(entry)

    def temporary(self) -> Path:
        """Return a new empty file, to be written and moved into the workspace."""
        descriptor, name = tempfile.mkstemp(prefix="new-", dir=self._folder)
        os.close(descriptor)
        return Path(name)

    def replaces(self, path: Path) -> None:
        """Note that a file comes into the place of what is there now, or of nothing, by one move."""
        if not path.is_symlink() and not path.exists():
            self._note("made", path)
            return
        kept = self._kept()
        try:
            os.link(path, kept, follow_symlinks=False)
        except OSError:  # a file system without hard links
            shutil.copy2(path, kept, follow_symlinks=False)
        self._note("replaced", path)

    def make_folder(self, path: Path, mode: int) -> None:
        """Make a folder and those above it."""
        missing = path
        while not missing.parent.exists():
            missing = missing.parent
        if not path.exists():
            self._note("made", missing)
        path.mkdir(mode=mode, parents=True, exist_ok=True)

    def remove(self, path: Path) -> None:
        """Move a file, link or folder out of the workspace."""
        kept = self._kept()
        self._note("removed", path)
        path.rename(kept)

    def _kept(self) -> Path:
        return self._folder / str(self._changes)

    def _note(self, change: Change, path: Path) -> None:
        line = json.dumps([change, self._changes, str(path.relative_to(self._root))])
        with (self._folder / _LOG).open("a") as log:
            log.write(f"{line}\n")
        self._changes += 1
        self._on_change(change)

    def _start(self, key: str) -> None:
        """Begin an empty journal; the one before is moved away whole."""
        old = self._folder.with_name(f"{self._folder.name}.old")
        with suppress(FileNotFoundError):
            self._folder.rename(old)
        _remove(old)
        self._folder.mkdir(mode=0o700)
        self._write(_KEY, key)

    def _undo(self) -> None:
        """Take back the noted changes, last first; each goes from the log when it is taken back."""
        log = self._folder / _LOG
        text = _read(log).encode()
        # A line that was cut off is of a change that was not made.
        end = text.rfind(b"\n") + 1
        while end:
            start = text.rfind(b"\n", 0, end - 1) + 1
            change, number, name = json.loads(text[start:end])
            self._take_back(change, self._folder / str(number), self._root / name)
            os.truncate(log, start)
            end = start

    def _take_back(self, change: Change, kept: Path, path: Path) -> None:
        if change == "made":
            _remove(path)
        elif os.path.lexists(kept):
            # Gone already if this journal's undoing was cut short itself.
            kept.replace(path)

    def _write(self, name: str, text: str) -> None:
        fresh = self.temporary()
        fresh.write_text(text)
        fresh.replace(self._folder / name)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
