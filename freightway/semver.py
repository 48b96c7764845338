"""Semantic versions and constraints in the dialect of Masterminds semver 3.5.0.

One rule: a pre-release satisfies a group of constraints only if one constraint of that group names a
pre-release; build metadata never takes part in the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, total_ordering

import re2

_MAX_VERSION_BYTES = 256
_MAX_CONSTRAINT_BYTES = 512
_MAX_GROUPS = 32
_UINT64 = 1 << 64

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SUFFIX = rf"(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
_LOOSE = re2.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{_SUFFIX}")
_FULL = re2.compile(rf"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){{2}}{_SUFFIX}")

# The lone bar is accepted inside a number and refused later, when the number is read.
_DIGITS = r"[0-9xX*|]+"
_OPERATOR = r"=|!=|>|<|>=|=>|<=|=<|~|~>|\^"
_TERM_VERSION = rf"v?{_DIGITS}(?:\.{_DIGITS})?(?:\.{_DIGITS})?(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?"
_TERM = rf"(?:{_OPERATOR}|)\s*{_TERM_VERSION}"
_GROUP = re2.compile(rf"\s*{_TERM}\s*(?:(?:\s+|,\s*){_TERM}\s*)*")
_FIND_TERM = re2.compile(rf"({_OPERATOR}|)\s*({_TERM_VERSION})")
_SPLIT_TERM = re2.compile(
    rf"v?({_DIGITS})(?:\.({_DIGITS}))?(?:\.({_DIGITS}))?(-{_IDENTIFIERS})?(\+{_IDENTIFIERS})?"
)
_RANGE = re2.compile(rf"\s*({_TERM_VERSION})\s+-\s+({_TERM_VERSION})\s*")
_WILDCARDS = frozenset({"x", "X", "*"})


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version; compares by precedence, so that build metadata and spelling do not matter.

    Attributes:
        original: the text the version was read from, with its leading ``v`` if it had one.
    """

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    metadata: str = ""
    original: str = ""

    def __str__(self) -> str:
        pre = f"-{self.prerelease}" if self.prerelease else ""
        meta = f"+{self.metadata}" if self.metadata else ""
        return f"{self.major}.{self.minor}.{self.patch}{pre}{meta}"

    @cached_property
    def precedence(self) -> tuple[object, ...]:
        """The sort key: numbers, then releases above pre-releases, then the pre-release's parts."""
        parts = tuple(_part_key(part) for part in self.prerelease.split(".")) if self.prerelease else ()
        return (self.major, self.minor, self.patch, not self.prerelease, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.precedence == other.precedence

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)

    def inc_major(self) -> Version:
        """Return the next major version, a release without metadata."""
        return self._next(self.major + 1, 0, 0)

    def inc_minor(self) -> Version:
        """Return the next minor version, a release without metadata."""
        return self._next(self.major, self.minor + 1, 0)

    def inc_patch(self) -> Version:
        """Return the next patch version; that of a pre-release is its own release."""
        return self._next(self.major, self.minor, self.patch if self.prerelease else self.patch + 1)

    def _next(self, major: int, minor: int, patch: int) -> Version:
        number = Version(major, minor, patch)
        return replace(number, original=("v" if self.original.startswith("v") else "") + str(number))


def _part_key(part: str) -> tuple[int, int, str]:
    """Numbers sort below words; a number beyond 64 bits counts as a word, as in the original."""
    if part.isdigit() and int(part) < _UINT64:
        return (0, int(part), "")
    return (1, 0, part)


def parse(version: str, strict: bool = False) -> Version | None:
    """Return the version written in a string, or None if it is not one.

    Args:
        version: text such as ``v1.2`` or ``1.2.3-rc.1+build``.
        strict: whether all three numbers are required, after one leading ``v``.
    Source: Kargo pkg/controller/semver Parse; Masterminds semver 3.5.0 NewVersion, StrictNewVersion.
    """
    if len(version.encode("utf-8", "replace")) > _MAX_VERSION_BYTES:
        return None
    match = _LOOSE.fullmatch(version)
    if match is None or (strict and _FULL.fullmatch(version.removeprefix("v")) is None):
        return None
    numbers = [int(number or 0) for number in match.groups()[:3]]
    prerelease, metadata = match.group(4) or "", match.group(5) or ""
    if max(numbers) >= _UINT64 or _has_leading_zero(prerelease):
        return None
    return Version(numbers[0], numbers[1], numbers[2], prerelease, metadata, version)


def _has_leading_zero(prerelease: str) -> bool:
    return any(len(part) > 1 and part[0] == "0" and part.isdigit() for part in prerelease.split("."))


