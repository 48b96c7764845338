"""Metric providers by name, and the one boundary at which a sample becomes a recorded result.

A provider is an async function for each thing it can do: measure, and, if a measurement can outlast one call, resume and
terminate. What it raises is an Error measurement. Secrets are read here, put into the metric, and taken out of
everything that goes back.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Protocol

from freightway.activities.masking import Masker
from freightway.adapters.http import HttpResponse
from freightway.errors import FreightwayError
from freightway.resources.analysis import AnalysisPhase, Metric, SecretKeyRef
from freightway.verification.arguments import placeholder_values, secret_values, substitute
from freightway.verification.conditions import judge
from freightway.verification.lifecycle import unchanged
from freightway.verification.limits import provider_kind
from freightway.verification.run import Action, MeasurementRequest, MeasurementResult

MOST_BYTES = 10 * 1024 * 1024
"""Bytes of an answer that a provider reads at most."""

MOST_VALUE = 4096
"""Characters of a value or a message that are kept; conditions see the whole value."""

_log = logging.getLogger(__name__)


class Requester(Protocol):
    """Sends HTTP requests; ``freightway.adapters.http.Http`` is one."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        content: bytes | str | None = ...,
        timeout: float = ...,
        verify: bool = ...,
        max_bytes: int = ...,
        follow_redirects: bool = ...,
    ) -> HttpResponse:
        """Return the answer, whatever its status, and raise AdapterError if there is none."""
        ...


SecretReader = Callable[[str, SecretKeyRef], Awaitable[str]]
"""Reads the value of a Secret's key in a project, and raises NotFound if there is none."""


@dataclass(frozen=True, slots=True)
class MetricContext:
    """What a provider may use besides the metric.

    Attributes:
        http: sends requests.
        now: the time of the measurement, UTC.
        environment: the worker's environment variables.
        request: the request that is answered; its metric still has its placeholders.
    """

    http: Requester
    now: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    request: MeasurementRequest | None = None


Provider = Callable[[Metric, MetricContext], Awaitable[MeasurementResult]]

_OWN_PROVIDERS = ("web", "prometheus")
_providers: dict[tuple[str, Action], Provider] = {}


def metric_provider(kind: str, action: Action = Action.RUN) -> Callable[[Provider], Provider]:
    """Register the decorated function for what a provider does.

    Args:
        kind: the provider's field in ``metrics[].provider``, such as ``web``.
        action: to start a measurement, to resume or to terminate one.
    Raises:
        ValueError: if the provider has a function for that already.
    """

    def register(function: Provider) -> Provider:
        key = (kind, action)
        if key in _providers:
            raise ValueError(f"metric provider {kind!r} has a function to {action} already")
        _providers[key] = function
        return function

    return register


def load_providers() -> None:
    """Import the providers that come with Freightway, so that they are registered; again does nothing."""
    for name in _OWN_PROVIDERS:
        import_module(f"freightway.activities.metrics.{name}")


def provider_kinds() -> tuple[str, ...]:
    """Return the names of the registered providers, sorted."""
    load_providers()
    return tuple(sorted({kind for kind, _ in _providers}))


async def take(
    request: MeasurementRequest, context: MetricContext, read_secret: SecretReader
) -> MeasurementResult:
    """Do what a request asks for with one metric and return what came of it; nothing is raised.

    A Secret that is missing ends the whole run, so the result has ``run_error``. Secret values are masked in
    everything that is returned.

    Source: Argo Rollouts ``analysis`` runMeasurements; differs: values and metadata are masked too, and long ones cut.
    """
    try:
        found = await _read_secrets(request, read_secret)
        values = placeholder_values(request.arguments, found.__getitem__)
        metric = substitute(request.metric, values)
    except FreightwayError as error:
        text = f"Unable to resolve metric arguments: {error}"
        return MeasurementResult(phase=AnalysisPhase.ERROR, message=text, run_error=text)
    try:
        result = await _dispatch(metric, context, request)
    except FreightwayError as error:
        result = MeasurementResult(phase=AnalysisPhase.ERROR, message=str(error))
    except Exception as error:  # noqa: BLE001 - a provider's bug is an Error measurement, retried as such
        _log.warning("metric %s: its provider broke with %s", request.metric.name, type(error).__name__)
        result = MeasurementResult(phase=AnalysisPhase.ERROR, message=f"{type(error).__name__}: {error}")
    return _masked(result, secret_values(request.arguments, values))


def judged(metric: Metric, result: object, value: str, context: MetricContext) -> MeasurementResult:
    """Return the result of a sample: its phase follows from the metric's conditions.

    Args:
        metric: the metric with its arguments put in.
        result: what conditions call ``result``.
        value: the sample as text.
        context: gives conditions their time.
    """
    phase, message = judge(metric, result, now=context.now)
    return MeasurementResult(
        phase=phase, message=message, value=value if phase is not AnalysisPhase.ERROR else ""
    )


async def _dispatch(metric: Metric, context: MetricContext, request: MeasurementRequest) -> MeasurementResult:
    load_providers()
    kind = provider_kind(metric.provider)
    function = _providers.get((kind, request.action))
    if function is not None:
        return await function(metric, context)
    if request.action is not Action.RUN and request.measurement is not None:
        return unchanged(request.measurement, context.now)
    known = ", ".join(provider_kinds())
    text = f"metric provider {kind!r} is not available; there are {known}"
    return MeasurementResult(phase=AnalysisPhase.ERROR, message=text)


async def _read_secrets(request: MeasurementRequest, read_secret: SecretReader) -> dict[SecretKeyRef, str]:
    references = {argument.secret for argument in request.arguments if argument.secret is not None}
    return {reference: await read_secret(request.project, reference) for reference in references}


def _masked(result: MeasurementResult, secrets: tuple[str, ...]) -> MeasurementResult:
    masker = Masker(lambda: secrets)

    def clean(text: str) -> str:
        text = masker.text(text)
        return text if len(text) <= MOST_VALUE else text[: MOST_VALUE - 1] + "…"

    return result.model_copy(
        update={
            "value": clean(result.value),
            "message": clean(result.message),
            "run_error": clean(result.run_error),
            "metadata": {key: clean(text) for key, text in result.metadata.items()},
            "metric_metadata": {key: clean(text) for key, text in result.metric_metadata.items()},
        }
    )
