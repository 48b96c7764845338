"""prometheus: an instant or a range query to Prometheus or a compatible server.

Source: Argo Rollouts ``metricproviders/prometheus``; differs: AWS request signing is refused instead of done.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from freightway.activities.metrics.registry import MOST_BYTES, MetricContext, judged, metric_provider
from freightway.activities.metrics.tokens import basic_header, header_map, oauth2_header
from freightway.adapters.http import HttpResponse
from freightway.errors import AdapterError, ExpressionError, InvalidResource
from freightway.resources.analysis import Metric, PrometheusMetric, RangeQuery
from freightway.verification.conditions import evaluate_time
from freightway.verification.durations import go_duration
from freightway.verification.run import MeasurementResult
from freightway.verification.values import number_text

DEFAULT_TIMEOUT_SECONDS = 30
ADDRESS_VARIABLE = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"

_TRY_WITH_GET = (403, 405, 501)


@metric_provider("prometheus")
async def measure(metric: Metric, context: MetricContext) -> MeasurementResult:
    """Send the query and judge its samples.

    Raises:
        InvalidResource: if the request cannot be built, or the samples are of a kind that cannot be judged.
        AdapterError: if there is no answer, or the server reports an error.
    """
    config = metric.provider.prometheus
    assert config is not None
    address = _address(config, context)
    timeout = DEFAULT_TIMEOUT_SECONDS if config.timeout is None else config.timeout
    if timeout < 0:
        raise InvalidResource("prometheus timeout should not be negative")
    headers = await _headers(config, context, timeout=max(timeout, 1))
    path, form = _query(config, context)
    if timeout == 0:
        raise AdapterError("context deadline exceeded: timeout is 0 seconds")
    answer = await _ask(
        context, f"{address.rstrip('/')}{path}", form, headers, timeout, verify=not config.insecure
    )
    result, value = _samples(answer.get("data"))
    outcome = judged(metric, result, value, context)
    warnings = [str(warning) for warning in answer.get("warnings") or ()]
    metadata = {"warnings": ", ".join(f'"{warning}"' for warning in warnings)} if warnings else {}
    return outcome.model_copy(
        update={"metadata": metadata, "metric_metadata": {"ResolvedPrometheusQuery": config.query}}
    )


def _address(config: PrometheusMetric, context: MetricContext) -> str:
    address = config.address or context.environment.get(ADDRESS_VARIABLE, "")
    if not address:
        raise InvalidResource("prometheus address is not configured")
    parts = urlsplit(address)
    if not parts.scheme or not parts.netloc:
        raise InvalidResource("prometheus address is not is url format")
    sigv4 = config.authentication.sigv4 if config.authentication else None
    if (
        sigv4 is not None
        and "aps-workspaces" in address
        and (sigv4.region or sigv4.profile or sigv4.role_arn)
    ):
        raise InvalidResource("authentication.sigv4 is not available; put a signing proxy before the server")
    return address


async def _headers(config: PrometheusMetric, context: MetricContext, *, timeout: float) -> dict[str, str]:
    own = header_map(config.headers)
    headers: dict[str, str] = {}
    if config.authentication is not None:
        auth = config.authentication
        headers |= await oauth2_header(auth.oauth2, context, own, timeout=timeout, verify=not config.insecure)
        headers |= basic_header(auth.basic_auth) if auth.basic_auth is not None else {}
    return headers | own


def _query(config: PrometheusMetric, context: MetricContext) -> tuple[str, dict[str, str]]:
    if config.range_query is None:
        return "/api/v1/query", {"query": config.query, "time": _seconds(context.now.timestamp())}
    window = config.range_query
    try:
        step = go_duration(window.step)
    except ValueError as error:
        raise InvalidResource(f"failed to parse rangeQuery.step as duration: {error}") from error
    return "/api/v1/query_range", {
        "query": config.query,
        "start": _seconds(_instant(window, "start", context)),
        "end": _seconds(_instant(window, "end", context)),
        "step": _seconds(step.total_seconds()),
    }


def _instant(window: RangeQuery, name: str, context: MetricContext) -> float:
    try:
        return evaluate_time(getattr(window, name), now=context.now).timestamp()
    except ExpressionError as error:
        raise InvalidResource(f"failed to parse rangeQuery.{name} as time: {error.message}") from error


def _seconds(value: float) -> str:
    return number_text(round(value, 3))


async def _ask(
    context: MetricContext,
    url: str,
    form: dict[str, str],
    headers: dict[str, str],
    timeout: float,
    *,
    verify: bool,
) -> dict[str, Any]:
    """Send the query as a form, and as a GET to servers that take no POST."""
    body = urlencode(form)
    typed = {"content-type": "application/x-www-form-urlencoded", **headers}
    answer = await context.http.request(
        "POST", url, headers=typed, content=body, timeout=timeout, verify=verify, max_bytes=MOST_BYTES
    )
    if answer.status in _TRY_WITH_GET:
        answer = await context.http.request(
            "GET",
            f"{url}?{body}",
            headers=headers,
            timeout=timeout,
            verify=verify,
            max_bytes=MOST_BYTES,
            follow_redirects=True,
        )
    return _decode(answer)


def _decode(answer: HttpResponse) -> dict[str, Any]:
    explains = answer.status in (400, 422)
    if not answer.ok and not explains:
        raise AdapterError(_status_text(answer.status), status=answer.status)
    try:
        decoded = json.loads(answer.body)
    except ValueError as error:
        raise AdapterError(f"bad_response: {error}", status=answer.status) from error
    if not isinstance(decoded, dict):
        raise AdapterError("bad_response: the answer is no object", status=answer.status)
    failed = decoded.get("status") == "error"
    if explains and not failed:
        raise AdapterError("bad_response: inconsistent body for response code", status=answer.status)
    if failed:
        text = f"{decoded.get('errorType', '')}: {decoded.get('error', '')}"
        raise AdapterError(text, status=answer.status)
    return decoded


def _status_text(status: int) -> str:
    match status // 100:
        case 4:
            return f"client_error: client error: {status}"
        case 5:
            return f"server_error: server error: {status}"
        case _:
            return f"bad_response: bad response code {status}"


def _samples(data: Any) -> tuple[float | list[float], str]:
    """The result for conditions and its text: a number for a scalar, a list for everything else."""
    kind = data.get("resultType") if isinstance(data, dict) else None
    try:
        match kind:
            case "scalar":
                number = _number(data["result"])
                return number, number_text(number)
            case "vector":
                numbers = [_number(sample["value"]) for sample in data["result"]]
            case "matrix":
                numbers = [
                    _number(value) for series in data["result"] for value in series.get("values") or ()
                ]
            case _:
                raise InvalidResource("Prometheus metric type not supported")
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise AdapterError("bad_response: a sample is not a time and a number") from error
    return numbers, "[" + ",".join(map(number_text, numbers)) + "]"


def _number(sample: Any) -> float:
    return float(sample[1])
