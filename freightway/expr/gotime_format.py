"""Writes a time by a layout.

Source: Go's Time.AppendFormat.
"""

from __future__ import annotations

from collections.abc import Callable

from freightway.expr.gocalendar import days_from_civil
from freightway.expr.gotime import MONTHS, NANOSECONDS, WEEKDAYS, Time
from freightway.expr.gotime_layout import is_fraction, is_offset, split_layout


def format_time(time: Time, layout: str) -> str:
    """Return the text of a time in a layout."""
    parts = []
    for literal, element in split_layout(layout):
        parts.append(literal)
        if is_fraction(element):
            parts.append(_fraction(time, element))
        elif is_offset(element):
            parts.append(_offset(time, element))
        elif element:
            parts.append(_WRITERS[element](time))
    return "".join(parts)


def _padded(value: int, width: int) -> str:
    return f"-{-value:0{width}d}" if value < 0 else f"{value:0{width}d}"


def _year_day(time: Time) -> int:
    year, month, day = time.date
    return days_from_civil(year, month, day) - days_from_civil(year, 1, 1) + 1


def _hour12(time: Time) -> int:
    return time.clock[0] % 12 or 12


def _fraction(time: Time, element: str) -> str:
    digits = f"{time.nanoseconds % NANOSECONDS:09d}"
    digits = (digits + "0" * len(element))[: len(element) - 1]
    if element[1] == "9":
        digits = digits.rstrip("0")
        if not digits:
            return ""
    return element[0] + digits


def _offset(time: Time, element: str) -> str:
    offset = time.zone.lookup(time.unix_seconds)[1]
    if element[0] == "Z" and offset == 0:
        return "Z"
    # The sign is that of whole minutes, as in Go.
    sign = "-" if offset < 0 and -offset >= 60 else "+"
    size = abs(offset)
    colon = ":" if ":" in element else ""
    text = f"{sign}{size // 3600:02d}"
    if len(element) > 3:
        text += f"{colon}{size // 60 % 60:02d}"
    if element[3:] in {"0000", ":00:00"}:
        text += f"{colon}{size % 60:02d}"
    return text


def _zone_name(time: Time) -> str:
    name, offset, _ = time.zone.lookup(time.unix_seconds)
    if name:
        return name
    minutes = abs(offset) // 60
    return f"{'-' if offset < 0 and minutes else '+'}{minutes // 60:02d}{minutes % 60:02d}"


_WRITERS: dict[str, Callable[[Time], str]] = {
    "2006": lambda time: _padded(time.date[0], 4),
    "06": lambda time: _padded(abs(time.date[0]) % 100, 2),
    "January": lambda time: MONTHS[time.date[1] - 1],
    "Jan": lambda time: MONTHS[time.date[1] - 1][:3],
    "1": lambda time: str(time.date[1]),
    "01": lambda time: f"{time.date[1]:02d}",
    "Monday": lambda time: WEEKDAYS[time.weekday],
    "Mon": lambda time: WEEKDAYS[time.weekday][:3],
    "2": lambda time: str(time.date[2]),
    "_2": lambda time: f"{time.date[2]:2d}",
    "02": lambda time: f"{time.date[2]:02d}",
    "__2": lambda time: f"{_year_day(time):3d}",
    "002": lambda time: f"{_year_day(time):03d}",
    "15": lambda time: f"{time.clock[0]:02d}",
    "3": lambda time: str(_hour12(time)),
    "03": lambda time: f"{_hour12(time):02d}",
    "4": lambda time: str(time.clock[1]),
    "04": lambda time: f"{time.clock[1]:02d}",
    "5": lambda time: str(time.clock[2]),
    "05": lambda time: f"{time.clock[2]:02d}",
    "PM": lambda time: "PM" if time.clock[0] >= 12 else "AM",
    "pm": lambda time: "pm" if time.clock[0] >= 12 else "am",
    "MST": _zone_name,
}
