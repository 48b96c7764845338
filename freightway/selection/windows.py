"""Promotion windows: when a promotion may start.

One rule: a promotion starts only inside an Allow window, if any is for the Stage, and never inside a Deny window.
A window that does not parse keeps promotions waiting and says so; nothing starts by mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from freightway.errors import InvalidResource
from freightway.resources.meta import Model
from freightway.selection.recurrence import Recurrence, parse_rrule, until_text
from freightway.selection.stage_selector import Selector, StageRef, StageSelector

_MAX_CHANGES = 500
"""How many openings and closings are looked at to find the next opening."""

_LONGEST = {"HOURLY": timedelta(days=7), "MINUTELY": timedelta(days=1)}
"""How long a window may stay open that recurs this often; any other may for 366 days."""


class Window(Protocol):
    """A promotion window; ``promotionWindows`` of ProjectConfig and ClusterConfig are such."""

    @property
    def name(self) -> str:
        """The window's name."""

    @property
    def kind(self) -> Literal["Allow", "Deny"]:
        """Whether promotions may start inside it, or may not."""

    @property
    def stage_selector(self) -> Selector | None:
        """Which Stages it is for, None for all."""

    @property
    def project_selector(self) -> Selector | None:
        """Which projects it is for, None for all."""

    @property
    def rrule(self) -> str:
        """How it recurs, empty for once."""

    @property
    def dtstart(self) -> str:
        """When it opens first."""

    @property
    def dtend(self) -> str:
        """When it closes first."""


class PromotionWindow(Model):
    """A promotion window in plain fields."""

    name: str
    kind: Literal["Allow", "Deny"]
    stage_selector: StageSelector | None = None
    project_selector: StageSelector | None = None
    rrule: str = ""
    dtstart: str = ""
    dtend: str = ""


