"""Commits of a Git repository: the four strategies over a log or a list of tags.

One rule: filters run from cheap to dear; the changed paths of a commit are asked for only when all else passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from pydantic import AwareDatetime

from freightway.resources.meta import Model
from freightway.selection.expression_filter import Env
from freightway.selection.lexical import order_lexical
from freightway.selection.paths import PathFilter
from freightway.selection.semver_tags import order_semver
from freightway.selection.tag_filter import TagFilter

_SUBJECT_BYTES = 80
_LARGEST_BATCH = 1_000

TagStrategy = Literal["Lexical", "NewestTag", "SemVer"]
Predicate = Callable[[Env], bool]


class Commit(Model):
    """A commit that may become part of Freight; ``author`` and ``committer`` read ``Name <email>``.

    Attributes:
        creator_date: the commit's date, or its tag's where a tag led to it.
        tagger: who made an annotated tag, empty otherwise.
        annotation: first line of an annotated tag's message, empty otherwise.
    """

    id: str
    branch: str = ""
    tag: str = ""
    subject: str = ""
    author: str = ""
    committer: str = ""
    creator_date: AwareDatetime
    tagger: str = ""
    annotation: str = ""

    def env(self) -> Env:
        """What an ``expressionFilter`` sees of this commit, or of this tag if a tag led to it."""
        people = {"author": self.author, "committer": self.committer, "subject": self.subject, "id": self.id}
        if not self.tag:
            return {**people, "commitDate": self.creator_date}
        named = {"tag": self.tag, "tagger": self.tagger, "annotation": self.annotation}
        return {**people, **named, "creatorDate": self.creator_date}


class CommitPick:
    """Takes commits in order and stops at the limit.

    ``offer`` each commit; while ``is_full`` is false go on. ``paths_of`` is called only for commits that passed
    the expression, and only if there are path patterns.
    """

    def __init__(
        self, limit: int, paths: PathFilter | None = None, expression: Predicate | None = None
    ) -> None:
        self._limit = limit
        self._paths = paths or PathFilter()
        self._expression = expression
        self.chosen: list[Commit] = []

    @property
    def is_full(self) -> bool:
        """Whether enough commits were taken."""
        return len(self.chosen) >= self._limit

    @property
    def has_filters(self) -> bool:
        """Whether a commit may be refused; if not, the first ``limit`` commits are the answer."""
        return self._expression is not None or not self._paths.is_empty

    @property
    def needs_paths(self) -> bool:
        """Whether the changed paths of commits must be read."""
        return not self._paths.is_empty

    def wants(self, commit: Commit) -> bool:
        """Return whether a commit passes the expression, so that its paths are worth reading."""
        return not self.is_full and (self._expression is None or self._expression(commit.env()))

    def offer(self, commit: Commit, changed_paths: Iterable[str] = ()) -> None:
        """Take a commit that is wanted if its changed paths pass."""
        if not self.is_full and self._paths.selects(changed_paths):
            self.chosen.append(commit)


def batch_sizes(limit: int) -> Iterator[int]:
    """Yield how many commits of a log to read at a time: the limit, then twice as many, up to 1000."""
    size = min(limit, _LARGEST_BATCH)
    while True:
        yield size
        size = min(size * 2, _LARGEST_BATCH)


def order_tags(
    tags: Iterable[Commit],
    strategy: TagStrategy,
    *,
    constraint: str = "",
    strict: bool = True,
    tag_filter: TagFilter | None = None,
) -> list[Commit]:
    """Return the tagged commits that a strategy looks at, best first.

    Args:
        tags: commits with their ``tag``, in the order of creation, newest first.
        strategy: ``NewestTag`` keeps that order, the others sort by the tag's name.
        constraint: for SemVer only.
        strict: for SemVer only, whether a version needs all three numbers.
    Raises:
        InvalidResource: if the constraint does not parse.
    Source: Kargo pkg/controller/git/commit.
    """
    by_tag = {commit.tag: commit for commit in tags}
    if strategy == "SemVer":
        names = order_semver(by_tag, constraint, strict=strict, tag_filter=tag_filter)
    elif strategy == "Lexical":
        names = order_lexical(by_tag, tag_filter)
    else:
        names = (tag_filter or TagFilter()).keep(by_tag)
    return [by_tag[name] for name in names]


def cut_subject(message: str) -> str:
    """Return the first line of a commit message, at most 80 bytes, with dots where it was cut."""
    subject = message.partition("\n")[0]
    raw = subject.encode("utf-8", "replace")
    if len(raw) <= _SUBJECT_BYTES:
        return subject
    return raw[: _SUBJECT_BYTES - 3].decode("utf-8", "ignore") + "..."
