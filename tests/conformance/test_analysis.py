"""Analysis runs follow the recorded facts, every kind of them, through the functions that the product calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from facts import case_id, cases

from freightway.activities.metrics.registry import MetricContext, provider_kinds, take
from freightway.adapters.http import Http
from freightway.errors import ExpressionError, InvalidResource, NotFound
from freightway.resources.analysis import (
    AnalysisPhase,
    AnalysisTemplate,
    Argument,
    ClusterAnalysisTemplate,
    DryRunRule,
    Metric,
    RetentionRule,
    SecretKeyRef,
    TTLStrategy,
    WebMetric,
)
from freightway.verification.arguments import merge_arguments, placeholder_values, substitute
from freightway.verification.assess import assess, metric_phase
from freightway.verification.conditions import evaluate_condition, evaluate_time, judge
from freightway.verification.kargo_args import evaluate_argument
from freightway.verification.lifecycle import record, terminate, unchanged
from freightway.verification.rules import dry_run_metrics, is_expired, retention_limits
from freightway.verification.run import (
    Action,
    AnalysisRun,
    Due,
    Measurement,
    MeasurementRequest,
    MeasurementResult,
    MetricResult,
)
from freightway.verification.schedule import due, pause
from freightway.verification.templates import flatten_templates
from freightway.verification.validate import validate_metrics
from tests.servers.http_server import HttpServer, Reply, Request

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

WAITING_PROVIDERS = {
    "datadog-v1",
    "datadog-v2",
    "newRelic",
    "wavefront",
    "graphite",
    "influxdb",
    "cloudWatch",
    "skywalking",
    "kayenta",
    "job",
    "plugin",
}
"""Providers of a later version: their fields are read, and a measurement says that the provider is not available."""


def test_waiting_providers_are_those_that_the_product_does_not_have() -> None:
    assert not {name.split("-")[0] for name in WAITING_PROVIDERS} & set(provider_kinds())


Case = dict[str, Any]


def of_kind(kind: str) -> list[Case]:
    return [case for case in cases("analysis") if case["kind"] == kind]


def kinds(*names: str) -> Callable[[Any], Any]:
    found = [case for name in names for case in of_kind(name)]
    return pytest.mark.parametrize("case", found, ids=case_id)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else EPOCH + timedelta(seconds=seconds)


def metric_of(fields: dict[str, Any]) -> Metric:
    return Metric.model_validate({"name": "m", "provider": {"prometheus": {}}, **fields})


def result_of(fields: dict[str, Any], last: Measurement | None) -> MetricResult:
    known = {key: value for key, value in fields.items() if key not in ("last", "lastMeasurementPhase")}
    return MetricResult.model_validate({"name": "m", **known, "measurements": [last] if last else []})


def last_of(phase: str | None) -> Measurement | None:
    if phase is None:
        return None
    finished = None if phase == "Running" else EPOCH
    return Measurement(phase=AnalysisPhase(phase), started_at=EPOCH, finished_at=finished)


def run_of(case: Case, results: list[MetricResult]) -> AnalysisRun:
    return AnalysisRun(
        metrics=tuple(metric_of(metric) for metric in case["metrics"]),
        dry_run=tuple(DryRunRule(metric_name=rule) for rule in case.get("dryRun") or ()),
        is_terminate_requested=bool(case.get("terminate")),
        metric_results=tuple(results),
    )


def plain(model: Any) -> Any:
    return model.model_dump(mode="json", exclude_none=True)


def outcome_of(case: Case) -> Any:
    """The result as the engine gets it: JSON numbers are floats, a tuple is a list of floats."""
    value, kind = case.get("result"), case["resultType"]
    match kind:
        case "json":
            return json.loads(json.dumps(value), parse_int=float)
        case "float64" | "float64-pointer":
            return float(value)
        case "float64-slice":
            return tuple(float(item) for item in value)
        case "int":
            return int(value)
        case "nil" | "float64-nil-pointer":
            return None
        case _:
            raise AssertionError(f"unknown resultType {kind}")


# Conditions


@kinds("condition")
def test_condition_evaluates_as_recorded(case: Case) -> None:
    if case["expect"].get("error"):
        with pytest.raises(ExpressionError):
            evaluate_condition(case["expr"], outcome_of(case), now=EPOCH)
        return
    assert evaluate_condition(case["expr"], outcome_of(case), now=EPOCH) is case["expect"]["value"]


@kinds("time-expr")
def test_time_expression_evaluates_as_recorded(case: Case) -> None:
    if case["expect"].get("error"):
        with pytest.raises(ExpressionError):
            evaluate_time(case["expr"], now=EPOCH)
        return
    expected = datetime.fromisoformat(case["expect"]["value"])
    assert evaluate_time(case["expr"], now=EPOCH) == expected


@kinds("measurement-phase")
def test_conditions_decide_the_phase_of_a_measurement(case: Case) -> None:
    conditions = {key: case[key] for key in ("successCondition", "failureCondition") if key in case}
    phase, message = judge(metric_of(conditions), outcome_of(case), now=EPOCH)
    assert phase == case["expect"]["phase"]
    assert bool(message) is (phase is AnalysisPhase.ERROR)


# Assessment


@kinds("metric-phase")
def test_counters_decide_the_phase_of_a_metric(case: Case) -> None:
    result = result_of(case["result"], last_of(case["lastMeasurementPhase"]))
    phase = metric_phase(metric_of(case["metric"]), result, terminating=case["terminating"])
    assert phase == case["expect"]["phase"]


@kinds("run-phase")
def test_metrics_decide_the_phase_of_the_run(case: Case) -> None:
    results = [
        result_of(fields, last_of(fields.get("lastMeasurementPhase"))) for fields in case["metricResults"]
    ]
    run = assess(run_of(case, results), EPOCH)
    expect = case["expect"]
    assert run.phase == expect["phase"]
    assert run.message == expect.get("message", run.message)
    for field, summary in (("runSummary", run.run_summary), ("dryRunSummary", run.dry_run_summary)):
        if field in expect:
            zero = dict.fromkeys(("count", "successful", "failed", "inconclusive", "error"), 0)
            assert plain(summary) == {**zero, **expect[field]}
    by_name = {result.name: result for result in run.metric_results}
    for name, phase in (expect.get("metricPhases") or {}).items():
        assert by_name[name].phase == phase
    for name, message in (expect.get("metricMessages") or {}).items():
        assert by_name[name].message == message


@kinds("schedule")
def test_schedule_names_what_is_due_and_the_next_wake(case: Case) -> None:
    results = []
    for fields in case["metricResults"]:
        last = fields.get("last")
        times = (
            {}
            if last is None
            else {key: at(last.get(key)) for key in ("startedAt", "finishedAt", "resumeAt")}
        )
        results.append(
            result_of(fields, last and Measurement.model_validate({"phase": last["phase"], **times}))
        )
    run = run_of(case, results).changed(started_at=at(case.get("startedAt")))
    tasks, wake = due(run, EPOCH + timedelta(seconds=case["now"]), strictly=True)
    names = [task.metric + ("" if task.action is Action.RUN else ":resume") for task in tasks]
    assert names == case["expect"].get("due", names)
    if "nextWake" in case["expect"]:
        assert wake == at(case["expect"]["nextWake"])


class Script:
    """Providers that answer as written, on a clock of their own."""

    def __init__(self, takes: dict[str, list[Any]]) -> None:
        self.takes = takes
        self.taken: dict[str, int] = {}
        self.step: dict[str, int] = {}
        self.events: list[dict[str, Any]] = []

    def answer(self, task: Due, now: datetime) -> tuple[MeasurementResult, datetime]:
        if task.action is Action.RUN:
            self.taken[task.metric] = self.taken.get(task.metric, 0) + 1
            self.step[task.metric] = 0
        elif task.action is Action.RESUME:
            self.step[task.metric] += 1
        script = self.takes[task.metric]
        current = script[min(self.taken[task.metric], len(script)) - 1]
        steps = current["steps"] if isinstance(current, dict) and "steps" in current else [current]
        step: Any = steps[min(self.step[task.metric], len(steps) - 1)]
        if task.action is Action.TERMINATE:
            ending = current.get("onTerminate") if isinstance(current, dict) else None
            if ending is None:
                assert task.measurement is not None
                return self._told(task, unchanged(task.measurement, now), now), now
            step = ending
        fields = step if isinstance(step, dict) else {"phase": step}
        end = now + timedelta(seconds=fields.get("duration", 0))
        phase = AnalysisPhase(fields["phase"])
        result = MeasurementResult(
            phase=phase,
            resume_after=fields.get("resumeAfter"),
            started_at=now,
            finished_at=end if phase.is_completed else None,
        )
        return self._told(task, result, now), end

    def _told(self, task: Due, result: MeasurementResult, now: datetime) -> MeasurementResult:
        seconds = int((now - EPOCH).total_seconds())
        event = {"t": seconds, "metric": task.metric, "event": str(task.action), "phase": str(result.phase)}
        self.events.append(event)
        return result


def drive(
    run: AnalysisRun, script: Script, terminate_at: datetime | None, until: datetime | None
) -> AnalysisRun:
    """The loop of a workflow, on a virtual clock."""
    now = EPOCH
    for _ in range(1000):
        if terminate_at is not None and now >= terminate_at:
            run = terminate(run)
        tasks, _ = due(run, now)
        answers = [(task, *script.answer(task, now)) for task in tasks]
        now = max((end for _, _, end in answers), default=now)
        for task, result, end in answers:
            run = record(run, task, result, end)
        run = assess(run, now)
        wait = pause(run, now)
        if wait is None:
            return run
        following = now + wait
        if terminate_at is not None and not run.is_terminate_requested:
            following = min(following, max(now, terminate_at))
        if until is not None and following > until:
            return run
        now = following
    raise AssertionError("the run does not end")


@kinds("run-timeline")
def test_run_measures_and_ends_at_the_recorded_times(case: Case) -> None:
    script = Script(case["script"])
    run = drive(run_of(case, []), script, at(case.get("terminateAt")), at(case.get("until")))
    expect = case["expect"]
    assert script.events == expect["events"]
    assert run.phase == expect["phase"]
    assert run.message == expect.get("message", run.message)
    if "completedAt" in expect:
        assert run.completed_at == at(expect["completedAt"])
    by_name = {result.name: result for result in run.metric_results}
    for name, phase in (expect.get("metricPhases") or {}).items():
        assert by_name[name].phase == phase


@kinds("ttl")
def test_completed_run_expires_as_recorded(case: Case) -> None:
    since = case["secondsSinceCompletedAt"]
    completed = None if since is None else EPOCH - timedelta(seconds=since)
    fields = case.get("ttlStrategy")
    strategy = TTLStrategy.model_validate(fields) if fields is not None else None
    assert is_expired(strategy, AnalysisPhase(case["phase"]), completed, EPOCH) is case["expect"]["expired"]


# Templates, arguments and rules


@kinds("validate")
def test_metrics_are_valid_as_recorded(case: Case) -> None:
    metrics = [Metric.model_validate(metric) for metric in case["metrics"]]
    if case["expect"]["valid"]:
        validate_metrics(metrics)
        return
    with pytest.raises(InvalidResource) as caught:
        validate_metrics(metrics)
    assert str(caught.value) == case["expect"]["error"]


@kinds("arg-template")
def test_placeholders_are_replaced_as_recorded(case: Case) -> None:
    field, template = case["field"], case["template"]
    in_web = field in {info.alias or name for name, info in WebMetric.model_fields.items()}
    inner = {"url": "http://metrics", **({field: template} if in_web else {})}
    metric = metric_of({"provider": {"web": inner}, **({} if in_web else {field: template})})
    arguments = [Argument.model_validate(argument) for argument in case["args"]]
    if case["expect"].get("error"):
        with pytest.raises(InvalidResource):
            substitute(metric, placeholder_values(arguments))
        return
    resolved = substitute(metric, placeholder_values(arguments)).model_dump(mode="json")
    assert (resolved["provider"]["web"] if in_web else resolved)[field] == case["expect"]["value"]


@kinds("args-merge")
def test_arguments_are_merged_as_recorded(case: Case) -> None:
    incoming = [Argument.model_validate(argument) for argument in case["incoming"]]
    declared = [Argument.model_validate(argument) for argument in case["template"]]
    if "error" in case["expect"]:
        with pytest.raises(InvalidResource, match=case["expect"]["error"]):
            merge_arguments(incoming, declared)
        return
    assert [plain(argument) for argument in merge_arguments(incoming, declared)] == case["expect"]["args"]


def template_fields(fields: dict[str, Any], index: int) -> dict[str, Any]:
    retention = [{"metricName": name, "limit": 1} for name in fields.get("measurementRetention") or ()]
    spec = {
        "metrics": [{"name": name, "provider": {"prometheus": {}}} for name in fields.get("metrics") or ()],
        "dryRun": [{"metricName": name} for name in fields.get("dryRun") or ()],
        "measurementRetention": retention,
        "args": fields.get("args") or [],
    }
    return {"metadata": {"name": f"t{index}"}, "spec": spec}


@kinds("template-flatten")
def test_templates_are_flattened_as_recorded(case: Case) -> None:
    templates: list[AnalysisTemplate | ClusterAnalysisTemplate] = []
    for index, fields in enumerate(case.get("clusterTemplates") or ()):
        templates.append(ClusterAnalysisTemplate.model_validate(template_fields(fields, index)))
    for index, fields in enumerate(case.get("templates") or ()):
        templates.append(AnalysisTemplate.model_validate(template_fields(fields, index)))
    if "error" in case["expect"]:
        with pytest.raises(InvalidResource) as caught:
            flatten_templates(templates)
        assert case["expect"]["error"] in str(caught.value)
        return
    spec = flatten_templates(templates)
    assert [metric.name for metric in spec.metrics] == case["expect"]["metrics"]
    assert [plain(argument) for argument in spec.args] == case["expect"]["args"]


@kinds("dryrun-match")
def test_dry_run_rules_pick_metrics_as_recorded(case: Case) -> None:
    rules = [DryRunRule(metric_name=rule) for rule in case["rules"]]
    if "error" in case["expect"]:
        with pytest.raises(InvalidResource) as caught:
            dry_run_metrics(rules, case["metrics"])
        assert str(caught.value) == case["expect"]["error"]
        return
    assert sorted(dry_run_metrics(rules, case["metrics"])) == sorted(case["expect"]["metrics"])


@kinds("retention-match")
def test_retention_rules_pick_metrics_as_recorded(case: Case) -> None:
    rules = [RetentionRule.model_validate(rule) for rule in case["rules"]]
    if "error" in case["expect"]:
        with pytest.raises(InvalidResource) as caught:
            retention_limits(rules, case["metrics"])
        assert str(caught.value) == case["expect"]["error"]
        return
    assert retention_limits(rules, case["metrics"]) == case["expect"]["limits"]


@kinds("kargo-arg")
def test_argument_of_a_stage_is_evaluated_as_recorded(case: Case) -> None:
    if case["expect"].get("error"):
        with pytest.raises((InvalidResource, ExpressionError)):
            evaluate_argument(case["value"], case["env"], now=EPOCH)
        return
    assert evaluate_argument(case["value"], case["env"], now=EPOCH) == case["expect"]["value"]


# Providers


async def no_secret(project: str, reference: SecretKeyRef) -> str:
    raise NotFound("secret", reference.name)


async def measure(case: Case, provider: dict[str, Any]) -> MeasurementResult:
    conditions = {key: case[key] for key in ("successCondition", "failureCondition") if key in case}
    request = MeasurementRequest(metric=metric_of({"provider": provider, **conditions}))
    async with Http() as http:
        return await take(request, MetricContext(http=http, now=EPOCH), no_secret)


def token_reply(answer: Any) -> Reply:
    if answer is None:
        return Reply(401, "not allowed")
    if isinstance(answer, dict) and "body" in answer:
        return Reply(answer.get("status", 200), answer["body"], {"Content-Type": "application/json"})
    return Reply(
        200, answer if isinstance(answer, str) else json.dumps(answer), {"Content-Type": "application/json"}
    )


@kinds("web")
async def test_web_provider_measures_as_recorded(case: Case) -> None:
    expect, response = case["expect"], case["response"]
    wanted = expect.get("request") or {}
    token = case.get("tokenResponse") or wanted.get("tokenResponse")

    def handle(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return token_reply(token)
        assert response is not None, "no request was to be sent"
        return Reply(response["status"], response.get("body") or "")

    async with HttpServer(handle) as server:
        config = {"url": f"{server.url}/metric", **json.loads(json.dumps(case["web"]))}
        oauth2 = (config.get("authentication") or {}).get("oauth2")
        if oauth2 and oauth2.get("tokenUrl"):
            oauth2["tokenUrl"] = f"{server.url}/token{urlsplit(oauth2['tokenUrl']).path}"
        result = await measure(case, {"web": config})
        seen = [request for request in server.requests if not request.path.startswith("/token")]
    assert result.phase == expect["phase"]
    assert expect.get("messageContains", "") in result.message
    if "value" in expect:
        assert result.value == expect["value"]
    if wanted:
        assert len(seen) == 1
        assert seen[0].method == wanted.get("method", seen[0].method)
        for name, value in (wanted.get("headers") or {}).items():
            assert seen[0].headers[name.lower()] == value
        if "body" in wanted:
            check_body(seen[0], wanted["body"])


def check_body(request: Request, wanted: Any) -> None:
    if isinstance(wanted, str) and "json" not in request.headers.get("content-type", ""):
        assert request.body.decode() == wanted
    else:
        assert request.json() == (json.loads(wanted) if isinstance(wanted, str) else wanted)


def prometheus_reply(response: dict[str, Any]) -> Reply:
    if "body" in response:
        return Reply(response.get("status", 200), response["body"])
    if "error" in response:
        return Reply(422, json={"status": "error", "errorType": "execution", "error": response["error"]})
    data = {"resultType": response["resultType"], "result": response["result"]}
    return Reply(json={"status": "success", "data": data, "warnings": response.get("warnings") or []})


AVAILABLE = [case for case in of_kind("provider") if case["provider"] not in WAITING_PROVIDERS]


@pytest.mark.parametrize("case", AVAILABLE, ids=case_id)
async def test_provider_measures_as_recorded(case: Case) -> None:
    expect, response = case["expect"], case["response"]
    assert case["provider"] == "prometheus"

    def handle(_: Request) -> Reply:
        assert response is not None, "no request was to be sent"
        return prometheus_reply(response)

    async with HttpServer(handle) as server:
        config = {"address": server.url, "query": "up", **(case.get("config") or {})}
        result = await measure(case, {"prometheus": config})
    assert result.phase == expect["phase"]
    assert expect.get("messageContains", "") in result.message
    if "value" in expect:
        assert result.value == expect["value"]
    for key, value in (expect.get("metadata") or {}).items():
        assert result.metadata[key] == value
