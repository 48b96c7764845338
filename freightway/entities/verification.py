"""What the workflow of one verification is given and what it gives back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from freightway.resources.meta import Model
from freightway.verification.run import AnalysisRun


class VerificationPhase(StrEnum):
    """A verification's phase, as Kargo names them."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    ABORTED = "Aborted"
    INCONCLUSIVE = "Inconclusive"

    @property
    def is_terminal(self) -> bool:
        """Whether the verification has ended."""
        return self not in (VerificationPhase.PENDING, VerificationPhase.RUNNING)


class VerificationInput(Model):
    """What a Stage starts a verification with.

    Attributes:
        templates: the AnalysisTemplates as whole resources in JSON form, in the Stage's order.
        args: the Stage's arguments; expressions in them are evaluated beside the Secrets.
        vars: the Stage's variables.
        collection: the Freight being verified.
    """

    project: str = ""
    stage: str = ""
    id: str = ""
    shard: str = ""
    templates: tuple[dict[str, Any], ...] = ()
    args: tuple[dict[str, str], ...] = ()
    vars: tuple[dict[str, str], ...] = ()
    collection: tuple[dict[str, Any], ...] = ()
    requested: tuple[dict[str, Any], ...] = ()
    warehouses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    stage_metadata: dict[str, Any] = Field(default_factory=dict)
    freight_metadata: dict[str, dict[str, Any]] = Field(default_factory=dict)
    freight_status: dict[str, dict[str, Any]] = Field(default_factory=dict)


class VerificationResult(Model):
    """How a verification ended."""

    id: str
    phase: VerificationPhase
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    actor: str = ""


class VerificationState(Model):
    """A verification between two runs of its workflow."""

    given: VerificationInput = Field(default_factory=VerificationInput)
    run: AnalysisRun | None = None
    aborted_by: str | None = None
    began_at: datetime | None = None
