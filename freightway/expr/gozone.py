"""Time zones: UTC, fixed offsets, and the IANA database of the ``tzdata`` package.

The database of the package is used and not that of the machine, so that every worker computes the same.

Source: Go's package time (zoneinfo.go).
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources

from freightway.expr.failure import Failure

_NAME = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first and last instants for which Python can compute an offset in any zone.
_FIRST = -62135596800 + 2 * 86400
_LAST = 253402300799 - 2 * 86400


class Zone:
    """A time zone.

    Attributes:
        name: what ``.String()`` gives; empty for an offset without a name.
    """

    __slots__ = ("_info", "_offset", "name")

    def __init__(self, name: str, offset_seconds: int = 0, info: zoneinfo.ZoneInfo | None = None) -> None:
        self.name = name
        self._offset = offset_seconds
        self._info = info

    def lookup(self, unix_seconds: int) -> tuple[str, int, bool]:
        """Return abbreviation, offset in seconds, and whether it is summer time, at an instant."""
        if self._info is None:
            return self.name, self._offset, False
        instant = _EPOCH + timedelta(seconds=min(max(unix_seconds, _FIRST), _LAST))
        local = instant.astimezone(self._info)
        offset = local.utcoffset() or timedelta()
        return local.tzname() or "", int(offset.total_seconds()), bool(local.dst())

    def to_unix(self, local_seconds: int) -> int:
        """Return the instant at which a clock in this zone shows the local time."""
        _, offset, _ = self.lookup(local_seconds)
        if offset:
            _, offset, _ = self.lookup(local_seconds - offset)
        return local_seconds - offset

    def offset_of(self, abbreviation: str, unix_seconds: int) -> int | None:
        """Return the offset that an abbreviation means in this zone, None if it means nothing."""
        if self._info is None:
            return self._offset if abbreviation == self.name else None
        known = [offset for name, offset in _abbreviations(self) if name == abbreviation]
        for offset in known:
            name, actual, _ = self.lookup(unix_seconds - offset)
            if name == abbreviation:
                return actual
        return known[0] if known else None


@lru_cache(maxsize=64)
def _abbreviations(zone: Zone) -> tuple[tuple[str, int], ...]:
    found: dict[tuple[str, int], None] = {}
    for year in range(1880, 2038):
        for month in (1, 7):
            unix_seconds = int((datetime(year, month, 1, tzinfo=UTC) - _EPOCH).total_seconds())
            name, offset, _ = zone.lookup(unix_seconds)
            found[name, offset] = None
    return tuple(found)


UTC_ZONE = Zone("UTC")


@lru_cache(maxsize=256)
def load_zone(name: str) -> Zone:
    """Return the zone of an IANA name.

    Raises:
        Failure: if there is none.
    """
    if name in {"", "UTC"}:
        return UTC_ZONE
    if name == "Local":
        return Zone("Local")  # a worker's own zone must not matter: it counts as UTC
    if not _NAME.fullmatch(name):
        raise Failure(f"unknown time zone {name}")
    try:
        path = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
        with path.open("rb") as stream:
            return Zone(name, info=zoneinfo.ZoneInfo.from_file(stream, key=name))
    except (OSError, ValueError):
        raise Failure(f"unknown time zone {name}") from None
