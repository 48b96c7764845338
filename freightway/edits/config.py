"""Configurations of the steps that edit files; refused before anything is read.

Source: the JSON schemas in Kargo pkg/promotion/runner/builtin/schemas at 1c764767a.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator
from pydantic.alias_generators import to_camel

Name = Annotated[StrictStr, Field(min_length=1)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Update(_Config):
    """One value to set."""

    key: Name = Field(description="Path of the value, parts separated by dots.")
    value: Any = Field(description="The new value.")


class UpdateConfig(_Config):
    """Configuration of yaml-update, json-update and toml-update."""

    path: Name = Field(description="The file.")
    updates: list[Update] = Field(min_length=1, description="The values to set, in this order.")

    @property
    def pairs(self) -> list[tuple[str, object]]:
        """Key and value of each update."""
        return [(update.key, update.value) for update in self.updates]


class YamlMergeConfig(_Config):
    """Configuration of yaml-merge."""

    in_files: list[StrictStr] = Field(min_length=1, description="The files to merge, the base first.")
    out_file: Name = Field(description="The file to write.")
    ignore_missing_files: bool = Field(default=False, description="Go on without files that do not exist.")


class ImageChoice(_Config):
    """One image to set: a tag or a digest, ``*`` keeps what the file has."""

    image: Name = Field(
        description="The image's repository; its name in the file, unless 'name' says otherwise."
    )
    tag: StrictStr = Field(default="", description="The tag to set.")
    digest: StrictStr = Field(default="", description="The digest to set.")
    name: StrictStr = Field(default="", description="The image's name in the file.")
    new_name: StrictStr = Field(default="", description="The image to use in its place.")

    @model_validator(mode="after")
    def _has_tag_or_digest(self) -> Self:
        if bool(self.tag) == bool(self.digest):
            raise ValueError("give either 'tag' or 'digest'")
        return self


class KustomizeSetImageConfig(_Config):
    """Configuration of kustomize-set-image."""

    path: Name = Field(description="The folder of the kustomization file.")
    images: list[ImageChoice] = Field(
        default_factory=list, description="The images; none: those of the Freight."
    )
