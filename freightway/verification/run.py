"""The value that one verification is: what is measured, what was measured, and what came of it.

An ``AnalysisRun`` is immutable and self-contained: templates are flattened and arguments merged before it exists.
Secret arguments stay references in it. A workflow drives it pass by pass:

    run = start(templates, arguments, now)
    while not run.is_completed:
        tasks, _ = due(run, now)
        run = record(run, task, result, now)     # for every task, when all have answered
        run = assess(run, now)
        ... wait for pause(run, now), or for a signal ...
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import Field

from freightway.resources.analysis import AnalysisPhase, Argument, DryRunRule, Metric, RetentionRule
from freightway.resources.meta import Model
from freightway.verification.arguments import placeholder_values, substitute
from freightway.verification.rules import dry_run_metrics


class Action(StrEnum):
    """What a pass does with a metric."""

    RUN = "run"
    RESUME = "resume"
    TERMINATE = "terminate"


class Measurement(Model):
    """One sample of a metric.

    Attributes:
        value: what was measured, as text.
        resume_at: when an unfinished measurement is looked at again; None for every pass.
    """

    phase: AnalysisPhase
    message: str = ""
    value: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    resume_at: datetime | None = None


class MeasurementResult(Model):
    """What a provider gives back for one sample.

    Attributes:
        resume_after: seconds until an unfinished measurement is looked at again.
        metric_metadata: facts about the metric itself, such as the query with its arguments.
        run_error: why the whole run cannot go on, such as a missing Secret; empty if it can.
        started_at: when the provider began, None for the time of recording.
        finished_at: when the provider ended, None for the time of recording.
    """

    phase: AnalysisPhase
    value: str = ""
    message: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    resume_after: float | None = None
    metric_metadata: dict[str, str] = Field(default_factory=dict)
    run_error: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class MetricResult(Model):
    """What came of one metric so far; the counters also count measurements that are no longer kept."""

    name: str
    phase: AnalysisPhase = AnalysisPhase.RUNNING
    message: str = ""
    dry_run: bool = False
    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    consecutive_error: int = 0
    consecutive_success: int = 0
    metadata: dict[str, str] = Field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()

    @property
    def last(self) -> Measurement | None:
        """The newest measurement."""
        return self.measurements[-1] if self.measurements else None


class RunSummary(Model):
    """How many metrics (not measurements) ended how."""

    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0


class MeasurementRequest(Model):
    """All that is needed to take one sample beside the secrets.

    Attributes:
        project: where Secrets are looked up.
        run: name of the run, for providers that create something outside.
        metric: the metric with its placeholders.
        arguments: the run's arguments; secret ones are references.
        action: whether to start, resume or terminate a measurement.
        measurement: the unfinished measurement to resume or terminate.
        taken: how many measurements the metric has so far, errors included.
        run_started_at: when the first pass of the run ended.
    """

    project: str = ""
    run: str = ""
    metric: Metric
    arguments: tuple[Argument, ...] = ()
    action: Action = Action.RUN
    measurement: Measurement | None = None
    taken: int = 0
    run_started_at: datetime | None = None


class Due(Model):
    """One thing to do in this pass: an action on a metric, named as in the results.

    Attributes:
        index: place of the metric in ``AnalysisRun.metrics``.
        action: what to do.
        measurement: the unfinished measurement to resume or terminate.
    """

    metric: str
    index: int
    action: Action
    measurement: Measurement | None = None


class AnalysisRun(Model):
    """One verification: metrics and arguments, and the state of every metric.

    Attributes:
        metrics: the metrics as written, with their placeholders.
        is_terminate_requested: whether somebody asked for an early end; cannot be taken back.
        started_at: end of the first pass; the initial delays count from here.
    """

    project: str = ""
    name: str = ""
    metrics: tuple[Metric, ...] = ()
    args: tuple[Argument, ...] = ()
    dry_run: tuple[DryRunRule, ...] = ()
    measurement_retention: tuple[RetentionRule, ...] = ()
    is_terminate_requested: bool = False
    phase: AnalysisPhase = AnalysisPhase.PENDING
    message: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    run_summary: RunSummary = RunSummary()
    dry_run_summary: RunSummary = RunSummary()
    metric_results: tuple[MetricResult, ...] = ()

    @property
    def is_completed(self) -> bool:
        """Whether the run has its final phase."""
        return self.phase.is_completed

    @property
    def is_terminating(self) -> bool:
        """Whether nothing new is started: on request, or because a metric that counts went wrong."""
        bad = (AnalysisPhase.FAILED, AnalysisPhase.ERROR, AnalysisPhase.INCONCLUSIVE)
        return self.is_terminate_requested or any(
            not result.dry_run and result.phase in bad for result in self.metric_results
        )

    @cached_property
    def resolved_metrics(self) -> tuple[Metric, ...]:
        """The metrics with their arguments put in; a dummy text stands for every secret.

        Raises:
            InvalidResource: if a placeholder or an argument has no value.
        """
        values = placeholder_values(self.args)
        return tuple(substitute(metric, values) for metric in self.metrics)

    @cached_property
    def dry_run_names(self) -> frozenset[str]:
        """Names of the metrics that are measured without consequence.

        Raises:
            InvalidResource: if a rule matches no metric.
        """
        return dry_run_metrics(self.dry_run, [metric.name for metric in self.resolved_metrics])

    def result(self, metric: str) -> MetricResult | None:
        """Return what came of a metric, None if it was never measured."""
        return next((result for result in self.metric_results if result.name == metric), None)

    def with_result(self, result: MetricResult) -> AnalysisRun:
        """Return the run with one metric's result put in place of the earlier one, or appended."""
        if self.result(result.name) is None:
            return self.changed(metric_results=(*self.metric_results, result))
        kept = tuple(result if old.name == result.name else old for old in self.metric_results)
        return self.changed(metric_results=kept)

    def changed(self, **fields: Any) -> AnalysisRun:
        """Return a copy with some fields replaced."""
        return self.model_copy(update=fields)

    def request(self, due: Due) -> MeasurementRequest:
        """Return what an activity needs to do one due action."""
        result = self.result(due.metric)
        return MeasurementRequest(
            project=self.project,
            run=self.name,
            metric=self.metrics[due.index],
            arguments=self.args,
            action=due.action,
            measurement=due.measurement,
            taken=result.count + result.error if result else 0,
            run_started_at=self.started_at,
        )
