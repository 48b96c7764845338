"""Rules that pick metrics by name: dry runs and how many measurements are kept.

A rule's name is a RE2 expression that is searched for, so ``rate`` also picks ``error-rate``. An expression that does
not compile picks nothing, and a rule that picks nothing is an error; so a lone ``*`` is one, ``.*`` picks all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import re2

from freightway.errors import InvalidResource
from freightway.resources.analysis import AnalysisPhase, DryRunRule, RetentionRule, TTLStrategy

DEFAULT_RETENTION = 10


def dry_run_metrics(rules: Iterable[DryRunRule], metrics: Sequence[str]) -> frozenset[str]:
    """Return the names of the metrics that are measured without consequence.

    Raises:
        InvalidResource: if a rule picks no metric.
    """
    picked: set[str] = set()
    for index, rule in enumerate(rules):
        picked.update(_picked(f"dryRun[{index}]", rule.metric_name, metrics))
    return frozenset(picked)


def retention_limits(rules: Iterable[RetentionRule], metrics: Sequence[str]) -> dict[str, int]:
    """Return how many measurements each metric with a rule keeps; the last rule that picks it decides.

    Raises:
        InvalidResource: if a rule picks no metric.
    """
    limits: dict[str, int] = {}
    for index, rule in enumerate(rules):
        for name in _picked(f"measurementRetention[{index}]", rule.metric_name, metrics):
            limits[name] = rule.limit if rule.limit > 0 else DEFAULT_RETENTION
    return limits


def is_expired(
    strategy: TTLStrategy | None, phase: AnalysisPhase, completed_at: datetime | None, now: datetime
) -> bool:
    """Whether a completed run has been kept long enough; whole seconds count.

    Source: Argo Rollouts ``analysis/controller`` maybeGarbageCollectAnalysisRun.
    """
    if strategy is None or completed_at is None or not phase.is_completed:
        return False
    limit = None
    if phase is AnalysisPhase.SUCCESSFUL:
        limit = strategy.seconds_after_success
    elif phase is AnalysisPhase.FAILED:
        limit = strategy.seconds_after_failure
    if limit is None:
        limit = strategy.seconds_after_completion
    return limit is not None and int((now - completed_at).total_seconds()) > limit


def _picked(place: str, pattern: str, metrics: Sequence[str]) -> list[str]:
    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(pattern, options=options).search
    except re2.error:
        names: list[str] = []
    else:
        names = [name for name in metrics if search(name)]
    if not names:
        raise InvalidResource(f"{place}: Rule didn't match any metric name(s)")
    return names
