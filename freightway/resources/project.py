"""Project: the namespace that everything else lives in.

Source: Kargo api/v1alpha1/project_types.go.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from freightway.resources.fields import Complaints, KargoResource
from freightway.resources.meta import Metadata


class Project(KargoResource):
    """A project; all a person gives is its name."""

    cluster_wide: ClassVar[bool] = True

    kind: Literal["Project"] = "Project"
    spec: dict[str, Any] | None = Field(
        default=None,
        description="Removed from Kargo in v1.7; policies now live in ProjectConfig. Must be empty.",
    )

    @property
    def project(self) -> str:
        """The project's own name."""
        return self.metadata.name

    @field_validator("metadata")
    @classmethod
    def _name_is_a_label(cls, metadata: Metadata) -> Metadata:
        found = Complaints()
        if len(metadata.name) > 63 or "." in metadata.name:
            found.add(
                ("name",),
                "a project's name is at most 63 lower case letters, digits and '-', as a namespace's",
            )
        found.raise_any()
        return metadata

    @field_validator("spec")
    @classmethod
    def _no_spec(cls, spec: dict[str, Any] | None) -> None:
        if spec:
            raise ValueError("a Project has no spec any more; put promotionPolicies into a ProjectConfig")
