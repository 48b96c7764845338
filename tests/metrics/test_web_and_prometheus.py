"""The metric providers against a real server that keeps state."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from freightway.activities.metrics import prometheus, web
from freightway.activities.metrics.registry import (
    MOST_VALUE,
    MetricContext,
    judged,
    metric_provider,
    provider_kinds,
    take,
)
from freightway.adapters.http import Http
from freightway.errors import NotFound
from freightway.resources.analysis import AnalysisPhase, AnalysisTemplate, Argument, Metric, SecretKeyRef
from freightway.verification.assess import assess
from freightway.verification.lifecycle import record, start
from freightway.verification.run import Action, Measurement, MeasurementRequest, MeasurementResult
from freightway.verification.schedule import due, pause
from tests.servers.http_server import HttpServer, Reply, Request

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
SECRET = "s3cret+token/value"
ARGUMENTS = (
    Argument.model_validate(
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}
    ),
)
SUCCESSFUL, FAILED, ERROR = AnalysisPhase.SUCCESSFUL, AnalysisPhase.FAILED, AnalysisPhase.ERROR


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


async def read_secret(project: str, reference: SecretKeyRef) -> str:
    if (project, reference.name, reference.key) != ("shop", "api", "token"):
        raise NotFound("secret", reference.name)
    return SECRET


class MetricsServer:
    """A JSON endpoint that counts its visits, a token endpoint, and Prometheus' API over samples kept in memory."""

    def __init__(self) -> None:
        self.visits = 0
        self.samples: dict[str, list[tuple[float, float]]] = {"up": [(NOW.timestamp(), 1.0)]}
        self.takes_post = True
        self.basic_tokens = True
        self.authorizations: list[str] = []

    def __call__(self, request: Request) -> Reply:
        self.authorizations.append(request.headers.get("authorization", ""))
        if request.path == "/count":
            self.visits += 1
            return Reply(json={"visits": self.visits, "echo": request.body.decode()})
        if request.path == "/moved":
            return Reply(302, headers={"Location": "/count"})
        if request.path == "/token":
            return self.token(request)
        if request.path.startswith("/api/v1/"):
            return self.prometheus(request)
        return Reply(200, "x" * 10_000) if request.path == "/long" else Reply(404, "nothing here")

    def token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        by_basic = request.headers.get("authorization") == "Basic " + base64.b64encode(b"me:pass").decode()
        by_form = (form.get("client_id"), form.get("client_secret")) == ("me", "pass")
        if form["grant_type"] != "client_credentials" or not (by_basic if self.basic_tokens else by_form):
            return Reply(401, "no")
        return Reply(json={"access_token": f"T-{form.get('scope', '')}", "token_type": "bearer"})

    def prometheus(self, request: Request) -> Reply:
        if request.method == "POST" and not self.takes_post:
            return Reply(405, "")
        text = request.body.decode() if request.method == "POST" else request.target.partition("?")[2]
        form = {name: values[0] for name, values in parse_qs(text).items()}
        if form["query"] not in self.samples:
            error = {"status": "error", "errorType": "bad_data", "error": f"unknown metric {form['query']}"}
            return Reply(400, json=error)
        samples = self.samples[form["query"]]
        if request.path.endswith("query_range"):
            inside = [pair for pair in samples if float(form["start"]) <= pair[0] <= float(form["end"])]
            series = [{"metric": {}, "values": [[when, str(value)] for when, value in inside]}]
            return Reply(json={"status": "success", "data": {"resultType": "matrix", "result": series}})
        newest = [{"metric": {}, "value": [float(form["time"]), str(samples[-1][1])]}] if samples else []
        return Reply(json={"status": "success", "data": {"resultType": "vector", "result": newest}})


@pytest.fixture
async def world() -> AsyncIterator[tuple[MetricsServer, HttpServer]]:
    handler = MetricsServer()
    async with HttpServer(handler) as server:
        yield handler, server


async def sample(
    http: Http, provider: dict[str, Any], *, environment: Any = None, **fields: Any
) -> MeasurementResult:
    metric = Metric.model_validate({"name": "m", "provider": provider, **fields})
    request = MeasurementRequest(project="shop", metric=metric, arguments=ARGUMENTS)
    return await take(request, MetricContext(http=http, now=NOW, environment=environment or {}), read_secret)


async def test_run_measures_a_counter_until_it_is_high_enough(world, http):
    _, server = world
    metric = {
        "name": "visits",
        "interval": "10s",
        "count": 4,
        "failureLimit": 2,
        "successCondition": "result >= 3",
        "provider": {"web": {"url": f"{server.url}/count", "jsonPath": "{$.visits}"}},
    }
    template = AnalysisTemplate.model_validate({"metadata": {"name": "t"}, "spec": {"metrics": [metric]}})
    run, now = start([template], [], NOW, project="shop"), NOW
    while not run.is_completed:
        for task in due(run, now)[0]:
            taken = await take(run.request(task), MetricContext(http=http, now=now), read_secret)
            run = record(run, task, taken, now)
        run = assess(run, now)
        now += pause(run, now) or timedelta(0)
    assert run.phase is SUCCESSFUL
    (result,) = run.metric_results
    assert [measured.value for measured in result.measurements] == ["1", "2", "3", "4"]
    assert (result.failed, result.successful) == (2, 2)
    assert now == NOW + timedelta(seconds=30)


