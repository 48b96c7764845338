"""Static types of times, durations and time zones, and of their methods.

Source: Go's package time, as the checker of expr-lang 1.17.8 sees it.
"""

from __future__ import annotations

from freightway.expr.natures import (
    BOOL,
    BYTES,
    FLOAT,
    INT,
    INT64,
    STRING,
    Nature,
    Signature,
    pointer_to,
)


def _method(*parameters: Nature, result: Nature, results: int = 1) -> Signature:
    return Signature(parameters, result, results=results)


_TO_TEXT = _method(result=STRING)
_DURATION_METHODS: dict[str, Signature] = {}
_TIME_METHODS: dict[str, Signature] = {}

DURATION = Nature("time.Duration", "int64", methods=_DURATION_METHODS)
TIME = Nature("time.Time", "struct", methods=_TIME_METHODS)
MONTH = Nature("time.Month", "int", methods={"String": _TO_TEXT})
WEEKDAY = Nature("time.Weekday", "int", methods={"String": _TO_TEXT})
LOCATION = pointer_to(Nature("time.Location", "struct"), {"String": _TO_TEXT})

_DURATION_METHODS.update(
    {
        "Abs": _method(result=DURATION),
        "Hours": _method(result=FLOAT),
        "Microseconds": _method(result=INT64),
        "Milliseconds": _method(result=INT64),
        "Minutes": _method(result=FLOAT),
        "Nanoseconds": _method(result=INT64),
        "Round": _method(DURATION, result=DURATION),
        "Seconds": _method(result=FLOAT),
        "String": _TO_TEXT,
        "Truncate": _method(DURATION, result=DURATION),
    }
)
_TIME_METHODS.update({
    **{name: _method(result=INT) for name in ("Year", "Day", "Hour", "Minute", "Second", "Nanosecond", "YearDay")},
    **{name: _method(result=INT64) for name in ("Unix", "UnixMilli", "UnixMicro", "UnixNano")},
    **{name: _method(TIME, result=BOOL) for name in ("After", "Before", "Equal")},
    "Compare": _method(TIME, result=INT),
    "Month": _method(result=MONTH),
    "Weekday": _method(result=WEEKDAY),
    "ISOWeek": _method(result=INT, results=2),
    "Zone": _method(result=STRING, results=2),
    "Clock": _method(result=INT, results=3),
    "Date": _method(result=INT, results=3),
    "ZoneBounds": _method(result=TIME, results=2),
    "Format": _method(STRING, result=STRING),
    "AppendFormat": _method(BYTES, STRING, result=BYTES),
    "GoString": _TO_TEXT,
    "String": _TO_TEXT,
    "Add": _method(DURATION, result=TIME),
    "Sub": _method(TIME, result=DURATION),
    "AddDate": _method(INT, INT, INT, result=TIME),
    "Round": _method(DURATION, result=TIME),
    "Truncate": _method(DURATION, result=TIME),
    "In": _method(LOCATION, result=TIME),
    "UTC": _method(result=TIME),
    "Local": _method(result=TIME),
    "Location": _method(result=LOCATION),
    "IsZero": _method(result=BOOL),
    "IsDST": _method(result=BOOL),
    "MarshalJSON": _method(result=BYTES, results=2),
    "MarshalText": _method(result=BYTES, results=2),
})  # fmt: skip
