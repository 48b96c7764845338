"""git-push: push the commits of a working tree, or a tag.

Source: Kargo pkg/promotion/runner/builtin/git_pusher.go.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from freightway.activities.steps.registry import Recorder, StepConfig, StepInfo, StepOutput, Workspace, step
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.git import Git, GitHost, Identity, check_user_value
from freightway.adapters.git_checkout import WorkTree, open_worktree
from freightway.adapters.git_push import Push, finish_interrupted, push_branch, push_tag
from freightway.adapters.git_web import commit_url
from freightway.adapters.git_worktree import commit_environment, current_branch, head, restore
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored

GENERATED_PREFIX = "kargo/promotion/"
"""Prefix of generated branches; Kargo's, because pull-request rules are written for it."""


class GitPushConfig(StepConfig):
    """Configuration of git-push."""

    path: str = Field(min_length=1, description="Working tree to push from.")
    target_branch: str = Field(default="", description="Branch to push to; else the one checked out.")
    generate_target_branch: bool = Field(
        default=False,
        description="Push to the promotion's own branch, kargo/promotion/<promotion>, by force.",
    )
    tag: str = Field(default="", description="Push this tag instead of a branch.")
    force: bool = Field(default=False, description="Replace what is on the branch.")
    max_attempts: int = Field(
        default=10, ge=1, le=2**31 - 1, description="Most attempts while the branch moves."
    )
    provider: Literal["azure", "bitbucket", "gitea", "github", "gitlab"] | None = Field(
        default=None, description="Kind of server, for commitURL; else guessed by its name."
    )

    @model_validator(mode="after")
    def _one_target(self) -> GitPushConfig:
        if sum((bool(self.target_branch), self.generate_target_branch, bool(self.tag))) > 1:
            raise ValueError("use only one of targetBranch, generateTargetBranch and tag")
        if self.tag and self.force:
            raise ValueError("a tag cannot be pushed by force")
        return self


class GitPushOutput(StepOutput):
    """Output of git-push."""

    commit: str
    branch: str | None = None
    commit_url: str | None = Field(default=None, alias="commitURL")


@step("git-push", config=GitPushConfig, output=GitPushOutput, effect="outside")
async def git_push(
    config: GitPushConfig,
    info: StepInfo,
    workspace: Workspace,
    recorder: Recorder,
    processes: ProcessRunner,
    credentials: CredentialStore,
    host: GitHost,
) -> dict[str, Any]:
    """Push, taking in first what others pushed.

    Raises:
        StepFailed: on a merge conflict, or if the operator's policy forbids to join both sides.
        StepErrored: if the branch kept moving, or a tag is another on the server.
        AdapterError: if the server cannot be reached or refuses.
    """
    tree = open_worktree(host, workspace.root, workspace.path(config.path), config.path)
    login = await credentials.get(info.project, "git", tree.facts.url)
    access = host.access(tree.facts.url, login, insecure=tree.facts.insecure)
    async with host.session(processes, access, (workspace.root,), lazy=tree.facts.blobless) as git:
        if recorder.rebuilding:
            commit, branch = await _restore(git, tree, recorder)
        else:
            commit, branch = await _push(config, info, host, git, tree)
    recorder.note("commit", commit)
    recorder.note("branch", branch)
    url = commit_url(tree.facts.url, commit, config.provider)
    output = GitPushOutput(commit=commit, branch=branch or None, commit_url=url)
    # Kargo leaves out what it does not know, so that ?? in expressions works.
    return output.model_dump(by_alias=True, exclude_none=True)


async def _push(
    config: GitPushConfig, info: StepInfo, host: GitHost, git: Git, tree: WorkTree
) -> tuple[str, str]:
    # First, because a rebase that was killed halfway leaves no branch checked out.
    await finish_interrupted(git, tree)
    current = current_branch(tree)
    if config.tag:
        await push_tag(git, tree, check_user_value("tag", config.tag))
        return await head(git, tree), current
    generated = f"{GENERATED_PREFIX}{info.promotion}" if config.generate_target_branch else ""
    branch = generated or check_user_value("targetBranch", config.target_branch) or current
    if not branch:
        raise StepErrored("no branch is checked out here: set targetBranch", terminal=True)
    if branch != current:
        await git.run("check-ref-format", f"refs/heads/{branch}")
    author = tree.facts.author
    identity = Identity(author.name, author.email) if author else host.identity
    env = commit_environment(identity, info.started_at)
    push = Push(branch, config.force or bool(generated), config.max_attempts, host.policy, env)
    return await push_branch(host, git, tree, push), branch


async def _restore(git: Git, tree: WorkTree, recorder: Recorder) -> tuple[str, str]:
    """Give the workspace what the push left in it, without pushing."""
    commit = str(recorder.pinned.get("commit", "")) or await head(git, tree)
    if not await restore(git, tree, commit):
        raise StepErrored(
            f"commit {commit}, which this promotion pushed, is not on the server", terminal=True
        )
    return commit, str(recorder.pinned.get("branch", ""))
