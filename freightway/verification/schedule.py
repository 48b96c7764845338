"""Which metrics are due in a pass, and when the next pass is.

Source: Argo Rollouts ``analysis`` generateMetricTasks and calculateNextReconcileTime.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from freightway.resources.analysis import AnalysisPhase, Metric
from freightway.verification.durations import go_duration
from freightway.verification.limits import effective_count
from freightway.verification.run import Action, AnalysisRun, Due, Measurement, MetricResult

ERROR_RETRY = timedelta(seconds=10)
"""Pause after a measurement that errored, whatever the interval."""

LONGEST_PAUSE = timedelta(minutes=15)
"""How long a run rests at most while a measurement is unfinished that named no time to look again."""


def due(
    run: AnalysisRun, now: datetime, *, strictly: bool = False
) -> tuple[tuple[Due, ...], datetime | None]:
    """Return what is to be done now, in the metrics' order, and the earliest instant at which more will be due.

    The instant is None if nothing awaits a time; it may have passed already.

    Args:
        run: the run as recorded and assessed last.
        now: the time of the pass.
        strictly: leave a metric out whose pause ends at this very instant.
    Raises:
        InvalidResource: if the run is not valid; ``start`` gives such a run the phase Error.
    """
    if run.is_completed:
        return (), None
    terminating = run.is_terminating
    tasks: list[Due] = []
    wakes: list[datetime] = []
    for index, metric in enumerate(run.resolved_metrics):
        result = run.result(metric.name)
        if result is not None and result.phase.is_completed:
            continue
        wake = _wake_of(run, metric, result, now)
        if wake is not None:
            wakes.append(wake)
        action = _action_of(run, metric, result, now, strictly=strictly, terminating=terminating)
        if action is not None:
            unfinished = result.last if result is not None and action is not Action.RUN else None
            tasks.append(Due(metric=metric.name, index=index, action=action, measurement=unfinished))
    return tuple(tasks), min(wakes, default=None)


def pause(run: AnalysisRun, now: datetime) -> timedelta | None:
    """Return how long to wait for the next pass after an assessment: zero for at once, None if the run is completed.

    A metric that went wrong, or a request to terminate, makes the next pass follow at once.
    """
    if run.is_completed:
        return None
    if run.started_at is None or run.is_terminating:
        return timedelta(0)
    _, wake = due(run, now)
    if wake is None:
        return LONGEST_PAUSE
    return max(wake - now, timedelta(0))


def _action_of(
    run: AnalysisRun,
    metric: Metric,
    result: MetricResult | None,
    now: datetime,
    *,
    strictly: bool,
    terminating: bool,
) -> Action | None:
    last = result.last if result is not None else None
    if last is not None and not last.phase.is_completed:
        if terminating:
            return Action.TERMINATE
        return None if last.resume_at is not None and last.resume_at > now else Action.RESUME
    if terminating:
        return None
    if result is None or last is None:
        return Action.RUN if _is_delay_over(run, metric, now) else None
    if _has_enough(metric, result):
        return None
    after = _finish(last) + _pause_after(metric, last)
    return Action.RUN if after < now or (after == now and not strictly) else None


def _is_delay_over(run: AnalysisRun, metric: Metric, now: datetime) -> bool:
    if not metric.initial_delay:
        return True
    return run.started_at is not None and run.started_at + go_duration(metric.initial_delay) <= now


def _wake_of(run: AnalysisRun, metric: Metric, result: MetricResult | None, now: datetime) -> datetime | None:
    """When a metric that is not completed will be due, None if no time decides that."""
    last = result.last if result is not None else None
    if result is None or last is None:
        delay = metric.initial_delay
        return (run.started_at or now) + go_duration(delay) if delay else None
    if not last.phase.is_completed:
        return last.resume_at
    if _has_enough(metric, result):
        return None
    if last.phase is AnalysisPhase.ERROR or metric.interval:
        return _finish(last) + _pause_after(metric, last)
    return None


def _has_enough(metric: Metric, result: MetricResult) -> bool:
    wanted = effective_count(metric)
    return wanted is not None and result.count >= wanted


def _pause_after(metric: Metric, last: Measurement) -> timedelta:
    if last.phase is AnalysisPhase.ERROR or not metric.interval:
        return ERROR_RETRY
    return go_duration(metric.interval)


def _finish(measurement: Measurement) -> datetime:
    finish = measurement.finished_at or measurement.started_at
    assert finish is not None, "a recorded measurement has a time"
    return finish
