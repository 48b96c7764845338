"""``semverDiff`` and ``semverParse``.

Source: Kargo pkg/expressions/function/functions.go at 1c764767; Masterminds semver 3.5.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from freightway.expr.failure import Failure
from freightway.expr.natures import BOOL, INT, STRING, UINT64, Nature, Signature, pointer_to
from freightway.expr.values import Function, Object, Uint64
from freightway.semver import Version, parse

_VALUE_METHODS: dict[str, Signature] = {}
_POINTER_METHODS: dict[str, Signature] = {}
VERSION = Nature("semver.Version", "struct", methods=_VALUE_METHODS)
VERSION_POINTER = pointer_to(VERSION, _POINTER_METHODS)
_VALUE_METHODS.update({
    **{name: Signature((), UINT64) for name in ("Major", "Minor", "Patch")},
    **{name: Signature((), STRING) for name in ("Prerelease", "Metadata", "String")},
    **{name: Signature((), VERSION) for name in ("IncMajor", "IncMinor", "IncPatch")},
    **{name: Signature((STRING,), VERSION, results=2) for name in ("SetPrerelease", "SetMetadata")},
})  # fmt: skip
_POINTER_METHODS.update({
    **_VALUE_METHODS,
    "Original": Signature((), STRING),
    "Compare": Signature((VERSION_POINTER,), INT),
    **{
        name: Signature((VERSION_POINTER,), BOOL)
        for name in ("LessThan", "LessThanEqual", "GreaterThan", "GreaterThanEqual", "Equal")
    },
})  # fmt: skip


class SemanticVersion(Object):
    """A semantic version inside an expression; what ``semverParse`` gives is a pointer, as in Go."""

    __slots__ = ("version",)
    nature = VERSION_POINTER

    def __init__(self, version: Version) -> None:
        self.version = version

    def __str__(self) -> str:
        return str(self.version)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[object, ...]:
        return self.version.precedence, self.version.metadata, self.version.original

    def method(self, name: str) -> Callable[..., object]:
        """Return the implementation of a method."""
        implementation = _METHODS[name]
        return lambda *arguments: implementation(self.version, *arguments)


class SemanticVersionValue(SemanticVersion):
    """A version that is no pointer: what the Inc methods give."""

    __slots__ = ()
    nature = VERSION


def _compare(version: Version, other: SemanticVersion) -> int:
    one, two = version.precedence, other.version.precedence
    return (one > two) - (one < two)


def _with(version: Version, **changes: str) -> SemanticVersionValue:
    changed = replace(version, **changes)  # type: ignore[arg-type]
    prefix = "v" if version.original.startswith("v") else ""
    if parse(str(changed)) is None:
        raise Failure(f"invalid {' and '.join(changes)}")
    return SemanticVersionValue(replace(changed, original=prefix + str(changed)))


_METHODS: dict[str, Callable[..., object]] = {
    "Major": lambda version: Uint64(version.major),
    "Minor": lambda version: Uint64(version.minor),
    "Patch": lambda version: Uint64(version.patch),
    "Prerelease": lambda version: version.prerelease,
    "Metadata": lambda version: version.metadata,
    "String": str,
    "Original": lambda version: version.original,
    "IncMajor": lambda version: SemanticVersionValue(version.inc_major()),
    "IncMinor": lambda version: SemanticVersionValue(version.inc_minor()),
    "IncPatch": lambda version: SemanticVersionValue(version.inc_patch()),
    "SetPrerelease": lambda version, text: _with(version, prerelease=text),
    "SetMetadata": lambda version, text: _with(version, metadata=text),
    "Compare": _compare,
    "LessThan": lambda version, other: _compare(version, other) < 0,
    "LessThanEqual": lambda version, other: _compare(version, other) <= 0,
    "GreaterThan": lambda version, other: _compare(version, other) > 0,
    "GreaterThanEqual": lambda version, other: _compare(version, other) >= 0,
    "Equal": lambda version, other: _compare(version, other) == 0,
}


def _difference(left: str, right: str) -> str:
    one, two = parse(left), parse(right)
    if one is None or two is None:
        return "Incomparable"
    for part in ("Major", "Minor", "Patch", "Metadata"):
        if _METHODS[part](one) != _METHODS[part](two):
            return part
    return "None"


def _parse(text: str) -> SemanticVersion:
    version = parse(text)
    if version is None:
        raise Failure(f"invalid semantic version: {text[:100]!r}")
    return SemanticVersion(version)


# Constants, not made for each promotion: compiled programs are found again by them.
_DIFFERENCE = (Signature((STRING, STRING), STRING),)
_PARSE = (Signature((STRING,), VERSION_POINTER),)


def semver_functions() -> dict[str, Function]:
    """Return ``semverDiff`` and ``semverParse``."""
    return {
        "semverDiff": Function("semverDiff", _difference, _DIFFERENCE),
        "semverParse": Function("semverParse", _parse, _PARSE),
    }
