"""Freight and every fact about it, as its Warehouse owns it and Stages copy it. Facts change only here.

Source: Kargo api/v1alpha1/freight_types.go (status) and pkg/controller/stages. Differs: a failed
re-verification withdraws "verified in"; soak in a control-flow Stage counts from the moment it passed on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from freightway.promotion.model import FreightReference
from freightway.resources.meta import Duration, Model


class CurrentlyIn(Model):
    """Freight is in a Stage since a moment."""

    since: datetime


class VerifiedIn(Model):
    """Freight was verified in a Stage; ``longest_soak`` is its longest stay there that has ended."""

    verified_at: datetime
    longest_soak: Duration | None = None


class ApprovedFor(Model):
    """Freight was approved for a Stage by a person."""

    approved_at: datetime
    actor: str = ""
    reason: str = ""


class FreightRecord(Model):
    """One Freight: what it is made of and what is known about it."""

    reference: FreightReference
    discovered_at: datetime
    currently_in: dict[str, CurrentlyIn] = Field(default_factory=dict)
    verified_in: dict[str, VerifiedIn] = Field(default_factory=dict)
    approved_for: dict[str, ApprovedFor] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The Freight's name."""
        return self.reference.name

    @property
    def alias(self) -> str:
        """The Freight's alias."""
        return self.reference.alias

    @property
    def label(self) -> str:
        """How people see it: ``alias (first seven digits)``."""
        return f"{self.alias} ({self.name[:7]})" if self.alias else self.name[:7]

    def entered(self, stage: str, at: datetime) -> FreightRecord:
        """The record once the Freight is in ``stage``; an earlier entry of the same stay stands."""
        if stage in self.currently_in:
            return self
        return self._with(currently_in={**self.currently_in, stage: CurrentlyIn(since=at)})

    def left(self, stage: str, at: datetime) -> FreightRecord:
        """The record once the Freight left ``stage``; its stay counts as soak if it is verified there."""
        stay = self.currently_in.get(stage)
        if stay is None:
            return self
        rest = {name: value for name, value in self.currently_in.items() if name != stage}
        verified = self.verified_in.get(stage)
        if verified is None:
            return self._with(currently_in=rest)
        soak = max(verified.longest_soak or timedelta(0), at - stay.since)
        marked = {**self.verified_in, stage: verified.model_copy(update={"longest_soak": soak})}
        return self._with(currently_in=rest, verified_in=marked)

    def verified(self, stage: str, at: datetime) -> FreightRecord:
        """The record once the Freight is verified in ``stage``; an existing entry stands."""
        if stage in self.verified_in:
            return self
        return self._with(verified_in={**self.verified_in, stage: VerifiedIn(verified_at=at)})

    def withdrawn(self, stage: str) -> FreightRecord:
        """The record once a re-verification in ``stage`` failed."""
        return self._with(
            verified_in={name: value for name, value in self.verified_in.items() if name != stage}
        )

    def approved(self, stage: str, at: datetime, actor: str, reason: str) -> FreightRecord:
        """The record once a person approved the Freight for ``stage``; the first approval stands."""
        if stage in self.approved_for:
            return self
        approval = ApprovedFor(approved_at=at, actor=actor, reason=reason)
        return self._with(approved_for={**self.approved_for, stage: approval})

    def without_stage(self, stage: str) -> FreightRecord:
        """The record once ``stage`` was deleted."""
        return self._with(
            currently_in={name: value for name, value in self.currently_in.items() if name != stage},
            verified_in={name: value for name, value in self.verified_in.items() if name != stage},
            approved_for={name: value for name, value in self.approved_for.items() if name != stage},
        )

    def renamed(self, alias: str) -> FreightRecord:
        """The record with another alias."""
        return self._with(reference=self.reference.model_copy(update={"alias": alias}))

    def annotated(self, values: dict[str, Any]) -> FreightRecord:
        """The record with metadata values set; a null removes its key."""
        merged = {**self.metadata, **values}
        return self._with(metadata={key: value for key, value in merged.items() if value is not None})

    def _with(self, **changes: Any) -> FreightRecord:
        return self.model_copy(update=changes)


class StageFacts(Model):
    """What a Stage tells a Warehouse about Freight; each field names Freight.

    Attributes:
        id: the same facts told twice have the same id.
        metadata: Freight name -> values set by the step ``set-metadata``.
        forget: the Stage was deleted.
    """

    id: str = ""
    stage: str = ""
    at: datetime | None = None
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    verified: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    metadata: dict[str, dict[str, Any]] = Field(default_factory=dict)
    forget: bool = False


class FreightNews(Model):
    """What a Warehouse tells a Stage: changed records, removed names, or everything (a snapshot)."""

    origin: str = ""
    snapshot: bool = False
    records: tuple[FreightRecord, ...] = ()
    removed: tuple[str, ...] = ()


def tell_apart(records: dict[str, FreightRecord], text: str) -> list[FreightRecord]:
    """Return the records that ``text`` may mean: by name, by alias, or by a prefix of seven digits or more."""
    exact = [record for record in records.values() if text in (record.name, record.alias)]
    if exact:
        return exact
    if len(text) < 7:
        return []
    return [record for record in records.values() if record.name.startswith(text)]
