"""A hash of what a workspace holds, to tell whether a rebuilt workspace equals the lost one.

It covers names, contents, the executable bit and the targets of symbolic links. Git's own files are left out,
because they differ from clone to clone; of each repository the branch that is checked out and its commit count.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, MutableMapping
from pathlib import Path

_BLOCK = 1024 * 1024

Signature = tuple[int, int, int, int]
HashCache = MutableMapping[str, tuple[Signature, str]]
"""Path -> what the file looked like and the hash of its content, so that unchanged files are not read again."""


def tree_hash(root: Path, cache: HashCache | None = None) -> str:
    """Return the hash of a folder's content (hexadecimal SHA-256)."""
    digest = hashlib.sha256()
    for line in _lines(str(root), "", cache if cache is not None else {}):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def tree_size(root: Path) -> int:
    """Return the bytes that the files of a folder take, without what they share through hard links."""
    total, seen = 0, set()
    folders = [root]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
                continue
            info = entry.stat(follow_symlinks=False)
            if (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                total += info.st_size
    return total


def head_of(git: Path) -> str:
    """Return what a repository has checked out: ``<ref> <commit>``, ``<commit>`` if detached.

    Args:
        git: the ``.git`` folder, or the file of that name in a worktree.
    """
    folder = git
    if git.is_file():
        text = git.read_text(encoding="utf-8", errors="replace").strip()
        folder = git.parent / text.removeprefix("gitdir:").strip()
    try:
        head = (folder / "HEAD").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "none"
    if not head.startswith("ref:"):
        return head
    ref = head.removeprefix("ref:").strip()
    return f"{ref} {_resolve(folder, ref)}"


def _resolve(folder: Path, ref: str) -> str:
    common = folder
    if (folder / "commondir").is_file():
        common = folder / (folder / "commondir").read_text(encoding="utf-8").strip()
    for place in (folder, common):
        if (place / ref).is_file():
            return (place / ref).read_text(encoding="utf-8").strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text(encoding="utf-8", errors="replace").splitlines():
            commit, _, name = line.partition(" ")
            if name == ref:
                return commit
    return "unborn"


def _lines(root: str, folder: str, cache: HashCache) -> Iterator[str]:
    """Lines for the entries of a folder; plain strings, because a workspace may hold 100,000 files."""
    with os.scandir(f"{root}/{folder}") as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name = f"{folder}{entry.name}"
        if entry.name == ".git":
            yield f"git {name} {head_of(Path(entry.path))}"
        elif entry.is_symlink():
            yield f"link {name} {_target(root, entry.path)}"
        elif entry.is_dir(follow_symlinks=False):
            yield f"dir {name}"
            yield from _lines(root, f"{name}/", cache)
        else:
            info = entry.stat(follow_symlinks=False)
            kind = "exec" if info.st_mode & stat.S_IXUSR else "file"
            yield f"{kind} {name} {_content(entry.path, info, cache)}"


def _target(root: str, link: str) -> str:
    target = str(Path(link).readlink())
    return target.replace(root, "", 1) if target.startswith(f"{root}/") else target


def _content(path: str, info: os.stat_result, cache: HashCache) -> str:
    if not stat.S_ISREG(info.st_mode):
        return "special"
    signature = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    known = cache.get(path)
    if known is not None and known[0] == signature:
        return known[1]
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    cache[path] = (signature, digest.hexdigest())
    return digest.hexdigest()
