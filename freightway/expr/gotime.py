"""Times, durations, months and weekdays with the methods that Go gives them.

Instants are whole nanoseconds since 1970 without bound, so years outside 1 to 9999 work as in Go.

Source: Go's package time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from freightway.expr import gotime_natures as natures
from freightway.expr.failure import Failure
from freightway.expr.gocalendar import civil_from_days, days_from_civil
from freightway.expr.goduration import format_duration
from freightway.expr.gozone import UTC_ZONE, Zone
from freightway.expr.values import MAX_INT, MIN_INT, Int64, Object, wrap

NANOSECONDS = 1_000_000_000
DAY_SECONDS = 86_400
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
STRING_LAYOUT = "2006-01-02 15:04:05.999999999 -0700 MST"
RFC3339_NANO = "2006-01-02T15:04:05.999999999Z07:00"
# Go's zero time is the first instant of the year 1.
ZERO_SECONDS = days_from_civil(1, 1, 1) * DAY_SECONDS


class _Named(Object):
    """An integer with a name: a month or a weekday."""

    __slots__ = ("value",)
    names: tuple[str, ...]
    first: int

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __str__(self) -> str:
        index = self.value - self.first
        if 0 <= index < len(self.names):
            return self.names[index]
        return f"%!{self.nature.name.removeprefix('time.')}({self.value})"

    def method(self, _name: str) -> Callable[..., object]:
        """Return ``String``, the only method."""
        return self.__str__


class Month(_Named):
    """``time.Month``: 1 to 12."""

    __slots__ = ()
    nature = natures.MONTH
    names = MONTHS
    first = 1


class Weekday(_Named):
    """``time.Weekday``: Sunday is 0."""

    __slots__ = ()
    nature = natures.WEEKDAY
    names = WEEKDAYS
    first = 0


class Location(Object):
    """``*time.Location``."""

    __slots__ = ("zone",)
    nature = natures.LOCATION

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and other.zone is self.zone

    def __hash__(self) -> int:
        return hash(id(self.zone))

    def __str__(self) -> str:
        return self.zone.name

    def method(self, _name: str) -> Callable[..., object]:
        """Return ``String``, the only method."""
        return self.__str__


class Duration(Object):
    """``time.Duration``: 64-bit nanoseconds."""

    __slots__ = ("nanoseconds",)
    nature = natures.DURATION

    def __init__(self, nanoseconds: int) -> None:
        self.nanoseconds = nanoseconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and other.nanoseconds == self.nanoseconds

    def __hash__(self) -> int:
        return hash((Duration, self.nanoseconds))

    def __str__(self) -> str:
        return format_duration(self.nanoseconds)

    def method(self, name: str) -> Callable[..., object]:
        """Return the implementation of a method."""
        return partial(_DURATION_METHODS[name], self)

    def in_units(self, unit: int) -> float:
        """Return the duration in units of so many nanoseconds."""
        whole, rest = divmod(abs(self.nanoseconds), unit)
        value = float(whole) + rest / unit
        return -value if self.nanoseconds < 0 else value

    def divided(self, unit: int) -> Int64:
        """Return whole units, cut off towards zero."""
        whole = abs(self.nanoseconds) // unit
        return Int64(-whole if self.nanoseconds < 0 else whole)

    def truncate(self, unit: Duration) -> Duration:
        """Return the multiple of a unit next to zero."""
        if unit.nanoseconds <= 0:
            return self
        rest = abs(self.nanoseconds) % unit.nanoseconds
        return Duration(self.nanoseconds - (-rest if self.nanoseconds < 0 else rest))

    def round(self, unit: Duration) -> Duration:
        """Return the nearest multiple of a unit, halves away from zero."""
        step = unit.nanoseconds
        if step <= 0:
            return self
        size = abs(self.nanoseconds)
        rest = size % step
        size = size - rest if rest * 2 < step else size + step - rest
        rounded = -size if self.nanoseconds < 0 else size
        return Duration(min(max(rounded, MIN_INT), MAX_INT))

    def absolute(self) -> Duration:
        """Return the size of the duration."""
        return Duration(min(abs(self.nanoseconds), MAX_INT))


_DURATION_METHODS: dict[str, Callable[..., object]] = {
    "Abs": Duration.absolute,
    "Hours": lambda self: self.in_units(3600 * NANOSECONDS),
    "Minutes": lambda self: self.in_units(60 * NANOSECONDS),
    "Seconds": lambda self: self.in_units(NANOSECONDS),
    "Milliseconds": lambda self: self.divided(1_000_000),
    "Microseconds": lambda self: self.divided(1_000),
    "Nanoseconds": lambda self: Int64(self.nanoseconds),
    "Round": Duration.round,
    "Truncate": Duration.truncate,
    "String": Duration.__str__,
}


class Time(Object):
    """``time.Time``: an instant and the zone it is shown in."""

    __slots__ = ("nanoseconds", "zone")
    nature = natures.TIME

    def __init__(self, nanoseconds: int, zone: Zone = UTC_ZONE) -> None:
        self.nanoseconds = nanoseconds
        self.zone = zone

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and (other.nanoseconds, other.zone) == (self.nanoseconds, self.zone)

    def __hash__(self) -> int:
        return hash((self.nanoseconds, id(self.zone)))

    def __str__(self) -> str:
        return self.format(STRING_LAYOUT)

    def method(self, name: str) -> Callable[..., object]:
        """Return the implementation of a method."""
        from freightway.expr.gotime_methods import METHODS

        return partial(METHODS[name], self)

    def same_instant(self, other: Time) -> bool:
        """Return whether both are the same instant, in whatever zone."""
        return self.nanoseconds == other.nanoseconds

    def add(self, nanoseconds: int) -> Time:
        """Return the time so much later."""
        return Time(self.nanoseconds + nanoseconds, self.zone)

    def subtract(self, other: Time) -> Duration:
        """Return the duration since another time, at most what 64 bits hold."""
        return Duration(min(max(self.nanoseconds - other.nanoseconds, MIN_INT), MAX_INT))

    def format(self, layout: str) -> str:
        """Return the text that a layout of Go's reference time gives."""
        from freightway.expr.gotime_format import format_time

        return format_time(self, layout)

    @property
    def unix_seconds(self) -> int:
        """Whole seconds since 1970."""
        return self.nanoseconds // NANOSECONDS

    @property
    def local_seconds(self) -> int:
        """Seconds since 1970 that the local clock shows."""
        return self.unix_seconds + self.zone.lookup(self.unix_seconds)[1]

    @property
    def date(self) -> tuple[int, int, int]:
        """Local year, month and day."""
        return civil_from_days(self.local_seconds // DAY_SECONDS)

    @property
    def clock(self) -> tuple[int, int, int]:
        """Local hour, minute and second."""
        seconds = self.local_seconds % DAY_SECONDS
        return seconds // 3600, seconds // 60 % 60, seconds % 60

    @property
    def weekday(self) -> int:
        """Local day of the week; Sunday is 0."""
        return (self.local_seconds // DAY_SECONDS + 4) % 7


def make_time(date: tuple[int, int, int], seconds: int, nanoseconds: int, zone: Zone) -> Time:
    """Return the time of a local date and seconds into the day."""
    local = days_from_civil(*date) * DAY_SECONDS + seconds
    return Time(zone.to_unix(local) * NANOSECONDS + nanoseconds, zone)


def from_python(value: datetime | timedelta) -> Time | Duration:
    """Return a Python time or duration as ours; a time without zone counts as UTC."""
    if isinstance(value, timedelta):
        microseconds = value // timedelta(microseconds=1)
        return Duration(wrap(microseconds * 1000))
    zone = UTC_ZONE
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    else:
        offset = value.utcoffset() or timedelta()
        if offset:
            name = value.tzname() or ""
            zone = Zone("" if name.startswith("UTC") else name, int(offset.total_seconds()))
    microseconds = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return Time(microseconds * 1000, zone)


def bad_layout(value: str, layout: str, what: str) -> Failure:
    """Return the failure for a time that does not parse."""
    return Failure(f'parsing time "{value}" as "{layout}": {what}')
