"""Creating a branch that a repository lacks: with one empty commit, as Kargo does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from freightway.adapters.git import Git
from freightway.adapters.git_errors import PushRejected

_MESSAGE = "Initial commit"


async def create_branch(
    git: Git, repository: Path, branch: str, env: Mapping[str, str], *, push: bool
) -> str:
    """Create a branch with one empty commit and return the commit it stands at on the server.

    Args:
        repository: a bare repository of a workspace whose ``origin`` is to get the branch.
        env: author, committer and date; the same give the same commit id.
        push: False to make only the commit.
    Raises:
        AdapterError: if the server cannot be reached or refuses.
    """
    await git.run("check-ref-format", f"refs/heads/{branch}")
    where = {"GIT_DIR": str(repository)}
    tree = (await git.run("mktree", cwd=repository, env=where, stdin="")).text.strip()
    made = await git.run("commit-tree", tree, "-m", _MESSAGE, cwd=repository, env={**where, **env})
    commit, tracking = made.text.strip(), f"refs/remotes/origin/{branch}"
    if push:
        try:
            await git.remote(
                "push", "--quiet", "--no-verify", "origin", f"{commit}:refs/heads/{branch}", env=where
            )
        except PushRejected:
            # Somebody else created it between our look and our push.
            refspec = f"+refs/heads/{branch}:{tracking}"
            await git.remote("fetch", "--quiet", "--no-tags", "origin", refspec, env=where)
            return await git.text("rev-parse", "--verify", tracking, cwd=repository, env=where)
    await git.run("update-ref", tracking, commit, cwd=repository, env=where)
    return commit
