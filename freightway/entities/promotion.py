"""What the workflow of one promotion is given and what it gives back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from freightway.promotion.model import FreightReference, HealthCheck, Phase, PromotionPlan, StepMeta
from freightway.promotion.progress import Progress
from freightway.resources.meta import Model


class PromotionInput(Model):
    """What a Stage starts a promotion with.

    Attributes:
        stage_metadata: the Stage's metadata when the promotion started.
        freight_metadata: Freight name -> its metadata when the promotion started.
        freight_status: Freight name -> its status then, if a step asks for it.
        frozen: why steps with an effect outside must wait, empty if they need not.
    """

    plan: PromotionPlan | None = None
    stage_metadata: dict[str, Any] = Field(default_factory=dict)
    freight_metadata: dict[str, dict[str, Any]] = Field(default_factory=dict)
    freight_status: dict[str, dict[str, Any]] = Field(default_factory=dict)
    frozen: str = ""


class PromotionResult(Model):
    """How a promotion ended.

    Attributes:
        collection: the Freight the steps saw; what the Stage holds afterwards if it succeeded.
    """

    promotion: str
    phase: Phase
    message: str = ""
    freight: FreightReference
    collection: tuple[FreightReference, ...] = ()
    steps: tuple[StepMeta, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, progress: Progress) -> PromotionResult:
        """Return the result of a promotion that has ended."""
        plan = progress.plan
        return cls(
            promotion=plan.promotion,
            phase=progress.phase,
            message=progress.message,
            freight=plan.freight,
            collection=plan.collection or (plan.freight,),
            steps=progress.metas,
            health_checks=progress.health_checks,
            started_at=progress.started_at,
            finished_at=progress.finished_at,
        )


class Freeze(Model):
    """Tells a running promotion that it is frozen, or with an empty reason that it is not any more."""

    reason: str = ""


class WaitingFor(Model):
    """Told by a promotion to its Stage: what it waits for, or with an empty text that it goes on."""

    promotion: str = ""
    phase: Phase = Phase.RUNNING
    step: str = ""
    text: str = ""
