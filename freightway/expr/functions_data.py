"""``secret``, ``configMap`` and their shared variants, ``freightMetadata``, ``freightStatus`` and ``stageMetadata``.

The values come from an injected lookup; this module only decides what a missing object means.

Source: Kargo pkg/expressions/function/functions.go at 1c764767 (DataOperations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from freightway.errors import NotFound
from freightway.expr.failure import Failure
from freightway.expr.natures import MAP, STRING, STRING_MAP, Signature
from freightway.expr.values import Function, StringMap

_TEXTS = (Signature((STRING,), STRING_MAP),)
_VALUES = (Signature((STRING,), MAP),)


class DataLookup(Protocol):
    """Where the data functions read.

    A method raises ``NotFound`` or returns None for an object that does not exist. ``shared_secret`` must treat a
    Secret that is not labelled ``kargo.akuity.io/cred-type: generic`` as missing.
    """

    def secret(self, name: str) -> Mapping[str, str] | None:
        """Return the decoded data of a Secret of the project."""

    def shared_secret(self, name: str) -> Mapping[str, str] | None:
        """Return the decoded data of a shared Secret."""

    def config_map(self, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap of the project."""

    def shared_config_map(self, name: str) -> Mapping[str, str] | None:
        """Return the data of a shared ConfigMap."""

    def freight_metadata(self, name: str) -> Mapping[str, object] | None:
        """Return the metadata of a Freight."""

    def freight_status(self, name: str) -> Mapping[str, object] | None:
        """Return the whole status of a Freight in Kargo's JSON form."""

    def stage_metadata(self, name: str) -> Mapping[str, object] | None:
        """Return the metadata of a Stage."""


T = TypeVar("T")


def _found(read: Callable[[str], Mapping[str, T] | None], name: str) -> Mapping[str, T] | None:
    try:
        return read(name)
    except NotFound:
        return None


def _texts(name: str, read: Callable[[str], Mapping[str, str] | None]) -> Function:
    def call(key: str) -> StringMap:
        return StringMap(_found(read, key) or {})

    return Function(name, call, _TEXTS)


def _values(name: str, read: Callable[[str], Mapping[str, object] | None], what: str) -> Function:
    def call(key: str) -> dict[str, object] | None:
        if not key:
            raise Failure(f"{what} name must not be empty")
        found = _found(read, key)
        return None if found is None else dict(found)

    return Function(name, call, _VALUES)


def data_functions(data: DataLookup) -> dict[str, Function]:
    """Return the functions that read live data."""
    return {
        "secret": _texts("secret", data.secret),
        "sharedSecret": _texts("sharedSecret", data.shared_secret),
        "configMap": _texts("configMap", data.config_map),
        "sharedConfigMap": _texts("sharedConfigMap", data.shared_config_map),
        "freightMetadata": _values("freightMetadata", data.freight_metadata, "freight ref"),
        "freightStatus": _values("freightStatus", data.freight_status, "freight ref"),
        "stageMetadata": _values("stageMetadata", data.stage_metadata, "stage"),
    }
