"""The proleptic Gregorian calendar for every year, also before 1 and after 9999.

Source: Go's package time; the arithmetic is the usual one on eras of 400 years.
"""

from __future__ import annotations

DAYS_PER_ERA = 146_097
DAYS_TO_EPOCH = 719_468


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01; month and day may be out of range and carry over."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH + day - 1


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a count of days since 1970-01-01."""
    days += DAYS_TO_EPOCH
    era, day_of_era = divmod(days, DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_index = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_index + 2) // 5 + 1
    month = month_index + 3 if month_index < 10 else month_index - 9
    return era * 400 + year_of_era + (month <= 2), month, day


def is_leap(year: int) -> bool:
    """Return whether the year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in(month: int, year: int) -> int:
    """Return how many days a month has."""
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in {4, 6, 9, 11} else 31
