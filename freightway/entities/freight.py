"""Freight as its Warehouse owns it and Stages copy it, and the messages with which facts travel.

What a fact is and how it changes is in ``freightway.selection.freight_facts``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import Field

from freightway.promotion.model import FreightReference, Origin
from freightway.resources.meta import Model
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

    def annotated(self, values: dict[str, Any]) -> Self:
        """The record with metadata values set; a null removes its key."""
        merged = {**self.metadata, **values}
        kept = {key: value for key, value in merged.items() if value is not None}
        return self.model_copy(update={"metadata": kept})


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
