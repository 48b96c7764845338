"""What a Stage promotes without being asked.

One rule: one candidate for each requested Warehouse, the newest that may come; it is promoted unless there is
a reason not to, and the reason is part of the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from pydantic import AwareDatetime, Field

from freightway.resources.meta import Model
from freightway.selection.availability import FreightRequest, available_freight
from freightway.selection.freight_facts import FreightFacts
from freightway.selection.stage_selector import Selector, StageRef, StageSelector, first_selecting

BLOCKING_PHASES = frozenset({"Failed", "Errored", "Aborted"})
"""How an attempt may end so that the same Freight is not tried again by itself."""

TERMINAL_PHASES = BLOCKING_PHASES | {"Succeeded", "Superseded"}
"""The phases in which a promotion is over; a parked one is not."""


class Policy(Selector, Protocol):
    """What a promotion policy says; ``promotionPolicies`` of a ProjectConfig are such."""

    @property
    def auto_promotion_enabled(self) -> bool:
        """Whether the Stages it selects promote by themselves."""


class PromotionPolicy(Model):
    """A promotion policy in plain fields: one Stage by name, or the Stages of a selector."""

    stage: str = ""
    stage_selector: StageSelector | None = None
    auto_promotion_enabled: bool = False

    def selects(self, name: str, labels: Mapping[str, str], /) -> bool:
        """Return whether the policy is for a Stage."""
        if self.stage_selector is None:
            return self.stage == name
        return self.stage_selector.selects(name, labels)


PolicyT = TypeVar("PolicyT", bound=Policy)


def policy_for(policies: Iterable[PolicyT], stage: StageRef) -> PolicyT | None:
    """Return the policy that counts for a Stage: the first that selects it, None if none does.

    Source: Kargo pkg/api, first match wins even if a later policy matches too.
    """
    return first_selecting(policies, stage)


def is_auto_promotion_enabled(policies: Iterable[PolicyT], stage: StageRef) -> bool:
    """Return whether a Stage promotes by itself; without a policy it does not."""
    policy = policy_for(policies, stage)
    return policy is not None and policy.auto_promotion_enabled


class Attempt(Model):
    """A promotion of this Stage, waiting, running or over."""

    promotion: str
    freight: str
    phase: str = "Pending"
    created_at: AwareDatetime

    @property
    def is_over(self) -> bool:
        """Whether the promotion has ended."""
        return self.phase in TERMINAL_PHASES


class Situation(Model):
    """What a Stage holds and has tried.

    Attributes:
        current: Freight in the Stage, by the name of its Warehouse.
        attempts: promotions of the Stage that are known, in any order.
        held: why nothing is promoted by itself, by the name of the Warehouse.
    """

    current: dict[str, str] = Field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    held: dict[str, str] = Field(default_factory=dict)


class Decision(Model):
    """What auto-promotion does for one Warehouse.

    Attributes:
        freight: the candidate, empty if there is none.
        promote: whether it is promoted now.
        reason: why, or why not; a sentence without a full stop.
    """

    origin: str
    freight: str = ""
    promote: bool
    reason: str


def candidate(
    stage: str, request: FreightRequest, freight: Iterable[FreightFacts], now: datetime
) -> FreightFacts | None:
    """Return the Freight that auto-promotion would take for one request, None if there is none.

    NewestFreight takes the newest that is available. MatchUpstream takes what is in the one upstream Stage now,
    if it is available, also if that is older; while two are there it takes none.

    Source: Kargo pkg/api/auto_promotion.go.
    """
    available = available_freight(stage, (request,), freight, now)
    if request.policy == "MatchUpstream":
        upstream = request.stages[0] if len(request.stages) == 1 else ""
        available = [facts for facts in available if upstream in facts.currently_in]
        return available[0] if len(available) == 1 else None
    return available[0] if available else None


def decide(
    stage: str,
    *,
    enabled: bool,
    requests: Sequence[FreightRequest],
    freight: Sequence[FreightFacts],
    situation: Situation,
    now: datetime,
) -> tuple[Decision, ...]:
    """Return what auto-promotion does now, one decision for each request, in the order of the requests.

    Args:
        stage: name of the Stage.
        enabled: whether the policy of the Stage switches auto-promotion on.
        requests: what the Stage asks for.
        freight: facts about all Freight of the requested Warehouses, that of the Stage included.
        situation: what the Stage holds and has tried.
        now: the time to decide at.
    Source: Kargo pkg/controller/stages/regular_stages.go; differs: under NewestFreight it never goes back to
        Freight older than what the Stage holds, which matters when a verification was withdrawn.
    """
    if not enabled:
        reason = f"auto-promotion is not enabled for Stage {stage}"
        return tuple(Decision(origin=request.origin, promote=False, reason=reason) for request in requests)
    return tuple(_decide_one(stage, request, freight, situation, now) for request in requests)


def _decide_one(
    stage: str,
    request: FreightRequest,
    freight: Sequence[FreightFacts],
    situation: Situation,
    now: datetime,
) -> Decision:
    origin = request.origin
    chosen = candidate(stage, request, freight, now)
    name = chosen.name if chosen is not None else ""
    if origin in situation.held:
        return Decision(origin=origin, freight=name, promote=False, reason=situation.held[origin])
    if chosen is None:
        return Decision(origin=origin, promote=False, reason=f"no Freight of Warehouse {origin} is available")
    reason = _obstacle(chosen, request, freight, situation)
    if reason:
        return Decision(origin=origin, freight=name, promote=False, reason=reason)
    how = "it is in the upstream Stage" if request.policy == "MatchUpstream" else "it is the newest available"
    return Decision(origin=origin, freight=name, promote=True, reason=how)


def _obstacle(
    chosen: FreightFacts, request: FreightRequest, freight: Sequence[FreightFacts], situation: Situation
) -> str:
    """Why the candidate is not promoted, empty if nothing speaks against it."""
    held = situation.current.get(request.origin, "")
    if held == chosen.name:
        return f"Freight {chosen} is in the Stage"
    attempts = [attempt for attempt in situation.attempts if attempt.freight == chosen.name]
    for attempt in attempts:
        if not attempt.is_over:
            return f"promotion {attempt.promotion} of Freight {chosen} is waiting or running"
    ended = [attempt for attempt in attempts if attempt.phase != "Superseded"]
    newest = max(ended, key=lambda attempt: (attempt.created_at, attempt.promotion), default=None)
    if newest is not None and newest.phase in BLOCKING_PHASES:
        return f"promotion {newest.promotion} of Freight {chosen} ended {newest.phase}; promote it by hand to try again"
    if request.policy != "MatchUpstream":
        current = next((facts for facts in freight if facts.name == held), None)
        if current is not None and current.age_key > chosen.age_key:
            return f"Freight {chosen} is older than Freight {current}, which is in the Stage"
    return ""
