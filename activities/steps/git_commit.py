"""git-commit: commit everything that changed in a working tree.

Source: Kargo pkg/promotion/runner/builtin/git_commiter.go.
"""

from __future__ import annotations

from pydantic import Field

from freightway.activities.steps.git_clone import AuthorConfig
from freightway.activities.steps.registry import (
    Recorder,
    Result,
    StepConfig,
    StepInfo,
    StepOutput,
    Workspace,
    step,
)
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.git import GitHost, Identity
from freightway.adapters.git_checkout import open_worktree
from freightway.adapters.git_worktree import commit_all, commit_environment, head, restore
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored
from freightway.promotion.model import StepStatus


class GitCommitConfig(StepConfig):
    """Configuration of git-commit."""

    path: str = Field(min_length=1, description="Working tree, or a folder of it, to commit.")
    message: str = Field(min_length=1, description="Message of the commit.")
    author: AuthorConfig | None = Field(default=None, description="Author, instead of the one of git-clone.")


class GitCommitOutput(StepOutput):
    """Output of git-commit: the commit that is checked out afterwards."""

    commit: str


@step("git-commit", config=GitCommitConfig, output=GitCommitOutput, effect="files")
async def git_commit(
    config: GitCommitConfig,
    info: StepInfo,
    workspace: Workspace,
    recorder: Recorder,
    processes: ProcessRunner,
    credentials: CredentialStore,
    host: GitHost,
) -> Result:
    """Commit, dated with the promotion's start, so that a repetition makes the same commit id.

    Raises:
        StepErrored: if the path is not a working tree, or a recorded commit can neither be made nor fetched.
        AdapterError: if git refuses.
    """
    tree = open_worktree(host, workspace.root, workspace.path(config.path), config.path)
    author = (config.author.model() if config.author else None) or tree.facts.author
    identity = Identity(author.name, author.email) if author else host.identity
    login = None
    if recorder.rebuilding or tree.facts.blobless:
        login = await credentials.get(info.project, "git", tree.facts.url)
    access = host.access(tree.facts.url, login, insecure=tree.facts.insecure)
    async with host.session(processes, access, (workspace.root,), lazy=tree.facts.blobless) as git:
        before = await head(git, tree)
        env = commit_environment(identity, info.started_at)
        mark = f"{info.alias} {config.path}"
        made = await commit_all(git, tree, config.message, env, mark=mark)
        commit = await head(git, tree)
        pinned = recorder.pinned.get("commit")
        if pinned and pinned != commit:
            # Made on another parent or with other content: only the one that was pushed will do.
            if not await restore(git, tree, pinned):
                raise StepErrored(
                    f"commit {pinned} could neither be made again nor fetched; this attempt made {commit}",
                    terminal=True,
                )
            commit = pinned
    recorder.note("commit", commit)
    if not made and not (pinned and pinned != before):
        return Result(GitCommitOutput(commit=commit), "nothing to commit", StepStatus.SKIPPED)
    return Result(GitCommitOutput(commit=commit))
