"""Working trees in a workspace that share the objects of a mirror.

Each git-clone step has one bare repository of its own under ``.git/clones`` in the workspace; its working
trees are git worktrees of it. A later step finds everything by the working tree's path: the repository is
believed only if it lies where we put it and its facts carry this host's seal. Its configuration and its link to
the mirror are written anew from those facts each time, for other steps write files in the workspace too, and
git's configuration can name programs to run.
"""

from __future__ import annotations

import hmac
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from freightway.adapters.git import Git, GitHost
from freightway.adapters.git_mirror import Mirror, Refs, remote_section
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
        sparse: paths of the working trees that have only some folders.
        place: the folder these facts belong to, so that they cannot be carried elsewhere.
    """

    url: str
    insecure: bool = False
    blobless: bool = False
    author: Author | None = None
    bases: dict[str, str] = Field(default_factory=dict)
    sparse: tuple[str, ...] = ()
    place: str = ""


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


def make_repository(folder: Path, mirror: Mirror, refs: Refs, facts: Facts) -> None:
    """Make the bare repository of a clone, with the mirror's objects and the server's branches and tags.

    What an earlier attempt left is removed first, its working trees included.
    """
    _remove_earlier(folder)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # What `git init --bare --template=` makes, without a child process; the settings come below.
    for part in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (folder / part).mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "packed-refs").write_text(_packed_refs(refs))
    _write_settings(folder, mirror, facts)


def write_facts(host: GitHost, folder: Path, facts: Facts) -> None:
    """Keep what later steps must know of a clone, under this host's seal."""
    text = facts.model_copy(update={"place": str(folder)}).model_dump_json(by_alias=True)
    _write(folder / _FACTS, f"{host.seal(text)}\n{text}")


def _read_facts(host: GitHost, folder: Path) -> Facts | None:
    try:
        seal, _, text = (folder / _FACTS).read_text().partition("\n")
    except OSError:
        return None
    if not hmac.compare_digest(seal, host.seal(text)):
        return None
    facts = Facts.model_validate_json(text)
    return facts if facts.place == str(folder) else None


def _write_settings(folder: Path, mirror: Mirror, facts: Facts) -> None:
    remote = {"url": facts.url, "fetch": "+refs/heads/*:refs/remotes/origin/*"}
    if facts.blobless:
        remote |= {"promisor": "true", "partialCloneFilter": "blob:none"}
    core = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tworktreeConfig = true\n"
    _write(folder / "config", core + remote_section(remote))
    _write(folder / "config.worktree", "[core]\n\tbare = true\n")
    (folder / "objects/info").mkdir(parents=True, exist_ok=True)
    _write(folder / "objects/info/alternates", f"{mirror.path / 'objects'}\n")


def _write_tree_settings(git_dir: Path, *, sparse: bool) -> None:
    cone = "[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = true\n"
    _write(git_dir / "config.worktree", cone if sparse else "")
    _write(git_dir / "commondir", "../..\n")


def _write(path: Path, text: str) -> None:
    """Put a file in the place of whatever was there; a symbolic link is replaced, not followed."""
    fresh = path.with_name(f"{path.name}.fresh")
    fresh.unlink(missing_ok=True)
    with fresh.open("x") as file:
        file.write(text)
    fresh.replace(path)


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


def open_worktree(host: GitHost, workspace: Path, path: Path, shown: str) -> WorkTree:
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
        facts = _read_facts(host, git_dir.parent.parent) if git_dir else None
        if git_dir is not None and facts is not None and path.is_dir():
            repository, name = git_dir.parent.parent, top.relative_to(workspace).as_posix()
            _remove_stale_locks(git_dir)
            _write_settings(repository, Mirror(host, facts.url, blobless=facts.blobless), facts)
            _write_tree_settings(git_dir, sparse=name in facts.sparse)
            return WorkTree(top, path, git_dir, repository, facts, facts.bases.get(name, ""))
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
    if not inside or git_dir.resolve() != git_dir:
        return None
    known = git_dir / "gitdir"
    return git_dir if known.is_file() and known.read_text().strip() == str(link) else None


def _remove_stale_locks(git_dir: Path) -> None:
    """Remove the locks of a git that was killed; whoever runs here holds the workspace, so none is alive."""
    for folder in (git_dir, git_dir.parent.parent):
        for lock in (*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")):
            lock.unlink(missing_ok=True)


def _remove_earlier(folder: Path) -> None:
    workspace = folder.parents[2]
    for known in folder.glob("worktrees/*/gitdir"):
        link = Path(known.read_text().strip())
        if (
            workspace in link.resolve().parents
            and link.is_file()
            and link.read_text(errors="replace").strip() == f"gitdir: {known.parent}"
        ):
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
