"""Reads a time by a layout.

Source: Go's time.Parse and time.ParseInLocation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from freightway.expr.gocalendar import days_in, is_leap
from freightway.expr.gotime import MONTHS, NANOSECONDS, WEEKDAYS, Time, bad_layout, make_time
from freightway.expr.gotime_layout import Chunk, is_fraction, is_offset, split_layout
from freightway.expr.gozone import UTC_ZONE, Zone

_OFFSETS = {
    "": re.compile(r"([+-])(\d\d)()()", re.ASCII),
    "00": re.compile(r"([+-])(\d\d)(\d\d)()", re.ASCII),
    ":00": re.compile(r"([+-])(\d\d):(\d\d)()", re.ASCII),
    "0000": re.compile(r"([+-])(\d\d)(\d\d)(\d\d)", re.ASCII),
    ":00:00": re.compile(r"([+-])(\d\d):(\d\d):(\d\d)", re.ASCII),
}
_SIGNED = re.compile(r"[+-](\d+)", re.ASCII)
_FRACTION = re.compile(r"[.,](\d+)", re.ASCII)
_SHORT_MONTHS = tuple(name[:3] for name in MONTHS)
_SHORT_WEEKDAYS = tuple(name[:3] for name in WEEKDAYS)


def parse_time(layout: str, value: str, zone: Zone = UTC_ZONE) -> Time:
    """Return the time that ``value`` means in a layout.

    Args:
        zone: where a time without zone is, and whose abbreviations are known.
    Raises:
        Failure: if the text does not fit the layout.
    """
    return _Reader(layout, value, zone).read()


class _Mismatch(Exception):
    pass


class _Reader:
    def __init__(self, layout: str, value: str, zone: Zone) -> None:
        self.layout = layout
        self.original = value
        self.rest = value
        self.local = zone
        self.year, self.month, self.day, self.year_day = 0, -1, -1, -1
        self.hour = self.minute = self.second = self.nanosecond = 0
        self.afternoon: bool | None = None
        self.zone: Zone | None = None
        self.offset: int | None = None
        self.abbreviation = ""

    def read(self) -> Time:
        try:
            chunks = split_layout(self.layout)
            for index, chunk in enumerate(chunks):
                self.skip(chunk.literal)
                if chunk.element:
                    self.element(chunk.element, chunks[index + 1])
            if self.rest:
                raise _Mismatch("extra text")
            self.check_day()
        except _Mismatch as mismatch:
            raise bad_layout(self.original, self.layout, str(mismatch)) from None
        return self.result()

    def skip(self, literal: str) -> None:
        """Step over literal text; any run of spaces matches any run of spaces."""
        while literal:
            if literal[0] == " ":
                if self.rest and self.rest[0] != " ":
                    raise _Mismatch(f'cannot parse "{self.rest}" as "{literal}"')
                literal, self.rest = literal.lstrip(" "), self.rest.lstrip(" ")
                continue
            if self.rest[:1] != literal[0]:
                raise _Mismatch(f'cannot parse "{self.rest}" as "{literal}"')
            literal, self.rest = literal[1:], self.rest[1:]

    def element(self, element: str, following: Chunk) -> None:
        if is_fraction(element):
            self.read_fraction(element)
        elif is_offset(element):
            self.read_offset(element)
        else:
            _READERS[element](self)
            if element in {"5", "05"}:
                self.read_loose_fraction(following)

    def number(self, low: int, high: int, *, fixed: bool, width: int = 2) -> int:
        match = re.match(rf"[0-9]{{{width if fixed else 1},{width}}}", self.rest)
        if not match:
            raise _Mismatch(f'cannot parse "{self.rest}"')
        value = int(match[0])
        if not low <= value <= high:
            raise _Mismatch("value out of range")
        self.rest = self.rest[match.end() :]
        return value

    def name(self, names: tuple[str, ...]) -> int:
        for index, name in enumerate(names):
            if self.rest[: len(name)].lower() == name.lower():
                self.rest = self.rest[len(name) :]
                return index
        raise _Mismatch(f'cannot parse "{self.rest}"')

    def read_year(self) -> None:
        year = self.number(0, 99, fixed=True)
        self.year = year + (1900 if year >= 69 else 2000)

    def read_long_year(self) -> None:
        self.year = self.number(0, 9999, fixed=True, width=4)

    def read_long_year_day(self, *, padded: bool) -> None:
        if padded:
            for _ in range(2):
                self.rest = self.rest.removeprefix(" ")
        self.year_day = self.number(0, 999, fixed=not padded, width=3)

    def read_space_day(self) -> None:
        self.rest = self.rest.removeprefix(" ")
        self.day = self.number(0, 99, fixed=False)

    def read_half(self, first: str, second: str) -> None:
        half, self.rest = self.rest[:2], self.rest[2:]
        if half not in {first, second}:
            raise _Mismatch(f'cannot parse "{half}"')
        self.afternoon = half == second

    def read_loose_fraction(self, following: Chunk) -> None:
        """A fraction after the seconds is read also where the layout has none."""
        match = _FRACTION.match(self.rest)
        if match and not is_fraction(following.element):
            self.take_fraction(match.end())

    def read_fraction(self, element: str) -> None:
        if element[1] == "9":
            match = _FRACTION.match(self.rest)
            if match:
                self.take_fraction(match.end())
            return
        text = self.rest[: len(element)]
        if not re.fullmatch(r"[.,][0-9]+", text) or len(text) < len(element):
            raise _Mismatch(f'cannot parse "{self.rest}" as "{element}"')
        self.take_fraction(len(element))

    def take_fraction(self, length: int) -> None:
        digits, self.rest = self.rest[1:length], self.rest[length:]
        self.nanosecond = int(digits[:9].ljust(9, "0"))

    def read_offset(self, element: str) -> None:
        if element[0] == "Z" and self.rest[:1] == "Z":
            self.rest = self.rest[1:]
            self.zone = UTC_ZONE
            return
        match = _OFFSETS[element[3:]].match(self.rest)
        if not match:
            raise _Mismatch(f'cannot parse "{self.rest}" as "{element}"')
        hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
        if hours > 24 or minutes > 60 or seconds > 60:
            raise _Mismatch("time zone offset out of range")
        self.rest = self.rest[match.end() :]
        offset = (hours * 60 + minutes) * 60 + seconds
        self.offset = -offset if match[1] == "-" else offset

    def read_zone(self) -> None:
        if self.rest[:3] == "UTC":
            self.rest = self.rest[3:]
            self.zone = UTC_ZONE
            return
        length = zone_name_length(self.rest)
        if not length:
            raise _Mismatch(f'cannot parse "{self.rest}" as "MST"')
        self.abbreviation, self.rest = self.rest[:length], self.rest[length:]

    def check_day(self) -> None:
        if self.year_day >= 0:
            self.apply_year_day()
        self.month = 1 if self.month < 0 else self.month
        self.day = 1 if self.day < 0 else self.day
        if not 1 <= self.day <= days_in(self.month, self.year):
            raise _Mismatch("day out of range")

    def apply_year_day(self) -> None:
        if not 1 <= self.year_day <= 365 + is_leap(self.year):
            raise _Mismatch("day-of-year out of range")
        month, day = 1, self.year_day
        while day > days_in(month, self.year):
            day -= days_in(month, self.year)
            month += 1
        if self.month not in {-1, month} or self.day not in {-1, day}:
            raise _Mismatch("day-of-year does not match the date")
        self.month, self.day = month, day

    def result(self) -> Time:
        hour = self.hour
        if self.afternoon is True and hour < 12:
            hour += 12
        elif self.afternoon is False and hour == 12:
            hour = 0
        seconds = hour * 3600 + self.minute * 60 + self.second
        date = (self.year, self.month, self.day)
        if self.zone is not None:
            return make_time(date, seconds, self.nanosecond, self.zone)
        if self.offset is None and not self.abbreviation:
            return make_time(date, seconds, self.nanosecond, self.local)
        naive = make_time(date, seconds, self.nanosecond, UTC_ZONE)
        if self.offset is not None:
            return self.with_offset(naive, self.offset)
        offset = self.local.offset_of(self.abbreviation, naive.unix_seconds)
        if offset is not None:
            return Time(naive.nanoseconds - offset * NANOSECONDS, self.local)
        match = _SIGNED.fullmatch(self.abbreviation[3:]) if self.abbreviation[:3] == "GMT" else None
        offset = int(match[0]) * 3600 if match else 0
        return Time(naive.nanoseconds - offset * NANOSECONDS, Zone(self.abbreviation, offset))

    def with_offset(self, naive: Time, offset: int) -> Time:
        nanoseconds = naive.nanoseconds - offset * NANOSECONDS
        name, actual, _ = self.local.lookup(nanoseconds // NANOSECONDS)
        if actual == offset and self.abbreviation in {"", name}:
            return Time(nanoseconds, self.local)
        return Time(nanoseconds, Zone(self.abbreviation, offset))


def zone_name_length(text: str) -> int:
    """Return how many characters at the start look like a zone's abbreviation, 0 if none."""
    if len(text) < 3:
        return 0
    if text[:4] in {"ChST", "MeST"}:
        return 4
    if text[:3] == "GMT":
        return 3 + _signed_length(text[3:])
    if text[0] in "+-":
        return _signed_length(text)
    match = re.match(r"[A-Z]{0,6}", text)
    upper = len(match[0]) if match else 0
    if upper == 3:
        return 3
    if upper == 4:
        return 4 if text[3] == "T" or text[:4] == "WITA" else 0
    return 5 if upper == 5 and text[4] == "T" else 0


