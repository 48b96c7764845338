"""git-clone: check out branches, commits or tags of a repository into the workspace.

Source: Kargo pkg/promotion/runner/builtin/git_cloner.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator, model_validator

from freightway.activities.steps.registry import Recorder, StepConfig, StepInfo, StepOutput, Workspace, step
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.git import Git, GitHost, Identity, check_user_value
from freightway.adapters.git_branch import create_branch
from freightway.adapters.git_checkout import (
    Author,
    Checkout,
    Facts,
    add_worktree,
    make_repository,
    repository_folder,
    write_facts,
)
from freightway.adapters.git_mirror import Mirror, Refs
from freightway.adapters.git_worktree import commit_environment
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored, StepFailed


class AuthorConfig(StepConfig):
    """Who writes the commits of later git-commit steps."""

    name: str = Field(min_length=1, description="Name of the author.")
    email: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", description="E-mail address of the author.")
    signing_key: str = Field(default="", description="Not supported: commits are not signed.")

    def model(self) -> Author:
        """Return the author without the key.

        Raises:
            StepFailed: if a key is given.
        """
        if self.signing_key:
            raise StepFailed("author.signingKey is not supported: commits are not signed; remove it")
        return Author(name=self.name, email=self.email)


class CheckoutConfig(StepConfig):
    """One working tree."""

    path: str = Field(min_length=1, description="Where in the workspace to check out.")
    branch: str = Field(default="", description="Branch to check out.")
    commit: str = Field(default="", description="Commit to check out, full or short id; detached.")
    tag: str = Field(default="", description="Tag to check out; detached.")
    create: bool = Field(default=False, description="Create the branch, empty, if the repository lacks it.")
    as_: str = Field(
        default="", alias="as", description="Key of the commit in the output, instead of the path."
    )
    sparse: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Check out only these folders (and files at the top)."
    )

    @model_validator(mode="after")
    def _one_reference(self) -> CheckoutConfig:
        if sum(map(bool, (self.branch, self.commit, self.tag))) > 1:
            raise ValueError("name at most one of branch, commit and tag")
        return self

    @field_validator("sparse")
    @classmethod
    def _sparse_folders(cls, folders: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for folder in folders or ():
            parts = PurePosixPath(folder).parts
            if (
                not folder
                or folder.startswith(("/", "-"))
                or ".." in parts
                or any(char in folder for char in "*?[")
            ):
                raise ValueError(
                    f"{folder!r} must be a folder below the repository's top, without * ? [ and .."
                )
        return folders

    @property
    def key(self) -> str:
        """The key of this checkout in the output."""
        return self.as_ or self.path


class GitCloneConfig(StepConfig):
    """Configuration of git-clone."""

    repo_url: str = Field(alias="repoURL", min_length=1, description="Address of the repository.")
    insecure_skip_tls_verify: bool = Field(
        default=False,
        alias="insecureSkipTLSVerify",
        description="Verify neither TLS certificates nor SSH host keys, here and in later steps on this clone.",
    )
    recurse_submodules: bool = Field(default=False, description="Check out submodules too.")
    blobless: bool = Field(default=False, description="Fetch the content of files only when it is needed.")
    author: AuthorConfig | None = Field(
        default=None, description="Who writes the commits made in this clone."
    )
    checkout: tuple[CheckoutConfig, ...] = Field(min_length=1, description="Working trees to make.")


class GitCloneOutput(StepOutput):
    """Output of git-clone: the commit of each checkout, by ``as`` or path."""

    commits: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Cloning:
    """What the parts of one git-clone share."""

    git: Git
    mirror: Mirror
    refs: Refs
    repository: Path
    env: dict[str, str]
    recorder: Recorder


@step("git-clone", config=GitCloneConfig, output=GitCloneOutput, effect="files")
async def git_clone(
    config: GitCloneConfig,
    info: StepInfo,
    workspace: Workspace,
    recorder: Recorder,
    processes: ProcessRunner,
    credentials: CredentialStore,
    host: GitHost,
) -> GitCloneOutput:
    """Check out a repository.

    Raises:
        StepFailed: if two checkouts have the same key, or the address is not allowed.
        StepErrored: if a branch, commit or tag does not exist.
        AdapterError: if the server cannot be reached or refuses.
    """
    _refuse_same_keys(config)
    author = config.author.model() if config.author else None
    login = await credentials.get(info.project, "git", config.repo_url)
    access = host.access(config.repo_url, login, insecure=config.insecure_skip_tls_verify)
    root = workspace.root.resolve()
    async with host.session(processes, access, (root,)) as git:
        mirror = Mirror(host, access.url.text, blobless=config.blobless)
        refs = await mirror.update(git)
        folder = repository_folder(root, info.alias, access.url.text)
        facts = Facts(
            url=access.url.text,
            insecure=config.insecure_skip_tls_verify,
            blobless=config.blobless,
            author=author,
        )
        make_repository(folder, mirror, refs, facts)
        identity = Identity(author.name, author.email) if author else host.identity
        env = commit_environment(identity, info.started_at)
        cloning = _Cloning(git, mirror, refs, folder, env, recorder)
        commits: dict[str, str] = {}
        bases: dict[str, str] = {}
        sparse: list[str] = []
        for wanted in config.checkout:
            path = workspace.path(wanted.path)
            made = await _resolve(cloning, wanted, root / path.relative_to(workspace.root), config)
            await add_worktree(git, folder, made)
            commits[wanted.key] = made.commit
            bases[made.path.relative_to(root).as_posix()] = made.commit
            sparse += [made.path.relative_to(root).as_posix()] if made.sparse else []
        write_facts(host, folder, facts.model_copy(update={"bases": bases, "sparse": tuple(sparse)}))
    return GitCloneOutput(commits=commits)


def _refuse_same_keys(config: GitCloneConfig) -> None:
    seen: set[str] = set()
    for number, wanted in enumerate(config.checkout):
        if wanted.key in seen:
            raise StepFailed(f'duplicate checkout alias "{wanted.key}" at checkout[{number}]')
        seen.add(wanted.key)


async def _resolve(cloning: _Cloning, wanted: CheckoutConfig, path: Path, config: GitCloneConfig) -> Checkout:
    """Find the commit of a checkout, or take the recorded one."""
    recorder, key = cloning.recorder, wanted.key
    branch = wanted.branch
    if not (branch or wanted.commit or wanted.tag):
        branch = recorder.pinned.get(f"{key}#branch") or cloning.refs.default
        recorder.note(f"{key}#branch", branch)
    commit = recorder.pinned.get(key, "")
    if commit:
        if not await cloning.mirror.ensure(cloning.git, commit):
            commit = await _made_again(cloning, wanted, commit)
    elif wanted.commit:
        commit = await _find_commit(cloning, wanted.commit)
    elif wanted.tag:
        commit = cloning.refs.tag_commit(check_user_value("tag", wanted.tag))
        if not commit:
            raise StepErrored(f'tag "{wanted.tag}" of repo {config.repo_url} does not exist')
    else:
        commit = await _find_branch(cloning, branch, config, create=wanted.create)
    recorder.note(key, commit)
    return Checkout(path, commit, branch, wanted.sparse or (), config.recurse_submodules)


async def _find_branch(cloning: _Cloning, branch: str, config: GitCloneConfig, *, create: bool) -> str:
    if not branch:
        raise StepErrored(f"repo {config.repo_url} has no default branch: name a branch")
    commit = cloning.refs.branches.get(check_user_value("branch", branch))
    if commit:
        return commit
    if not create:
        raise StepErrored(
            f'remote branch "{branch}" of repo {config.repo_url} does not exist; '
            "set create=true to create it if it does not exist"
        )
    push = not cloning.recorder.rebuilding
    return await create_branch(cloning.git, cloning.repository, branch, cloning.env, push=push)


async def _made_again(cloning: _Cloning, wanted: CheckoutConfig, commit: str) -> str:
    """A recorded commit that the server does not give can only be the empty one of a created branch."""
    if wanted.create and wanted.branch:
        made = await create_branch(cloning.git, cloning.repository, wanted.branch, cloning.env, push=False)
        if made == commit:
            return commit
    raise StepErrored(
        f"commit {commit}, which this promotion used before, is not in the repository", terminal=True
    )


async def _find_commit(cloning: _Cloning, wanted: str) -> str:
    check_user_value("commit", wanted)
    commit = await cloning.mirror.resolve(cloning.git, wanted)
    if not commit and len(wanted) in (40, 64) and await cloning.mirror.ensure(cloning.git, wanted):
        commit = wanted
    if not commit:
        raise StepErrored(f'commit "{wanted}" does not exist in the repository')
    return commit
