"""Webhook receivers, as ProjectConfig and ClusterConfig list them.

Source: Kargo api/v1alpha1/project_config_types.go, pkg/webhook/external.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from freightway.resources.fields import Complaints, LabelSelector, ObjectName, SecretReference, YamlPath
from freightway.resources.meta import Model

RECEIVER_TYPES = (
    "bitbucket",
    "dockerhub",
    "github",
    "gitlab",
    "harbor",
    "quay",
    "artifactory",
    "azure",
    "gitea",
    "generic",
)
"""Every type of webhook receiver, as its key in YAML."""


class ReceiverConfig(Model):
    """What every type of receiver has: the Secret that its requests prove to know."""

    secret_ref: SecretReference = Field(description="Secret that holds the receiver's shared secret.")


class ArtifactoryReceiverConfig(ReceiverConfig):
    """A receiver for JFrog Artifactory."""

    virtual_repo_name: str = Field(
        default="",
        description="Name of the virtual repository that the Warehouses subscribe to, if it is one.",
    )


class IndexRequirement(Model):
    """One condition on an index of Warehouses."""

    key: Literal["subscribedURLs", "receiverPaths"] = Field(description="Index that is looked into.")
    operator: Literal["Equals", "NotEquals"] = Field(description="How the value is compared.")
    value: str = Field(description="Value to compare with; may hold `${{ }}`.")


class IndexSelector(Model):
    """Selects Warehouses by an index."""

    match_indices: tuple[IndexRequirement, ...] = Field(
        min_length=1, description="Conditions; all must hold."
    )


class TargetSelection(Model):
    """Selects the Warehouses that a generic receiver's action concerns; all given parts must hold."""

    kind: Literal["Warehouse"] = Field(description="Kind of the selected resources, always `Warehouse`.")
    name: str = Field(default="", description="Name of the resource; may hold `${{ }}`.")
    label_selector: LabelSelector | None = Field(
        default=None, description="Labels of the resource; values may hold `${{ }}`."
    )
    index_selector: IndexSelector | None = Field(default=None, description="Index entries of the resource.")

    @model_validator(mode="after")
    def _selects_by_something(self) -> TargetSelection:
        has_labels = self.label_selector is not None and (
            self.label_selector.match_labels or self.label_selector.match_expressions
        )
        if not (self.name or has_labels or self.index_selector):
            raise ValueError("needs at least one of name, labelSelector and indexSelector")
        return self


class GenericAction(Model):
    """What a generic receiver does with a request."""

    action: Literal["Refresh"] = Field(description="What is done, always `Refresh`.")
    when_expression: str = Field(default="", description="Expression over `request` that must give true.")
    parameters: dict[str, str] = Field(
        default_factory=dict, description="Literal values, readable as `params`."
    )
    target_selection_criteria: tuple[TargetSelection, ...] = Field(
        min_length=1, description="What is refreshed; one match is enough."
    )


class GenericReceiverConfig(ReceiverConfig):
    """A receiver for any sender."""

    actions: tuple[GenericAction, ...] = Field(
        min_length=1, description="Actions, each with its own condition."
    )


class WebhookReceiver(Model):
    """One webhook receiver: a name and exactly one type."""

    name: ObjectName = Field(description="Name of the receiver, unique in its list.")
    bitbucket: ReceiverConfig | None = Field(default=None, description="Receiver for Bitbucket.")
    dockerhub: ReceiverConfig | None = Field(default=None, description="Receiver for Docker Hub.")
    github: ReceiverConfig | None = Field(default=None, description="Receiver for GitHub.")
    gitlab: ReceiverConfig | None = Field(default=None, description="Receiver for GitLab.")
    harbor: ReceiverConfig | None = Field(default=None, description="Receiver for Harbor.")
    quay: ReceiverConfig | None = Field(default=None, description="Receiver for Quay.")
    artifactory: ArtifactoryReceiverConfig | None = Field(
        default=None, description="Receiver for Artifactory."
    )
    azure: ReceiverConfig | None = Field(
        default=None, description="Receiver for Azure DevOps and registries."
    )
    gitea: ReceiverConfig | None = Field(default=None, description="Receiver for Gitea.")
    generic: GenericReceiverConfig | None = Field(default=None, description="Receiver for any other sender.")

    @model_validator(mode="after")
    def _has_one_type(self) -> WebhookReceiver:
        given = [key for key in RECEIVER_TYPES if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"must have exactly one type, not {', '.join(given)}")
        if not given:
            raise ValueError(f"needs a type, one of {', '.join(RECEIVER_TYPES)}")
        return self

    @property
    def type(self) -> str:
        """The receiver's type, such as ``github``."""
        return next(key for key in RECEIVER_TYPES if getattr(self, key) is not None)


def complain_about_receivers(
    receivers: tuple[WebhookReceiver, ...], found: Complaints, path: YamlPath = ("webhookReceivers",)
) -> None:
    """Note every receiver whose name an earlier one has."""
    first: dict[str, int] = {}
    for index, receiver in enumerate(receivers):
        if receiver.name in first:
            found.add(
                (*path, index, "name"),
                f"{receiver.name!r} is already the name of webhookReceivers[{first[receiver.name]}]",
            )
        first.setdefault(receiver.name, index)