def _signed_length(text: str) -> int:
    match = _SIGNED.match(text)
    return match.end() if match and len(match[1]) < 19 and int(match[1]) <= 23 else 0


def _set(name: str, low: int, high: int, *, fixed: bool) -> Callable[[_Reader], None]:
    return lambda reader: setattr(reader, name, reader.number(low, high, fixed=fixed))


def _set_name(name: str, names: tuple[str, ...]) -> Callable[[_Reader], None]:
    return lambda reader: setattr(reader, name, reader.name(names) + 1)


def _skip_name(names: tuple[str, ...]) -> Callable[[_Reader], None]:
    def read(reader: _Reader) -> None:
        reader.name(names)

    return read


_READERS: dict[str, Callable[[_Reader], None]] = {
    "2006": _Reader.read_long_year,
    "06": _Reader.read_year,
    "January": _set_name("month", MONTHS),
    "Jan": _set_name("month", _SHORT_MONTHS),
    "1": _set("month", 1, 12, fixed=False),
    "01": _set("month", 1, 12, fixed=True),
    "Monday": _skip_name(WEEKDAYS),
    "Mon": _skip_name(_SHORT_WEEKDAYS),
    "2": _set("day", 0, 99, fixed=False),
    "_2": _Reader.read_space_day,
    "02": _set("day", 0, 99, fixed=True),
    "__2": lambda reader: reader.read_long_year_day(padded=True),
    "002": lambda reader: reader.read_long_year_day(padded=False),
    "15": _set("hour", 0, 23, fixed=False),
    "3": _set("hour", 0, 12, fixed=False),
    "03": _set("hour", 0, 12, fixed=True),
    "4": _set("minute", 0, 59, fixed=False),
    "04": _set("minute", 0, 59, fixed=True),
    "5": _set("second", 0, 59, fixed=False),
    "05": _set("second", 0, 59, fixed=True),
    "PM": lambda reader: reader.read_half("AM", "PM"),
    "pm": lambda reader: reader.read_half("am", "pm"),
    "MST": _Reader.read_zone,
}
