"""What a git subscription sees: one look at the server's refs, then the mirror's log or tags.

Which commits count and in which order is decided in ``freightway.selection``; this module only reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from freightway.adapters.git import Git, GitHost
from freightway.adapters.git_environment import Access
from freightway.adapters.git_mirror import Mirror, Refs
from freightway.adapters.processes import ProcessRunner
from freightway.errors import InvalidResource, NotFound
from freightway.resources.warehouse import GitSubscription
from freightway.selection.commits import Commit, CommitPick, Predicate, batch_sizes, cut_subject, order_tags
from freightway.selection.paths import PathFilter
from freightway.selection.tag_filter import TagFilter

_MOST_OBSERVED_TAGS = 1_000
_PATHS_AT_ONCE = 100
_LOG = "%H%x1f%P%x1f%an <%ae>%x1f%cn <%ce>%x1f%ct%x1f%s"
_TAG_FIELDS = (
    "%(refname:strip=2)",
    "%(objecttype)",
    "%(*objecttype)",
    "%(objectname)",
    "%(*objectname)",
    "%(creatordate:unix)",
    "%(taggername) %(taggeremail)",
    "%(authorname) %(authoremail)",
    "%(*authorname) %(*authoremail)",
    "%(committername) %(committeremail)",
    "%(*committername) %(*committeremail)",
    "%(*subject)",
    "%(subject)",
)
_TAG = "%1f".join(_TAG_FIELDS)


async def discover_commits(
    subscription: GitSubscription,
    *,
    host: GitHost,
    processes: ProcessRunner,
    access: Access,
    expression: Predicate | None = None,
    previous: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the commits a subscription sees, best first, as Kargo's ``discoveredArtifacts.git[]`` entry.

    Args:
        access: the repository with the project's credentials, from ``host.access(...)``.
        expression: the compiled ``expressionFilter``, None if there is none.
        previous: the entry of the last discovery of this very subscription; it is returned again, without
            reading the repository, if the server's refs are the ones it was made of.
    Raises:
        InvalidResource: if a pattern, constraint or the deprecated tag filters cannot be used.
        NotFound: if the branch does not exist.
        AdapterError: if the server cannot be reached or refuses.
    Source: Kargo pkg/subscription and pkg/controller/git/commit.
    """
    _refuse_deprecated(subscription)
    tag_filter = TagFilter.parse(subscription.allow_tags_regexes, subscription.ignore_tags_regexes)
    paths = PathFilter.parse(subscription.include_paths, subscription.exclude_paths)
    pick = CommitPick(subscription.discovery_limit, paths, expression)
    mirror = Mirror(host, access.url.text, blobless=subscription.blobless)
    async with host.session(processes, access) as git:
        seen = await mirror.look(git)
        observed = _observe(subscription, seen, tag_filter)
        if observed and previous and previous.get("observedRefs") == observed:
            return dict(previous)
        refs = await mirror.update(git, seen)
        if subscription.commit_selection_strategy == "NewestFromBranch":
            await _pick_from_branch(git, mirror, subscription, refs, pick)
        else:
            await _pick_from_tags(git, mirror, subscription, tag_filter, pick)
    found: dict[str, Any] = {
        "repoURL": subscription.repo_url,
        "commits": [_shown(each) for each in pick.chosen],
    }
    # Taken from what was read, not from the first look: the server may have moved in between.
    observed = _observe(subscription, refs, tag_filter)
    return found | ({"observedRefs": observed} if observed else {})


def _refuse_deprecated(subscription: GitSubscription) -> None:
    by_tag = subscription.commit_selection_strategy != "NewestFromBranch"
    if by_tag and (subscription.allow_tags or subscription.ignore_tags):
        raise InvalidResource(
            "allowTags and ignoreTags no longer work: use allowTagsRegexes and ignoreTagsRegexes"
        )


def _observe(subscription: GitSubscription, refs: Refs, tag_filter: TagFilter) -> dict[str, Any] | None:
    """What the result depends on, None if that is too much to keep."""
    if subscription.commit_selection_strategy == "NewestFromBranch":
        tip = refs.branches.get(subscription.branch) if subscription.branch else refs.head
        return {"branchHead": tip} if tip else None
    names = sorted(tag_filter.keep(refs.tags))
    if len(names) > _MOST_OBSERVED_TAGS:
        return None
    return {"tags": [{"name": name, "id": refs.tags[name]} for name in names]}


