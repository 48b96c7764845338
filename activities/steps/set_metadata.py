"""set-metadata: write values to Freight or Stages, for later promotions and for people.

Source: Kargo pkg/promotion/runner/builtin/metadata_setter.go.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from freightway.activities.steps.registry import Result, StepConfig, step
from freightway.promotion.model import MetadataUpdate


class MetadataEntry(StepConfig):
    """Values for one Freight or Stage."""

    kind: Literal["Stage", "Freight"] = Field(description="What gets the values.")
    name: str = Field(min_length=1, description="Its name; of Freight not the alias.")
    values: dict[str, Any] = Field(
        min_length=1, description="The values by name; others stay, `null` removes one."
    )


class SetMetadataConfig(StepConfig):
    """Configuration of set-metadata."""

    updates: tuple[MetadataEntry, ...] = Field(min_length=1, description="What to write, in this order.")


@step("set-metadata", config=SetMetadataConfig)
async def set_metadata(config: SetMetadataConfig) -> Result:
    """Hand the values to the promotion, which writes them when the step has succeeded."""
    return Result(
        metadata=tuple(
            MetadataUpdate(kind=entry.kind, name=entry.name, values=entry.values) for entry in config.updates
        )
    )
