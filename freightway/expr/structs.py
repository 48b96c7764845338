"""The structs that functions give: commits, images, charts, artifacts and origins, under Go's field names.

A field is reached as ``.RepoURL``; the whole object serialises with Kargo's JSON names (``repoURL``).

Source: Kargo api/v1alpha1 at 1c764767.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from freightway.expr.failure import Failure
from freightway.expr.gotime import Time, from_python
from freightway.expr.gotime_natures import TIME
from freightway.expr.gotime_parse import parse_time
from freightway.expr.natures import MAP, STRING, STRING_MAP, Nature, pointer_to
from freightway.expr.values import StringMap, Struct, adopt

RFC3339 = "2006-01-02T15:04:05Z07:00"
TIME_POINTER = pointer_to(TIME, TIME.methods)


def _nature(name: str, strings: str, **others: Nature) -> Nature:
    fields = dict.fromkeys(strings.split(), STRING)
    return Nature(name, "struct", fields={**fields, **others})


ORIGIN = _nature("v1alpha1.FreightOrigin", "Kind Name")
COMMIT = _nature("v1alpha1.GitCommit", "RepoURL ID Branch Tag Message Author Committer SubscriptionName")
IMAGE = _nature("v1alpha1.Image", "RepoURL Tag Digest SubscriptionName", Annotations=STRING_MAP)
CHART = _nature("v1alpha1.Chart", "RepoURL Name Version SubscriptionName")
ARTIFACT = _nature(
    "function.expressionFriendlyArtifactReference",
    "ArtifactType SubscriptionName Version",
    Metadata=MAP,
)
DISCOVERED_COMMIT = _nature(
    "v1alpha1.DiscoveredCommit", "ID Branch Tag Subject Author Committer", CreatorDate=TIME_POINTER
)
DISCOVERED_IMAGE = _nature(
    "v1alpha1.DiscoveredImageReference", "Tag Digest", Annotations=STRING_MAP, CreatedAt=TIME_POINTER
)
# Fields that are in the JSON also when they are empty.
_REQUIRED = {
    ORIGIN.name: {"Kind", "Name"},
    DISCOVERED_IMAGE.name: {"Tag", "Digest"},
}
_INITIALS = {"ID": "id", "RepoURL": "repoURL"}


def json_name(field: str) -> str:
    """Return the JSON name of a Go field."""
    return _INITIALS.get(field) or field[0].lower() + field[1:]


def make_struct(nature: Nature, data: Mapping[str, object]) -> Struct:
    """Return the struct for an object in Kargo's JSON form.

    Raises:
        Failure: if a field is of another type than it should be.
    """
    fields = {name: _value(kind, data.get(json_name(name)), name) for name, kind in nature.fields.items()}
    if nature is ARTIFACT:
        return Struct(nature, fields, fields)
    required = _REQUIRED.get(nature.name, set())
    shown = {json_name(name): value for name, value in fields.items() if name in required or _is_set(value)}
    return Struct(nature, fields, shown)


def _is_set(value: object) -> bool:
    return value is not None and value != "" and value != {}


def _value(nature: Nature, value: object, name: str) -> object:
    if nature is STRING:
        return "" if value is None else str(value)
    if nature is STRING_MAP:
        entries = value if isinstance(value, Mapping) else {}
        return StringMap({str(key): str(item) for key, item in entries.items()})
    if nature is MAP:
        return adopt(dict(value)) if isinstance(value, Mapping) else {}
    return _time(value, name)


def _time(value: object, name: str) -> Time | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        time = from_python(value)
        assert isinstance(time, Time)
        return time
    if isinstance(value, str):
        return parse_time(RFC3339, value)
    raise Failure(f"{name} is no time")
