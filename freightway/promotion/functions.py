"""Which of Kargo's functions the expressions of a promotion may call, and where those look.

Variables get the data, Freight and utility functions; ``if`` and ``config`` the status functions too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from freightway.expr import Function
from freightway.expr.functions import promotion_functions, status_functions
from freightway.promotion.model import StepRequest


class Secrets(Protocol):
    """Secrets and ConfigMaps as expressions read them; a name that does not exist gives an empty map."""

    def secret(self, project: str, name: str) -> dict[str, str]:
        """Return the values of a Secret of the project."""
        ...

    def shared_secret(self, name: str) -> dict[str, str]:
        """Return the values of a shared Secret."""
        ...

    def config_map(self, project: str, name: str) -> dict[str, str]:
        """Return the values of a ConfigMap of the project."""
        ...

    def shared_config_map(self, name: str) -> dict[str, str]:
        """Return the values of a shared ConfigMap."""
        ...

    def secrets(self) -> Iterable[str]:
        """Return every Secret value handed out so far."""
        ...


class Scope(Protocol):
    """What the data functions need of a request: whose Secrets, and the metadata that came with it."""

    @property
    def project(self) -> str:
        """The project whose Secrets are read."""

    @property
    def stage(self) -> str:
        """The Stage whose metadata came along."""

    @property
    def stage_metadata(self) -> Mapping[str, Any]:
        """That Stage's metadata."""

    @property
    def freight_metadata(self) -> Mapping[str, Mapping[str, Any]]:
        """Freight name -> its metadata."""

    @property
    def freight_status(self) -> Mapping[str, Mapping[str, Any]]:
        """Freight name -> its status in Kargo's JSON form."""


class RequestData:
    """What the data functions read: the worker's Secrets, and the metadata that came with the request."""

    def __init__(self, request: Scope, secrets: Secrets) -> None:
        self._request = request
        self._secrets = secrets

    def secret(self, name: str) -> Mapping[str, str]:
        """Return the values of a Secret of the project."""
        return self._secrets.secret(self._request.project, name)

    def shared_secret(self, name: str) -> Mapping[str, str]:
        """Return the values of a shared Secret."""
        return self._secrets.shared_secret(name)

    def config_map(self, name: str) -> Mapping[str, str]:
        """Return the values of a ConfigMap of the project."""
        return self._secrets.config_map(self._request.project, name)

    def shared_config_map(self, name: str) -> Mapping[str, str]:
        """Return the values of a shared ConfigMap."""
        return self._secrets.shared_config_map(name)

    def freight_metadata(self, name: str) -> Mapping[str, object] | None:
        """Return the metadata of a Freight, None if it has none."""
        return self._request.freight_metadata.get(name) or None

    def freight_status(self, name: str) -> Mapping[str, object] | None:
        """Return the status of a Freight in Kargo's JSON form, None if it is not known."""
        status = dict(self._request.freight_status.get(name) or {})
        if metadata := self.freight_metadata(name):
            status["metadata"] = metadata
        return status or None

    def stage_metadata(self, name: str) -> Mapping[str, object] | None:
        """Return the metadata of this promotion's Stage, None for any other."""
        return (self._request.stage_metadata or None) if name == self._request.stage else None


def variable_functions(request: StepRequest, secrets: Secrets) -> dict[str, Function]:
    """Return the functions that variables may call."""
    return promotion_functions(
        project=request.project,
        freight=[_plain(reference) for reference in request.collection or (request.freight,)],
        freight_requests=request.requested,
        warehouses=request.warehouses,
        data=RequestData(request, secrets),
    )


def config_functions(request: StepRequest, secrets: Secrets) -> dict[str, Function]:
    """Return the functions that ``if`` and ``config`` may call."""
    metas = [_plain(meta) for meta in request.metas]
    return {**variable_functions(request, secrets), **status_functions(request.step.alias, metas)}


def _plain(model: Any) -> dict[str, Any]:
    plain: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return plain
