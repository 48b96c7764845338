"""Values of the expression facts: from their tagged YAML form, and back to it."""

from __future__ import annotations

import base64
import math
from typing import Any

from freightway.expr.gotime import RFC3339_NANO, Duration, Location, Month, Time, Weekday
from freightway.expr.text import to_bytes
from freightway.expr.values import AnyMap, TypedInt

SPECIAL_FLOATS = {"NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf, "-0": -0.0}


def decode(value: Any) -> Any:
    """The Python value of a fact's input."""
    if isinstance(value, dict):
        if value.get("$type") == "float":
            return (
                SPECIAL_FLOATS[value["value"]] if isinstance(value["value"], str) else float(value["value"])
            )
        return {key: decode(item) for key, item in value.items()}
    return [decode(item) for item in value] if isinstance(value, list) else value


def _float(value: float) -> Any:
    text = repr(float(value))
    return ("float", "nan" if value != value else text)


def canonical(value: Any) -> Any:
    """A form in which an expected value (tagged YAML) and ours compare exactly, types included."""
    if isinstance(value, dict) and "$type" in value:
        return _canonical_tag(value["$type"], value["value"], value)
    if isinstance(value, dict):
        return ("map", {key: canonical(item) for key, item in value.items()})
    if isinstance(value, AnyMap):
        if all(isinstance(key, str) for key, _ in value.items()):
            return ("map", {key: canonical(item) for key, item in value.items()})
        return _pairs([[key, item] for key, item in value.items()])
    if isinstance(value, list):
        return ("list", [canonical(item) for item in value])
    return _canonical_scalar(value)


def _canonical_tag(tag: str, value: Any, whole: dict[str, Any]) -> Any:
    if tag == "float":
        return _float(SPECIAL_FLOATS[value] if isinstance(value, str) else value)
    if tag == "map":
        return _pairs(value)
    if tag == "time":
        return ("time", value, whole["zone"])
    return (tag, value)


def _pairs(pairs: list[Any]) -> Any:
    return ("any map", sorted(([canonical(key), canonical(item)] for key, item in pairs), key=repr))


def _canonical_scalar(value: Any) -> Any:
    if isinstance(value, TypedInt):
        return (value.type_name, int(value))
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bytes):
        return ("bytes", base64.b64encode(value).decode())
    if isinstance(value, Time):
        return ("time", value.format(RFC3339_NANO), value.zone.name)
    for kind, tag in ((Duration, "duration"), (Location, "timezone")):
        if isinstance(value, kind):
            return (tag, str(value))
    for named, tag in ((Month, "month"), (Weekday, "weekday")):
        if isinstance(value, named):
            return (tag, value.value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return ("string-bytes", base64.b64encode(to_bytes(value)).decode())
    return (type(value).__name__, value)
