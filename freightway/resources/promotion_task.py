"""PromotionTask and ClusterPromotionTask: steps that several Stages use.

Source: Kargo api/v1alpha1/promotion_task_types.go.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from freightway.resources.fields import Complaints, KargoResource
from freightway.resources.meta import Model, Variable
from freightway.resources.step import TaskStep, complain_about_aliases


class PromotionTaskSpec(Model):
    """Variables and steps of a task."""

    vars: tuple[Variable, ...] = Field(
        default=(),
        description="Variables the task takes; one without a value must be given by who uses the task.",
    )
    steps: tuple[TaskStep, ...] = Field(min_length=1, description="Steps of the task, in order.")

    @model_validator(mode="after")
    def _aliases_are_free(self) -> PromotionTaskSpec:
        found = Complaints()
        complain_about_aliases(self.steps, found)
        found.raise_any()
        return self


class PromotionTask(KargoResource):
    """Steps that the Stages of one project use."""

    kind: Literal["PromotionTask"] = "PromotionTask"
    spec: PromotionTaskSpec


class ClusterPromotionTask(KargoResource):
    """Steps that the Stages of every project use."""

    cluster_wide: ClassVar[bool] = True

    kind: Literal["ClusterPromotionTask"] = "ClusterPromotionTask"
    spec: PromotionTaskSpec