@dataclass(frozen=True)
class _Term:
    """One operator and version; ``open_minor`` and ``open_patch`` tell which number was left open."""

    operator: str
    version: Version
    is_open: bool
    open_minor: bool
    open_patch: bool

    def holds(self, version: Version, prereleases: bool) -> bool:
        if version.prerelease and not prereleases:
            return False
        match self.operator:
            case "!=":
                return self._differs(version)
            case ">":
                return self._above(version)
            case "<":
                return version < self.version
            case ">=" | "=>":
                return version >= self.version
            case "<=" | "=<":
                return self._at_most(version)
            case "~" | "~>":
                return self._tilde(version)
            case "^":
                return self._caret(version)
        return self._tilde(version) if self.is_open else version == self.version

    def _differs(self, version: Version) -> bool:
        own = self.version
        if not self.is_open:
            return version != own
        if own.major != version.major:
            return True
        if self.open_minor:
            return False
        if own.minor != version.minor:
            return True
        if self.open_patch:
            return version.prerelease != own.prerelease
        return version != own

    def _above(self, version: Version) -> bool:
        if not self.is_open or version.major != self.version.major:
            return version > self.version if not self.is_open else version.major > self.version.major
        if self.open_minor:
            return False
        return version.minor > self.version.minor if self.open_patch else version > self.version

    def _at_most(self, version: Version) -> bool:
        own = self.version
        if not self.is_open:
            return version <= own
        if version.major != own.major:
            return version.major < own.major
        return self.open_minor or version.minor <= own.minor

    def _tilde(self, version: Version) -> bool:
        own = self.version
        if version < own:
            return False
        anything = (own.major, own.minor, own.patch) == (0, 0, 0)
        if anything and not self.open_minor and not self.open_patch:
            return True
        return version.major == own.major and (self.open_minor or version.minor == own.minor)

    def _caret(self, version: Version) -> bool:
        own = self.version
        if version < own:
            return False
        if own.major > 0 or self.open_minor:
            return version.major == own.major
        if version.major > 0:
            return False
        if own.minor > 0 or self.open_patch:
            return version.minor == own.minor
        return version.minor == 0 and version.patch == own.patch


@dataclass(frozen=True)
class Constraint:
    """Groups of terms: a version must satisfy every term of one group."""

    text: str
    groups: tuple[tuple[_Term, ...], ...]

    def __str__(self) -> str:
        return self.text

    def check(self, version: Version) -> bool:
        """Return whether a version satisfies the constraint."""
        for group in self.groups:
            prereleases = any(term.version.prerelease for term in group)
            if all(term.holds(version, prereleases) for term in group):
                return True
        return False


def parse_constraint(text: str) -> Constraint:
    """Return a constraint such as ``^1.2``, ``>=1.0 <2.0 || 3.x`` or ``1.2 - 2.3``.

    Raises:
        ValueError: if the text is not a constraint; an empty text is not one.
    Source: Masterminds semver 3.5.0 NewConstraint.
    """
    if len(text.encode("utf-8", "replace")) > _MAX_CONSTRAINT_BYTES:
        raise ValueError(f"constraint is longer than {_MAX_CONSTRAINT_BYTES} bytes")
    groups = _rewrite_ranges(text).split("||")
    if len(groups) > _MAX_GROUPS:
        raise ValueError(f"constraint has more than {_MAX_GROUPS} groups")
    return Constraint(text, tuple(_parse_group(group) for group in groups))


def _rewrite_ranges(text: str) -> str:
    rewritten = text
    for match in _RANGE.finditer(text):
        bounds = f">= {match.group(1)}, <= {match.group(2)} "
        rewritten = rewritten.replace(match.group(0), bounds, 1)
    return rewritten


def _parse_group(group: str) -> tuple[_Term, ...]:
    if _GROUP.fullmatch(group) is None:
        raise ValueError(
            f"{group.strip()!r} is not a version constraint; write for example ^1.2, ~1.2.3 or >=1.0.0 <2.0.0"
        )
    return tuple(_parse_term(match.group(1), match.group(2)) for match in _FIND_TERM.finditer(group))


def _parse_term(operator: str, text: str) -> _Term:
    match = _SPLIT_TERM.fullmatch(text)
    assert match is not None
    major, minor, patch = (match.group(index) or "x" for index in (1, 2, 3))
    suffix = match.group(4) or ""
    open_minor = open_patch = False
    is_open = True
    # A wildcard drops what follows it, build metadata included; a pre-release is kept.
    if major in _WILDCARDS:
        text = f"0.0.0{suffix}"
    elif minor in _WILDCARDS:
        open_minor, text = True, f"{major}.0.0{suffix}"
    elif patch in _WILDCARDS:
        open_patch, text = True, f"{major}.{minor}.0{suffix}"
    else:
        is_open = False
    version = parse(text)
    if version is None:
        raise ValueError(f"{text!r} is not a version that a constraint may name")
    return _Term(operator, version, is_open, open_minor, open_patch)


def select(versions: Iterable[str], constraint: str, strict: bool = False) -> list[str]:
    """Return the versions that satisfy a constraint, highest first, equal ones by descending text.

    Args:
        versions: candidates; those that are not versions are left out.
        constraint: a constraint; empty means every version, pre-releases included.
        strict: see ``parse``.
    Raises:
        ValueError: if the constraint does not parse.
    """
    wanted = parse_constraint(constraint) if constraint else None
    parsed = (parse(text, strict) for text in versions)
    kept = [version for version in parsed if version and (wanted is None or wanted.check(version))]
    kept.sort(key=lambda version: (version, version.original), reverse=True)
    return [version.original for version in kept]
