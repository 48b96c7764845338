"""Which Stages a policy, a window or a freeze is for: by name, by pattern and by labels.

One rule: the parts of a selector are all to hold; a selector without parts selects every Stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, Protocol, TypeVar

from pydantic import Field, field_validator

from freightway.patterns.pattern import NamePattern
from freightway.resources.meta import Model


class Selector(Protocol):
    """Anything that selects by name and labels, such as ``stageSelector`` of a policy."""

    def selects(self, name: str, labels: Mapping[str, str], /) -> bool:
        """Return whether something of that name and with those labels is selected."""


class StageRef(Model):
    """What selectors look at: a Stage with its project and the labels of both."""

    project: str = ""
    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    project_labels: dict[str, str] = Field(default_factory=dict)


class LabelRequirement(Model):
    """One of ``matchExpressions``, with the operators of Kubernetes."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet the requirement; a missing label is not in any list."""
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        return (labels.get(self.key) in self.values) is (self.operator == "In")


@lru_cache(maxsize=1_024)
def _pattern(text: str) -> NamePattern:
    return NamePattern(text)


class StageSelector(Model):
    """A name or pattern, exact labels and label expressions; see the module's rule."""

    name: str = ""
    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()

    @field_validator("name")
    @classmethod
    def _pattern_parses(cls, name: str) -> str:
        _pattern(name)
        return name

    def selects(self, name: str, labels: Mapping[str, str], /) -> bool:
        """Return whether a Stage of that name and with those labels is selected."""
        if self.name and not _pattern(self.name).matches(name):
            return False
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(requirement.holds(labels) for requirement in self.match_expressions)


SelectorT = TypeVar("SelectorT", bound=Selector)


def first_selecting(selectors: Iterable[SelectorT], stage: StageRef) -> SelectorT | None:
    """Return the first of several policies that selects a Stage, None if none does."""
    return next((selector for selector in selectors if selector.selects(stage.name, stage.labels)), None)
