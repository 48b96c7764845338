"""Start a run, record what was measured, and end it early."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from freightway.errors import InvalidResource
from freightway.resources.analysis import AnalysisPhase, Argument
from freightway.verification.arguments import merge_arguments
from freightway.verification.run import Action, AnalysisRun, Due, Measurement, MeasurementResult, MetricResult
from freightway.verification.templates import AnyTemplate, flatten_templates
from freightway.verification.validate import validate_run

_COUNTERS = {
    AnalysisPhase.SUCCESSFUL: "successful",
    AnalysisPhase.FAILED: "failed",
    AnalysisPhase.INCONCLUSIVE: "inconclusive",
}


def plan(
    templates: Sequence[AnyTemplate], args: Sequence[Argument], *, project: str = "", name: str = ""
) -> AnalysisRun:
    """Return the run of templates and the caller's arguments, before its first pass.

    Args:
        templates: in the order in which the Stage names them.
        args: the caller's arguments, evaluated.
        project: where Secrets are looked up.
        name: name of the run.
    Raises:
        InvalidResource: if the templates do not fit together, an argument has no value, or the metrics are not valid.
    """
    spec = flatten_templates(templates)
    run = AnalysisRun(
        project=project,
        name=name,
        metrics=spec.metrics,
        args=merge_arguments(args, spec.args),
        dry_run=spec.dry_run,
        measurement_retention=spec.measurement_retention,
    )
    check(run)
    return run


def start(
    templates: Sequence[AnyTemplate],
    args: Sequence[Argument],
    now: datetime,
    *,
    project: str = "",
    name: str = "",
) -> AnalysisRun:
    """Return the run of templates and the caller's arguments; what cannot run has the phase Error and says why."""
    try:
        return plan(templates, args, project=project, name=name)
    except InvalidResource as error:
        return fail(AnalysisRun(project=project, name=name), str(error), now)


def check(run: AnalysisRun) -> None:
    """Check that a run can go on: placeholders, limits, intervals, rules.

    Raises:
        InvalidResource: with the first problem, worded as the message of the run.
    """
    try:
        _ = run.resolved_metrics
    except InvalidResource as error:
        raise InvalidResource(f"Unable to resolve metric arguments: {error}") from error
    try:
        validate_run(run)
    except InvalidResource as error:
        raise InvalidResource(f"Analysis spec invalid: {error}") from error


def record(run: AnalysisRun, task: Due | str, result: MeasurementResult, now: datetime) -> AnalysisRun:
    """Return the run with what a provider gave back for a metric, counters included.

    An unfinished measurement is replaced, otherwise a new one is appended. A result with ``run_error`` ends the run.
    What a task resumed or terminated may have been finished meanwhile by an answer; then its result is dropped.

    Args:
        run: the run.
        task: what was due, or just the metric's name.
        result: what the provider gave back.
        now: when it came back, for times that the result leaves out.
    """
    if run.is_completed:
        return run
    if result.run_error:
        return fail(run, result.run_error, now)
    metric = task if isinstance(task, str) else task.metric
    current = run.result(metric)
    if _is_late(task, current):
        return run
    if current is None:
        current = MetricResult(
            name=metric, dry_run=metric in run.dry_run_names, metadata=dict(result.metric_metadata)
        )
    earlier = current.last if current.last and not current.last.phase.is_completed else None
    measurement = _measurement(result, earlier, now, terminating=run.is_terminating)
    kept = current.measurements[:-1] if earlier else current.measurements
    counted = _count(current, result.phase)
    return run.with_result(counted.model_copy(update={"measurements": (*kept, measurement)}))


def _is_late(task: Due | str, current: MetricResult | None) -> bool:
    if isinstance(task, str) or task.action is Action.RUN:
        return False
    return current is None or current.last is None or current.last.phase.is_completed


def terminate(run: AnalysisRun) -> AnalysisRun:
    """Return the run with the request to end early; the next pass ends unfinished measurements and the run."""
    return run if run.is_completed else run.changed(is_terminate_requested=True)


def fail(run: AnalysisRun, message: str, now: datetime) -> AnalysisRun:
    """Return the run ended with the phase Error, because it cannot go on at all.

    Source: Argo Rollouts' early exits; differs: the time of completion is kept, so that it can be shown.
    """
    return run.changed(phase=AnalysisPhase.ERROR, message=message, completed_at=now)


def _measurement(
    result: MeasurementResult, earlier: Measurement | None, now: datetime, *, terminating: bool
) -> Measurement:
    message = result.message
    was_cut = earlier is not None and terminating
    if was_cut and result.phase in (AnalysisPhase.SUCCESSFUL, AnalysisPhase.INCONCLUSIVE):
        message = "Metric Terminated"
    finished = (result.finished_at or now) if result.phase.is_completed else None
    resume_at = None
    if not result.phase.is_completed and result.resume_after is not None:
        resume_at = now + timedelta(seconds=result.resume_after)
    return Measurement(
        phase=result.phase,
        message=message,
        value=result.value,
        metadata=dict(result.metadata),
        started_at=earlier.started_at if earlier else result.started_at or finished or now,
        finished_at=finished,
        resume_at=resume_at,
    )


def _count(result: MetricResult, phase: AnalysisPhase) -> MetricResult:
    changes: dict[str, int] = {}
    if phase is AnalysisPhase.ERROR:
        changes = {
            "error": result.error + 1,
            "consecutive_error": result.consecutive_error + 1,
            "consecutive_success": 0,
        }
    elif phase.is_completed:
        name = _COUNTERS[phase]
        is_success = phase is AnalysisPhase.SUCCESSFUL
        changes = {
            "count": result.count + 1,
            name: getattr(result, name) + 1,
            "consecutive_error": 0,
            "consecutive_success": result.consecutive_success + 1 if is_success else 0,
        }
    return result.model_copy(update=changes)


def unchanged(measurement: Measurement, now: datetime) -> MeasurementResult:
    """Return the result of a provider that has nothing to add to an unfinished measurement."""
    left = None
    if measurement.resume_at is not None:
        left = max((measurement.resume_at - now).total_seconds(), 0.0)
    return MeasurementResult(
        phase=measurement.phase,
        value=measurement.value,
        message=measurement.message,
        metadata=dict(measurement.metadata),
        resume_after=left,
    )
