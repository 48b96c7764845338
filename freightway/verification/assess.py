"""From counters to the phase of a metric, and from the metrics to the phase of the run.

Inside a metric an error limit outranks an inconclusive one and that a failure limit; across metrics Failed is the
worst, then Error, then Inconclusive.

Source: Argo Rollouts ``analysis`` assessMetricStatus and assessRunStatus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from freightway.resources.analysis import AnalysisPhase, Metric
from freightway.verification.limits import Limits, effective_count
from freightway.verification.rules import DEFAULT_RETENTION, retention_limits
from freightway.verification.run import AnalysisRun, MetricResult, RunSummary

_BEST_TO_WORST = (
    AnalysisPhase.SUCCESSFUL,
    AnalysisPhase.RUNNING,
    AnalysisPhase.PENDING,
    AnalysisPhase.INCONCLUSIVE,
    AnalysisPhase.ERROR,
    AnalysisPhase.FAILED,
)


def metric_phase(metric: Metric, result: MetricResult, *, terminating: bool) -> AnalysisPhase:
    """Return the phase of a metric after its latest measurement; a completed phase stays.

    A metric that is cut short is Successful unless a limit is crossed or its measurement is unfinished.
    """
    if result.phase.is_completed:
        return result.phase
    if result.last is None:
        return AnalysisPhase.SUCCESSFUL if terminating else AnalysisPhase.PENDING
    if not result.last.phase.is_completed:
        return AnalysisPhase.RUNNING
    limits = Limits.of(metric)
    crossed = limits.crossed(result)
    if crossed is not None:
        return crossed[0]
    if 0 < limits.consecutive_success <= result.consecutive_success:
        return AnalysisPhase.SUCCESSFUL
    wanted = effective_count(metric)
    if wanted is not None and result.count >= wanted:
        return _phase_at_count(limits)
    return AnalysisPhase.SUCCESSFUL if terminating else AnalysisPhase.RUNNING


def _phase_at_count(limits: Limits) -> AnalysisPhase:
    """All measurements are taken and nothing is decided yet."""
    if limits.consecutive_success <= 0:
        return AnalysisPhase.SUCCESSFUL
    return AnalysisPhase.INCONCLUSIVE if limits.failure >= 0 else AnalysisPhase.FAILED


@dataclass
class _Tally:
    """What one look over all metrics adds up."""

    worst: AnalysisPhase | None = None
    message: str = ""
    is_everything_completed: bool = True
    wet: dict[str, int] = field(default_factory=lambda: {"count": 0})
    dry: dict[str, int] = field(default_factory=lambda: {"count": 0})

    def take_dry(self) -> None:
        self.worst = self.worst or AnalysisPhase.SUCCESSFUL

    def take_wet(self, result: MetricResult, crossed: tuple[AnalysisPhase, str] | None) -> None:
        if self.worst is not None and not _is_worse(result.phase, self.worst):
            return
        self.worst = result.phase
        if crossed is not None:
            self.message = f'Metric "{result.name}" assessed {result.phase} due to {crossed[1]}'
            if result.message:
                self.message += f': "Error Message: {result.message}"'


def assess(run: AnalysisRun, now: datetime) -> AnalysisRun:
    """Return the run after a pass: phases of its metrics and of itself, summaries, and no more measurements than kept.

    The pass in which a metric goes wrong leaves the run Running while others are unfinished; the next one ends it.

    Raises:
        InvalidResource: if the run is not valid; ``start`` gives such a run the phase Error.
    """
    if run.is_completed:
        return run
    terminating = run.is_terminating
    tally = _Tally(message="Run Terminated" if run.is_terminate_requested else "")
    for metric in run.resolved_metrics:
        run = _assess_metric(run, metric, tally, terminating=terminating)
    phase, message = AnalysisPhase.RUNNING, ""
    if terminating:
        phase, message = tally.worst or AnalysisPhase.SUCCESSFUL, tally.message.strip()
    elif tally.is_everything_completed and tally.worst is not None:
        phase, message = tally.worst, tally.message.strip()
    changes: dict[str, object] = {
        "started_at": run.started_at or now,
        "run_summary": RunSummary(**tally.wet),
        "dry_run_summary": RunSummary(**tally.dry),
    }
    if phase is not run.phase:
        changes |= {"phase": phase, "message": message}
        if phase.is_completed:
            changes["completed_at"] = now
    return trim(run.changed(**changes))


def trim(run: AnalysisRun) -> AnalysisRun:
    """Return the run with only the newest measurements of each metric: 10, or what its rule says."""
    limits = retention_limits(run.measurement_retention, [metric.name for metric in run.resolved_metrics])
    for result in run.metric_results:
        limit = limits.get(result.name, DEFAULT_RETENTION)
        if len(result.measurements) > limit:
            run = run.with_result(result.model_copy(update={"measurements": result.measurements[-limit:]}))
    return run


def _assess_metric(run: AnalysisRun, metric: Metric, tally: _Tally, *, terminating: bool) -> AnalysisRun:
    is_dry = metric.name in run.dry_run_names
    counts = tally.dry if is_dry else tally.wet
    counts["count"] += 1
    result = run.result(metric.name)
    if result is None:
        tally.is_everything_completed = False
        return run
    assessed = _with_phase(metric, result, terminating=terminating)
    if not assessed.phase.is_completed:
        tally.is_everything_completed = False
        return run.with_result(assessed)
    crossed = Limits.of(metric).crossed(assessed)
    kind = str(crossed[0]).lower() if crossed else "successful"
    counts[kind] = counts.get(kind, 0) + 1
    if is_dry:
        tally.take_dry()
        if crossed is not None:
            text = f"Metric assessed {crossed[0]} due to {crossed[1]}"
            assessed = assessed.model_copy(update={"message": text})
    else:
        tally.take_wet(assessed, crossed)
    return run.with_result(assessed)


def _with_phase(metric: Metric, result: MetricResult, *, terminating: bool) -> MetricResult:
    phase = metric_phase(metric, result, terminating=terminating)
    if phase is result.phase:
        return result
    message = result.last.message if result.last is not None else result.message
    return result.model_copy(update={"phase": phase, "message": message})


def _is_worse(phase: AnalysisPhase, than: AnalysisPhase) -> bool:
    return _BEST_TO_WORST.index(phase) > _BEST_TO_WORST.index(than)
