"""Freight: a named set of artifacts that moves from Stage to Stage.

Source: Kargo api/v1alpha1/freight_types.go, pkg/webhook/kubernetes/freight.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from freightway.resources.fields import FreightOrigin, KargoResource, NonEmpty, OptionalLabel, Timestamp
from freightway.resources.meta import Metadata, Model


class GitCommit(Model):
    """A commit of a Git repository."""

    repo_url: str = Field(default="", alias="repoURL", description="Address of the repository.")
    id: str = Field(default="", description="Full id of the commit.")
    branch: str = Field(default="", description="Branch it was found on.")
    tag: str = Field(default="", description="Tag that led to it.")
    message: str = Field(default="", description="First line of its message.")
    author: str = Field(default="", description="Author, `Name <email>`.")
    committer: str = Field(default="", description="Committer, `Name <email>`.")
    subscription_name: str = Field(default="", description="Name of the subscription that found it.")


class Image(Model):
    """A container image."""

    repo_url: str = Field(default="", alias="repoURL", description="Repository, without tag and digest.")
    tag: str = Field(default="", description="Tag.")
    digest: str = Field(default="", description="Digest, such as `sha256:...`.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations of the image.")
    subscription_name: str = Field(default="", description="Name of the subscription that found it.")


class Chart(Model):
    """A version of a Helm chart."""

    repo_url: str = Field(default="", alias="repoURL", description="Repository.")
    name: str = Field(default="", description="Name of the chart, empty for `oci://`.")
    version: str = Field(default="", description="Version.")
    subscription_name: str = Field(default="", description="Name of the subscription that found it.")


class ArtifactReference(Model):
    """An artifact of any other type."""

    artifact_type: str = Field(default="", description="Type of the artifact.")
    subscription_name: NonEmpty = Field(description="Name of the subscription that found it.")
    version: NonEmpty = Field(description="Version of the artifact.")
    metadata: dict[str, Any] | None = Field(default=None, description="Anything more that is known of it.")


class Freight(KargoResource):
    """A set of artifacts; its name is made from its content and is recomputed when it is created."""

    name_given: ClassVar[bool] = False

    kind: Literal["Freight"] = "Freight"
    metadata: Metadata = Field(default_factory=Metadata)
    alias: OptionalLabel = Field(default="", description="Name for people; given if empty.")
    discovered_at: Timestamp | None = Field(default=None, description="When it was discovered; now if empty.")
    origin: FreightOrigin = Field(description="Warehouse it belongs to.")
    commits: tuple[GitCommit, ...] = Field(default=(), description="Commits.")
    images: tuple[Image, ...] = Field(default=(), description="Images.")
    charts: tuple[Chart, ...] = Field(default=(), description="Charts.")
    artifacts: tuple[ArtifactReference, ...] = Field(default=(), description="Artifacts of other types.")

    @model_validator(mode="after")
    def _holds_something(self) -> Freight:
        if not (self.commits or self.images or self.charts or self.artifacts):
            raise ValueError(
                "holds no artifact; it needs at least one of commits, images, charts and artifacts"
            )
        return self
