"""May this Freight come to this Stage, and if not, why not and when.

One rule: the single answer, the list and the explanation are the same function, ``explain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from freightway.resources.meta import Duration, Model, format_duration
from freightway.selection.freight_facts import FreightFacts, later


class FreightRequest(Model):
    """What a Stage asks for from one Warehouse; ``requestedFreight`` in plain fields.

    Attributes:
        origin: name of the Warehouse.
        direct: whether all its Freight may come, without any condition.
        stages: Stages that the Freight must have been verified in.
        strategy: whether in ``All`` of them or in ``OneOf`` them; empty means OneOf.
        soak: how long it must have soaked there.
        policy: what auto-promotion takes; empty means NewestFreight.
    """

    origin: str
    direct: bool = False
    stages: tuple[str, ...] = ()
    strategy: Literal["All", "OneOf", ""] = ""
    soak: Duration | None = None
    policy: Literal["NewestFreight", "MatchUpstream", ""] = ""


class Condition(Model):
    """One thing that Freight needs, or several of which all or any must hold.

    Attributes:
        text: what the condition is, a sentence without a full stop.
        holds: whether it holds now.
        earliest: when it holds by the mere passing of time: now if it holds already, None if something must
            happen first.
        needs: what must happen, empty if it holds.
        parts: the conditions that this one is made of.
    """

    text: str
    holds: bool
    earliest: AwareDatetime | None = None
    needs: str = ""
    parts: tuple[Condition, ...] = ()


class Verdict(Model):
    """The answer for one Freight and one Stage, with its reasons."""

    stage: str
    freight: str
    available: bool
    earliest: AwareDatetime | None = None
    conditions: tuple[Condition, ...] = Field(default=())

    @property
    def needs(self) -> str:
        """What is missing, as one sentence; empty if the Freight is available."""
        return "; ".join(condition.needs for condition in self.conditions if not condition.holds)


def explain(stage: str, requests: Sequence[FreightRequest], facts: FreightFacts, now: datetime) -> Verdict:
    """Return whether Freight may come to a Stage now, each condition, and when it may at the earliest.

    Available is Freight of a requested origin that is approved for the Stage, or requested directly, or
    verified in (and, if asked for, soaked in) the upstream Stages: in each of them under All, in one of them
    under OneOf, where one Stage must meet both.

    Source: Kargo api/v1alpha1 Stage.IsFreightAvailable; differs: the list of available Freight follows the
    same rule. All of no Stages is met, as in Kargo.
    """
    request = next((request for request in requests if request.origin == facts.origin), None)
    conditions: tuple[Condition, ...]
    if request is None:
        text = f"Stage {stage} requests Freight of Warehouse {facts.origin}"
        needs = f"Stage {stage} requests no Freight of Warehouse {facts.origin}"
        conditions = (Condition(text=text, holds=False, needs=needs),)
    else:
        origin = Condition(
            text=f"Stage {stage} requests Freight of Warehouse {facts.origin}", holds=True, earliest=now
        )
        ways = (_approval(stage, facts, now), _sources(request, facts, now))
        conditions = (origin, any_of("it is approved, or its sources let it through", ways))
    whole = all_of("", conditions)
    return Verdict(
        stage=stage,
        freight=facts.name,
        available=whole.holds,
        earliest=whole.earliest,
        conditions=conditions,
    )


def available_freight(
    stage: str, requests: Sequence[FreightRequest], freight: Iterable[FreightFacts], now: datetime
) -> list[FreightFacts]:
    """Return the Freight that may come to a Stage now, newest first."""
    kept = [facts for facts in freight if explain(stage, requests, facts, now).available]
    return sorted(kept, key=lambda facts: facts.age_key, reverse=True)


def next_available_at(
    stage: str, requests: Sequence[FreightRequest], freight: Iterable[FreightFacts], now: datetime
) -> datetime | None:
    """Return when the next Freight becomes available by the passing of time, None if none will."""
    verdicts = (explain(stage, requests, facts, now) for facts in freight)
    times = (verdict.earliest for verdict in verdicts if not verdict.available)
    return min((time for time in times if time is not None), default=None)


def all_of(text: str, parts: Iterable[Condition]) -> Condition:
    """Return the condition that all parts hold; it can hold when the last of them does."""
    parts = tuple(parts)
    times = [part.earliest for part in parts]
    known = [time for time in times if time is not None]
    return Condition(
        text=text,
        holds=all(part.holds for part in parts),
        earliest=max(known, default=None) if len(known) == len(times) else None,
        needs="; ".join(part.needs for part in parts if not part.holds),
        parts=parts,
    )


def any_of(text: str, parts: Iterable[Condition]) -> Condition:
    """Return the condition that one part holds; it can hold when the first of them does."""
    parts = tuple(parts)
    holds = any(part.holds for part in parts)
    return Condition(
        text=text,
        holds=holds,
        earliest=min((part.earliest for part in parts if part.earliest is not None), default=None),
        needs="" if holds else ", or ".join(part.needs for part in parts),
        parts=parts,
    )


def _approval(stage: str, facts: FreightFacts, now: datetime) -> Condition:
    approval = facts.approved_for.get(stage)
    if approval is None:
        text = f"it is approved for Stage {stage}"
        return Condition(text=text, holds=False, needs=f"a person must approve it for Stage {stage}")
    by = f" by {approval.actor}" if approval.actor else ""
    why = f": {approval.reason}" if approval.reason else ""
    return Condition(text=f"it is approved for Stage {stage}{by}{why}", holds=True, earliest=now)


def _sources(request: FreightRequest, facts: FreightFacts, now: datetime) -> Condition:
    if request.direct:
        return Condition(
            text=f"it may come directly from Warehouse {request.origin}", holds=True, earliest=now
        )
    if not request.stages and request.strategy == "All":
        return Condition(text="it is verified in all of no Stages", holds=True, earliest=now)
    if not request.stages:
        text = "the Stage names a source"
        return Condition(text=text, holds=False, needs="the Stage must name a source: direct or stages")
    upstreams = tuple(_upstream(name, request, facts, now) for name in request.stages)
    if len(upstreams) == 1:
        return upstreams[0]
    what = "verified" if request.soak is None else "verified and soaked"
    if request.strategy == "All":
        return all_of(f"it is {what} in all of {', '.join(request.stages)}", upstreams)
    return any_of(f"it is {what} in one of {', '.join(request.stages)}", upstreams)


def _upstream(name: str, request: FreightRequest, facts: FreightFacts, now: datetime) -> Condition:
    fact = facts.verified_in.get(name)
    text = f"it is verified in Stage {name}"
    if fact is None:
        verified = Condition(text=text, holds=False, needs=f"it must be verified in Stage {name}")
    else:
        verified = Condition(text=text, holds=True, earliest=now)
    if request.soak is None:
        return verified
    soaked = _soak(name, request, facts, now)
    return all_of(f"it is verified and has soaked in Stage {name}", (verified, soaked))


def _soak(name: str, request: FreightRequest, facts: FreightFacts, now: datetime) -> Condition:
    """The soak alone; its clock starts with the stay, so that it may run out before verification ends."""
    assert request.soak is not None
    length = format_duration(request.soak)
    text = f"it has soaked in Stage {name} for {length}"
    soaked = facts.soaked(name, now)
    if soaked is not None and soaked >= request.soak:
        return Condition(text=text, holds=True, earliest=now)
    start = facts.soak_started(name)
    if start is None:
        needs = f"it must be in Stage {name} for {length} without a break"
        return Condition(text=text, holds=False, needs=needs)
    end = later(start, request.soak)
    if end <= now:
        # The time is over and only the verification is missing, which is a condition of its own.
        return Condition(text=text, holds=True, earliest=now)
    needs = f"it must soak in Stage {name} until {end.isoformat(timespec='seconds')}"
    return Condition(text=text, holds=False, earliest=end, needs=needs)
