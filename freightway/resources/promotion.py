"""Promotion: the wish to bring one Freight into one Stage.

Source: Kargo api/v1alpha1/promotion_types.go, pkg/webhook/kubernetes/promotion.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from freightway.resources.fields import FreightOrigin, KargoResource, ObjectName
from freightway.resources.meta import Metadata, Model, Variable
from freightway.resources.step import Step


class PromotionSpec(Model):
    """Which Freight goes to which Stage."""

    stage: ObjectName = Field(description="Stage to promote to.")
    freight: str = Field(default="", description="Freight to promote, by name or alias.")
    origin: FreightOrigin | None = Field(
        default=None,
        description="Warehouse whose auto-promotion candidate is promoted; instead of `freight`.",
    )
    target: str = Field(default="", description="Target to promote to.")
    vars: tuple[Variable, ...] = Field(default=(), description="Always replaced by the Stage's.")
    steps: tuple[Step, ...] = Field(default=(), description="Always replaced by the Stage's.")

    @model_validator(mode="after")
    def _names_freight_once(self) -> PromotionSpec:
        if bool(self.freight) == (self.origin is not None):
            raise ValueError("needs exactly one of freight and origin")
        return self


class Promotion(KargoResource):
    """One promotion; its name, variables and steps are given by Freightway."""

    name_given: ClassVar[bool] = False

    kind: Literal["Promotion"] = "Promotion"
    metadata: Metadata = Field(default_factory=Metadata)
    spec: PromotionSpec
