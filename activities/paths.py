"""Paths that users write, kept inside a workspace."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

_MOST_LINKS = 255


def secure_join(root: Path, text: str) -> Path:
    """Return ``text`` inside ``root``, resolved as if ``root`` were the root of the file system.

    ``..`` above the root is clamped, an absolute path starts at the root, and so does the target of every
    symbolic link on the way. The path need not exist.

    Raises:
        ValueError: if the text holds a NUL character or more than 255 symbolic links follow each other.
    """
    if "\0" in text:
        raise ValueError("a path must not hold a NUL character")
    todo = list(reversed(PurePosixPath(text).parts))
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part in ("/", "//", ".", ""):
            done = [] if part.startswith("/") else done
            continue
        if part == "..":
            done = done[:-1]
            continue
        candidate = root.joinpath(*done, part)
        if candidate.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise ValueError(f"too many symbolic links in {text!r}")
            todo.extend(reversed(PurePosixPath(candidate.readlink()).parts))
            continue
        done.append(part)
    return root.joinpath(*done)
