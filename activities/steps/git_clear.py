"""git-clear: remove every file of a working tree that git does not ignore.

Source: Kargo pkg/promotion/runner/builtin/git_tree_clearer.go.
"""

from __future__ import annotations

from pydantic import Field

from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.adapters.git import GitHost
from freightway.adapters.git_checkout import open_worktree
from freightway.adapters.git_worktree import clear
from freightway.adapters.processes import ProcessRunner


class GitClearConfig(StepConfig):
    """Configuration of git-clear."""

    path: str = Field(min_length=1, description="Working tree to clear.")


@step("git-clear", config=GitClearConfig, effect="files")
async def git_clear(
    config: GitClearConfig, workspace: Workspace, processes: ProcessRunner, host: GitHost
) -> None:
    """Remove the files.

    Raises:
        StepErrored: if the path is not a working tree.
    """
    tree = open_worktree(host, workspace.root, workspace.path(config.path), config.path)
    async with host.session(processes, host.access(tree.facts.url, None), (workspace.root,)) as git:
        await clear(git, tree)
