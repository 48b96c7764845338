"""The tables of fields in the documentation, made from the models.

A page holds pairs of markers, ``<!-- fields: Stage -->`` and ``<!-- end -->``; `fill_tables` writes what is
between them. ``python -m freightway.resources.reference < page > new-page`` does so on the command line.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from freightway.resources.fields import LabelSelector
from freightway.resources.load import resource_kinds
from freightway.resources.meta import Metadata, Variable, format_duration
from freightway.resources.project_config import DeepLink, NameSelector, PromotionWindow
from freightway.resources.step import Step, TaskStep
from freightway.resources.webhook_receiver import GenericAction, WebhookReceiver

_SECTIONS: tuple[type[BaseModel], ...] = (
    Step,
    WebhookReceiver,
    GenericAction,
    DeepLink,
    PromotionWindow,
    NameSelector,
    LabelSelector,
)
_CLOSED: dict[type[BaseModel], str] = {
    **{model: f"[{model.__name__}](#{model.__name__.lower()})" for model in _SECTIONS},
    TaskStep: "[Step](#step) without `task`",
    Variable: "`{name, value}`",
}
_MARKERS = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SIMPLE: dict[Any, str] = {
    str: "text",
    bool: "boolean",
    int: "integer",
    timedelta: "duration",
    datetime: "time",
    Any: "anything",
}


def fill_tables(page: str) -> str:
    """Return a page with the table of fields between each pair of markers."""
    models: Mapping[str, type[BaseModel]] = {
        **resource_kinds(),
        **{model.__name__: model for model in _SECTIONS},
    }
    return _MARKERS.sub(
        lambda found: found.group(1) + field_table(models[found.group(2)]) + found.group(3), page
    )


def field_table(model: type[BaseModel]) -> str:
    """Return a Markdown table of a model's fields and of all that is below them."""
    rows = ["| Field | Type | Default | Meaning |", "|---|---|---|---|"]
    rows.extend(
        f"| `{path}` | {kind} | {default} | {meaning} |" for path, kind, default, meaning in _rows(model, "")
    )
    return "\n".join(rows) + "\n"


def field_paths(model: type[BaseModel]) -> list[str]:
    """Return the YAML path of every field in a model's table."""
    return [path for path, *_ in _rows(model, "")]


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        if not prefix and name in ("api_version", "kind", "metadata") and "metadata" in model.model_fields:
            continue
        below, is_list = _model_in(info.annotation)
        path = f"{prefix}{info.alias or name}" + ("[]" if is_list else "")
        if info.description:
            yield path, _type(info.annotation), _default(info), info.description
        if below is not None and below not in _CLOSED:
            yield from _rows(below, f"{path}.")


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model inside an annotation, and whether a list holds it."""
    is_list = False
    for part in _parts(annotation):
        if typing.get_origin(part) in (tuple, list):
            return _model_in(typing.get_args(part)[0])[0], True
        if inspect.isclass(part) and issubclass(part, BaseModel) and part is not Metadata:
            return part, is_list
    return None, is_list


def _parts(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Annotated:
        return _parts(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [part for part in typing.get_args(annotation) if part is not type(None)]
    return [annotation]


def _type(annotation: Any) -> str:
    part = _parts(annotation)[0]
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if origin is typing.Annotated:
        return _type(part)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments if value)
    if origin in (tuple, list):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of text to {_type(arguments[1])}"
    if inspect.isclass(part) and issubclass(part, BaseModel):
        return _CLOSED.get(part, "map")
    return _SIMPLE.get(part, "text")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`" if isinstance(value, (str, int)) and value != "" else ""


if __name__ == "__main__":
    sys.stdout.write(fill_tables(sys.stdin.read()))
