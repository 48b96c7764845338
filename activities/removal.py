"""Removing a folder with all that is in it."""

from __future__ import annotations

import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any


def remove_tree(path: Path) -> None:
    """Remove a folder also where a tool took away the right to write in it."""

    def make_writable(_function: Any, name: str, _error: Any) -> None:
        parent = Path(name).parent
        for place in (parent, Path(name)):
            with suppress(OSError):
                if not place.is_symlink():
                    place.chmod(stat.S_IRWXU)
        with suppress(OSError):
            Path(name).unlink() if not Path(name).is_dir() else shutil.rmtree(name, ignore_errors=True)

    shutil.rmtree(path, onerror=make_writable)
