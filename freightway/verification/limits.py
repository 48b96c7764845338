"""A metric's limits as numbers, with their defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from freightway.resources.analysis import AnalysisPhase, IntOrString, Metric, MetricProvider
from freightway.verification.run import MetricResult

DEFAULT_CONSECUTIVE_ERROR_LIMIT = 4

_INTEGER = re.compile(r"[-+]?[0-9]+")


def as_number(value: IntOrString | None, default: int = 0) -> int:
    """Return a limit as a number: the default if it is absent, 0 if its text is no integer."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    if not _INTEGER.fullmatch(value):
        return 0
    number = int(value)
    return number if -(2**63) <= number < 2**63 else 0


def effective_count(metric: Metric) -> int | None:
    """Return how many measurements a metric wants, None for no end.

    Absent, 0 and no integer mean one measurement without an interval, and no end with one.
    """
    count = as_number(metric.count)
    if count:
        return count
    return None if metric.interval else 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How many results of each kind a metric tolerates, and how many successes in a row are enough.

    Attributes:
        failure: -1 or less if failures are not counted.
        consecutive_success: 0 if successes in a row do not matter.
    """

    failure: int
    inconclusive: int
    consecutive_error: int
    consecutive_success: int

    @classmethod
    def of(cls, metric: Metric) -> Self:
        """Return the limits of a metric whose arguments are put in."""
        return cls(
            failure=as_number(metric.failure_limit),
            inconclusive=as_number(metric.inconclusive_limit),
            consecutive_error=as_number(metric.consecutive_error_limit, DEFAULT_CONSECUTIVE_ERROR_LIMIT),
            consecutive_success=as_number(metric.consecutive_success_limit),
        )

    def crossed(self, result: MetricResult) -> tuple[AnalysisPhase, str] | None:
        """Return the phase and the reason of the worst limit that the counters are beyond, None if none is.

        Of several, errors come before inconclusive results and those before failures.
        """
        if result.consecutive_error > self.consecutive_error:
            return (
                AnalysisPhase.ERROR,
                f"consecutiveErrors ({result.consecutive_error}) > consecutiveErrorLimit ({self.consecutive_error})",
            )
        if result.inconclusive > self.inconclusive:
            reason = f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({self.inconclusive})"
            return AnalysisPhase.INCONCLUSIVE, reason
        if 0 <= self.failure < result.failed:
            return AnalysisPhase.FAILED, f"failed ({result.failed}) > failureLimit ({self.failure})"
        return None


def provider_kind(provider: MetricProvider) -> str:
    """Return the name of the one provider that is set, ``plugin`` for any plugin, empty if there is none."""
    kinds = provider.kinds
    return kinds[0].split("/", 1)[0] if kinds else ""
