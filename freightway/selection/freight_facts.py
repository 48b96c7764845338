"""Every fact about a piece of Freight that decides where it may go, and how facts change.

One rule: facts are values; each change returns new ones and changing twice is the same as changing once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, Field

from freightway.resources.meta import Duration, Model

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def later(start: datetime, length: timedelta) -> datetime:
    """Return a time so much later, the last possible one if the length goes beyond it."""
    return start + length if length < _END_OF_TIME - start else _END_OF_TIME


class Stay(Model):
    """Freight is in a Stage now, since a promotion of it succeeded there."""

    since: AwareDatetime


class Verified(Model):
    """Freight was verified in a Stage.

    Attributes:
        longest_soak: the longest finished stay there, none before the first one ended.
        control_flow: whether the Stage has no steps and only passes Freight on. Freight never stays there, so
            that its soak time counts from ``verified_at``, the moment it could go on.
    """

    verified_at: AwareDatetime
    longest_soak: Duration | None = None
    control_flow: bool = False


class Approved(Model):
    """A person let Freight into a Stage without verification and soak time."""

    approved_at: AwareDatetime
    actor: str = ""
    reason: str = ""


class FreightFacts(Model):
    """A piece of Freight with everything known about it.

    Attributes:
        origin: name of the Warehouse that made it.
        artifacts: its commits, images, charts and artifacts as JSON, carried along unread.
    """

    name: str
    alias: str = ""
    origin: str
    discovered_at: AwareDatetime
    artifacts: dict[str, Any] = Field(default_factory=dict)
    currently_in: dict[str, Stay] = Field(default_factory=dict)
    verified_in: dict[str, Verified] = Field(default_factory=dict)
    approved_for: dict[str, Approved] = Field(default_factory=dict)

    def __str__(self) -> str:
        return self.alias or self.name

    @property
    def age_key(self) -> tuple[datetime, str]:
        """Sort key of "newest": the time of discovery, then the name."""
        return (self.discovered_at, self.name)

    def soaked(self, stage: str, now: datetime) -> timedelta | None:
        """Return how long the Freight has soaked in a Stage, None where it is not verified.

        Only the longest stay without a break counts; stays are not added up.

        Source: Kargo api/v1alpha1 Freight.HasSoakedIn; differs behind control-flow Stages, where Kargo's
        clock never starts.
        """
        verified = self.verified_in.get(stage)
        if verified is None:
            return None
        start = self.soak_started(stage)
        current = now - start if start is not None else timedelta(0)
        return max(verified.longest_soak or timedelta(0), current)

    def soak_started(self, stage: str) -> datetime | None:
        """Return when the clock that still runs in a Stage was started, None if none runs."""
        if stage in self.currently_in:
            return self.currently_in[stage].since
        verified = self.verified_in.get(stage)
        return verified.verified_at if verified is not None and verified.control_flow else None


def entered(facts: FreightFacts, stage: str, at: datetime) -> FreightFacts:
    """Return the facts after a promotion brought the Freight into a Stage; a stay that goes on keeps its start."""
    if stage in facts.currently_in:
        return facts
    return facts.model_copy(update={"currently_in": {**facts.currently_in, stage: Stay(since=at)}})


def left(facts: FreightFacts, stage: str, at: datetime) -> FreightFacts:
    """Return the facts after other Freight took the place; if verified there, the stay counts as soak."""
    stay = facts.currently_in.get(stage)
    if stay is None:
        return facts
    staying = {name: other for name, other in facts.currently_in.items() if name != stage}
    verified = facts.verified_in.get(stage)
    if verified is None:
        return facts.model_copy(update={"currently_in": staying})
    soak = max(verified.longest_soak or timedelta(0), at - stay.since)
    kept = verified.model_copy(update={"longest_soak": soak})
    return facts.model_copy(
        update={"currently_in": staying, "verified_in": {**facts.verified_in, stage: kept}}
    )


def verified(facts: FreightFacts, stage: str, at: datetime, *, control_flow: bool = False) -> FreightFacts:
    """Return the facts after a verification succeeded; the first success keeps its time."""
    if stage in facts.verified_in:
        return facts
    fact = Verified(verified_at=at, control_flow=control_flow)
    return facts.model_copy(update={"verified_in": {**facts.verified_in, stage: fact}})


def unverified(facts: FreightFacts, stage: str) -> FreightFacts:
    """Return the facts after a verification that was repeated failed.

    Source: none; Kargo never withdraws a verification.
    """
    kept = {name: fact for name, fact in facts.verified_in.items() if name != stage}
    return facts.model_copy(update={"verified_in": kept})


def approved(
    facts: FreightFacts, stage: str, at: datetime, actor: str = "", reason: str = ""
) -> FreightFacts:
    """Return the facts after a person approved the Freight for a Stage; the first approval stays."""
    if stage in facts.approved_for:
        return facts
    fact = Approved(approved_at=at, actor=actor, reason=reason)
    return facts.model_copy(update={"approved_for": {**facts.approved_for, stage: fact}})
