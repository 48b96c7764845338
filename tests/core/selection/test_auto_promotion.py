"""Auto-promotion takes the right Freight once, and says why it takes none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freightway.errors import InvalidResource
from freightway.resources.project_config import PromotionPolicy as ResourcePolicy
from freightway.selection import freight_facts
from freightway.selection.auto_promotion import (
    Attempt,
    Decision,
    PromotionPolicy,
    Situation,
    decide,
    is_auto_promotion_enabled,
    policy_for,
)
from freightway.selection.availability import FreightRequest
from freightway.selection.freight_facts import FreightFacts
from freightway.selection.stage_selector import LabelRequirement, StageRef, StageSelector

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIRECT = FreightRequest(origin="w", direct=True)
STAGE = StageRef(project="demo", name="prod-eu", labels={"tier": "gold"})


def fleet(count: int) -> list[FreightFacts]:
    return [FreightFacts(name=f"f{n}", origin="w", discovered_at=T0 + n * HOUR) for n in range(count)]


def one(
    freight: list[FreightFacts], situation: Situation | None = None, request: FreightRequest = DIRECT
) -> Decision:
    decisions = decide(
        "s", enabled=True, requests=[request], freight=freight, situation=situation or Situation(), now=T0
    )
    assert len(decisions) == 1
    return decisions[0]


def attempt(phase: str, freight: str = "f1", hours: int = 0) -> Attempt:
    return Attempt(promotion=f"p{hours}", freight=freight, phase=phase, created_at=T0 + hours * HOUR)


def test_newest_available_freight_is_promoted() -> None:
    decision = one(fleet(2))
    assert (decision.freight, decision.promote) == ("f1", True)


def test_nothing_is_promoted_while_disabled() -> None:
    (decision,) = decide(
        "s", enabled=False, requests=[DIRECT], freight=fleet(1), situation=Situation(), now=T0
    )
    assert not decision.promote
    assert "not enabled" in decision.reason


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (Situation(current={"w": "f1"}), "is in the Stage"),
        (Situation(held={"w": "held by ann"}), "held by ann"),
        (Situation(attempts=(attempt("Pending"),)), "waiting or running"),
        (Situation(attempts=(attempt("Running"),)), "waiting or running"),
        (Situation(attempts=(attempt("Parked"),)), "waiting or running"),
        (Situation(attempts=(attempt("Failed"),)), "ended Failed"),
        (Situation(attempts=(attempt("Errored"),)), "ended Errored"),
        (Situation(attempts=(attempt("Succeeded"), attempt("Aborted", hours=1))), "ended Aborted"),
    ],
)
def test_nothing_is_promoted_for_a_reason(situation: Situation, reason: str) -> None:
    decision = one(fleet(2), situation)
    assert not decision.promote
    assert reason in decision.reason


@pytest.mark.parametrize(
    "attempts",
    [
        (attempt("Failed", "f0"),),
        (attempt("Failed"), attempt("Succeeded", hours=1)),
        (attempt("Superseded"),),
    ],
)
def test_past_attempts_that_do_not_block(attempts: tuple[Attempt, ...]) -> None:
    assert one(fleet(2), Situation(attempts=attempts)).promote


def test_newest_freight_never_goes_back_to_older_freight() -> None:
    freight = fleet(2)
    freight[0] = freight_facts.verified(freight[0], "up", T0)
    request = FreightRequest(origin="w", stages=("up",))
    decision = one(freight, Situation(current={"w": "f1"}), request)
    assert not decision.promote
    assert "older" in decision.reason


def test_match_upstream_follows_the_upstream_also_back() -> None:
    request = FreightRequest(origin="w", stages=("up",), policy="MatchUpstream")
    freight = [freight_facts.verified(facts, "up", T0) for facts in fleet(3)]
    assert not one(freight, request=request).promote
    freight[1] = freight_facts.entered(freight[1], "up", T0)
    assert one(freight, Situation(current={"w": "f2"}), request).freight == "f1"
    freight[2] = freight_facts.entered(freight[2], "up", T0)
    assert not one(freight, request=request).promote


def test_each_origin_is_decided_by_itself() -> None:
    requests = [DIRECT, FreightRequest(origin="x", direct=True)]
    decisions = decide(
        "s", enabled=True, requests=requests, freight=fleet(1), situation=Situation(held={"w": "h"}), now=T0
    )
    assert [(decision.origin, decision.promote) for decision in decisions] == [("w", False), ("x", False)]
    assert "no Freight" in decisions[1].reason


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (StageSelector(), True),
        (StageSelector(name="prod-eu"), True),
        (StageSelector(name="prod"), False),
        (StageSelector(name="glob:prod-*"), True),
        (StageSelector(name="regex:eu$"), True),
        (StageSelector(name="regexp:^eu"), False),
        (StageSelector(match_labels={"tier": "gold"}), True),
        (StageSelector(name="glob:prod-*", match_labels={"tier": "iron"}), False),
        (
            StageSelector(match_expressions=(LabelRequirement(key="tier", operator="In", values=("gold",)),)),
            True,
        ),
        (
            StageSelector(match_expressions=(LabelRequirement(key="zone", operator="In", values=("a",)),)),
            False,
        ),
        (
            StageSelector(match_expressions=(LabelRequirement(key="zone", operator="NotIn", values=("a",)),)),
            True,
        ),
        (
            StageSelector(
                match_expressions=(LabelRequirement(key="tier", operator="NotIn", values=("gold",)),)
            ),
            False,
        ),
        (StageSelector(match_expressions=(LabelRequirement(key="tier", operator="Exists"),)), True),
        (StageSelector(match_expressions=(LabelRequirement(key="tier", operator="DoesNotExist"),)), False),
    ],
)
def test_selector(selector: StageSelector, selected: bool) -> None:
    assert selector.selects(STAGE.name, STAGE.labels) is selected


def test_first_matching_policy_counts() -> None:
    policies = [
        PromotionPolicy(stage="other", auto_promotion_enabled=True),
        PromotionPolicy(stage_selector=StageSelector(name="glob:prod-*")),
        PromotionPolicy(stage="prod-eu", auto_promotion_enabled=True),
    ]
    assert policy_for(policies, STAGE) is policies[1]
    assert not is_auto_promotion_enabled(policies, STAGE)
    assert is_auto_promotion_enabled(policies[2:], STAGE)
    assert not is_auto_promotion_enabled(list[PromotionPolicy](), STAGE)


def test_policies_of_a_project_config_are_policies() -> None:
    policy = ResourcePolicy.model_validate({"stage": "prod-eu", "autoPromotionEnabled": True})
    assert is_auto_promotion_enabled([policy], STAGE)


def test_bad_pattern_of_a_selector_is_refused() -> None:
    with pytest.raises(InvalidResource):
        StageSelector(name="regex:(")
