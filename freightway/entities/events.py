"""Events: one typed stream of what happened, emitted in one place and kept by each entity.

Source: Kargo's event reasons (``api/v1alpha1/event_types.go``), and those it lacks.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from freightway.resources.meta import Model

KEPT_EVENTS = 100
"""How many events an entity keeps."""


class Reason(StrEnum):
    """Why an event was emitted."""

    PROMOTION_CREATED = "PromotionCreated"
    PROMOTION_STARTED = "PromotionStarted"
    PROMOTION_SUCCEEDED = "PromotionSucceeded"
    PROMOTION_FAILED = "PromotionFailed"
    PROMOTION_ERRORED = "PromotionErrored"
    PROMOTION_ABORTED = "PromotionAborted"
    PROMOTION_SUPERSEDED = "PromotionSuperseded"
    PROMOTION_PARKED = "PromotionParked"
    PROMOTION_RESUMED = "PromotionResumed"
    PROMOTION_REFUSED = "PromotionRefused"
    PROMOTION_WAITING_FOR_PERSON = "PromotionWaitingForPerson"
    FREIGHT_CREATED = "FreightCreated"
    FREIGHT_APPROVED = "FreightApproved"
    FREIGHT_DELETED = "FreightDeleted"
    FREIGHT_VERIFICATION_SUCCEEDED = "FreightVerificationSucceeded"
    FREIGHT_VERIFICATION_FAILED = "FreightVerificationFailed"
    FREIGHT_VERIFICATION_ERRORED = "FreightVerificationErrored"
    FREIGHT_VERIFICATION_ABORTED = "FreightVerificationAborted"
    FREIGHT_VERIFICATION_INCONCLUSIVE = "FreightVerificationInconclusive"
    FREIGHT_VERIFICATION_WITHDRAWN = "FreightVerificationWithdrawn"
    HOLD_SET = "HoldSet"
    HOLD_LIFTED = "HoldLifted"
    FROZEN = "Frozen"
    UNFROZEN = "Unfrozen"
    BREAK_GLASS = "BreakGlass"
    ROLLBACK_STARTED = "RollbackStarted"
    DISCOVERY_FAILED = "DiscoveryFailed"
    DISCOVERY_RECOVERED = "DiscoveryRecovered"
    HEALTH_CHANGED = "HealthChanged"
    RESOURCE_APPLIED = "ResourceApplied"
    RESOURCE_DELETED = "ResourceDeleted"


class Event(Model):
    """One thing that happened.

    Attributes:
        sequence: counts up within one entity, from 1.
        entity: workflow id of the entity that emitted it.
        detail: further facts, plain JSON.
    """

    sequence: int
    at: datetime
    entity: str
    reason: Reason
    message: str
    actor: str = ""
    project: str = ""
    stage: str = ""
    freight: str = ""
    promotion: str = ""
    detail: dict[str, Any] = Field(default_factory=dict)


class EventLog(Model):
    """The last events of one entity; adding one gives a new log."""

    sequence: int = 0
    events: tuple[Event, ...] = ()

    def add(self, event: Event) -> EventLog:
        """Return the log with one more event, numbered; the oldest beyond the limit fall out."""
        numbered = event.model_copy(update={"sequence": self.sequence + 1})
        return EventLog(sequence=self.sequence + 1, events=(*self.events, numbered)[-KEPT_EVENTS:])
