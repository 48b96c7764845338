"""Each strategy filters, orders and cuts as documented, and looks at no more than it must."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from freightway.errors import InvalidResource
from freightway.selection.charts import select_http_charts, select_oci_charts
from freightway.selection.commits import Commit, CommitPick, batch_sizes, cut_subject, order_tags
from freightway.selection.digest import digest_tag, select_digest
from freightway.selection.images import (
    Image,
    ImagePick,
    ManifestEntry,
    Platform,
    image_created_at,
    index_created_at,
    merge_annotations,
    parse_platform,
    usable_entries,
)
from freightway.selection.lexical import order_lexical
from freightway.selection.newest_build import select_newest_build
from freightway.selection.paths import PathFilter
from freightway.selection.semver_tags import order_semver
from freightway.selection.tag_filter import TagFilter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ARM = Platform(os="linux", arch="arm64")
AMD = Platform(os="linux", arch="amd64")
CREATED = "org.opencontainers.image.created"


def image(tag: str, hours: int | None = 0, *platforms: Platform) -> Image:
    created = None if hours is None else NOON + timedelta(hours=hours)
    return Image(tag=tag, digest=f"sha256:{tag}", created_at=created, platforms=platforms)


def commit(number: int, tag: str = "", subject: str = "") -> Commit:
    return Commit(id=f"{number:040x}", tag=tag, subject=subject, creator_date=NOON - timedelta(hours=number))


def test_lexical_is_descending_byte_order() -> None:
    assert order_lexical(["a", "B", "é", "b"]) == ["é", "b", "a", "B"]


def test_semver_tags_are_highest_first_and_equal_ones_by_text() -> None:
    tags = ["1.0.0", "v1.0.0", "latest", "1.10.0", "1.9.0", "2.0.0-rc.1"]
    assert order_semver(tags, "^1") == ["1.10.0", "1.9.0", "v1.0.0", "1.0.0"]
    assert order_semver(tags)[0] == "2.0.0-rc.1"


def test_strict_semver_wants_all_three_numbers() -> None:
    assert order_semver(["1.2", "1.1.0"]) == ["1.1.0"]
    assert order_semver(["1.2", "1.1.0"], strict=False) == ["1.2", "1.1.0"]


def test_bad_constraint_is_refused() -> None:
    with pytest.raises(InvalidResource, match="constraint"):
        order_semver(["1.0.0"], "latest")


def test_image_pick_looks_at_manifests_one_by_one_until_the_limit() -> None:
    store = {
        "3": image("3", 0, AMD),
        "2": image("2", 0, ARM),
        "1": image("1", 0, ARM, AMD),
        "0": image("0", 0, ARM),
    }
    pick = ImagePick(list(store), limit=2, platform=ARM)
    asked = []
    while (tag := pick.next_tag()) is not None:
        asked.append(tag)
        pick.offer(store[tag])
    assert asked == ["3", "2", "1"]
    assert [chosen.tag for chosen in pick.chosen] == ["2", "1"]


def test_image_pick_ends_when_there_are_no_more_tags() -> None:
    pick = ImagePick(["1"], limit=5)
    assert pick.next_tag() == "1"
    pick.offer(None)
    assert pick.next_tag() is None
    assert pick.chosen == []


def test_single_image_never_passes_a_platform() -> None:
    assert image("1").runs_on(None)
    assert not image("1").runs_on(ARM)
    assert not image("1", 0, ARM).runs_on(parse_platform("linux/arm64/v8"))


@pytest.mark.parametrize("text", ["linux", "linux/arm/v7/x"])
def test_platform_of_the_wrong_length_is_refused(text: str) -> None:
    with pytest.raises(InvalidResource, match="platform"):
        parse_platform(text)


def test_newest_build_sorts_by_time_then_tag_and_unknown_times_last() -> None:
    images = [image("a", 1), image("c", 2), image("b", 2), image("z", None)]
    assert [chosen.tag for chosen in select_newest_build(images, 10)] == ["c", "b", "a", "z"]
    assert [chosen.tag for chosen in select_newest_build(images, 1)] == ["c"]


def test_digest_follows_one_tag() -> None:
    assert digest_tag("latest") == "latest"
    assert select_digest(None) == []
    assert select_digest(image("latest")) == [image("latest")]
    with pytest.raises(InvalidResource, match="constraint"):
        digest_tag("")


def test_index_is_as_old_as_its_annotation_else_its_newest_image() -> None:
    entries = [
        ManifestEntry(platform=ARM, created_at=NOON),
        ManifestEntry(
            platform=AMD, annotations={CREATED: "2026-01-01T13:00:00Z"}, created_at=NOON + timedelta(days=9)
        ),
    ]
    assert index_created_at({}, entries) == NOON + timedelta(hours=1)
    assert index_created_at({CREATED: "2026-01-01T11:00:00Z"}, entries) == NOON - timedelta(hours=1)
    assert index_created_at({}, []) is None


def test_single_image_is_as_old_as_its_annotation_else_the_later_of_label_and_config() -> None:
    label = {"org.label-schema.build-date": "2026-01-01T15:00:00Z"}
    assert image_created_at({}, label, NOON) == NOON + timedelta(hours=3)
    assert image_created_at({CREATED: "2026-01-01T11:00:00Z"}, label, NOON) == NOON - timedelta(hours=1)
    assert image_created_at({CREATED: "yesterday"}, {}, NOON) == NOON


def test_unknown_entries_of_an_index_are_left_out() -> None:
    attestation = ManifestEntry(platform=Platform(os="unknown", arch="unknown"))
    assert usable_entries([attestation, ManifestEntry(platform=ARM)]) == [ManifestEntry(platform=ARM)]
    with pytest.raises(InvalidResource, match="platform"):
        usable_entries([attestation])


def test_annotations_of_the_platform_win() -> None:
    entries = [ManifestEntry(platform=ARM, annotations={"a": "arm"})]
    assert merge_annotations({"a": "d", "b": "d"}, {"b": "m"}, entries, ARM) == {"a": "arm", "b": "m"}
    assert merge_annotations({"a": "d"}, {"b": "m"}, entries) == {"a": "d", "b": "m"}


def test_http_charts_are_read_loosely_and_oci_charts_strictly() -> None:
    versions = ["1.0", "v1.2.3", "1.1.0", "latest"]
    assert select_http_charts(versions) == ["v1.2.3", "1.1.0", "1.0"]
    assert select_oci_charts([*versions, "1.1.0_build"], limit=2) == ["1.1.0+build", "1.1.0"]


def test_newest_tag_keeps_the_order_of_creation() -> None:
    tags = [commit(1, "b"), commit(2, "c"), commit(3, "a")]
    assert [tagged.tag for tagged in order_tags(tags, "NewestTag")] == ["b", "c", "a"]
    assert [tagged.tag for tagged in order_tags(tags, "Lexical")] == ["c", "b", "a"]
    kept = order_tags(tags, "NewestTag", tag_filter=TagFilter.parse(ignore=["c"]))
    assert [tagged.tag for tagged in kept] == ["b", "a"]


def test_semver_commits_follow_the_constraint() -> None:
    tags = [commit(1, "v1.0.0"), commit(2, "v2.0.0"), commit(3, "v1.5.0")]
    assert [tagged.tag for tagged in order_tags(tags, "SemVer", constraint="^1")] == ["v1.5.0", "v1.0.0"]


def test_commits_are_filtered_by_expression_before_their_paths_are_read() -> None:
    log = {
        commit(1, subject="docs"): ["README.md"],
        commit(2, subject="fix"): ["src/a"],
        commit(3, subject="fix"): [],
    }
    pick = CommitPick(1, PathFilter.parse(["src"]), lambda env: env["subject"] == "fix")
    read = []
    for candidate, paths in log.items():
        if pick.is_full:
            break
        if pick.wants(candidate):
            read.append(candidate.id)
            pick.offer(candidate, paths)
    assert [chosen.id for chosen in pick.chosen] == [commit(2).id]
    assert read == [commit(2).id]
    assert pick.needs_paths


def test_commits_without_filters_need_no_paths() -> None:
    pick = CommitPick(2)
    assert not pick.has_filters
    for number in range(5):
        pick.offer(commit(number))
    assert len(pick.chosen) == 2


def test_expression_sees_a_tag_or_a_commit() -> None:
    assert "commitDate" in commit(1).env()
    assert {"tag", "tagger", "annotation", "creatorDate"} <= set(commit(1, "v1").env())


def test_batches_double_up_to_a_thousand() -> None:
    assert list(islice(batch_sizes(20), 8)) == [20, 40, 80, 160, 320, 640, 1000, 1000]


@pytest.mark.parametrize(
    ("message", "subject"),
    [("one\ntwo", "one"), ("x" * 80, "x" * 80), ("x" * 81, "x" * 77 + "..."), ("é" * 50, "é" * 38 + "...")],
)
def test_subject_is_cut_to_eighty_bytes(message: str, subject: str) -> None:
    assert cut_subject(message) == subject