async def test_secret_reaches_the_server_but_nothing_that_is_returned(world, http):
    handler, server = world
    web_metric = {
        "url": f"{server.url}/count",
        "method": "POST",
        "body": "{{ args.token }}",
        "headers": [{"key": "Authorization", "value": "Bearer {{ args.token }}"}],
    }
    result = await sample(http, {"web": web_metric}, failureCondition="result.echo != '{{ args.token }}'")
    assert handler.authorizations == [f"Bearer {SECRET}"]
    assert result.phase is SUCCESSFUL
    assert SECRET not in result.model_dump_json()
    assert json.loads(result.value)["visits"] == 1


async def test_secret_in_a_condition_is_masked_in_its_error(world, http):
    _, server = world
    provider = {"web": {"url": f"{server.url}/count"}}
    result = await sample(http, provider, successCondition="result.echo > '{{ args.token }}' + 1")
    assert result.phase is ERROR
    assert result.message.startswith("could not evaluate successCondition")
    assert SECRET not in result.message


async def test_missing_secret_ends_the_run_and_asks_nobody(world, http):
    _, server = world
    metric = Metric.model_validate({"name": "m", "provider": {"web": {"url": f"{server.url}/count"}}})
    request = MeasurementRequest(project="other", metric=metric, arguments=ARGUMENTS)
    result = await take(request, MetricContext(http=http, now=NOW), read_secret)
    assert result.run_error == "Unable to resolve metric arguments: secret 'api' not found"
    assert server.requests == []


async def test_json_body_is_sent_as_json_and_redirects_are_followed(world, http):
    _, server = world
    config = {"url": f"{server.url}/count", "method": "PUT", "jsonBody": {"a": ["{{ args.token }}", 1, None]}}
    await sample(http, {"web": config})
    assert server.requests[0].headers["content-type"] == "application/json"
    assert server.requests[0].json() == {"a": [SECRET, 1, None]}
    moved = await sample(http, {"web": {"url": f"{server.url}/moved", "jsonPath": "{$.visits}"}})
    assert (moved.phase, moved.value) == (SUCCESSFUL, "2")


async def test_server_that_does_not_answer_is_an_error(http):
    result = await sample(http, {"web": {"url": "http://127.0.0.1:1/x", "timeoutSeconds": 2}})
    assert result.phase is ERROR
    assert "127.0.0.1:1" in result.message


async def test_bad_path_is_an_error_before_any_request(world, http):
    _, server = world
    result = await sample(http, {"web": {"url": f"{server.url}/count", "jsonPath": "{$.a"}})
    assert (result.phase, result.message, server.requests) == (ERROR, "unclosed action", [])


async def test_long_value_is_cut_but_judged_whole(world, http):
    _, server = world
    result = await sample(
        http, {"web": {"url": f"{server.url}/long"}}, successCondition="len(result) == 10000"
    )
    assert result.phase is SUCCESSFUL
    assert len(result.value) == MOST_VALUE


@pytest.mark.parametrize("basic", [True, False])
async def test_token_is_fetched_with_basic_or_form_credentials(world, http, basic):
    handler, server = world
    handler.basic_tokens = basic
    oauth2 = {
        "tokenUrl": f"{server.url}/token",
        "clientId": "me",
        "clientSecret": "pass",
        "scopes": ["a", "b"],
    }
    result = await sample(http, {"web": {"url": f"{server.url}/count", "authentication": {"oauth2": oauth2}}})
    assert result.phase is SUCCESSFUL
    assert handler.authorizations[-1] == "Bearer T-a b"


async def test_refused_token_is_an_error(world, http):
    _, server = world
    oauth2 = {"tokenUrl": f"{server.url}/token", "clientId": "me", "clientSecret": "wrong"}
    result = await sample(http, {"web": {"url": f"{server.url}/count", "authentication": {"oauth2": oauth2}}})
    assert (result.phase, result.message) == (ERROR, "oauth2: cannot fetch token: 401 Unauthorized")


async def test_instant_query_gives_a_list(world, http):
    handler, server = world
    provider = {"prometheus": {"address": f"{server.url}/", "query": "up"}}
    result = await sample(http, provider, successCondition="result[0] == 1")
    assert (result.phase, result.value) == (SUCCESSFUL, "[1]")
    assert result.metric_metadata == {"ResolvedPrometheusQuery": "up"}
    handler.samples["up"].append((NOW.timestamp(), 0.25))
    result = await sample(http, provider, successCondition="result[0] == 1")
    assert (result.phase, result.value) == (FAILED, "[0.25]")


async def test_server_without_post_is_asked_with_get(world, http):
    handler, server = world
    handler.takes_post = False
    result = await sample(
        http, {"prometheus": {"query": "up"}}, environment={prometheus.ADDRESS_VARIABLE: server.url}
    )
    assert result.value == "[1]"
    assert server.paths() == ["POST /api/v1/query", "GET /api/v1/query"]


