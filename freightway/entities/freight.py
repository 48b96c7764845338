"""Freight as its Warehouse owns it and Stages copy it, and the messages with which facts travel.

What a fact is and how it changes is in ``freightway.selection.freight_facts``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import Field

from freightway.promotion.model import FreightReference, Origin
from freightway.resources.meta import Model, format_duration
from freightway.selection.freight_facts import FreightFacts


class FreightRecord(FreightFacts):
    """One Freight: what it is made of and what is known about it."""

    metadata: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, reference: FreightReference, discovered_at: datetime) -> Self:
        """Return the record of new Freight."""
        kinds = ("commits", "images", "charts", "artifacts")
        parts = {kind: list(getattr(reference, kind)) for kind in kinds if getattr(reference, kind)}
        return cls(
            name=reference.name,
            alias=reference.alias,
            origin=reference.origin.name,
            discovered_at=discovered_at,
            artifacts=parts,
        )

    @property
    def reference(self) -> FreightReference:
        """The snapshot that promotions carry."""
        return FreightReference(
            name=self.name, alias=self.alias, origin=Origin(name=self.origin), **self.artifacts
        )

    @property
    def label(self) -> str:
        """How people see it: ``alias (first seven digits)``."""
        return f"{self.alias} ({self.name[:7]})" if self.alias else self.name[:7]

    def without_stage(self, stage: str) -> Self:
        """The record once ``stage`` was deleted."""
        return self.model_copy(
            update={
                field: {name: value for name, value in getattr(self, field).items() if name != stage}
                for field in ("currently_in", "verified_in", "approved_for")
            }
        )

    def renamed(self, alias: str) -> Self:
        """The record with another alias."""
        return self.model_copy(update={"alias": alias})

    @property
    def status(self) -> dict[str, Any]:
        """What is known of it by Stage, in Kargo's JSON form, without metadata: what ``freightStatus`` gives."""
        verified = {
            stage: {"verifiedAt": _instant(fact.verified_at)}
            | ({"longestCompletedSoak": format_duration(fact.longest_soak)} if fact.longest_soak else {})
            for stage, fact in self.verified_in.items()
        }
        found = {
            "currentlyIn": {
                stage: {"since": _instant(stay.since)} for stage, stay in self.currently_in.items()
            },
            "verifiedIn": verified,
            "approvedFor": {
                stage: {"approvedAt": _instant(fact.approved_at)} for stage, fact in self.approved_for.items()
            },
        }
        return {name: stages for name, stages in found.items() if stages}

    def annotated(self, values: dict[str, Any]) -> Self:
        """The record with metadata values set; a null removes its key."""
        merged = {**self.metadata, **values}
        kept = {key: value for key, value in merged.items() if value is not None}
        return self.model_copy(update={"metadata": kept})


def statuses(
    records: Mapping[str, FreightRecord], freight: Iterable[str], *asking: object
) -> dict[str, dict[str, Any]]:
    """Return the status of Freight by name, for whom asks by the function ``freightStatus``; else nothing.

    Every request of a step would carry it, and a Freight may be in a thousand Stages.
    """
    if "freightStatus" not in json.dumps(asking, default=str):
        return {}
    return {name: records[name].status for name in freight if name in records}


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class StageFacts(Model):
    """What a Stage tells a Warehouse about Freight; each field names Freight.

    Attributes:
        id: the same facts told twice have the same id.
        metadata: Freight name -> values set by the step ``set-metadata``.
        control_flow: the Stage has no steps and only passes Freight on.
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
    control_flow: bool = False
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
