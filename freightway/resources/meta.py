"""What every resource shares: the base model, metadata and the duration type.

Field names are Kargo's camelCase in YAML and JSON and snake_case in Python; both are accepted on input.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

KARGO_API = "kargo.akuity.io/v1alpha1"
ROLLOUTS_API = "argoproj.io/v1alpha1"

_GO_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Model(BaseModel):
    """Base of every model: frozen, camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        # Commands import far more models than they use: each is built when it is first used.
        defer_build=True,
    )


def build_models() -> None:
    """Build every model now: a worker does it once, before threads use them."""
    waiting: list[type[BaseModel]] = [Model]
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        if not model.__pydantic_complete__:
            model.model_rebuild()


def parse_duration(text: str) -> timedelta:
    """Return the length of a Go duration such as ``1h30m``, ``90s`` or ``0``.

    Raises:
        ValueError: if the text is not a Go duration.
    """
    body = text.strip()
    sign = -1 if body.startswith("-") else 1
    body = body.lstrip("+-")
    if body == "0":
        return timedelta(0)
    seconds, end = 0.0, 0
    for match in _GO_DURATION.finditer(body):
        if match.start() != end:
            break
        seconds += float(match.group(1)) * _UNIT_SECONDS[match.group(2)]
        end = match.end()
    if end == 0 or end != len(body):
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 5m or 1h30m")
    return timedelta(seconds=sign * seconds)


def format_duration(value: timedelta) -> str:
    """Return a duration as Go prints it: ``1h30m0s``, ``5m0s``, ``1.5s``, ``0s``."""
    micros = round(value.total_seconds() * 1_000_000)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    if micros == 0:
        return "0s"
    if micros < 1_000:
        return f"{sign}{micros}µs"
    if micros < 1_000_000:
        return f"{sign}{micros / 1_000:g}ms"
    minutes, micros = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _to_duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_to_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]
"""A Go duration in YAML and JSON, a timedelta in Python."""


class Metadata(Model):
    """The part of Kubernetes object metadata that Freightway keeps; other keys are accepted and dropped."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Model):
    """Base of every kind: ``apiVersion``, ``kind`` and ``metadata``."""

    api_version: str = KARGO_API
    kind: str
    metadata: Metadata

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.metadata.name

    @property
    def project(self) -> str:
        """The project (namespace) the resource lives in, empty for cluster-wide kinds."""
        return self.metadata.namespace


class Variable(Model):
    """A named value of a Stage, template, task or step; ``value`` may hold ``${{ }}`` expressions."""

    name: str = Field(pattern=r"^[a-zA-Z_]\w*$", min_length=1)
    value: str = ""
