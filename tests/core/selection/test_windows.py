"""Promotion windows open and close when their rules say so, in their own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from freightway.errors import InvalidResource
from freightway.resources.project_config import PromotionWindow as ResourceWindow
from freightway.selection.recurrence import parse_rrule
from freightway.selection.stage_selector import StageRef, StageSelector
from freightway.selection.windows import PromotionWindow, check_window, may_start

STAGE = StageRef(project="demo", name="prod")
NINE_TO_FIVE = PromotionWindow(
    name="office",
    kind="Allow",
    rrule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    dtstart="TZID=Europe/Berlin:20260105T090000",
    dtend="TZID=Europe/Berlin:20260105T170000",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def deny(dtstart: str, dtend: str = "", rrule: str = "", name: str = "stop") -> PromotionWindow:
    return PromotionWindow(name=name, kind="Deny", dtstart=dtstart, dtend=dtend, rrule=rrule)


def test_without_windows_a_promotion_may_start() -> None:
    verdict = may_start([], STAGE, at("2026-01-05T12:00"))
    assert (verdict.allowed, verdict.until, verdict.reason) == (True, None, "")


@pytest.mark.parametrize(
    ("now", "allowed", "until"),
    [
        ("2026-01-05T07:59:59", False, "2026-01-05T08:00"),
        ("2026-01-05T08:00", True, "2026-01-05T16:00"),
        ("2026-01-05T15:59:59", True, "2026-01-05T16:00"),
        ("2026-01-05T16:00", False, "2026-01-06T08:00"),
        ("2026-01-09T20:00", False, "2026-01-12T08:00"),
        ("2026-07-06T06:59", False, "2026-07-06T07:00"),
        ("2026-07-06T07:00", True, "2026-07-06T15:00"),
        ("2025-12-31T12:00", False, "2026-01-05T08:00"),
    ],
)
def test_allow_window_in_local_time(now: str, allowed: bool, until: str) -> None:
    verdict = may_start([NINE_TO_FIVE], STAGE, at(now))
    assert (verdict.allowed, verdict.until) == (allowed, at(until))
    assert "office" in verdict.reason


def test_deny_beats_allow_and_the_next_opening_is_found_behind_it() -> None:
    holidays = deny("20260105", "20260113", name="holidays")
    verdict = may_start([NINE_TO_FIVE, holidays], STAGE, at("2026-01-06T10:00"))
    assert not verdict.allowed
    assert verdict.reason == "window holidays denies promotions"
    assert verdict.until == at("2026-01-13T08:00")


def test_deny_window_alone_leaves_all_other_times_open() -> None:
    night = deny("20260101T220000Z", "20260102T060000Z", "FREQ=DAILY")
    assert may_start([night], STAGE, at("2026-02-01T12:00")).until == at("2026-02-01T22:00")
    assert may_start([night], STAGE, at("2026-02-02T05:00")).until == at("2026-02-02T06:00")


def test_window_is_for_its_selection_only() -> None:
    for field, name, selected in (
        ("stage_selector", "prod", True),
        ("stage_selector", "test", False),
        ("project_selector", "demo", True),
        ("project_selector", "other", False),
    ):
        window = deny("20260101", "20270101").model_copy(update={field: StageSelector(name=name)})
        assert may_start([window], STAGE, at("2026-06-01T00:00")).allowed is not selected


def test_window_of_a_project_config_is_a_window() -> None:
    window = ResourceWindow(name="once", kind="Deny", dtstart="20260101T000000Z", dtend="20260201T000000Z")
    assert may_start([window], STAGE, at("2026-01-15T00:00")).until == at("2026-02-01T00:00")


def test_window_over_the_change_of_clocks_closes_at_its_hour() -> None:
    night = deny("TZID=Europe/Berlin:20260101T220000", "TZID=Europe/Berlin:20260102T060000", "FREQ=DAILY")
    assert may_start([night], STAGE, at("2026-03-29T00:00")).until == at("2026-03-29T04:00")
    assert may_start([night], STAGE, at("2026-10-25T00:00")).until == at("2026-10-25T05:00")


def test_window_that_never_opens_again_says_so() -> None:
    over = PromotionWindow(name="once", kind="Allow", dtstart="20260101T000000Z", dtend="20260102T000000Z")
    verdict = may_start([over], STAGE, at("2026-06-01T00:00"))
    assert (verdict.allowed, verdict.until) == (False, None)


def test_endless_denial_is_answered() -> None:
    always = deny("20260101T000000Z", "20260102T000000Z", "FREQ=HOURLY")
    never = PromotionWindow(
        name="x", kind="Allow", dtstart="20260101", rrule="FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"
    )
    assert may_start([always], STAGE, at("2026-06-01T00:00")).until is None
    assert may_start([never], STAGE, at("2026-06-01T00:00")).until is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dtstart": "20260101T000000Z"},
        {"dtstart": "20260102T000000Z", "dtend": "20260101T000000Z"},
        {"dtstart": "tomorrow", "dtend": "20260101T000000Z"},
        {"dtstart": "TZID=Mars/Base:20260101T000000", "dtend": "20260102T000000Z"},
        {"dtstart": "TZID=../../etc/passwd:20260101T000000", "dtend": "20260102T000000Z"},
        {"dtstart": "20260101", "rrule": "FREQ=SECONDLY"},
        {"dtstart": "20260101", "rrule": "FREQ=DAILY;BYWEEKNO=3"},
        {"dtstart": "20260101", "rrule": "FREQ=DAILY;COUNT=2;UNTIL=20260103"},
        {"dtstart": "20260101", "rrule": "FREQ=DAILY;BYHOUR=25"},
        {"dtstart": "20260101", "rrule": "FREQ=WEEKLY;BYDAY=1MO"},
        {"dtstart": "20260101", "rrule": "BYDAY=MO"},
        {"dtstart": "20260101", "rrule": "FREQ=MINUTELY", "dtend": "20260105"},
    ],
)
def test_window_that_cannot_be_read_is_refused_and_keeps_promotions_waiting(fields: dict[str, str]) -> None:
    window = PromotionWindow(name="bad", kind="Allow", **fields)  # type: ignore[arg-type]
    with pytest.raises(InvalidResource):
        check_window(window)
    verdict = may_start([window], STAGE, at("2026-06-01T00:00"))
    assert not verdict.allowed
    assert "window bad cannot be read" in verdict.reason


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY;COUNT=3", ["0105T0900", "0106T0900", "0107T0900"]),
        (
            "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=4",
            ["0105T0900", "0107T0900", "0119T0900", "0121T0900"],
        ),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", ["0130T0900", "0227T0900", "0327T0900"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3", ["0131T0900", "0331T0900", "0531T0900"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["0130T0900", "0227T0900"]),
        ("FREQ=YEARLY;BYMONTH=3,6;BYMONTHDAY=-1;COUNT=2", ["0331T0900", "0630T0900"]),
        ("FREQ=DAILY;BYHOUR=8,20;BYMINUTE=30;COUNT=3", ["0105T2030", "0106T0830", "0106T2030"]),
        ("FREQ=HOURLY;INTERVAL=6;UNTIL=20260105T220000", ["0105T0900", "0105T1500", "0105T2100"]),
        ("FREQ=MINUTELY;INTERVAL=45;BYHOUR=9;UNTIL=20260105", ["0105T0900", "0105T0945"]),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO;COUNT=3", ["0105T0900", "0118T0900", "0119T0900"]),
    ],
)
def test_recurrence(rule: str, expected: list[str]) -> None:
    start = datetime(2026, 1, 5, 9)  # noqa: DTZ001
    found = islice(parse_rrule(rule, start).occurrences(start), 10)
    assert [occurrence.strftime("%m%dT%H%M") for occurrence in found] == expected


def test_recurrence_found_from_later_is_the_same() -> None:
    start = datetime(2020, 1, 31, 9)  # noqa: DTZ001
    for rule in (
        "FREQ=MONTHLY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=FR,SA;INTERVAL=3",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=YEARLY",
    ):
        recurrence = parse_rrule(rule, start)
        after = start + timedelta(days=800, hours=5)
        whole = [
            occurrence for occurrence in islice(recurrence.occurrences(start), 4_000) if occurrence >= after
        ]
        assert whole[:5] == list(islice(recurrence.occurrences(after), 5))[: len(whole)]
