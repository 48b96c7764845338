"""Working trees in a workspace that share the objects of a mirror.

Each git-clone step has one bare repository of its own under ``.git/clones`` in the workspace; its working
trees are git worktrees of it. A later step finds everything by the working tree's path: the repository is
believed only if it lies where we put it, never because a folder of the workspace claims to be one.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from freightway.adapters.git import Git
from freightway.adapters.git_mirror import Mirror, Refs, add_remote
from freightway.errors import StepErrored
from freightway.resources.meta import Model

GIT_FOLDER = ".git/clones"
"""Where in a workspace the repositories of its working trees lie. Steps that write or hash files leave a folder
named ``.git`` alone; git itself does not take it for a repository."""

_FACTS = "freightway.json"


class Author(Model):
    """Who writes the commits of a clone."""

    name: str
    email: str


class Facts(Model):
    """What later steps must know of a clone; kept in its repository.

    Attributes:
        url: the repository's address as the user wrote it, without credentials.
        author: who writes its commits, None for the default identity.
        bases: commit each working tree started from, by its path in the workspace.
    """

    url: str
    insecure: bool = False
    blobless: bool = False
    author: Author | None = None
    bases: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A working tree of a workspace.

    Attributes:
        path: its folder.
        cwd: the folder the user named, ``path`` or below it.
        git_dir: its private folder in ``repository``.
        repository: the bare repository it belongs to.
        base: commit it started from.
    """

    path: Path
    cwd: Path
    git_dir: Path
    repository: Path
    facts: Facts
    base: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """One working tree to make.

    Attributes:
        branch: local branch to create at ``commit``; empty for a detached HEAD.
        sparse: folders to check out, empty for everything.
    """

    path: Path
    commit: str
    branch: str = ""
    sparse: tuple[str, ...] = ()
    submodules: bool = False


def repository_folder(workspace: Path, step: str, url: str) -> Path:
    """Return the folder of a step's clone: the same for each attempt."""
    key = sha256(f"{step}\0{url}".encode()).hexdigest()[:16]
    return workspace / GIT_FOLDER / f"{key}.git"


async def make_repository(git: Git, folder: Path, mirror: Mirror, refs: Refs, facts: Facts) -> None:
    """Make the bare repository of a clone, with the mirror's objects and the server's branches and tags.

    What an earlier attempt left is removed first, its working trees included.
    """
    _remove_earlier(folder)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    await git.run("init", "--quiet", "--bare", "--template=", str(folder))
    remote = {"url": git.access.url.text, "fetch": "+refs/heads/*:refs/remotes/origin/*"}
    if facts.blobless:
        remote |= {"promisor": "true", "partialCloneFilter": "blob:none"}
    add_remote(folder, remote)
    (folder / "objects/info").mkdir(parents=True, exist_ok=True)
    (folder / "objects/info/alternates").write_text(f"{mirror.path / 'objects'}\n")
    (folder / "packed-refs").write_text(_packed_refs(refs))
    write_facts(folder, facts)


def write_facts(folder: Path, facts: Facts) -> None:
    """Keep what later steps must know of a clone."""
    (folder / _FACTS).write_text(facts.model_dump_json(by_alias=True))


async def add_worktree(git: Git, repository: Path, checkout: Checkout) -> None:
    """Make one working tree.

    Raises:
        AdapterError: if its branch is checked out already or its folder is in use.
    """
    where = {"GIT_DIR": str(repository)}
    head = ["-B", checkout.branch] if checkout.branch else ["--detach"]
    # Without a check-out the sparse folders can be named before the first file is written.
    hold = ["--no-checkout"] if checkout.sparse else []
    arguments = ["add", "--no-guess-remote", *hold, *head, str(checkout.path), checkout.commit]
    await git.remote("worktree", *arguments, cwd=repository, env=where)
    if checkout.sparse:
        await git.run("sparse-checkout", "set", "--cone", "--", *checkout.sparse, cwd=checkout.path)
        await git.remote("checkout", "--quiet", cwd=checkout.path)
    if checkout.submodules:
        # Submodules may come from elsewhere; a repository of this machine is never one of them.
        await git.remote(
            "submodule", "update", "--init", "--recursive", "--quiet",
            cwd=checkout.path, env={"GIT_ALLOW_PROTOCOL": "https:http:ssh"},
        )  # fmt: skip


def open_worktree(workspace: Path, path: Path, shown: str) -> WorkTree:
    """Return the working tree a folder of the workspace belongs to.

    Args:
        path: the folder, inside the workspace.
        shown: the folder as the user wrote it.
    Raises:
        StepErrored: if it is not in a working tree that git-clone made.
    """
    # git writes real paths into its links, so they are compared with real paths.
    path = workspace.resolve() / path.relative_to(workspace)
    workspace, top = workspace.resolve(), path
    while top != workspace and workspace in top.parents:
        git_dir = _git_dir(workspace, top)
        if git_dir is not None and path.is_dir():
            repository = git_dir.parent.parent
            facts = Facts.model_validate_json((repository / _FACTS).read_text())
            _remove_stale_locks(git_dir)
            base = facts.bases.get(top.relative_to(workspace).as_posix(), "")
            return WorkTree(top, path, git_dir, repository, facts, base)
        top = top.parent
    raise StepErrored(
        f"{shown!r} is not a working tree: use a path that a git-clone step checked out", terminal=True
    )


def _git_dir(workspace: Path, top: Path) -> Path | None:
    """The private folder of the working tree at ``top``, if it is one of ours and knows of it."""
    link = top / ".git"
    if link.is_symlink() or not link.is_file():
        return None
    text = link.read_text(errors="replace").strip()
    git_dir = Path(text.removeprefix("gitdir: "))
    inside = git_dir.parent.parent.parent == workspace / GIT_FOLDER and git_dir.parent.name == "worktrees"
    if not inside or ".." in git_dir.parts or not (git_dir.parent.parent / _FACTS).is_file():
        return None
    known = git_dir / "gitdir"
    return git_dir if known.is_file() and known.read_text().strip() == str(link) else None


def _remove_stale_locks(git_dir: Path) -> None:
    """Remove the locks of a git that was killed; whoever runs here holds the workspace, so none is alive."""
    for folder in (git_dir, git_dir.parent.parent):
        for lock in (*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")):
            lock.unlink(missing_ok=True)


def _remove_earlier(folder: Path) -> None:
    for known in folder.glob("worktrees/*/gitdir"):
        link = Path(known.read_text().strip())
        if link.is_file() and link.read_text(errors="replace").strip() == f"gitdir: {known.parent}":
            shutil.rmtree(link.parent)
    # A killed git may have made the working tree's private folder without the working tree, or the reverse.
    shutil.rmtree(folder, ignore_errors=True)


def _packed_refs(refs: Refs) -> str:
    """The file git itself writes for a clone's branches and tags: thousands of them in one go."""
    lines = {f"refs/remotes/origin/{name}": commit for name, commit in refs.branches.items()}
    for name, object_id in refs.tags.items():
        peeled = refs.peeled.get(name)
        lines[f"refs/tags/{name}"] = f"{object_id}\n^{peeled}" if peeled else object_id
    body = []
    for name in sorted(lines, key=os.fsencode):
        object_id, _, peeled = lines[name].partition("\n")
        body.append(f"{object_id} {name}" + (f"\n{peeled}" if peeled else ""))
    return "\n".join(["# pack-refs with: peeled fully-peeled sorted ", *body]) + "\n"
