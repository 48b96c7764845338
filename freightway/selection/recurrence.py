"""Recurrence rules of RFC 5545 in local time: the days of a period that pass every BY rule, at the times asked for.

One rule: a BY rule only ever leaves days out of a period; what the rule does not say is taken from its start.
BYWEEKNO and FREQ=SECONDLY are refused.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product

_WEEKDAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
_RANGES = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
    "BYSETPOS": (1, 366, True),
}
_DAY = timedelta(days=1)
_MAX_EMPTY_PERIODS = {
    "YEARLY": 60,
    "MONTHLY": 720,
    "WEEKLY": 3_180,
    "DAILY": 12_000,
    "HOURLY": 12_000,
    "MINUTELY": 12_000,
}
"""After so many periods in a row without an occurrence, decades for the longer ones, there is none."""


@dataclass(frozen=True)
class Recurrence:
    """A rule with its start; times have no zone and are local."""

    start: datetime
    freq: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    week_start: int = 0
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    week_days: frozenset[tuple[int, int]] = frozenset()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    def occurrences(self, after: datetime) -> Iterator[datetime]:
        """Yield the occurrences at or after a time, in order; endless if the rule is."""
        # A rule with a count has to be followed from its start, any other from the period before.
        index = 0 if self.count is not None else max(0, self._index_of(after) - 1)
        seen = empty = 0
        while empty < _MAX_EMPTY_PERIODS[self.freq]:
            try:
                found = self._in_period(index)
                index = self._next_index(index, bool(found))
            except (OverflowError, ValueError):  # beyond the year 9999
                return
            empty = 0 if found else empty + 1
            for occurrence in found:
                seen += 1
                if (self.until is not None and occurrence > self.until) or seen > (self.count or seen):
                    return
                if occurrence >= after:
                    yield occurrence

    def _index_of(self, at: datetime) -> int:
        """The number of the period that holds a time, in steps of the interval."""
        first = self.start
        if self.freq == "YEARLY":
            periods = at.year - first.year
        elif self.freq == "MONTHLY":
            periods = (at.year - first.year) * 12 + at.month - first.month
        elif self.freq == "WEEKLY":
            periods = (self._week(at.date()) - self._week(first.date())).days // 7
        elif self.freq == "DAILY":
            periods = (at.date() - first.date()).days
        else:
            unit = self._unit()
            periods = (at - self._floor(first)) // unit
        return periods // self.interval

    def _unit(self) -> timedelta:
        return timedelta(hours=1) if self.freq == "HOURLY" else timedelta(minutes=1)

    def _floor(self, at: datetime) -> datetime:
        floored = at.replace(second=0, microsecond=0)
        return floored.replace(minute=0) if self.freq == "HOURLY" else floored

    def _week(self, day: date) -> date:
        return day - timedelta(days=(day.weekday() - self.week_start) % 7)

    def _next_index(self, index: int, found: bool) -> int:
        """The next period; where a whole day or hour is left out, the first period after it."""
        if found or self.freq not in {"HOURLY", "MINUTELY"}:
            return index + 1
        begin = self._floor(self.start) + index * self.interval * self._unit()
        if not self._passes(begin.date()):
            goal = datetime.combine(begin.date() + _DAY, time())
        elif self.freq == "MINUTELY" and self.hours and begin.hour not in self.hours:
            goal = begin.replace(minute=0) + timedelta(hours=1)
        else:
            return index + 1
        return max(index + 1, -((self._floor(self.start) - goal) // (self.interval * self._unit())))

    def _in_period(self, index: int) -> list[datetime]:
        steps = index * self.interval
        if self.freq in {"HOURLY", "MINUTELY"}:
            found = self._in_hour_or_minute(self._floor(self.start) + steps * self._unit())
        else:
            times = [time(*clock) for clock in product(*self._clock())]
            days = [day for day in self._days(steps) if self._passes(day)]
            found = [datetime.combine(day, clock) for day in days for clock in sorted(times)]
        if self.positions:
            indexes = {position - 1 if position > 0 else len(found) + position for position in self.positions}
            found = [occurrence for number, occurrence in enumerate(found) if number in indexes]
        return [occurrence for occurrence in found if occurrence >= self.start]

    def _clock(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        start = self.start
        return (self.hours or (start.hour,), self.minutes or (start.minute,), self.seconds or (start.second,))

    def _in_hour_or_minute(self, begin: datetime) -> list[datetime]:
        _, minutes, seconds = self._clock()
        if not self._passes(begin.date()) or (self.hours and begin.hour not in self.hours):
            return []
        if self.freq == "MINUTELY":
            if self.minutes and begin.minute not in self.minutes:
                return []
            minutes = (begin.minute,)
        return [
            begin.replace(minute=minute, second=second)
            for minute, second in product(sorted(minutes), sorted(seconds))
        ]

    def _days(self, steps: int) -> list[date]:
        if self.freq == "YEARLY":
            first = date(self.start.year + steps, 1, 1)
            return [first + timedelta(days=n) for n in range(366 if calendar.isleap(first.year) else 365)]
        if self.freq == "MONTHLY":
            years, month = divmod(self.start.month - 1 + steps, 12)
            first = date(self.start.year + years, month + 1, 1)
            return [first + timedelta(days=n) for n in range(calendar.monthrange(first.year, first.month)[1])]
        if self.freq == "WEEKLY":
            first = self._week(self.start.date()) + timedelta(weeks=steps)
            return [first + timedelta(days=n) for n in range(7)]
        return [self.start.date() + timedelta(days=steps)]

    def _passes(self, day: date) -> bool:
        months, month_days, week_days = self.months, self.month_days, self.week_days
        if not (month_days or week_days or self.year_days):
            if self.freq in {"YEARLY", "MONTHLY"}:
                month_days = frozenset({self.start.day})
            if self.freq == "YEARLY":
                months = months or frozenset({self.start.month})
            if self.freq == "WEEKLY":
                week_days = frozenset({(0, self.start.weekday())})
        if months and day.month not in months:
            return False
        if month_days:
            length = calendar.monthrange(day.year, day.month)[1]
            if not month_days & {day.day, day.day - length - 1}:
                return False
        if self.year_days:
            number = day.timetuple().tm_yday
            length = 366 if calendar.isleap(day.year) else 365
            if not self.year_days & {number, number - length - 1}:
                return False
        return not week_days or self._is_week_day(day, week_days)

    def _is_week_day(self, day: date, week_days: frozenset[tuple[int, int]]) -> bool:
        if (0, day.weekday()) in week_days:
            return True
        if self.freq == "MONTHLY" or (self.freq == "YEARLY" and self.months):
            number, length = day.day, calendar.monthrange(day.year, day.month)[1]
        elif self.freq == "YEARLY":
            number, length = day.timetuple().tm_yday, 366 if calendar.isleap(day.year) else 365
        else:
            return False
        from_start = (number - 1) // 7 + 1
        from_end = -((length - number) // 7 + 1)
        return bool(week_days & {(from_start, day.weekday()), (from_end, day.weekday())})


def parse_rrule(text: str, start: datetime, until_in_zone: datetime | None = None) -> Recurrence:
    """Return the rule written as ``FREQ=WEEKLY;BYDAY=MO,FR``, with or without ``RRULE:`` in front.

    Args:
        text: the rule.
        start: local time of the first occurrence, if the rule lets it through.
        until_in_zone: the rule's UNTIL in local time, where it was written in UTC.
    Raises:
        ValueError: if the rule does not parse or asks for what is not supported.
    """
    fields = _fields(text)
    freq = fields.pop("FREQ", "")
    if freq not in _FREQUENCIES:
        raise ValueError(f"FREQ must be one of {', '.join(_FREQUENCIES)}, not {freq!r}")
    until = fields.pop("UNTIL", "")
    count = fields.pop("COUNT", "")
    if until and count:
        raise ValueError("UNTIL and COUNT exclude each other")
    week_days = frozenset(_week_day(item, freq) for item in fields.pop("BYDAY", "").split(",") if item)
    week_start = fields.pop("WKST", "MO")
    if week_start not in _WEEKDAYS:
        raise ValueError(f"WKST={week_start} is not a day of the week")
    interval = _positive("INTERVAL", fields.pop("INTERVAL", "1"))
    numbers = {key: _numbers(key, fields.pop(key, "")) for key in _RANGES}
    if fields:
        raise ValueError(f"{', '.join(fields)} is not supported in a recurrence rule")
    return Recurrence(
        start=start,
        freq=freq,
        interval=interval,
        count=_positive("COUNT", count) if count else None,
        until=until_in_zone or (_local_until(until) if until else None),
        week_start=_WEEKDAYS[week_start],
        months=frozenset(numbers["BYMONTH"]),
        month_days=frozenset(numbers["BYMONTHDAY"]),
        year_days=frozenset(numbers["BYYEARDAY"]),
        week_days=week_days,
        hours=numbers["BYHOUR"],
        minutes=numbers["BYMINUTE"],
        seconds=numbers["BYSECOND"],
        positions=numbers["BYSETPOS"],
    )


def until_text(text: str) -> str:
    """Return the UNTIL of a rule as written, empty if it has none."""
    return _fields(text).get("UNTIL", "")


def _fields(text: str) -> dict[str, str]:
    body = text.strip().upper().removeprefix("RRULE:")
    fields: dict[str, str] = {}
    for item in filter(None, body.split(";")):
        key, equals, value = item.partition("=")
        if not equals or not value or key in fields:
            raise ValueError(f"{item!r} is not a part of a recurrence rule, or is there twice")
        fields[key.strip()] = value.strip()
    return fields


def _numbers(key: str, text: str) -> tuple[int, ...]:
    low, high, may_be_negative = _RANGES[key]
    numbers: set[int] = set()
    for item in filter(None, text.split(",")):
        try:
            number = int(item)
        except ValueError:
            raise ValueError(f"{key}={item} is not a number") from None
        if not (low <= number <= high or (may_be_negative and low <= -number <= high)):
            raise ValueError(f"{key}={item} is out of range")
        numbers.add(number)
    return tuple(sorted(numbers))


def _positive(key: str, text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise ValueError(f"{key}={text} must be a number from 1 to 100000")
    return int(text)


def _week_day(item: str, freq: str) -> tuple[int, int]:
    number, day = item[:-2], item[-2:]
    try:
        nth = int(number or 0)
    except ValueError:
        nth = 99
    if day not in _WEEKDAYS or not -53 <= nth <= 53 or number in {"0", "+", "-"}:
        raise ValueError(f"BYDAY={item} is not a day of the week")
    if nth and freq not in {"MONTHLY", "YEARLY"}:
        raise ValueError(f"BYDAY={item} counts days, which only MONTHLY and YEARLY rules can do")
    return nth, _WEEKDAYS[day]


def _local_until(text: str) -> datetime:
    try:
        if "T" in text:
            return datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
        return datetime.strptime(text, "%Y%m%d").replace(hour=23, minute=59, second=59)  # noqa: DTZ007
    except ValueError:
        raise ValueError(f"UNTIL={text} is not a date or time") from None
