"""Patterns for names and paths, tag filters and expressions that do not parse."""

from __future__ import annotations

import time

import pytest

from freightway.errors import ExpressionError, InvalidResource
from freightway.patterns.glob import check_glob, match_glob
from freightway.patterns.pattern import NamePattern
from freightway.selection.expression_filter import read_verdict
from freightway.selection.freight_id import collection_id, freight_id
from freightway.selection.paths import PathFilter
from freightway.selection.semver import parse
from freightway.selection.tag_filter import TagFilter


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("prod", "prod", True),
        ("prod", "prod-eu", False),
        ("glob:prod-*", "prod-eu", True),
        ("glob:prod-*", "preprod-eu", False),
        ("regex:prod", "preprod-eu", True),
        ("regexp:^prod", "preprod-eu", False),
        ("", "", True),
    ],
)
def test_name_pattern(pattern: str, name: str, matches: bool) -> None:
    assert NamePattern(pattern).matches(name) is matches


@pytest.mark.parametrize("pattern", ["glob:[a", "glob:{a", "regex:(", "regexp:a{2,1}"])
def test_bad_pattern_is_refused_with_its_text(pattern: str) -> None:
    with pytest.raises(InvalidResource, match="is not a"):
        NamePattern(pattern)


def test_backtracking_expression_is_refused_or_fast() -> None:
    started = time.perf_counter()
    assert not NamePattern("regex:^(a+)+$").matches("a" * 5_000 + "!")
    assert time.perf_counter() - started < 2


def test_glob_with_too_many_alternatives_is_refused() -> None:
    assert "alternatives" in (check_glob("{a,b}" * 20) or "")
    assert check_glob("{a,b}" * 5) is None


def test_glob_with_many_stars_is_fast() -> None:
    started = time.perf_counter()
    assert not match_glob("*a" * 30 + "/b", "a" * 200)
    assert time.perf_counter() - started < 2


def test_path_filter_without_patterns_selects_a_commit_without_paths() -> None:
    assert PathFilter.parse().selects([])
    assert not PathFilter.parse(["src"]).selects([])


def test_commit_is_selected_by_a_path_that_is_included_and_not_excluded() -> None:
    wanted = PathFilter.parse(["src"], ["glob:**/*.md"])
    assert wanted.selects(["README.md", "src/a.go"])
    assert not wanted.selects(["other/a.go", "src/README.md"])


def test_ignore_expression_beats_allow_expression() -> None:
    tags = TagFilter.parse(["^v1"], ["-rc"])
    assert tags.keep(["v1.0", "v1.1-rc", "v2.0"]) == ["v1.0"]


@pytest.mark.parametrize(
    ("value", "verdict"), [(True, True), ("T", True), (1, True), ("0", False), ("False", False)]
)
def test_filter_verdict_is_read(value: object, verdict: bool) -> None:
    assert read_verdict(value) is verdict


@pytest.mark.parametrize("value", [None, "yes", 2, []])
def test_filter_that_answers_neither_true_nor_false_is_an_error(value: object) -> None:
    with pytest.raises(ExpressionError):
        read_verdict(value)


def test_collection_is_named_by_its_sorted_names() -> None:
    assert collection_id(["bbb", "aaa"]) == "b0696a9485397a32e74fc7d20eb458c2420b2ddc"


def test_freight_is_named_the_same_in_any_order_of_artifacts() -> None:
    images = [
        {"repoURL": "a/b", "tag": "1", "digest": "sha256:1"},
        {"repoURL": "c/d", "tag": "2", "digest": "sha256:2"},
    ]
    origin = {"kind": "Warehouse", "name": "w"}
    assert freight_id({"origin": origin, "images": images}) == freight_id(
        {"origin": origin, "images": images[::-1], "alias": "brave-otter"}
    )


@pytest.mark.parametrize(
    ("text", "major", "minor", "patch"),
    [
        ("1.2.3", "2.0.0", "1.3.0", "1.2.4"),
        ("v1.2.3-rc.1+m", "v2.0.0", "v1.3.0", "v1.2.3"),
    ],
)
def test_version_is_increased(text: str, major: str, minor: str, patch: str) -> None:
    version = parse(text)
    assert version is not None
    increased = (version.inc_major(), version.inc_minor(), version.inc_patch())
    assert tuple(next_version.original for next_version in increased) == (major, minor, patch)


def test_versions_compare_by_precedence() -> None:
    texts = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0",
        "1.0.1",
    ]
    versions = [parse(text) for text in texts]
    assert versions == sorted(filter(None, reversed(versions)))
    assert parse("1.0.0+a") == parse("v1+b")
    assert len({parse("1.0.0+a"), parse("v1+b")}) == 1
