"""Builtins on dates, durations and time zones.

Source: expr-lang 1.17.8 builtin/builtin.go.
"""

from __future__ import annotations

import time
from datetime import datetime

from freightway.expr.failure import Failure
from freightway.expr.goduration import parse_duration
from freightway.expr.gotime import Duration, Location, Time, from_python
from freightway.expr.gotime_parse import parse_time
from freightway.expr.gozone import UTC_ZONE, Zone, load_zone
from freightway.expr.run import Run
from freightway.expr.values import type_name

LAYOUTS = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
MAX_LENGTH = 1_000


def _text(value: object) -> str:
    if type(value) is not str:
        shown = "nil" if value is None else type_name(value)
        raise Failure(f"interface conversion: interface {{}} is {shown}, not string")
    if len(value) > MAX_LENGTH:
        raise Failure("the text of a time is too long")
    return value


def now(run: Run, zone: object = None) -> Time:
    """Return the current time, shown in a zone."""
    clock = run.now
    moment = clock() if callable(clock) else clock
    if moment is None:
        current = Time(time.time_ns())
    else:
        adopted = from_python(moment) if isinstance(moment, datetime) else None
        if not isinstance(adopted, Time):
            raise Failure("now gave no time")
        current = adopted
    if zone is None:
        return current
    if not isinstance(zone, Location):
        raise Failure("invalid number of arguments (expected 0, got 1)")
    return Time(current.nanoseconds, zone.zone)


def duration(_run: Run, text: object) -> Duration:
    """Return the duration of a text such as ``1h30m``."""
    return Duration(parse_duration(_text(text)))


def timezone(_run: Run, name: object) -> Location:
    """Return the time zone of an IANA name."""
    return Location(load_zone(_text(name)))


def date(run: Run, *arguments: object) -> Time:
    """Return the time that a text means, in a zone, by a layout."""
    zone = UTC_ZONE
    if arguments and isinstance(arguments[0], Location):
        zone = arguments[0].zone
        arguments = arguments[1:]
    if not arguments:
        raise Failure("date needs a text")
    run.step(10)
    text = _text(arguments[0])
    if len(arguments) == 1:
        return _guess(text, zone)
    layout = _text(arguments[1])
    if len(arguments) == 3:
        zone = load_zone(_text(arguments[2]))
    return parse_time(layout, text, zone)


def _guess(text: str, zone: Zone) -> Time:
    for layout in LAYOUTS:
        try:
            return parse_time(layout, text, zone)
        except Failure:
            continue
    raise Failure(f"invalid date {text}")
