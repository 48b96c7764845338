"""Stage: which Freight it takes, how that is promoted, and how the result is verified.

Source: Kargo api/v1alpha1/stage_types.go, pkg/webhook/kubernetes/stage.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from freightway.resources.fields import (
    Complaints,
    FreightOrigin,
    KargoDuration,
    KargoResource,
    LabelSelector,
    NonEmpty,
    StrictBool,
    complain_about_settings,
)
from freightway.resources.meta import Metadata, Model, Variable
from freightway.resources.settings import StageSettings, stage_settings
from freightway.resources.step import Step, complain_about_aliases


class AutoPromotionOptions(Model):
    """Which Freight auto-promotion chooses."""

    selection_policy: Literal["NewestFreight", "MatchUpstream", ""] = Field(
        default="",
        description="`NewestFreight` (also if unset), or `MatchUpstream`: what the one upstream Stage holds now.",
    )


class FreightSources(Model):
    """Where a Stage takes Freight of one origin from."""

    direct: StrictBool = Field(
        default=False, description="Whether Freight comes straight from the Warehouse."
    )
    stages: tuple[str, ...] = Field(
        default=(), description="Upstream Stages in which Freight must be verified."
    )
    required_soak_time: KargoDuration | None = Field(
        default=None, description="How long Freight must have stayed in an upstream Stage."
    )
    availability_strategy: Literal["All", "OneOf", ""] = Field(
        default="",
        description="Whether all upstream Stages must have verified the Freight or one (also if unset).",
    )
    auto_promotion_options: AutoPromotionOptions | None = Field(
        default=None, description="Which Freight auto-promotion chooses."
    )

    @model_validator(mode="after")
    def _match_upstream_has_one_upstream(self) -> FreightSources:
        found = Complaints()
        options = self.auto_promotion_options
        if options is not None and options.selection_policy == "MatchUpstream":
            place = ("autoPromotionOptions", "selectionPolicy")
            if self.direct:
                found.add(place, "MatchUpstream cannot be combined with direct: true")
            if len(self.stages) != 1:
                found.add(place, f"MatchUpstream needs exactly one upstream Stage, not {len(self.stages)}")
        found.raise_any()
        return self


class FreightRequest(Model):
    """Freight that a Stage takes: of which origin, and from where."""

    origin: FreightOrigin = Field(description="Warehouse the Freight belongs to.")
    sources: FreightSources = Field(
        default_factory=FreightSources, description="Where the Stage takes the Freight from."
    )


class PromotionTemplateSpec(Model):
    """Variables and steps of every promotion to a Stage."""

    vars: tuple[Variable, ...] = Field(
        default=(), description="Variables of the promotions, after the Stage's own."
    )
    steps: tuple[Step, ...] = Field(default=(), description="Steps of a promotion, in order.")

    @model_validator(mode="after")
    def _aliases_are_free(self) -> PromotionTemplateSpec:
        found = Complaints()
        complain_about_aliases(self.steps, found)
        found.raise_any()
        return self


class PromotionTemplate(Model):
    """How Freight is promoted to a Stage."""

    spec: PromotionTemplateSpec = Field(description="Variables and steps.")


class AnalysisTemplateReference(Model):
    """Names an AnalysisTemplate or ClusterAnalysisTemplate."""

    name: NonEmpty = Field(description="Name of the template.")
    kind: Literal["AnalysisTemplate", "ClusterAnalysisTemplate"] = Field(
        default="AnalysisTemplate",
        description="`AnalysisTemplate` (same project) or `ClusterAnalysisTemplate`.",
    )


class AnalysisRunMetadata(Model):
    """Labels and annotations that verifications carry."""

    labels: dict[str, str] = Field(default_factory=dict, description="Labels.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations.")


class VerificationArgument(Model):
    """A value for an argument of the templates."""

    name: NonEmpty = Field(description="Name of the argument.")
    value: str = Field(description="Value; may hold `${{ }}` and must then give a text.")


class Verification(Model):
    """How the result of a promotion is verified."""

    analysis_templates: tuple[AnalysisTemplateReference, ...] = Field(
        default=(), description="Templates whose metrics are measured."
    )
    analysis_run_metadata: AnalysisRunMetadata | None = Field(
        default=None, description="Labels and annotations that verifications carry."
    )
    args: tuple[VerificationArgument, ...] = Field(
        default=(), description="Values for arguments of the templates."
    )


class StageTargets(Model):
    """Targets that a Stage stands for."""

    selectors: tuple[LabelSelector, ...] = Field(default=(), description="Selectors of Targets.")


class StageSpec(Model):
    """What a Stage takes, does and verifies."""

    shard: str = Field(default="", description="Shard whose workers run the steps and metrics.")
    vars: tuple[Variable, ...] = Field(
        default=(), description="Variables of promotions and verification arguments."
    )
    requested_freight: tuple[FreightRequest, ...] = Field(
        min_length=1, description="Freight that the Stage takes."
    )
    promotion_template: PromotionTemplate | None = Field(
        default=None, description="How Freight is promoted; without steps the Stage only controls the flow."
    )
    verification: Verification | None = Field(default=None, description="How the result is verified.")
    targets: StageTargets | None = Field(default=None, description="Targets that the Stage stands for.")

    @model_validator(mode="after")
    def _origins_are_unique(self) -> StageSpec:
        found = Complaints()
        first: dict[str, int] = {}
        for index, request in enumerate(self.requested_freight):
            origin = str(request.origin)
            if origin in first:
                found.add(
                    ("requestedFreight", index, "origin"),
                    f"{origin} is already the origin of requestedFreight[{first[origin]}]",
                )
            first.setdefault(origin, index)
        found.raise_any()
        return self

    @property
    def steps(self) -> tuple[Step, ...]:
        """The template's steps, none for a control-flow Stage."""
        return self.promotion_template.spec.steps if self.promotion_template else ()

    @property
    def promotion_vars(self) -> tuple[Variable, ...]:
        """The variables of a promotion: the Stage's own, then the template's."""
        return self.vars + (self.promotion_template.spec.vars if self.promotion_template else ())


class Stage(KargoResource):
    """A place that Freight is promoted to."""

    kind: Literal["Stage"] = "Stage"
    spec: StageSpec

    @property
    def is_control_flow(self) -> bool:
        """Whether the Stage has no steps and only gathers and passes Freight on."""
        return not self.spec.steps

    @property
    def settings(self) -> StageSettings:
        """Freightway's own settings, from its annotations."""
        return stage_settings(self.metadata.annotations)

    @field_validator("metadata")
    @classmethod
    def _settings_are_known(cls, metadata: Metadata) -> Metadata:
        complain_about_settings(lambda: stage_settings(metadata.annotations))
        return metadata
