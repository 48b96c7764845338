"""fail: end the promotion with a message.  Kargo: pkg/promotion/runner/builtin/failer.go"""

from __future__ import annotations

from pydantic import Field

from freightway.activities.steps.registry import StepConfig, step
from freightway.errors import StepFailed


class FailConfig(StepConfig):
    """What ``fail`` says."""

    message: str = Field(default="", description="Why the promotion fails, shown to people.")


@step("fail", config=FailConfig)
async def fail(cfg: FailConfig) -> None:
    """Fail, always. Raises StepFailed."""
    raise StepFailed(f"failed: {cfg.message}" if cfg.message else "failed")
