"""The methods of ``time.Time``, under the names that expressions use.

Source: Go's package time.
"""

from __future__ import annotations

from collections.abc import Callable

from freightway.expr.failure import Failure
from freightway.expr.gocalendar import days_from_civil
from freightway.expr.gojson_time import time_json
from freightway.expr.gotime import (
    NANOSECONDS,
    ZERO_SECONDS,
    Duration,
    Location,
    Month,
    Time,
    Weekday,
    make_time,
)
from freightway.expr.gozone import UTC_ZONE
from freightway.expr.text import to_bytes
from freightway.expr.values import Int64, wrap


def _add_date(time: Time, years: int | None, months: int | None, days: int | None) -> Time:
    year, month, day = time.date
    hour, minute, second = time.clock
    seconds = hour * 3600 + minute * 60 + second
    date = (year + (years or 0), month + (months or 0), day + (days or 0))
    return make_time(date, seconds, time.nanoseconds % NANOSECONDS, time.zone)


def _since_zero(time: Time) -> int:
    return time.nanoseconds - ZERO_SECONDS * NANOSECONDS


def _truncate(time: Time, unit: Duration) -> Time:
    if unit.nanoseconds <= 0:
        return time
    return time.add(-(_since_zero(time) % unit.nanoseconds))


def _round(time: Time, unit: Duration) -> Time:
    if unit.nanoseconds <= 0:
        return time
    rest = _since_zero(time) % unit.nanoseconds
    return time.add(-rest if rest * 2 < unit.nanoseconds else unit.nanoseconds - rest)


def _year_day(time: Time) -> int:
    year, month, day = time.date
    return days_from_civil(year, month, day) - days_from_civil(year, 1, 1) + 1


def _iso_year(time: Time) -> int:
    year, month, day = time.date
    days = days_from_civil(year, month, day)
    thursday = days + 3 - (time.weekday + 6) % 7
    if thursday < days_from_civil(year, 1, 1):
        return year - 1
    return year + 1 if thursday >= days_from_civil(year + 1, 1, 1) else year


def _in(time: Time, location: Location | None) -> Time:
    if location is None:
        raise Failure("time: missing Location in call to Time.In")
    return Time(time.nanoseconds, location.zone)


def _compare(time: Time, other: Time) -> int:
    return (time.nanoseconds > other.nanoseconds) - (time.nanoseconds < other.nanoseconds)


def _go_string(time: Time) -> str:
    year, month, day = time.date
    hour, minute, second = time.clock
    month_name = f"time.{Month(month)}" if 1 <= month <= 12 else str(month)
    zone = "time.UTC" if time.zone is UTC_ZONE else f'time.Location("{time.zone.name}")'
    fraction = time.nanoseconds % NANOSECONDS
    return f"time.Date({year}, {month_name}, {day}, {hour}, {minute}, {second}, {fraction}, {zone})"


def _json(time: Time) -> bytes:
    return f'"{time_json(time)}"'.encode()


METHODS: dict[str, Callable[..., object]] = {
    "Year": lambda time: time.date[0],
    "Month": lambda time: Month(time.date[1]),
    "Day": lambda time: time.date[2],
    "Hour": lambda time: time.clock[0],
    "Minute": lambda time: time.clock[1],
    "Second": lambda time: time.clock[2],
    "Nanosecond": lambda time: time.nanoseconds % NANOSECONDS,
    "YearDay": _year_day,
    "Weekday": lambda time: Weekday(time.weekday),
    "ISOWeek": _iso_year,
    "Zone": lambda time: time.zone.lookup(time.unix_seconds)[0],
    "ZoneBounds": lambda time: time,
    "Unix": lambda time: Int64(time.unix_seconds),
    "UnixMilli": lambda time: Int64(wrap(time.nanoseconds // 1_000_000)),
    "UnixMicro": lambda time: Int64(wrap(time.nanoseconds // 1_000)),
    "UnixNano": lambda time: Int64(wrap(time.nanoseconds)),
    "After": lambda time, other: time.nanoseconds > other.nanoseconds,
    "Before": lambda time, other: time.nanoseconds < other.nanoseconds,
    "Equal": Time.same_instant,
    "Compare": _compare,
    "Format": Time.format,
    "AppendFormat": lambda time, prefix, layout: prefix + to_bytes(time.format(layout)),
    "GoString": _go_string,
    "String": Time.__str__,
    "Add": lambda time, duration: time.add(duration.nanoseconds),
    "Sub": Time.subtract,
    "AddDate": _add_date,
    "Round": _round,
    "Truncate": _truncate,
    "In": _in,
    "UTC": lambda time: Time(time.nanoseconds, UTC_ZONE),
    "Local": lambda time: Time(time.nanoseconds, UTC_ZONE),
    "Location": lambda time: Location(time.zone),
    "IsZero": lambda time: time.nanoseconds == ZERO_SECONDS * NANOSECONDS,
    "IsDST": lambda time: time.zone.lookup(time.unix_seconds)[2],
    "MarshalJSON": _json,
    "MarshalText": lambda time: time_json(time).encode(),
}