async def test_range_query_evaluates_its_window_at_the_time_of_the_measurement(world, http):
    handler, server = world
    handler.samples["load"] = [
        ((NOW - timedelta(minutes=age)).timestamp(), float(age)) for age in (9, 5, 1, 0)
    ]
    window = {"start": 'now() - duration("5m")', "end": "now()", "step": "1m"}
    provider = {"prometheus": {"address": server.url, "query": "load", "rangeQuery": window}}
    result = await sample(http, provider, successCondition="all(result, # <= 5)")
    assert (result.phase, result.value) == (SUCCESSFUL, "[5,1,0]")
    form = parse_qs(server.requests[0].body.decode())
    assert form["step"] == ["60"]
    assert float(form["end"][0]) - float(form["start"][0]) == 300


async def test_headers_override_basic_authentication(world, http):
    handler, server = world
    auth = {"basicAuth": {"username": "me", "password": "pass"}}
    config: dict[str, Any] = {"address": server.url, "query": "up", "authentication": auth}
    await sample(http, {"prometheus": config})
    assert handler.authorizations == ["Basic " + base64.b64encode(b"me:pass").decode()]
    config["headers"] = [{"key": "authorization", "value": "own"}]
    await sample(http, {"prometheus": config})
    assert handler.authorizations[-1] == "own"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"query": "up"}, "prometheus address is not configured"),
        ({"query": "up", "address": "localhost:9090"}, "prometheus address is not is url format"),
        ({"query": "gone"}, "bad_data: unknown metric gone"),
        ({"query": "up", "timeout": -1}, "prometheus timeout should not be negative"),
        ({"query": "up", "timeout": 0}, "context deadline exceeded"),
        ({"query": "up", "rangeQuery": {"start": "now()", "end": "now()", "step": "1x"}}, "rangeQuery.step"),
        ({"query": "up", "rangeQuery": {"start": "'x'", "end": "now()", "step": "1m"}}, "expected time.Time"),
        ({"query": "up", "authentication": {"basicAuth": {"username": "me"}}}, "basic authentication"),
    ],
)
async def test_prometheus_mistake_is_an_error_measurement(world, http, config, message):
    _, server = world
    address = {} if message.startswith("prometheus address") else {"address": server.url}
    result = await sample(http, {"prometheus": {**address, **config}})
    assert result.phase is ERROR
    assert message in result.message


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(404, ""), "client_error: client error: 404"),
        (Reply(503, ""), "server_error: server error: 503"),
        (Reply(200, "<html>"), "bad_response: "),
        (Reply(200, "[]"), "bad_response: "),
        (Reply(400, '{"status":"success"}'), "bad_response: inconsistent body for response code"),
        (
            Reply(json={"status": "success", "data": {"resultType": "string", "result": [0, "x"]}}),
            "not supported",
        ),
        (
            Reply(json={"status": "success", "data": {"resultType": "scalar", "result": "x"}}),
            "bad_response: ",
        ),
        (Reply(json={"status": "success"}), "not supported"),
    ],
)
async def test_answer_that_is_none_of_prometheus_is_an_error(http, reply, message):
    async with HttpServer(lambda _: reply) as server:
        result = await sample(http, {"prometheus": {"address": server.url, "query": "up"}})
    assert result.phase is ERROR
    assert message in result.message


async def test_provider_of_a_later_version_says_that_it_is_not_available(http):
    result = await sample(http, {"job": {"spec": {}}})
    assert result.phase is ERROR
    assert "metric provider 'job' is not available; there are" in result.message
    assert {"web", "prometheus"} <= set(provider_kinds())


async def test_provider_without_a_way_to_end_leaves_its_measurement_as_it_is(http):
    metric = Metric.model_validate({"name": "m", "provider": {"web": {"url": "http://x"}}})
    unfinished = Measurement(
        phase=AnalysisPhase.RUNNING, started_at=NOW, resume_at=NOW + timedelta(seconds=5)
    )
    request = MeasurementRequest(metric=metric, action=Action.TERMINATE, measurement=unfinished)
    result = await take(request, MetricContext(http=http, now=NOW), read_secret)
    assert (result.phase, result.resume_after) == (AnalysisPhase.RUNNING, 5)


def test_second_function_for_one_provider_is_refused() -> None:
    with pytest.raises(ValueError, match="'web' has a function to run already"):
        metric_provider("web")(web.measure)


async def test_bug_in_a_provider_is_an_error_measurement(world, http):
    _, server = world

    class Broken(Http):
        async def request(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError(f"broke with {SECRET}")

    result = await sample(Broken(), {"web": {"url": f"{server.url}/count"}})
    assert result.phase is ERROR
    assert result.message.startswith("RuntimeError: broke with ")
    assert SECRET not in result.message


def test_errors_keep_no_value() -> None:
    metric = Metric.model_validate(
        {"name": "m", "provider": {"web": {"url": "http://x"}}, "successCondition": "1"}
    )
    result = judged(metric, 5.0, "5", MetricContext(http=Http(), now=NOW))
    assert (result.phase, result.value) == (ERROR, "")
