"""What must hold of a run's metrics before the first measurement, first problem first."""

from __future__ import annotations

from collections.abc import Sequence

from freightway.errors import InvalidResource
from freightway.resources.analysis import Metric
from freightway.verification.durations import go_duration
from freightway.verification.limits import Limits, as_number
from freightway.verification.rules import retention_limits
from freightway.verification.run import AnalysisRun


def validate_metrics(metrics: Sequence[Metric]) -> None:
    """Check metrics whose arguments are put in.

    Raises:
        InvalidResource: with the first problem, prefixed ``metrics[i]: `` where it belongs to a metric.
    Source: Argo Rollouts ``utils/analysis`` ValidateMetrics.
    """
    if not metrics:
        raise InvalidResource("no metrics specified")
    names: set[str] = set()
    for index, metric in enumerate(metrics):
        problem = f"duplicate name '{metric.name}'" if metric.name in names else metric_problem(metric)
        if problem:
            raise InvalidResource(f"metrics[{index}]: {problem}")
        names.add(metric.name)


def validate_run(run: AnalysisRun) -> None:
    """Check a run's metrics and that each of its rules picks one.

    Raises:
        InvalidResource: with the first problem.
    """
    validate_metrics(run.resolved_metrics)
    _ = run.dry_run_names
    retention_limits(run.measurement_retention, [metric.name for metric in run.resolved_metrics])


def metric_problem(metric: Metric) -> str:
    """Return the first thing that is wrong with one metric, empty if nothing is."""
    return _limits_problem(metric) or _schedule_problem(metric) or _provider_problem(metric)


def _limits_problem(metric: Metric) -> str:
    limits = Limits.of(metric)
    count = as_number(metric.count)
    success, failure = limits.consecutive_success, limits.failure
    if success < 0:
        return "consecutiveSuccessLimit must be >= 0"
    if failure < -1:
        return "failureLimit must be >= 0, or -1 to be disabled"
    if success == 0 and failure == -1:
        return "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    if limits.inconclusive < 0:
        return "inconclusiveLimit must be >= 0"
    if limits.consecutive_error < 0:
        return "consecutiveErrorLimit must be >= 0"
    if count <= 0:
        return ""
    if failure >= 0 and count < failure + success:
        return f"count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failure} + {success}) if both >= 0"
    if failure < 0 and count < success:
        return "count must be >= consecutiveSuccessLimit"
    if count < limits.inconclusive:
        return "count must be >= inconclusiveLimit"
    return ""


def _schedule_problem(metric: Metric) -> str:
    if as_number(metric.count) > 1 and not metric.interval:
        return "interval must be specified when count > 1"
    for name, text in (("interval", metric.interval), ("startDelay", metric.initial_delay)):
        if text:
            try:
                go_duration(text)
            except ValueError as error:
                return f"invalid {name} string: {error}"
    return ""


def _provider_problem(metric: Metric) -> str:
    kinds = metric.provider.kinds
    if not kinds:
        return "no provider specified"
    return "multiple providers specified" if len(kinds) > 1 else ""
