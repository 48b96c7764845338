"""What steps do in a working tree: clear it, commit it, tag it, set it to a commit.

Commits are reproducible: author and committer dates are the promotion's, so the same content on the same
parent gives the same commit id, on every host and in every repetition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from freightway.adapters.git import Git, Identity
from freightway.adapters.git_checkout import WorkTree
from freightway.errors import AdapterError


def commit_environment(author: Identity, when: datetime) -> dict[str, str]:
    """Return what makes git write this author and committer at this instant (whole seconds, UTC)."""
    date = f"@{int(when.timestamp())} +0000"
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": author.name,
        "GIT_COMMITTER_EMAIL": author.email,
        "GIT_COMMITTER_DATE": date,
    }


async def head(git: Git, tree: WorkTree) -> str:
    """Return the id of the commit that is checked out."""
    name, commit = _symbolic(tree)
    return commit or _loose(tree, name) or await git.text("rev-parse", "--verify", "HEAD", cwd=tree.path)


def current_branch(tree: WorkTree) -> str:
    """Return the branch that is checked out, empty for a detached HEAD."""
    name, _ = _symbolic(tree)
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else ""


async def tracked(git: Git, tree: WorkTree, branch: str) -> str:
    """Return the commit at which a branch of the server stood when it was fetched last.

    Raises:
        AdapterError: if it was never fetched.
    """
    name = f"refs/remotes/origin/{branch}"
    return _loose(tree, name) or await git.text("rev-parse", "--verify", name, cwd=tree.path)


# Steps ask for HEAD and for a branch several times each; a child process for it costs more than the step's work.
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def _symbolic(tree: WorkTree) -> tuple[str, str]:
    """What HEAD names: a ref, or a commit if it is detached."""
    text = (tree.git_dir / "HEAD").read_text().strip()
    if text.startswith("ref: "):
        return text[5:], ""
    return "", text if _COMMIT.fullmatch(text) else ""


def _loose(tree: WorkTree, name: str) -> str:
    """The commit of a ref that has a file of its own; empty for one that only git finds."""
    if not name.startswith("refs/") or ".." in name.split("/"):
        return ""
    try:
        text = (tree.repository / name).read_text().strip()
    except OSError:
        return ""
    return text if _COMMIT.fullmatch(text) else ""


async def clear(git: Git, tree: WorkTree) -> None:
    """Remove every file below the named folder that git does not ignore."""
    await git.run("add", "--", ".", cwd=tree.cwd)
    await git.run("rm", "-r", "--force", "--quiet", "--ignore-unmatch", "--", ".", cwd=tree.cwd)
    # git removes the folder itself when its last file goes; later steps still name it.
    tree.cwd.mkdir(parents=True, exist_ok=True)


_MARK = "freightway-commit"
"""File of a working tree's private folder: which step was about to commit, and on which parent."""


async def commit_all(
    git: Git, tree: WorkTree, message: str, env: Mapping[str, str], *, mark: str = ""
) -> bool:
    """Commit everything below the named folder; False if there is nothing to commit.

    Args:
        mark: names the step that commits. An attempt whose worker was killed after git had committed leaves
            nothing to commit; by its mark the next attempt knows the commit as the step's own.
    Raises:
        AdapterError: if git refuses, for example an empty message.
    """
    await git.run("add", "--", ".", cwd=tree.cwd)
    staged = await git.run("diff", "--cached", "--quiet", cwd=tree.path, check=False)
    if staged.returncode == 0:
        return bool(mark) and await _has_committed(git, tree, mark)
    if mark:
        _write_mark(tree, mark, await head(git, tree))
    await git.run("commit", "--quiet", "--no-verify", "--file=-", cwd=tree.cwd, stdin=message, env=env)
    return True


async def _has_committed(git: Git, tree: WorkTree, mark: str) -> bool:
    """Whether the commit that is checked out is the one that the marked step was about to make."""
    path = tree.git_dir / _MARK
    if not path.is_file():
        return False
    step, _, parent = path.read_text().rstrip("\n").rpartition(" ")
    if step != mark:
        return False
    done = await git.run("rev-parse", "--verify", "--quiet", "HEAD^", cwd=tree.path, check=False)
    return done.returncode == 0 and done.text.strip() == parent


def _write_mark(tree: WorkTree, mark: str, parent: str) -> None:
    path = tree.git_dir / _MARK
    fresh = path.with_name(f"{_MARK}.fresh")
    fresh.write_text(f"{mark} {parent}\n")
    fresh.replace(path)


async def set_head(git: Git, tree: WorkTree, commit: str) -> None:
    """Move the checked-out branch and the files to a commit; files that git ignores stay."""
    await git.run("reset", "--hard", "--quiet", commit, cwd=tree.path)


async def has_commit(git: Git, tree: WorkTree, commit: str) -> bool:
    """Whether the working tree's repository holds a commit."""
    done = await git.run("cat-file", "-e", f"{commit}^{{commit}}", cwd=tree.path, check=False)
    return done.returncode == 0


async def restore(git: Git, tree: WorkTree, commit: str) -> bool:
    """Set the working tree to a commit that was made before, fetching it if need be; False if it is nowhere.

    Raises:
        AdapterError: if the server cannot be asked.
    """
    if not await has_commit(git, tree, commit):
        try:
            await git.remote(
                "fetch", "--quiet", "--no-tags", "--no-auto-maintenance", "origin", commit, cwd=tree.path
            )
        except AdapterError as error:
            if error.retryable or error.status:
                raise
            return False
    await set_head(git, tree, commit)
    return True


async def tag_head(
    git: Git, tree: WorkTree, tag: str, message: str, env: Mapping[str, str], *, force: bool
) -> bool:
    """Tag the checked-out commit; False if another tag of the name exists and ``force`` is off.

    The same tag, made by an attempt before this one, is a success.
    """
    ref = f"refs/tags/{tag}"
    before = await git.run("rev-parse", "--verify", "--quiet", ref, cwd=tree.path, check=False)
    existing = before.text.strip() if before.returncode == 0 else ""
    # Made under a name of its own first: equal tags have equal ids, because the date is the promotion's.
    await git.run("check-ref-format", ref)
    made = await _make_tag(git, tree, tag, message, env)
    if existing and existing != made and not force:
        return False
    await git.run("update-ref", ref, made, cwd=tree.path)
    return True


async def _make_tag(git: Git, tree: WorkTree, tag: str, message: str, env: Mapping[str, str]) -> str:
    text = message if message.endswith("\n") else f"{message}\n"
    tagger = (
        f"{env['GIT_COMMITTER_NAME']} <{env['GIT_COMMITTER_EMAIL']}> {env['GIT_COMMITTER_DATE'].lstrip('@')}"
    )
    body = f"object {await head(git, tree)}\ntype commit\ntag {tag}\ntagger {tagger}\n\n{text}"
    return (await git.run("mktag", cwd=tree.path, stdin=body)).text.strip()
