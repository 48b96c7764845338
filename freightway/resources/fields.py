"""The small field types and the rules that several kinds have in common.

A rule that looks at more than one field raises through `Complaints`, so that each complaint keeps the
YAML path of the field it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from freightway import names
from freightway.resources.meta import Duration, Metadata, Model, Resource
from freightway.resources.settings import SettingError

StrictBool = Annotated[bool, Field(strict=True)]
"""A YAML boolean; the text "true" is refused, as Kubernetes does."""
StrictInt = Annotated[int, Field(strict=True)]
"""A YAML integer; the text "3" is refused, as Kubernetes does."""
NonEmpty = Annotated[str, StringConstraints(min_length=1)]
"""A text of at least one character."""

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[-+][0-9]{2}:[0-9]{2})"
)
_KARGO_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(s|m|h))+")

YamlPath = tuple[str | int, ...]


class Complaints:
    """Collects what is wrong with several fields and raises it as one validation error."""

    CODE: ClassVar = "complaints"

    def __init__(self) -> None:
        self._found: list[tuple[YamlPath, str]] = []

    def add(self, path: YamlPath, message: str) -> None:
        """Note one complaint about the field at a path below the validated value."""
        self._found.append((path, message))

    def raise_any(self) -> None:
        """Raise if there is any complaint; does nothing otherwise.

        Raises:
            PydanticCustomError: carries every complaint in its context under ``found``.
        """
        if self._found:
            text = "; ".join(message for _, message in self._found)
            raise PydanticCustomError(self.CODE, "{text}", {"text": text, "found": self._found})


def complain_about_settings(read: Callable[[], object]) -> None:
    """Turn what is wrong with a resource's own settings into a complaint about its annotations."""
    found = Complaints()
    try:
        read()
    except SettingError as error:
        found.add(("annotations", error.annotation), error.message)
    found.raise_any()


def _object_name(text: str) -> str:
    if not names.is_object_name(text):
        raise ValueError(
            f"{text!r} is not a valid name; use lower case letters, digits, '-' and '.', "
            "starting and ending with a letter or digit, at most 253 characters"
        )
    return text


def label_name(text: str) -> str:
    """Return the text if it is an RFC 1123 label.

    Raises:
        ValueError: if it is not.
    """
    if not names.is_label(text):
        raise ValueError(
            f"{text!r} is not valid; use at most 63 lower case letters, digits and '-', "
            "starting and ending with a letter or digit"
        )
    return text


def _timestamp(value: Any) -> Any:
    if value is None or isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError(f"must be a time such as 2024-05-01T12:00:00Z, not {value!r}")


def _kargo_duration(value: Any) -> Any:
    if isinstance(value, str) and not _KARGO_DURATION.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a duration; write hours, minutes and seconds such as 1h30m or 90s"
        )
    return _go_duration(value)


def _go_duration(value: Any) -> Any:
    if isinstance(value, (str, timedelta)) or value is None:
        return value
    raise ValueError(f"must be a duration such as 90s, 5m or 1h30m, not {value!r}")


ObjectName = Annotated[str, AfterValidator(_object_name)]
"""The name of an object."""
OptionalLabel = Annotated[str, AfterValidator(lambda text: text and label_name(text))]
"""An RFC 1123 label, or empty."""
GoDuration = Annotated[Duration, BeforeValidator(_go_duration)]
"""Any Go duration, written as text."""
KargoDuration = Annotated[Duration, BeforeValidator(_kargo_duration)]
"""A duration of hours, minutes and seconds only, as Kargo's schema demands where it has a pattern."""


Timestamp = Annotated[datetime, BeforeValidator(_timestamp)]
"""A time with its zone, RFC 3339."""


class KargoResource(Resource):
    """Base of Kargo's kinds: checks the name, and accepts and drops ``status``."""

    cluster_wide: ClassVar[bool] = False
    """Whether the kind lives outside of projects."""
    name_given: ClassVar[bool] = True
    """Whether a person names the resource; Freight and Promotions are named by Freightway."""

    @model_validator(mode="before")
    @classmethod
    def _drop_status(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "status" in data:
            return {key: value for key, value in data.items() if key != "status"}
        return data

    @field_validator("metadata")
    @classmethod
    def _name_is_valid(cls, metadata: Metadata) -> Metadata:
        found = Complaints()
        if not metadata.name and cls.name_given:
            found.add(("name",), "is missing; every resource needs a name")
        elif metadata.name and not names.is_object_name(metadata.name):
            found.add(
                ("name",),
                f"{metadata.name!r} is not a valid name; use lower case letters, digits, '-' and '.'",
            )
        if metadata.namespace and not cls.cluster_wide and not names.is_label(metadata.namespace):
            found.add(("namespace",), f"{metadata.namespace!r} is not a valid project name")
        found.raise_any()
        return metadata


class LabelSelectorRequirement(Model):
    """One condition on one label."""

    key: NonEmpty = Field(description="Label the condition is about.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the values are compared."
    )
    values: tuple[str, ...] = Field(default=(), description="Values for In and NotIn.")

    @model_validator(mode="after")
    def _values_fit_operator(self) -> LabelSelectorRequirement:
        found = Complaints()
        if self.operator in ("In", "NotIn") and not self.values:
            found.add(("values",), f"must have at least one value for the operator {self.operator}")
        if self.operator in ("Exists", "DoesNotExist") and self.values:
            found.add(("values",), f"must be empty for the operator {self.operator}")
        found.raise_any()
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels satisfy the condition; NotIn also holds where the label is absent."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(Model):
    """A Kubernetes label selector; without any part it selects everything."""

    match_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels and the values they must have."
    )
    match_expressions: tuple[LabelSelectorRequirement, ...] = Field(
        default=(), description="Further conditions; all must hold."
    )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels satisfy every part of the selector."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


class SecretReference(Model):
    """The name of a Secret."""

    name: str = Field(default="", description="Name of the Secret.")


class FreightOrigin(Model):
    """Where Freight comes from: a Warehouse of the same project."""

    kind: Literal["Warehouse"] = Field(default="Warehouse", description="Always `Warehouse`.")
    name: NonEmpty = Field(description="Name of the Warehouse.")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"
