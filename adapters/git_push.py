"""Pushing a working tree: push, take in what others pushed, and know one's own commit again.

A push that is not forced can only add our commits on top of what is there, or find them there, so it is tried
first. If it is rejected, or forced, every attempt begins with a fetch of the branch. If our commits are there
already, under their own ids or, after a rebase, as the same patches with the same author, date and message,
nothing is pushed: so a push whose answer was lost is recognised and never made twice. Pushes of one host to one
branch take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from freightway.adapters.git import Git, GitHost, PushPolicy
from freightway.adapters.git_checkout import WorkTree
from freightway.adapters.git_errors import PushRejected, RefMissing
from freightway.adapters.git_worktree import head, set_head, tracked
from freightway.errors import AdapterError, StepErrored, StepFailed

_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 10.0
_IDENTITY = "%an%x00%ae%x00%at%x00%B"


@dataclass(frozen=True, slots=True)
class Push:
    """What to push and how.

    Attributes:
        branch: the branch on the server.
        force: replace what is there.
        attempts: most attempts while others move the branch, >= 1.
        env: author, committer and date of the commits that taking in others' work makes.
    """

    branch: str
    force: bool
    attempts: int
    policy: PushPolicy
    env: Mapping[str, str]


async def push_branch(host: GitHost, git: Git, tree: WorkTree, push: Push) -> str:
    """Push the checked-out commit to a branch and return the id under which it is there.

    Raises:
        StepFailed: if our commits and others' conflict, or the policy forbids to join them.
        StepErrored: if the branch kept moving for all attempts, or there are uncommitted changes.
        AdapterError: if the server cannot be reached or refuses.
    """
    rejected = ""
    async with host.lock(f"push {git.access.url.text} {push.branch}"):
        if not push.force:
            with suppress(PushRejected):
                await _send(git, tree, push)
                return await head(git, tree)
        for attempt in range(push.attempts):
            if attempt:
                await asyncio.sleep(min(_FIRST_DELAY_SECONDS * 1.5**attempt, _LONGEST_DELAY_SECONDS))
            remote = await fetch_branch(git, tree, push.branch)
            if remote and (found := await _already_there(git, tree, remote, force=push.force)):
                return found
            if remote and not push.force:
                await _integrate(git, tree, remote, push)
            try:
                await _send(git, tree, push)
            except PushRejected as error:
                rejected = str(error)
                continue
            return await head(git, tree)
    raise StepErrored(f"error pushing commits to remote: {rejected} ({push.attempts} attempts)")


async def fetch_branch(git: Git, tree: WorkTree, branch: str) -> str:
    """Fetch a branch and return the commit it stands at on the server, empty if there is none.

    Raises:
        AdapterError: if the server cannot be reached or refuses.
    """
    tracking = f"refs/remotes/origin/{branch}"
    refspec = f"+refs/heads/{branch}:{tracking}"
    options = ["--quiet", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head"]
    try:
        await git.remote("fetch", *options, "origin", refspec, cwd=tree.path)
    except RefMissing:
        return ""
    return await tracked(git, tree, branch)


async def push_tag(git: Git, tree: WorkTree, tag: str) -> None:
    """Push a tag; the same tag on the server already is a success.

    Raises:
        StepErrored: if there is no such tag here, or another one of the name on the server.
    """
    name = f"refs/tags/{tag}"
    done = await git.run("rev-parse", "--verify", "--quiet", name, cwd=tree.path, check=False)
    ours = done.text.strip()
    if done.returncode != 0:
        raise StepErrored(
            f"tag {tag!r} does not exist in the working tree; make it with a git-tag step first"
        )
    theirs = await _remote_tag(git, name)
    if not theirs:
        try:
            await git.remote("push", "--quiet", "--no-verify", "origin", f"{name}:{name}", cwd=tree.path)
        except AdapterError as error:
            theirs = await _remote_tag(git, name)
            if not theirs:
                raise error from None
        else:
            theirs = ours
    if theirs != ours:
        raise StepErrored(f"error pushing commits to remote: tag {tag!r} already exists there and is another")


async def _remote_tag(git: Git, name: str) -> str:
    done = await git.remote("ls-remote", "--", git.access.url.text, name)
    return next((line.split("\t")[0] for line in done.text.splitlines() if line.endswith(f"\t{name}")), "")


async def _send(git: Git, tree: WorkTree, push: Push) -> None:
    options = ["--quiet", "--no-verify", *(["--force"] if push.force else [])]
    try:
        # The full name also makes a new branch of a detached HEAD.
        await git.remote("push", *options, "origin", f"HEAD:refs/heads/{push.branch}", cwd=tree.path)
    except PushRejected:
        raise
    except AdapterError as error:
        # The answer may have been lost after the push was carried out: look before saying that it failed.
        if not error.retryable or not await _arrived(git, tree, push.branch):
            raise


async def _arrived(git: Git, tree: WorkTree, branch: str) -> bool:
    try:
        remote = await fetch_branch(git, tree, branch)
    except AdapterError:
        return False
    return bool(remote) and await _is_ancestor(git, tree, "HEAD", remote)


async def _already_there(git: Git, tree: WorkTree, remote: str, *, force: bool) -> str:
    """The id under which our work is on the branch, empty if it is not."""
    ours = await head(git, tree)
    if remote == ours:
        return ours
    if force:
        return ""
    if await _is_ancestor(git, tree, ours, remote):
        if ours != tree.base:
            return ours
        # Nothing was committed here: the branch went on without us and we follow, as a pull would.
        await git.run("merge", "--ff-only", "--quiet", remote, cwd=tree.path)
        return remote
    found = await _find_rebased(git, tree, remote)
    if found:
        await _require_clean(git, tree)
        await set_head(git, tree, found)
    return found


async def _find_rebased(git: Git, tree: WorkTree, remote: str) -> str:
    """The commit on the server that is our HEAD after a rebase, if all our commits are there."""
    span = f"{remote}...HEAD"
    marked = await git.text("rev-list", "--cherry-mark", "--left-right", "--no-merges", span, cwd=tree.path)
    same = {line[1:] for line in marked.splitlines() if line.startswith("=")}
    local = set((await git.text("rev-list", f"{remote}..HEAD", cwd=tree.path)).splitlines())
    if not local or not local <= same:
        return ""
    wanted = await git.text("log", "-1", f"--format={_IDENTITY}", "HEAD", cwd=tree.path)
    for candidate in same - local:
        if await git.text("log", "-1", f"--format={_IDENTITY}", candidate, cwd=tree.path) == wanted:
            return candidate
    return ""


async def _integrate(git: Git, tree: WorkTree, remote: str, push: Push) -> None:
    """Bring what is on the branch below our commits."""
    if await _is_ancestor(git, tree, remote, "HEAD"):
        return
    await _require_clean(git, tree)
    if push.policy == "AlwaysMerge" or (
        push.policy != "AlwaysRebase" and not await _is_rebase_safe(git, tree, remote, push.policy)
    ):
        message = f"Merge branch '{push.branch}' of {git.access.url.text}"
        verb, args = "merge", ["--no-verify", "--no-ff", "--allow-unrelated-histories", "-m", message, remote]
    else:
        verb, args = "rebase", ["--no-verify", "--no-autostash", remote]
    # A rebase keeps each commit's author and date; only its committer is the promotion's.
    env = {name: value for name, value in push.env.items() if verb == "merge" or "AUTHOR" not in name}
    done = await git.run(verb, "--quiet", *args, cwd=tree.path, env=env, check=False)
    if done.returncode == 0:
        return
    conflicts = (await git.text("diff", "--name-only", "--diff-filter=U", cwd=tree.path)).splitlines()
    await finish_interrupted(git, tree)
    if conflicts:
        raise StepFailed(f"merge conflict with branch {push.branch!r} in {', '.join(conflicts[:10])}")
    # Not a conflict: run it once more for its own message.
    await git.run(verb, "--quiet", *args, cwd=tree.path, env=env)


async def _is_rebase_safe(git: Git, tree: WorkTree, remote: str, policy: PushPolicy) -> bool:
    """Whether a rebase loses no signature.

    Raises:
        StepFailed: if it does and the policy forbids to merge instead.
    """
    # Read from the commits themselves: whether a signature is good or bad, a rebase loses it.
    commits = await git.text("rev-list", "--header", f"{remote}..HEAD", cwd=tree.path)
    if "\ngpgsig" not in commits:
        return True
    if policy == "RebaseOrFail":
        raise StepFailed("rebase is unsafe and policy prohibits merge fallback")
    return False


async def finish_interrupted(git: Git, tree: WorkTree) -> None:
    """Take back a rebase or merge that ended halfway, ours or that of an attempt that was killed."""
    if (tree.git_dir / "rebase-merge").is_dir():
        await git.run("rebase", "--abort", cwd=tree.path)
    elif (tree.git_dir / "MERGE_HEAD").is_file():
        await git.run("merge", "--abort", cwd=tree.path)


async def _require_clean(git: Git, tree: WorkTree) -> None:
    if await git.text("status", "--porcelain", "--untracked-files=no", cwd=tree.path):
        raise StepErrored(
            "the working tree has changes that are not committed: add a git-commit step before this one"
        )


async def _is_ancestor(git: Git, tree: WorkTree, older: str, newer: str) -> bool:
    done = await git.run("merge-base", "--is-ancestor", older, newer, cwd=tree.path, check=False)
    return done.returncode == 0