async def _pick_from_branch(
    git: Git, mirror: Mirror, subscription: GitSubscription, refs: Refs, pick: CommitPick
) -> None:
    tip = refs.branches.get(subscription.branch) if subscription.branch else refs.head
    if not tip:
        name = subscription.branch or "HEAD"
        raise NotFound("branch", name, f"repository {subscription.repo_url} does not have it")
    if not subscription.branch and not refs.default:
        # The server's HEAD stands for no branch; the mirror holds only what branches and tags hold.
        await mirror.ensure(git, tip)
    arguments = ["log", "-z", "--first-parent", f"--format={_LOG}"]
    if subscription.since is not None:
        arguments.append(f"--since={_rfc3339(subscription.since)}")
    skip = 0
    for size in batch_sizes(subscription.discovery_limit):
        text = await mirror.read(git, *arguments, f"--max-count={size}", f"--skip={skip}", tip, "--")
        batch = list(_parse_log(text, subscription.branch))
        await _offer(git, mirror, pick, batch)
        skip += size
        if pick.is_full or len(batch) < size:
            return


async def _pick_from_tags(
    git: Git, mirror: Mirror, subscription: GitSubscription, tag_filter: TagFilter, pick: CommitPick
) -> None:
    text = await mirror.read(git, "for-each-ref", "--sort=-creatordate", f"--format={_TAG}%00", "refs/tags/")
    strategy = subscription.commit_selection_strategy
    assert strategy != "NewestFromBranch"
    ordered = order_tags(
        _parse_tags(text),
        strategy,
        constraint=subscription.semver_constraint,
        strict=subscription.strict_semvers,
        tag_filter=tag_filter,
    )
    await _offer(git, mirror, pick, [(commit, "") for commit in ordered])


async def _offer(git: Git, mirror: Mirror, pick: CommitPick, batch: Sequence[tuple[Commit, str]]) -> None:
    """Offer commits in order; their paths are read some at a time, and only if somebody asks for paths."""
    for start in range(0, len(batch), _PATHS_AT_ONCE):
        if pick.is_full:
            return
        wanted = [
            (commit, parent) for commit, parent in batch[start : start + _PATHS_AT_ONCE] if pick.wants(commit)
        ]
        changed = await _changed_paths(git, mirror, wanted) if pick.needs_paths and wanted else {}
        for commit, _ in wanted:
            pick.offer(commit, changed.get(commit.id, ()))


async def _changed_paths(
    git: Git, mirror: Mirror, commits: Sequence[tuple[Commit, str]]
) -> dict[str, list[str]]:
    """The paths each commit changed against its first parent; a move is a deletion and an addition."""
    ids = [commit.id for commit, _ in commits]
    parents = {commit.id: parent for commit, parent in commits if parent}
    if len(parents) < len(ids):
        listed = await mirror.read(
            git, "rev-list", "--no-walk=unsorted", "--parents", "--stdin", stdin=_lines(ids)
        )
        parents = {words[0]: words[1] for line in listed.splitlines() if len(words := line.split()) > 1}
    # A commit given with one parent is compared with that parent only, also if it is a merge.
    stdin = _lines(f"{each} {parents[each]}" if each in parents else each for each in dict.fromkeys(ids))
    text = await mirror.read(git, "diff-tree", "--stdin", "-r", "-z", "--root", "--name-only", stdin=stdin)
    changed: dict[str, list[str]] = {each: [] for each in ids}
    current: list[str] = []
    for word in text.split("\0"):
        if word in changed:
            current = changed[word]
        elif word:
            current.append(word)
    return changed


def _parse_log(text: str, branch: str) -> Iterator[tuple[Commit, str]]:
    for record in filter(None, text.split("\0")):
        commit, parents, author, committer, date, subject = record.split("\x1f", 5)
        made = Commit(
            id=commit,
            branch=branch,
            subject=cut_subject(subject),
            author=author,
            committer=committer,
            creator_date=_date(date),
        )
        yield made, parents.split(" ")[0]


def _parse_tags(text: str) -> Iterator[Commit]:
    for record in filter(None, (part.lstrip("\n") for part in text.split("\0"))):
        (name, kind, inner_kind, object_id, inner_id, date, tagger, author, inner_author, committer, inner_committer,
         inner_subject, subject) = record.split("\x1f", 12)  # fmt: skip
        annotated = kind == "tag"
        if (inner_kind if annotated else kind) != "commit":
            continue
        yield Commit(
            id=inner_id if annotated else object_id,
            tag=name,
            subject=cut_subject(inner_subject if annotated else subject),
            author=inner_author if annotated else author,
            committer=inner_committer if annotated else committer,
            creator_date=_date(date),
            tagger=tagger.strip() if annotated else "",
            annotation=subject if annotated else "",
        )


def _shown(commit: Commit) -> dict[str, Any]:
    """A commit in Kargo's JSON form, without what is empty there."""
    data = commit.model_dump(mode="json", by_alias=True, exclude={"tagger", "annotation"})
    return {key: value for key, value in data.items() if value != ""}


def _lines(words: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def _date(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def _rfc3339(value: datetime | str) -> str:
    return value if isinstance(value, str) else value.isoformat()
