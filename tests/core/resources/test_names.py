"""Names: workflow ids, queues, ULIDs and promotion names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freightway import names


def test_workflow_ids_name_kind_project_and_resource():
    assert names.project_id("demo") == "project/demo"
    assert names.warehouse_id("demo", "w") == "warehouse/demo/w"
    assert names.stage_id("demo", "uat") == "stage/demo/uat"
    assert names.promotion_id("demo", "uat.01x.abc") == "promotion/demo/uat.01x.abc"
    assert names.verification_id("demo", "uat", "v1") == "verification/demo/uat/v1"
    assert names.discovery_schedule_id("demo", "w") == "discovery/demo/w"
    assert names.health_schedule_id("demo") == "health/demo"


def test_task_queues_name_host_and_shard():
    assert names.host_queue("h1") == "freightway.host.h1"
    assert names.shard_queue("eu") == "freightway.shard.eu"
    assert names.shard_queue("") == names.TASK_QUEUE


def test_ulid_is_that_of_the_specification():
    assert names.ulid(1469918176385, b"\x00" * 10) == "01aryz6s410000000000000000"
    assert names.ulid(2**48 - 1, b"\xff" * 10) == "7" + "z" * 25


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ulids_sort_by_time_and_keep_it(first, second, entropy):
    assert (names.ulid(first, entropy) < names.ulid(second, entropy)) == (first < second)
    assert names.ulid_time_ms(names.ulid(first, entropy)) == first


@pytest.mark.parametrize(("time", "entropy"), [(-1, bytes(10)), (2**48, bytes(10)), (0, bytes(9))])
def test_ulid_refuses_what_it_cannot_hold(time, entropy):
    with pytest.raises(ValueError):
        names.ulid(time, entropy)


def test_promotion_name_holds_stage_ulid_and_short_freight():
    ulid = names.ulid(0, bytes(10))
    assert names.promotion_name("uat", ulid, "D6218C154B8B") == f"uat.{ulid}.d6218c1"


def test_promotion_name_cuts_a_long_stage_and_its_trailing_punctuation():
    ulid = names.ulid(0, bytes(10))
    assert names.promotion_name("s" * 250, ulid, "abcdefgh") == f"{'s' * 218}.{ulid}.abcdefg"
    assert len(names.promotion_name("s" * 250, ulid, "abcdefgh")) == 253
    assert names.promotion_name("s" * 216 + "-." + "x" * 9, ulid, "abcdefgh").startswith(
        "s" * 216 + "." + ulid
    )


@pytest.mark.parametrize(
    ("alias", "is_reserved"),
    [("step-1", True), (" task-22 ", True), ("step-x", False), ("my-step-1", False), ("step-", False)],
)
def test_aliases_of_the_engine_are_reserved(alias, is_reserved):
    assert names.is_reserved_alias(alias) is is_reserved


def test_default_alias_counts_from_one():
    assert names.default_alias(0) == "step-1"
    assert names.default_alias(1, is_task=True) == "task-2"


@pytest.mark.parametrize(
    ("text", "is_name", "is_label"),
    [
        ("a", True, True),
        ("a.b-c", True, False),
        ("A", False, False),
        ("-a", False, False),
        ("a-", False, False),
        ("a\n", False, False),
        ("", False, False),
        ("a" * 63, True, True),
        ("a" * 64, True, False),
        ("a" * 254, False, False),
        ("é", False, False),
    ],
)
def test_names_and_labels_follow_kubernetes(text, is_name, is_label):
    assert names.is_object_name(text) is is_name
    assert names.is_label(text) is is_label
