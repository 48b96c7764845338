"""Whether an attempt ends its step: thresholds, soft time limits and the pause before the next attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from freightway.promotion.model import (
    DEFAULT_POLL,
    MINIMUM_POLL,
    PlannedStep,
    StepMeta,
    StepOutcome,
    StepStatus,
)
from freightway.resources.meta import format_duration

FIRST_BACKOFF = timedelta(seconds=1)
"""Pause after the first error in a row. Kargo starts at 5 ms, too short to outlast anything."""

LONGEST_BACKOFF = timedelta(seconds=1000)
"""Longest pause after an error, as in Kargo."""

_PAST_DEADLINE = timedelta(milliseconds=1)


class Verdict(NamedTuple):
    """What one attempt means for its step.

    Attributes:
        finished: the step is over.
        error: why the step is tried again, empty unless an error is retried.
    """

    finished: bool
    status: StepStatus
    message: str
    error_count: int
    error: str = ""


def error_threshold(step: PlannedStep) -> int:
    """Return how many errors end the step: its own setting, else its kind's, else 1."""
    return step.retry.error_threshold or step.facts.error_threshold or 1


def soft_limit(step: PlannedStep) -> timedelta | None:
    """Return the step's limit from its first start; None for no limit. An explicit ``0s`` lifts a kind's limit."""
    limit = step.retry.timeout if step.retry.timeout is not None else step.facts.timeout
    return limit if limit and limit > timedelta(0) else None


def deadline(step: PlannedStep, started_at: datetime) -> datetime | None:
    """Return the instant from which an unfinished attempt ends the step; None without limit."""
    limit = soft_limit(step)
    return started_at + limit + _PAST_DEADLINE if limit else None


def judge(step: PlannedStep, meta: StepMeta, outcome: StepOutcome, now: datetime) -> Verdict:
    """Decide what an attempt that ran means for its step.

    Errors are counted in total: an attempt without error between two does not reset the count.

    Source: Kargo ``pkg/promotion/local_orchestrator.go`` (completion of a step).
    """
    count, status, message = meta.error_count, outcome.status, outcome.message
    if status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED) and not outcome.error:
        return Verdict(True, status, message, count)
    if outcome.terminal:
        if outcome.error and status is not StepStatus.FAILED:
            status, message = StepStatus.ERRORED, f"an unrecoverable error occurred: {message}"
        return Verdict(True, status, message, count)
    if outcome.error:
        count += 1
        threshold = error_threshold(step)
        status = status if status is StepStatus.FAILED else StepStatus.ERRORED
        if count >= threshold:
            return Verdict(
                True, status, f'step "{step.alias}" met error threshold of {threshold}: {message}', count
            )
    limit = soft_limit(step)
    if limit and meta.started_at and now - meta.started_at > limit:
        text = f'step "{step.alias}" timed out after {format_duration(limit)}'
        return Verdict(True, StepStatus.ERRORED, text, count)
    if outcome.error:
        error = outcome.error_text or message
        return Verdict(False, status, f"{message}; step will be retried", count, error)
    return Verdict(False, status, message, count)


def poll_interval(
    retry_after: float | None, now: datetime, until: datetime | None, *, floor: timedelta = MINIMUM_POLL
) -> timedelta:
    """Return the pause before a waiting step is asked again.

    Args:
        retry_after: seconds the step asked for, None if it did not.
        until: the step's deadline; the pause does not go past it.
        floor: shortest pause.
    Source: Kargo: 5 min by default, shortened to the instant of the time limit; differs: the floor, 10 s there.
    """
    wanted = DEFAULT_POLL if retry_after is None else max(timedelta(seconds=retry_after), floor)
    return _shortened(wanted, now, until)


def error_backoff(
    errors_in_row: int, now: datetime, until: datetime | None, *, at_least: float | None = None
) -> timedelta:
    """Return the pause after an error: 1 s doubling up to 1000 s, not past the step's deadline.

    Args:
        at_least: seconds that the outside world asked to wait, None if it did not.
    """
    wanted = min(FIRST_BACKOFF * 2 ** min(max(errors_in_row - 1, 0), 10), LONGEST_BACKOFF)
    return _shortened(max(wanted, timedelta(seconds=at_least or 0)), now, until)


def _shortened(wanted: timedelta, now: datetime, until: datetime | None) -> timedelta:
    return max(min(wanted, until - now), _PAST_DEADLINE) if until else wanted
