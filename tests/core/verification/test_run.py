"""A run is started, recorded, assessed and ended as a pure value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from freightway.resources.analysis import AnalysisPhase, AnalysisTemplate, Argument, ClusterAnalysisTemplate
from freightway.verification.assess import assess
from freightway.verification.lifecycle import record, start, terminate
from freightway.verification.run import Action, AnalysisRun, MeasurementResult
from freightway.verification.schedule import LONGEST_PAUSE, due, pause

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def template(*metrics: dict[str, Any], name: str = "t", **spec: Any) -> AnalysisTemplate:
    filled = [{"name": "m", "provider": {"web": {"url": "http://metrics"}}, **metric} for metric in metrics]
    return AnalysisTemplate.model_validate({"metadata": {"name": name}, "spec": {"metrics": filled, **spec}})


def started(*metrics: dict[str, Any], **spec: Any) -> AnalysisRun:
    run = start([template(*metrics, **spec)], [], NOW)
    assert run.phase is AnalysisPhase.PENDING, run.message
    return run


def result(phase: str, **fields: Any) -> MeasurementResult:
    return MeasurementResult(phase=AnalysisPhase(phase), **fields)


def a_pass(run: AnalysisRun, now: datetime, **results: MeasurementResult) -> AnalysisRun:
    for task in due(run, now)[0]:
        run = record(run, task, results[task.metric], now)
    return assess(run, now)


def test_run_survives_json() -> None:
    run = a_pass(started({"interval": "1m", "count": 3}), NOW, m=result("Successful", value="1"))
    assert AnalysisRun.model_validate_json(run.model_dump_json()) == run


def test_conflicting_templates_give_a_run_in_error() -> None:
    run = start([template({}), template({}, name="u")], [], NOW)
    assert run.phase is AnalysisPhase.ERROR
    assert "two metrics have the same name 'm'" in run.message
    assert run.completed_at == NOW


@pytest.mark.parametrize(
    ("metric", "spec", "message"),
    [
        ({"count": 2}, {}, "Analysis spec invalid: metrics[0]: interval must be specified when count > 1"),
        ({}, {"dryRun": [{"metricName": "other"}]}, "Analysis spec invalid: dryRun[0]: Rule didn't match"),
        (
            {"interval": "{{ args.x }}"},
            {},
            "Unable to resolve metric arguments: failed to resolve {{ args.x }}",
        ),
        ({}, {"args": [{"name": "x"}]}, "args.x was not resolved"),
    ],
)
def test_run_that_cannot_go_on_says_why(metric: dict[str, Any], spec: dict[str, Any], message: str) -> None:
    run = start([template(metric, **spec)], [], NOW)
    assert run.phase is AnalysisPhase.ERROR
    assert run.message.startswith(message)
    assert due(run, NOW) == ((), None)
    assert pause(run, NOW) is None


def test_arguments_reach_schedule_and_names() -> None:
    spec = {"args": [{"name": "every", "value": "30s"}, {"name": "app", "value": "web"}]}
    metric = {"name": "{{ args.app }}-rate", "interval": "{{ args.every }}", "count": "3"}
    run = start([template(metric, **spec)], [Argument(name="every", value="90s")], NOW)
    (task,), _ = due(run, NOW)
    assert task.metric == "web-rate"
    run = a_pass(run, NOW, **{"web-rate": result("Successful")})
    assert pause(run, NOW) == timedelta(seconds=90)


def test_request_carries_the_secret_as_a_reference_only() -> None:
    secret = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}
    run = started({"successCondition": "result == '{{ args.token }}'"}, args=[secret])
    (task,), _ = due(run, NOW)
    request = run.request(task)
    assert request.metric.success_condition == "result == '{{ args.token }}'"
    assert request.arguments[0].secret is not None
    assert request.arguments[0].value is None


def test_cluster_templates_come_after_those_of_the_project() -> None:
    cluster = ClusterAnalysisTemplate.model_validate(
        {"metadata": {"name": "c"}, "spec": {"metrics": [{"name": "c", "provider": {"prometheus": {}}}]}}
    )
    run = start([cluster, template({})], [], NOW)
    assert [metric.name for metric in run.metrics] == ["m", "c"]


def test_first_measurement_is_due_at_once_and_the_next_after_the_interval() -> None:
    run = started({"interval": "1m", "count": 2})
    run = a_pass(run, NOW, m=result("Successful"))
    tasks, wake = due(run, NOW)
    assert tasks == ()
    assert wake == NOW + 60 * SECOND
    assert pause(run, NOW) == 60 * SECOND
    assert [task.action for task in due(run, wake)[0]] == [Action.RUN]


def test_initial_delay_counts_from_the_end_of_the_first_pass() -> None:
    run = started({"initialDelay": "20s"})
    assert due(run, NOW)[0] == ()
    run = assess(run, NOW + 5 * SECOND)
    assert pause(run, NOW + 5 * SECOND) == 20 * SECOND
    assert due(run, NOW + 24 * SECOND)[0] == ()
    assert len(due(run, NOW + 25 * SECOND)[0]) == 1


def test_unfinished_measurement_without_a_time_is_looked_at_before_long() -> None:
    run = a_pass(started({}), NOW, m=result("Running"))
    assert pause(run, NOW) == LONGEST_PAUSE
    assert [task.action for task in due(run, NOW)[0]] == [Action.RESUME]


def test_resumed_measurement_replaces_itself_and_keeps_its_start() -> None:
    run = a_pass(started({}), NOW, m=result("Running", resume_after=30))
    assert pause(run, NOW) == 30 * SECOND
    later = NOW + 30 * SECOND
    run = a_pass(run, later, m=result("Successful", value="7"))
    (measured,) = run.metric_results[0].measurements
    assert (measured.started_at, measured.finished_at, measured.value) == (NOW, later, "7")
    assert run.phase is AnalysisPhase.SUCCESSFUL


def test_failed_sibling_ends_the_run_in_the_pass_that_follows_at_once() -> None:
    run = started({"name": "a", "interval": "1m", "count": 9}, {"name": "b"})
    run = a_pass(run, NOW, a=result("Successful"), b=result("Failed", message="bad"))
    assert run.phase is AnalysisPhase.RUNNING
    assert pause(run, NOW) == timedelta(0)
    run = a_pass(run, NOW)
    assert run.phase is AnalysisPhase.FAILED
    assert (
        run.message == 'Metric "b" assessed Failed due to failed (1) > failureLimit (0): "Error Message: bad"'
    )
    assert run.run_summary.model_dump(by_alias=False) == {
        "count": 2,
        "successful": 1,
        "failed": 1,
        "inconclusive": 0,
        "error": 0,
    }


def test_terminated_run_ends_its_unfinished_measurement() -> None:
    run = terminate(a_pass(started({}), NOW, m=result("Running", resume_after=900)))
    assert pause(run, NOW) == timedelta(0)
    assert [task.action for task in due(run, NOW)[0]] == [Action.TERMINATE]
    run = a_pass(run, NOW, m=result("Inconclusive"))
    assert run.metric_results[0].last is not None
    assert run.metric_results[0].last.message == "Metric Terminated"
    assert run.phase is AnalysisPhase.INCONCLUSIVE


def test_completed_run_takes_nothing_more() -> None:
    run = a_pass(started({}), NOW, m=result("Successful"))
    assert run.is_completed
    assert record(run, "m", result("Failed"), NOW) is run
    assert terminate(run) is run
    assert assess(run, NOW) is run


def test_missing_secret_ends_the_whole_run() -> None:
    run = record(started({}), "m", result("Error", run_error="no secret"), NOW)
    assert (run.phase, run.message, run.completed_at) == (AnalysisPhase.ERROR, "no secret", NOW)


@pytest.mark.parametrize(("rules", "kept"), [([], 10), ([{"metricName": "m", "limit": 3}], 3)])
def test_only_the_newest_measurements_are_kept_while_all_are_counted(rules: list[Any], kept: int) -> None:
    run = started({"interval": "1m", "failureLimit": 99}, measurementRetention=rules)
    now = NOW
    for number in range(25):
        run = a_pass(run, now, m=result("Failed" if number % 2 else "Successful", value=str(number)))
        now += 60 * SECOND
    (metric,) = run.metric_results
    assert len(metric.measurements) == kept
    assert metric.measurements[-1].value == "24"
    assert (metric.count, metric.successful, metric.failed) == (25, 13, 12)


def test_dry_run_metric_cannot_fail_the_run() -> None:
    run = started({"name": "a"}, {"name": "b"}, dryRun=[{"metricName": "a"}])
    run = a_pass(run, NOW, a=result("Failed"), b=result("Successful"))
    assert run.phase is AnalysisPhase.SUCCESSFUL
    assert run.dry_run_summary.failed == 1
    assert run.metric_results[0].message == "Metric assessed Failed due to failed (1) > failureLimit (0)"
