"""Durations of metrics, with Go's own words for what is wrong.

``freightway.resources.meta.parse_duration`` is the reader for Kargo's fields; a metric's fields are texts until
their arguments are known, and the message of a run must name the mistake as Argo Rollouts does.
"""

from __future__ import annotations

from datetime import timedelta

from freightway.expr.failure import Failure
from freightway.expr.goduration import parse_duration


def go_duration(text: str) -> timedelta:
    """Return the length of a Go duration such as ``1h30m``; what is below a microsecond is cut off.

    Raises:
        ValueError: if the text is not a Go duration; the message is Go's.
    """
    try:
        nanoseconds = parse_duration(text)
    except Failure as failure:
        raise ValueError(failure.message) from failure
    size = timedelta(microseconds=abs(nanoseconds) // 1000)
    return -size if nanoseconds < 0 else size
