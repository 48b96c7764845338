"""Freightway's own settings of a resource, given as annotations so that Kargo's YAML stays Kargo's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from freightway.names import ANNOTATION_PREFIX
from freightway.resources.meta import Duration, Model, parse_duration

QUEUE_POLICY = f"{ANNOTATION_PREFIX}queue-policy"
ON_FAILURE = f"{ANNOTATION_PREFIX}on-failure"
APPROVAL = f"{ANNOTATION_PREFIX}approval"
LONGEST_PROMOTION = f"{ANNOTATION_PREFIX}longest-promotion"
KEEP_PROMOTIONS = f"{ANNOTATION_PREFIX}keep-promotions"
KEEP_FREIGHT = f"{ANNOTATION_PREFIX}keep-freight"
KEEP_FREIGHT_FOR = f"{ANNOTATION_PREFIX}keep-freight-for"
MOST_FREIGHT = f"{ANNOTATION_PREFIX}most-freight"

MOST_PROMOTIONS = 100
"""Summaries of finished promotions that a Stage may keep; its state must stay small."""
MOST_UNUSED = 200
"""Unused Freight that a Warehouse may keep however old it is."""
MOST_IN_ALL = 500
"""Freight that a Warehouse may have. Its state, each Stage's copy and the answer to a question must each be far below
the two megabytes that Temporal takes, and a Stage may take Freight of three Warehouses."""


class SettingError(ValueError):
    """A setting that means nothing; ``annotation`` says which."""

    def __init__(self, annotation: str, message: str) -> None:
        self.annotation = annotation
        super().__init__(f"{annotation} {message}")
        self.message = message


class ApprovalGate(Model):
    """Approvals that every promotion of a Stage needs before its first step; the fields of ``wait-for-approval``."""

    approvals: int = Field(default=1, ge=1, le=20)
    approvers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    allow_requester: bool = False
    deadline: Duration | None = None
    reminder: Duration | None = None
    prompt: str = ""


class StageSettings(Model):
    """Settings of a Stage.

    Attributes:
        queue_policy: ``fifo``, or ``latest``: what waits gives way to newer Freight.
        on_failure: ``fail``, or ``park``: a failed step waits for a person.
        approval: the gate before every promotion, None for none.
        longest_promotion: how long a promotion may take, approvals and pauses included, before Temporal ends it;
            None for ninety days.
        keep_promotions: summaries of finished promotions that are kept.
    """

    queue_policy: Literal["fifo", "latest"] = "fifo"
    on_failure: Literal["fail", "park"] = "fail"
    approval: ApprovalGate | None = None
    longest_promotion: Duration | None = Field(default=None, ge=timedelta(seconds=1), le=timedelta(days=365))
    keep_promotions: int = Field(default=20, ge=1, le=MOST_PROMOTIONS)


class WarehouseSettings(Model):
    """Settings of a Warehouse: how much unused Freight is kept, and how old it must be to be let go.

    Attributes:
        most_freight: Freight there may be in all; beyond it the oldest that no Stage holds is let go however young.
    Source: the defaults are those of Kargo's garbage collector; there is no ``most_freight`` in Kargo.
    """

    keep_freight: int = Field(default=20, ge=0, le=MOST_UNUSED)
    keep_freight_for: Duration = timedelta(hours=336)
    most_freight: int = Field(default=MOST_IN_ALL, ge=1, le=MOST_IN_ALL)


def stage_settings(annotations: Mapping[str, str]) -> StageSettings:
    """Return the settings in a Stage's annotations.

    Raises:
        SettingError: naming the annotation and what it may be.
    """
    given: dict[str, Any] = {}
    for annotation, name in ((QUEUE_POLICY, "queue_policy"), (ON_FAILURE, "on_failure")):
        if annotation in annotations:
            given[name] = annotations[annotation]
    if KEEP_PROMOTIONS in annotations:
        given["keep_promotions"] = _number(annotations, KEEP_PROMOTIONS)
    if LONGEST_PROMOTION in annotations:
        given["longest_promotion"] = _duration(annotations, LONGEST_PROMOTION)
    if APPROVAL in annotations:
        given["approval"] = _approval(annotations[APPROVAL])
    try:
        return StageSettings.model_validate(given)
    except ValidationError as error:
        raise _first(error) from None


def warehouse_settings(annotations: Mapping[str, str]) -> WarehouseSettings:
    """Return the settings in a Warehouse's annotations.

    Raises:
        SettingError: naming the annotation and what it may be.
    """
    given: dict[str, Any] = {}
    if KEEP_FREIGHT in annotations:
        given["keep_freight"] = _number(annotations, KEEP_FREIGHT)
    if KEEP_FREIGHT_FOR in annotations:
        given["keep_freight_for"] = _duration(annotations, KEEP_FREIGHT_FOR)
    if MOST_FREIGHT in annotations:
        given["most_freight"] = _number(annotations, MOST_FREIGHT)
    try:
        return WarehouseSettings.model_validate(given)
    except ValidationError as error:
        raise _first(error) from None


def _number(annotations: Mapping[str, str], annotation: str) -> int:
    text = annotations[annotation]
    if not text.strip().isdecimal():
        raise SettingError(annotation, f"must be a whole number, not {text!r}")
    return int(text)


def _duration(annotations: Mapping[str, str], annotation: str) -> timedelta:
    try:
        return parse_duration(annotations[annotation])
    except ValueError as error:
        raise SettingError(annotation, f"must be a duration: {error}") from None


def _approval(text: str) -> Any:
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError:
        given = None
    if not isinstance(given, dict):
        raise ValueError(
            f"{APPROVAL} must be a map such as '{{approvals: 1, approvers: [ann]}}', not {text!r}"
        )
    return given


def _first(error: ValidationError) -> SettingError:
    """The first complaint, in the words of the annotation."""
    found = error.errors()[0]
    place = [str(part) for part in found["loc"]]
    rest = ".".join(place[1:])
    annotation = ANNOTATION_PREFIX + place[0].replace("_", "-")
    if found["type"] == "literal_error":
        wanted = found["ctx"]["expected"].replace("'", "")
        return SettingError(annotation, f"must be {wanted}, not {found['input']!r}")
    return SettingError(
        annotation, f"{f'({rest}) ' if rest else ''}is wrong: {found['msg']}, not {found['input']!r}"
    )