class WindowVerdict(Model):
    """Whether a promotion may start.

    Attributes:
        until: when that changes: the next opening if it may not, the next closing if it may; None if never, or
            not within the openings that were looked at.
        reason: which window decides, a sentence without a full stop; empty if no window is for the Stage.
    """

    allowed: bool = True
    until: AwareDatetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Schedule:
    """When a window is open, in the local time of its zone.

    The length is one of the wall clock: a window from 22:00 to 06:00 closes at 06:00 also in the night in
    which the clocks change.
    """

    zone: tzinfo
    start: datetime
    length: timedelta
    rule: Recurrence | None

    def occurrences(self, around: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield opening and closing times in order, from the first that may still be open at a time."""
        local = around.astimezone(self.zone).replace(tzinfo=None)
        # One day more, because the wall clock may be set back.
        after = local - self.length - timedelta(days=1)
        begins = iter((self.start,)) if self.rule is None else self.rule.occurrences(after)
        for begin in begins:
            yield self._utc(begin), self._utc(begin + self.length)

    def _utc(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def is_open(self, at: datetime) -> bool:
        for begin, end in self.occurrences(at):
            if begin > at:
                return False
            if at < end:
                return True
        return False

    def next_change(self, at: datetime) -> datetime | None:
        """Return the next opening or closing after a time, None if there is none."""
        first_end: datetime | None = None
        for begin, end in self.occurrences(at):
            if begin > at:
                return begin if first_end is None else min(begin, first_end)
            if end > at:
                first_end = end if first_end is None else min(first_end, end)
        return first_end


def check_window(window: Window) -> None:
    """Check that a window says when it is open.

    Raises:
        InvalidResource: if its times or its rule do not parse, or it closes before it opens.
    """
    _schedule(window.rrule, window.dtstart, window.dtend)


@lru_cache(maxsize=1_024)
def _schedule(rrule: str, dtstart: str, dtend: str) -> _Schedule:
    try:
        start, zone, is_date = _read_time(dtstart, "dtstart")
        if dtend:
            end_local, end_zone, _ = _read_time(dtend, "dtend")
            end = end_local.replace(tzinfo=end_zone).astimezone(zone).replace(tzinfo=None)
        elif is_date:
            end = start + timedelta(days=1)
        else:
            raise ValueError("dtend is missing")
        if end <= start:
            raise ValueError(f"it closes ({dtend}) before it opens ({dtstart})")
        rule = parse_rrule(rrule, start, _read_until(rrule, zone)) if rrule else None
        longest = _LONGEST.get(rule.freq, timedelta(days=366)) if rule else end - start
        if end - start > longest:
            raise ValueError(f"it recurs too often to stay open that long; {longest.days} days is the most")
    except (ValueError, OverflowError) as error:
        raise InvalidResource(str(error)) from error
    return _Schedule(zone, start, end - start, rule)


def _read_time(text: str, field: str) -> tuple[datetime, tzinfo, bool]:
    """Read ``20260101T090000``, with a ``Z`` or a ``TZID=…:`` in front; without either it is UTC."""
    head, colon, value = text.strip().rpartition(":")
    zone: tzinfo = UTC
    if colon:
        _, marker, zone_name = head.upper().partition("TZID=")
        if not marker:
            raise ValueError(
                f"{field} {text!r} is not a time; write for example TZID=Europe/Berlin:20260101T090000"
            )
        zone = _zone(head[len(head) - len(zone_name) :])
    is_utc = value.endswith("Z")
    body = value.removesuffix("Z")
    for pattern in ("%Y%m%dT%H%M%S", "%Y%m%dT%H%M", "%Y%m%d", "%Y-%m-%dT%H:%M:%S"):
        try:
            local = datetime.strptime(body, pattern)  # noqa: DTZ007
        except ValueError:
            continue
        return local, UTC if is_utc else zone, pattern == "%Y%m%d"
    raise ValueError(
        f"{field} {text!r} is not a time; write for example 20260101T090000Z"
        if text
        else f"{field} is missing"
    )


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{name!r} is not a time zone; write for example Europe/Berlin") from error


def _read_until(rrule: str, zone: tzinfo) -> datetime | None:
    """The rule's UNTIL in local time if it was written in UTC, as the standard demands; None otherwise."""
    text = until_text(rrule)
    if not text.endswith("Z"):
        return None
    local, _, _ = _read_time(text, "UNTIL")
    return local.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def may_start(windows: Iterable[Window], stage: StageRef, now: datetime) -> WindowVerdict:
    """Return whether a promotion may start in a Stage now, until when, and which window decides.

    Args:
        windows: the windows of the project and of the cluster.
        stage: the Stage, with its project and labels.
        now: the time to decide at.
    Source: none; Kargo's open-source code does not read the field.
    """
    schedules: list[tuple[Window, _Schedule]] = []
    for window in windows:
        if not _is_for(window, stage):
            continue
        try:
            schedules.append((window, _schedule(window.rrule, window.dtstart, window.dtend)))
        except InvalidResource as error:
            return WindowVerdict(allowed=False, reason=f"window {window.name} cannot be read: {error}")
    if not schedules:
        return WindowVerdict()
    allowed, reason = _judge(schedules, now)
    return WindowVerdict(allowed=allowed, until=_next_verdict(schedules, now, allowed), reason=reason)


def _next_verdict(schedules: list[tuple[Window, _Schedule]], now: datetime, allowed: bool) -> datetime | None:
    """Return when the verdict changes, None if it never does or not within the changes looked at."""
    at = now
    for _ in range(_MAX_CHANGES):
        change = _next_change(schedules, at)
        if change is None or _judge(schedules, change)[0] != allowed:
            return change
        at = change
    return None


def _is_for(window: Window, stage: StageRef) -> bool:
    if window.project_selector is not None and not window.project_selector.selects(
        stage.project, stage.project_labels
    ):
        return False
    return window.stage_selector is None or window.stage_selector.selects(stage.name, stage.labels)


def _judge(schedules: list[tuple[Window, _Schedule]], at: datetime) -> tuple[bool, str]:
    opened = [window for window, schedule in schedules if schedule.is_open(at)]
    denying = [window.name for window in opened if window.kind == "Deny"]
    if denying:
        return False, f"window {', '.join(denying)} denies promotions"
    allows = [window.name for window, _ in schedules if window.kind == "Allow"]
    allowing = [window.name for window in opened if window.kind == "Allow"]
    if allows and not allowing:
        return False, f"no window that allows promotions is open ({', '.join(allows)})"
    return (
        True,
        f"window {', '.join(allowing)} allows promotions" if allowing else "no window denies promotions",
    )


def _next_change(schedules: list[tuple[Window, _Schedule]], at: datetime) -> datetime | None:
    """Return the next time at which the verdict may change; what cannot matter before then is leapt over."""
    denying = [schedule for window, schedule in schedules if window.kind == "Deny" and schedule.is_open(at)]
    if denying:
        closings = [schedule.next_change(at) for schedule in denying]
        return max((closing for closing in closings if closing is not None), default=None)
    allows = [schedule for window, schedule in schedules if window.kind == "Allow"]
    waits_for_allow = bool(allows) and not any(schedule.is_open(at) for schedule in allows)
    looked_at = allows if waits_for_allow else [schedule for _, schedule in schedules]
    times = (schedule.next_change(at) for schedule in looked_at)
    return min((time for time in times if time is not None), default=None)
