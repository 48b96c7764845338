"""ProjectConfig: promotion policies, webhook receivers and links of one project.

Source: Kargo api/v1alpha1/project_config_types.go, pkg/webhook/kubernetes/projectconfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from freightway.errors import InvalidResource
from freightway.patterns.pattern import NamePattern
from freightway.resources.fields import (
    Complaints,
    KargoResource,
    LabelSelector,
    NonEmpty,
    ObjectName,
    StrictBool,
    YamlPath,
)
from freightway.resources.meta import Model
from freightway.resources.webhook_receiver import WebhookReceiver, complain_about_receivers


class NameSelector(LabelSelector):
    """Selects resources by name and labels; without any part it selects everything."""

    name: str = Field(
        default="",
        description="Exact name, or a pattern with the prefix `glob:` (whole name) or `regex:` (anywhere in it).",
    )

    @field_validator("name")
    @classmethod
    def _pattern_parses(cls, name: str) -> str:
        prefix, colon, _ = name.partition(":")
        if colon and prefix not in {"glob", "regex", "regexp"}:
            raise ValueError(f"{name!r} has the unknown prefix {prefix!r}; use glob:, regex: or a plain name")
        try:
            NamePattern(name)
        except InvalidResource as error:
            raise ValueError(str(error)) from None
        return name

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a resource of that name and with those labels is selected."""
        return (not self.name or NamePattern(self.name).matches(name)) and self.matches(labels)


class AutoRollback(Model):
    """After which outcomes the Stage goes back to its last good Freight."""

    on_promotion: tuple[Literal["Failed", "Errored"], ...] = Field(
        default=(), max_length=2, description="Phases of a promotion that cause a rollback."
    )
    on_verification: tuple[Literal["Failed", "Error"], ...] = Field(
        default=("Failed",), max_length=2, description="Phases of a verification that cause a rollback."
    )


class PromotionPolicy(Model):
    """What holds for the Stages it selects; the first policy that selects a Stage counts."""

    stage: str = Field(default="", description="Exact name of a Stage; deprecated, use `stageSelector`.")
    stage_selector: NameSelector | None = Field(default=None, description="Stages that the policy is for.")
    auto_promotion_enabled: StrictBool = Field(
        default=False, description="Whether new Freight is promoted without a person asking for it."
    )
    auto_rollback: AutoRollback | None = Field(
        default=None, description="After which outcomes the Stage goes back to its last good Freight."
    )

    @model_validator(mode="after")
    def _names_stages_once(self) -> PromotionPolicy:
        if bool(self.stage) == (self.stage_selector is not None):
            raise ValueError("needs exactly one of stage and stageSelector")
        return self

    @property
    def exact_stage(self) -> str:
        """The one Stage that the policy names exactly, empty if it names none or uses a pattern."""
        if self.stage or self.stage_selector is None:
            return self.stage
        name = self.stage_selector.name
        return "" if ":" in name else name

    def selects(self, stage: str, labels: Mapping[str, str]) -> bool:
        """Tell whether the policy is for a Stage of that name and with those labels."""
        if self.stage_selector is None:
            return stage == self.stage
        return self.stage_selector.selects(stage, labels)


class DeepLink(Model):
    """A link that people see beside a Freight or a Stage."""

    title: NonEmpty = Field(description="Text of the link.")
    url: NonEmpty = Field(description="Address, a Go template over `freight` or `stage`.")
    description: str = Field(default="", description="What the link leads to.")
    if_: str = Field(
        default="", alias="if", description="Expression that must give true for the link to be shown."
    )


class PromotionWindow(Model):
    """A time in which promotions are allowed or denied."""

    name: ObjectName = Field(description="Name of the window, unique in its list.")
    kind: Literal["Allow", "Deny"] = Field(description="Whether the window allows or denies promotions.")
    stage_selector: NameSelector | None = Field(default=None, description="Stages that the window is for.")
    project_selector: NameSelector | None = Field(
        default=None, description="Projects that the window is for (ClusterConfig only)."
    )
    rrule: str = Field(default="", description="Recurrence, an RFC 5545 RRULE.")
    dtstart: str = Field(
        default="", description="Begin of the first occurrence, iCalendar, may start with `TZID=`."
    )
    dtend: str = Field(
        default="", description="End of the first occurrence, iCalendar, may start with `TZID=`."
    )


class ProjectConfigSpec(Model):
    """Policies, receivers, links and windows of a project."""

    promotion_policies: tuple[PromotionPolicy, ...] = Field(
        default=(), description="Policies in order; the first that selects a Stage counts."
    )
    webhook_receivers: tuple[WebhookReceiver, ...] = Field(default=(), description="Webhook receivers.")
    freight_links: tuple[DeepLink, ...] = Field(default=(), description="Links shown beside each Freight.")
    stage_links: tuple[DeepLink, ...] = Field(default=(), description="Links shown beside each Stage.")
    promotion_windows: tuple[PromotionWindow, ...] = Field(
        default=(), description="Times in which promotions are allowed or denied."
    )

    @model_validator(mode="after")
    def _lists_are_consistent(self) -> ProjectConfigSpec:
        found = Complaints()
        first: dict[str, int] = {}
        for index, policy in enumerate(self.promotion_policies):
            stage = policy.exact_stage
            if stage and stage in first:
                place: YamlPath = ("stage",) if policy.stage else ("stageSelector", "name")
                found.add(
                    ("promotionPolicies", index, *place),
                    f"Stage {stage!r} already has promotionPolicies[{first[stage]}]",
                )
            first.setdefault(stage, index)
        complain_about_receivers(self.webhook_receivers, found)
        complain_about_windows(self.promotion_windows, found)
        found.raise_any()
        return self

    def policy_for(self, stage: str, labels: Mapping[str, str]) -> PromotionPolicy | None:
        """Return the first policy that selects a Stage, None if there is none.

        Source: Kargo pkg/api/stage.go.
        """
        return next((policy for policy in self.promotion_policies if policy.selects(stage, labels)), None)


def complain_about_windows(windows: tuple[PromotionWindow, ...], found: Complaints) -> None:
    """Note every window whose name an earlier one has."""
    first: dict[str, int] = {}
    for index, window in enumerate(windows):
        if window.name in first:
            found.add(
                ("promotionWindows", index, "name"),
                f"{window.name!r} is already the name of promotionWindows[{first[window.name]}]",
            )
        first.setdefault(window.name, index)


class ProjectConfig(KargoResource):
    """The configuration of the project that it lives in and is named after."""

    kind: Literal["ProjectConfig"] = "ProjectConfig"
    spec: ProjectConfigSpec = Field(default_factory=ProjectConfigSpec)

    @property
    def project(self) -> str:
        """The project, which has the resource's own name."""
        return self.metadata.namespace or self.metadata.name

    @model_validator(mode="after")
    def _is_named_after_its_project(self) -> ProjectConfig:
        found = Complaints()
        if self.metadata.namespace and self.metadata.namespace != self.metadata.name:
            found.add(
                ("metadata", "name"),
                f"{self.metadata.name!r} must be the name of the project, {self.metadata.namespace!r}",
            )
        found.raise_any()
        return self
