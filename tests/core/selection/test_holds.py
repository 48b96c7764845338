"""Holds stack, are set and released by promotions, and freezes apply where they should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freightway.errors import NotFound
from freightway.selection.freezes import Freeze, freeze_verdict, next_freeze_change
from freightway.selection.holds import (
    Hold,
    Holds,
    effective,
    held_reasons,
    hold,
    next_expiry,
    promotion_ended,
    promotion_requested,
    prune,
    release,
    release_origin,
)
from freightway.selection.stage_selector import StageRef, StageSelector

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STAGE = StageRef(project="demo", name="prod")


def by_hand(holds: Holds, promotion: str, freight: str, candidate: str = "new") -> Holds:
    return promotion_requested(
        holds, promotion=promotion, origin="w", freight=freight, candidate=candidate, by="ann", now=T0
    )


def person(name: str = "h", until: datetime | None = None, origin: str = "") -> Hold:
    return Hold(id=name, kind="person", origin=origin, by="bob", reason="audit", since=T0, until=until)


def test_older_freight_by_hand_holds_at_once_and_says_who() -> None:
    holds = by_hand((), "p1", "old")
    assert "by ann" in held_reasons(holds, ["w", "x"], T0)["w"]
    assert "x" not in held_reasons(holds, ["w", "x"], T0)


@pytest.mark.parametrize(
    ("phase", "held"),
    [("Succeeded", True), ("Failed", True), ("Errored", True), ("Aborted", False), ("Superseded", False)],
)
def test_hold_stays_in_every_phase_but_aborted(phase: str, held: bool) -> None:
    holds = promotion_ended(by_hand((), "p1", "old"), "p1", phase)
    assert bool(effective(holds, "w", T0)) is held


def test_promoting_the_candidate_releases_unless_it_is_aborted() -> None:
    holds = by_hand(by_hand((), "p1", "old"), "p2", "new")
    assert not effective(holds, "w", T0)
    assert effective(promotion_ended(holds, "p2", "Aborted"), "w", T0)
    assert promotion_ended(holds, "p2", "Failed") == ()


def test_two_promotions_of_the_candidate_release_when_one_of_them_counts() -> None:
    holds = by_hand(by_hand(by_hand((), "p1", "old"), "p2", "new"), "p3", "new")
    holds = promotion_ended(holds, "p2", "Aborted")
    assert not effective(holds, "w", T0)
    assert promotion_ended(holds, "p3", "Succeeded") == ()


def test_hold_set_by_itself_is_not_released_by_a_promotion() -> None:
    holds = promotion_ended(by_hand(hold((), person()), "p1", "new"), "p1", "Succeeded")
    assert [applying.id for applying in effective(holds, "w", T0)] == ["h"]


def test_rollback_holds_even_if_it_brings_the_candidate() -> None:
    holds = promotion_requested(
        (), promotion="p1", origin="w", freight="a", candidate="a", by="ann", now=T0, kind="rollback"
    )
    assert effective(holds, "w", T0)


def test_holds_stack_and_all_must_go() -> None:
    holds = by_hand(hold(hold((), person("h1", until=T0 + HOUR)), person("h2")), "p1", "old")
    assert len(effective(holds, "w", T0)) == 3
    assert len(effective(holds, "w", T0 + HOUR)) == 2
    assert next_expiry(holds, T0) == T0 + HOUR
    holds = release(holds, "h2")
    assert [applying.id for applying in effective(holds, "w", T0 + HOUR)] == ["p1"]
    assert effective(release_origin(holds, "w"), "w", T0 + HOUR) == ()


def test_releasing_what_is_not_held_is_refused() -> None:
    with pytest.raises(NotFound, match="h1"):
        release(hold((), person("h1")), "nope")


def test_pruning_drops_what_means_nothing_any_more() -> None:
    holds = by_hand((person("gone", origin="x"), person("over", until=T0), person("kept")), "p1", "old")
    assert [left.id for left in prune(holds, ["w"], enabled=True, now=T0)] == ["kept", "p1"]
    assert [left.id for left in prune(holds, ["w"], enabled=False, now=T0)] == ["kept"]


@pytest.mark.parametrize(
    ("fields", "frozen"),
    [
        ({}, True),
        ({"project": "demo"}, True),
        ({"project": "other"}, False),
        ({"selector": StageSelector(name="glob:pro*")}, True),
        ({"selector": StageSelector(name="test")}, False),
        ({"since": T0 + HOUR}, False),
        ({"until": T0}, False),
    ],
)
def test_freeze_applies_to_its_selection(fields: dict[str, object], frozen: bool) -> None:
    freeze = Freeze.model_validate({"id": "z", "owner": "ann", "reason": "sale", "since": T0, **fields})
    assert freeze_verdict([freeze], STAGE, T0).frozen is frozen


def test_freezes_stack() -> None:
    first = Freeze(id="a", owner="ann", reason="sale", since=T0, until=T0 + HOUR)
    second = Freeze(id="b", owner="bob", reason="audit", since=T0, until=T0 + 2 * HOUR, soft=True)
    verdict = freeze_verdict([first, second], STAGE, T0)
    assert (verdict.until, verdict.soft) == (T0 + 2 * HOUR, True)
    assert "ann" in verdict.reason
    assert "audit" in verdict.reason
    assert freeze_verdict([second.model_copy(update={"until": None}), first], STAGE, T0).until is None
    assert next_freeze_change([first, second], T0) == T0 + HOUR
    assert next_freeze_change([first, second], T0 + 2 * HOUR) is None
