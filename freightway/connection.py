"""Connecting to Temporal: its environment configuration, the converter, and the search attributes.

With ``contracts``, ``client`` and ``plugin`` one of the few files of the core that know Temporal.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from freightway import search_attributes
from freightway.encryption import data_converter
from freightway.errors import FreightwayError

DEFAULT_ADDRESS = "localhost:7233"
CONNECT_SECONDS = 10.0
_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}
_SETTLE_SECONDS = 0.05
_SETTLE_TRIES = 200


def quiet_runtime() -> Runtime:
    """Return a runtime whose core writes errors only: its log goes to standard output otherwise."""
    logging = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    return Runtime(telemetry=TelemetryConfig(logging=logging))


_runtime: list[Runtime] = []


async def connect(
    address: str = "", namespace: str = "", *, seconds: float = CONNECT_SECONDS, **options: Any
) -> Client:
    """Connect by Temporal's environment configuration; arguments that are not empty win over it.

    Raises:
        FreightwayError: if the server does not answer, with what to start, or the encryption keys cannot be used.
    """
    try:
        config: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    except Exception as error:
        raise FreightwayError(f"Temporal's configuration is not valid: {error}") from error
    config.setdefault("target_host", DEFAULT_ADDRESS)
    if address:
        config["target_host"] = address
    if namespace:
        config["namespace"] = namespace
    converter = data_converter()
    if not _runtime:
        _runtime.append(quiet_runtime())
    try:
        async with asyncio.timeout(seconds):
            return await Client.connect(**config, data_converter=converter, runtime=_runtime[0], **options)
    except (RuntimeError, RPCError, TimeoutError) as error:
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else _reason(error)
        raise FreightwayError(
            f"no Temporal server at {config['target_host']} ({reason}); start one with `freightway dev`, or name "
            "yours with TEMPORAL_ADDRESS"
        ) from error


def _reason(error: Exception) -> str:
    """Why there is no connection, in words; the SDK gives the text of a Rust error."""
    words = {"ConnectionRefused": "nobody listens there", "dns error": "there is no host of that name"}
    return next((text for sign, text in words.items() if sign in str(error)), _first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


async def ensure_search_attributes(client: Client) -> None:
    """Register the search attributes that the namespace lacks.

    Raises:
        FreightwayError: if it lacks some and may not be given them; the message has the commands that do.
    """
    missing = await missing_search_attributes(client)
    if not missing:
        return
    request = AddSearchAttributesRequest(
        namespace=client.namespace, search_attributes={name: _TYPES[kind] for name, kind in missing.items()}
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise FreightwayError(_commands(client.namespace, missing, error)) from error
    for _ in range(_SETTLE_TRIES):
        if not await missing_search_attributes(client):
            return
        await asyncio.sleep(_SETTLE_SECONDS)
    raise FreightwayError("the search attributes were created but are not listed; try again in a moment")


async def missing_search_attributes(client: Client) -> dict[str, str]:
    """Return name and type of the search attributes that the namespace lacks."""
    wanted = {key.name: _kind(key) for key in search_attributes.SEARCH_ATTRIBUTES}
    try:
        answer = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise FreightwayError(
                f"namespace {client.namespace!r} not found; create it: "
                f"temporal operator namespace create -n {client.namespace} --retention 90d"
            ) from error
        raise FreightwayError(_commands(client.namespace, wanted, error)) from error
    return {name: kind for name, kind in wanted.items() if name not in answer.custom_attributes}


def _kind(key: Any) -> str:
    return "KeywordList" if key is search_attributes.FREIGHT_ATTRIBUTE else "Keyword"


def _commands(namespace: str, missing: dict[str, str], error: RPCError) -> str:
    lines = [
        f"  temporal operator search-attribute create -n {namespace} --name {name} --type {kind}"
        for name, kind in missing.items()
    ]
    return "\n".join(
        [f"search attributes are missing and could not be created ({_first_line(error)}); run:", *lines]
    )
