"""compose-output: make an output of expressions.  Kargo: pkg/promotion/runner/builtin/output_composer.go"""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, model_validator

from freightway.activities.steps.registry import StepConfig, step


class ComposeOutputConfig(StepConfig):
    """Any properties, at least one; each becomes a key of the output."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _has_a_property(self) -> Self:
        if not self.model_extra:
            raise ValueError("Must have at least 1 properties")
        return self


@step("compose-output", config=ComposeOutputConfig, task_output=True)
async def compose_output(cfg: ComposeOutputConfig) -> dict[str, Any]:
    """Return the evaluated configuration; in a task it is also read as ``outputs['<task alias>']``."""
    return dict(cfg.model_extra or {})
