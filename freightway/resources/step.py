"""Promotion steps as a person writes them, in a Stage's template, a task or a Promotion.

Source: Kargo api/v1alpha1/promotion_types.go, pkg/webhook/kubernetes/promotion_steps.go.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from freightway import names
from freightway.resources.fields import (
    Complaints,
    GoDuration,
    NonEmpty,
    ObjectName,
    StrictBool,
    StrictInt,
    YamlPath,
)
from freightway.resources.meta import Model, Variable

_MAX_UINT32 = 2**32 - 1

BUILT_IN_KINDS = frozenset(
    {
        "argocd-update",
        "argocd-wait",
        "compose-output",
        "copy",
        "delete",
        "fail",
        "file-write",
        "git-clear",
        "git-clone",
        "git-commit",
        "git-merge-pr",
        "git-open-pr",
        "git-push",
        "git-tag",
        "git-wait-for-pr",
        "github-push",
        "helm-template",
        "helm-update-chart",
        "http",
        "http-download",
        "json-parse",
        "json-update",
        "kustomize-build",
        "kustomize-set-image",
        "oci-download",
        "oci-push",
        "set-freight-alias",
        "set-metadata",
        "tar",
        "toml-parse",
        "toml-update",
        "untar",
        "wait-for-approval",
        "yaml-merge",
        "yaml-parse",
        "yaml-update",
    }
)
"""Step kinds that Freightway brings along; packages can register more."""


class StepRetry(Model):
    """How often and how long a step is tried."""

    timeout: GoDuration | None = Field(
        default=None,
        description="Longest time for all tries; unset means the step kind's own, 0 means no limit.",
    )
    error_threshold: StrictInt = Field(
        default=0,
        ge=0,
        le=_MAX_UINT32,
        description="Errors in a row that end the step; 0 means the step kind's own, which is 1 unless it says otherwise.",
    )


class TaskReference(Model):
    """Names a PromotionTask or ClusterPromotionTask."""

    name: ObjectName = Field(description="Name of the task.")
    kind: Literal["PromotionTask", "ClusterPromotionTask"] = Field(
        default="PromotionTask",
        description="`PromotionTask` (of the same project) or `ClusterPromotionTask`.",
    )


class Step(Model):
    """One step: either a step kind (``uses``) or a reference to a task (``task``)."""

    uses: str = Field(default="", description="Step kind to run, such as `git-clone`.")
    task: TaskReference | None = Field(
        default=None,
        description="Task whose steps take this step's place; excludes every field but `as` and `vars`.",
    )
    as_: str = Field(default="", alias="as", description="Alias under which later steps read the outputs.")
    if_: str = Field(
        default="", alias="if", description="Template that must give a boolean; false skips the step."
    )
    continue_on_error: StrictBool = Field(
        default=False, description="Whether a failure of the step leaves the result of the promotion alone."
    )
    retry: StepRetry | None = Field(default=None, description="How often and how long the step is tried.")
    vars: tuple[Variable, ...] = Field(
        default=(), description="Variables of this step; later definitions win."
    )
    config: dict[str, Any] | None = Field(
        default=None, description="Configuration of the step; texts in values may hold `${{ }}`."
    )

    @field_validator("task")
    @classmethod
    def _not_with_uses(cls, task: TaskReference | None, info: ValidationInfo) -> TaskReference | None:
        if task is not None and info.data.get("uses"):
            raise ValueError(
                "cannot be combined with uses; a step either runs a step kind or refers to a task"
            )
        return task

    @field_validator("if_", "continue_on_error", "retry", "config")
    @classmethod
    def _not_with_task(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("task") is not None:
            raise ValueError("cannot be combined with task; only as and vars can")
        return value

    @model_validator(mode="after")
    def _runs_something(self) -> Step:
        if not self.uses and self.task is None:
            raise ValueError("needs either uses (a step kind) or task (a reference to a task)")
        return self

    def alias(self, index: int) -> str:
        """Return the step's alias, given its 0-based position in its own list."""
        return self.as_.strip() or names.default_alias(index, is_task=self.task is not None)


class TaskStep(Step):
    """One step of a task: always a step kind, never a reference to a further task."""

    uses: NonEmpty = Field(description="Step kind to run, such as `git-clone`.")

    @field_validator("task")
    @classmethod
    def _not_with_uses(cls, task: TaskReference | None, info: ValidationInfo) -> TaskReference | None:  # noqa: ARG003
        if task is not None:
            raise ValueError("a task cannot refer to another task")
        return task


def complain_about_aliases(steps: tuple[Step, ...], found: Complaints, path: YamlPath = ("steps",)) -> None:
    """Note every step alias that is reserved or taken by an earlier step of the same list."""
    first: dict[str, int] = {}
    for index, step in enumerate(steps):
        alias = step.as_.strip()
        if not alias:
            continue
        place = (*path, index, "as")
        if names.is_reserved_alias(alias):
            found.add(place, f"step alias {alias!r} is reserved; choose one that is not step-<n> or task-<n>")
        if alias in first:
            found.add(place, f"step alias {alias!r} is already that of steps[{first[alias]}]")
        first.setdefault(alias, index)
