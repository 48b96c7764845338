"""web: a value picked from the JSON answer of any HTTP endpoint.

Source: Argo Rollouts ``metricproviders/webmetric``; differs: a body of exactly ``null`` is a result of nil.
"""

from __future__ import annotations

import json
from typing import Any

from freightway.activities.metrics.registry import MOST_BYTES, MetricContext, judged, metric_provider
from freightway.activities.metrics.tokens import header_map, oauth2_header
from freightway.errors import AdapterError, InvalidResource, NotFound
from freightway.resources.analysis import Metric, WebMetric
from freightway.verification.jsonpath import JSONPath
from freightway.verification.run import MeasurementResult
from freightway.verification.values import decode_json, json_text

DEFAULT_TIMEOUT_SECONDS = 10
DEFAULT_JSON_PATH = "{$}"


@metric_provider("web")
async def measure(metric: Metric, context: MetricContext) -> MeasurementResult:
    """Send the request, pick a value and judge it.

    Raises:
        InvalidResource: if the request or the path cannot be built, or the path does not fit the answer.
        AdapterError: if there is no answer, or one that is not 2xx.
    """
    config = metric.provider.web
    assert config is not None
    path = JSONPath(config.json_path or DEFAULT_JSON_PATH)
    method = config.method or "GET"
    content = _content(config, method)
    timeout = config.timeout_seconds if config.timeout_seconds > 0 else DEFAULT_TIMEOUT_SECONDS
    verify = not config.insecure
    headers = header_map(config.headers)
    if config.json_body is not None:
        headers["content-type"] = "application/json"
    auth = config.authentication
    headers |= await oauth2_header(auth.oauth2 if auth else None, context, {}, timeout=timeout, verify=verify)
    answer = await context.http.request(
        method,
        config.url,
        headers=headers,
        content=content,
        timeout=timeout,
        verify=verify,
        max_bytes=MOST_BYTES,
        follow_redirects=True,
    )
    if not 200 <= answer.status < 300:
        raise AdapterError(f"received non 2xx response code: {answer.status}", status=answer.status)
    result, value = _pick(path, answer.body.decode("utf-8", "replace"))
    return judged(metric, result, value, context)


def _content(config: WebMetric, method: str) -> str | None:
    if config.body and config.json_body is not None:
        raise InvalidResource("use either Body or JSONBody; both cannot exists for WebMetric payload")
    if method == "GET" and (config.body or config.json_body is not None):
        raise InvalidResource("Body/JSONBody can only be used with POST or PUT WebMetric Method types")
    if config.json_body is not None:
        return json.dumps(config.json_body, ensure_ascii=False, separators=(",", ":"))
    return config.body or None


def _pick(path: JSONPath, body: str) -> tuple[Any, str]:
    """The picked value and its text; a body that is not JSON is taken whole, as text."""
    try:
        decoded = decode_json(body)
    except ValueError:
        return body, body
    try:
        picked = path.first(decoded)
    except NotFound as error:
        raise InvalidResource("result of web metric produced no value") from error
    except InvalidResource as error:
        raise InvalidResource(f"Could not find JSONPath in body: {error}") from error
    return picked, json_text(picked)
