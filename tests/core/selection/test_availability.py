"""Freight may come to a Stage exactly when the rules say so, and the explanation says why and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freightway.selection import freight_facts
from freightway.selection.availability import (
    FreightRequest,
    available_freight,
    explain,
    next_available_at,
)
from freightway.selection.explain import condition_lines, explain_start
from freightway.selection.freezes import FreezeVerdict
from freightway.selection.freight_facts import FreightFacts
from freightway.selection.queue import Gate
from freightway.selection.windows import WindowVerdict

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def freight(name: str = "f1", origin: str = "w") -> FreightFacts:
    return FreightFacts(name=name, origin=origin, discovered_at=T0)


def request(**fields: object) -> FreightRequest:
    return FreightRequest.model_validate({"origin": "w", **fields})


def verified_in(*stages: str) -> FreightFacts:
    facts = freight()
    for stage in stages:
        facts = freight_facts.verified(facts, stage, T0)
    return facts


@pytest.mark.parametrize(
    ("asked", "facts", "available"),
    [
        (request(direct=True), freight(), True),
        (request(direct=True), freight(origin="other"), False),
        (request(direct=True, soak=HOUR, stages=("a",), strategy="All"), freight(), True),
        (request(), freight(), False),
        (request(strategy="All"), freight(), True),
        (request(stages=("a", "b")), verified_in("b"), True),
        (request(stages=("a", "b")), verified_in("c"), False),
        (request(stages=("a", "b"), strategy="OneOf"), verified_in("a"), True),
        (request(stages=("a", "b"), strategy="All"), verified_in("a"), False),
        (request(stages=("a", "b"), strategy="All"), verified_in("a", "b", "c"), True),
        (request(stages=("a",), soak=HOUR), verified_in("a"), False),
        (request(stages=("a",)), freight_facts.approved(freight(), "s", T0), True),
        (request(stages=("a",), soak=HOUR), freight_facts.approved(freight(), "s", T0), True),
        (request(stages=("a",)), freight_facts.approved(freight(), "other", T0), False),
        (request(direct=True), freight_facts.approved(freight(origin="other"), "s", T0), False),
    ],
)
def test_available(asked: FreightRequest, facts: FreightFacts, available: bool) -> None:
    verdict = explain("s", [asked], facts, T0)
    assert verdict.available is available
    assert bool(verdict.needs) is not available
    assert (available_freight("s", [asked], [facts], T0) == [facts]) is available


def test_soak_ends_exact_to_the_second() -> None:
    facts = freight_facts.verified(freight_facts.entered(freight(), "a", T0), "a", T0 + HOUR / 2)
    asked = [request(stages=("a",), soak=HOUR)]
    verdict = explain("s", asked, facts, T0 + HOUR / 2)
    assert not verdict.available
    assert verdict.earliest == T0 + HOUR
    assert next_available_at("s", asked, [facts], T0 + HOUR / 2) == T0 + HOUR
    assert not explain("s", asked, facts, T0 + HOUR - timedelta(seconds=1)).available
    assert explain("s", asked, facts, T0 + HOUR).available


def test_soak_counts_from_the_promotion_and_still_needs_verification() -> None:
    facts = freight_facts.entered(freight(), "a", T0)
    verdict = explain("s", [request(stages=("a",), soak=HOUR)], facts, T0 + 2 * HOUR)
    assert not verdict.available
    assert verdict.earliest is None
    assert "verified in Stage a" in verdict.needs
    assert "soak" not in verdict.needs


def test_longest_stay_counts_and_stays_are_not_added_up() -> None:
    facts = freight_facts.verified(freight_facts.entered(freight(), "a", T0), "a", T0)
    facts = freight_facts.left(facts, "a", T0 + HOUR)
    facts = freight_facts.entered(facts, "a", T0 + 2 * HOUR)
    at = T0 + 2 * HOUR + HOUR / 2
    assert explain("s", [request(stages=("a",), soak=HOUR)], facts, at).available
    assert not explain("s", [request(stages=("a",), soak=HOUR * 1.25)], facts, at).available


def test_stay_that_ended_unverified_does_not_count() -> None:
    facts = freight_facts.left(freight_facts.entered(freight(), "a", T0), "a", T0 + HOUR)
    facts = freight_facts.verified(facts, "a", T0 + HOUR)
    verdict = explain("s", [request(stages=("a",), soak=HOUR)], facts, T0 + 2 * HOUR)
    assert not verdict.available
    assert verdict.earliest is None


def test_one_stage_must_meet_both_under_one_of() -> None:
    facts = freight_facts.verified(freight(), "a", T0)
    facts = freight_facts.entered(facts, "b", T0)
    asked = request(stages=("a", "b"), soak=HOUR)
    assert not explain("s", [asked], facts, T0 + 2 * HOUR).available


def test_soak_behind_a_control_flow_stage_counts_from_the_moment_it_passed() -> None:
    facts = freight_facts.verified(freight(), "gate", T0, control_flow=True)
    asked = [request(stages=("gate",), soak=HOUR)]
    assert explain("s", asked, facts, T0).earliest == T0 + HOUR
    assert explain("s", asked, facts, T0 + HOUR).available


def test_withdrawn_verification_makes_freight_unavailable() -> None:
    facts = freight_facts.unverified(verified_in("a"), "a")
    assert not explain("s", [request(stages=("a",))], facts, T0).available


def test_earliest_under_all_is_the_last_and_under_one_of_the_first() -> None:
    facts = freight()
    for hours, stage in enumerate(("a", "b")):
        facts = freight_facts.entered(facts, stage, T0 + hours * HOUR)
        facts = freight_facts.verified(facts, stage, T0 + hours * HOUR)
    for strategy, earliest in (("All", T0 + 5 * HOUR), ("OneOf", T0 + 4 * HOUR)):
        asked = request(stages=("a", "b"), soak=4 * HOUR, strategy=strategy)
        assert explain("s", [asked], facts, T0 + HOUR).earliest == earliest


def test_freight_is_listed_newest_first() -> None:
    kept = [freight("b"), freight("c"), freight("a").model_copy(update={"discovered_at": T0 + HOUR})]
    listed = available_freight("s", [request(direct=True)], kept, T0)
    assert [facts.name for facts in listed] == ["a", "c", "b"]


def test_endless_soak_never_overflows() -> None:
    facts = freight_facts.verified(freight_facts.entered(freight(), "a", T0), "a", T0)
    asked = request(stages=("a",), soak=timedelta(days=999_999_999))
    assert not explain("s", [asked], facts, T0).available


def test_explanation_reads_line_by_line() -> None:
    facts = freight_facts.verified(freight_facts.entered(freight(), "a", T0), "a", T0)
    verdict = explain("s", [request(stages=("a",), soak=HOUR)], facts, T0)
    gate = Gate(
        freeze=FreezeVerdict(frozen=True, until=T0 + 2 * HOUR, reason="frozen by ann: audit"),
        window=WindowVerdict(allowed=False, until=T0 + 3 * HOUR, reason="window nights denies promotions"),
    )
    whole = explain_start(verdict, gate, T0)
    lines = list(condition_lines(whole, T0))
    assert whole.earliest == T0 + 3 * HOUR
    assert lines[0] == "yes Stage s requests Freight of Warehouse w"
    assert "    no  it has soaked in Stage a for 1h0m0s (at the earliest 2026-03-01T13:00:00+00:00)" in lines
    assert any("a promotion window allows it (at the earliest 2026-03-01T15" in line for line in lines)


def test_changes_of_facts_are_idempotent() -> None:
    facts = freight_facts.verified(freight_facts.entered(freight(), "a", T0), "a", T0)
    assert freight_facts.entered(facts, "a", T0 + HOUR) == facts
    assert freight_facts.verified(facts, "a", T0 + HOUR) == facts
    gone = freight_facts.left(facts, "a", T0 + HOUR)
    assert freight_facts.left(gone, "a", T0 + 2 * HOUR) == gone
    once = freight_facts.approved(facts, "s", T0, "ann", "fix")
    assert freight_facts.approved(once, "s", T0 + HOUR) == once


def test_shorter_second_stay_keeps_the_longest() -> None:
    facts = freight_facts.verified(freight_facts.entered(freight(), "a", T0), "a", T0)
    facts = freight_facts.left(facts, "a", T0 + HOUR)
    facts = freight_facts.entered(facts, "a", T0 + 2 * HOUR)
    facts = freight_facts.left(facts, "a", T0 + 2 * HOUR + HOUR / 2)
    assert facts.soaked("a", T0 + 9 * HOUR) == HOUR
