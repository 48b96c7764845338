"""git-tag: tag the commit that is checked out in a working tree.

Source: Kargo pkg/promotion/runner/builtin/git_tagger.go.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from freightway.activities.steps.registry import Recorder, StepConfig, StepInfo, StepOutput, Workspace, step
from freightway.adapters.git import GitHost, Identity, check_user_value
from freightway.adapters.git_checkout import open_worktree
from freightway.adapters.git_worktree import commit_environment, head, tag_head
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored


class GitTagConfig(StepConfig):
    """Configuration of git-tag; unknown keys are accepted, as in Kargo."""

    model_config = ConfigDict(extra="ignore")

    path: str = Field(min_length=1, description="Working tree whose commit is tagged.")
    tag: str = Field(min_length=1, description="Name of the tag.")
    message: str = Field(min_length=1, description="Annotation of the tag.")
    force: bool = Field(default=False, description="Move the tag if it exists.")


class GitTagOutput(StepOutput):
    """Output of git-tag: the commit that was tagged."""

    commit: str


@step("git-tag", config=GitTagConfig, output=GitTagOutput, effect="files")
async def git_tag(
    config: GitTagConfig,
    info: StepInfo,
    workspace: Workspace,
    recorder: Recorder,
    processes: ProcessRunner,
    host: GitHost,
) -> GitTagOutput:
    """Make an annotated tag; git-push with ``tag`` brings it to the server.

    Raises:
        StepErrored: if another tag of the name exists and ``force`` is off.
        AdapterError: if git refuses the name.
    """
    tree = open_worktree(host, workspace.root, workspace.path(config.path), config.path)
    author = tree.facts.author
    identity = Identity(author.name, author.email) if author else host.identity
    env = commit_environment(identity, info.started_at)
    # Rebuilt from a clone made later, the tag may be there already: the one this step pushed.
    force = config.force or recorder.rebuilding
    async with host.session(processes, host.access(tree.facts.url, None), (workspace.root,)) as git:
        name = check_user_value("tag", config.tag)
        if not await tag_head(git, tree, name, config.message, env, force=force):
            raise StepErrored(f'tag "{config.tag}" already exists; set force: true to move it')
        return GitTagOutput(commit=await head(git, tree))
