"""One promotion at a time, in the right order, and what waits says for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freightway.errors import Refused
from freightway.selection.freezes import FreezeVerdict
from freightway.selection.queue import (
    Gate,
    Priority,
    Queued,
    QueuePolicy,
    StageQueue,
    ended,
    enqueue,
    next_turn,
    refuse_unavailable,
    started,
)
from freightway.selection.windows import WindowVerdict

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN = Gate()
FROZEN = Gate(freeze=FreezeVerdict(frozen=True, until=T0 + timedelta(hours=1), reason="frozen by ann: sale"))


def item(number: int, priority: Priority = "normal", origin: str = "w", break_glass: str = "") -> Queued:
    return Queued(
        promotion=f"p{number}",
        freight=f"f{number}",
        origin=origin,
        discovered_at=T0 + timedelta(hours=number),
        requested_at=T0,
        priority=priority,
        break_glass=break_glass,
    )


def filled(*items: Queued, policy: QueuePolicy = "fifo") -> StageQueue:
    queue = StageQueue()
    for one in items:
        queue, _ = enqueue(queue, one, policy)
    return queue


def order(queue: StageQueue) -> list[str]:
    return [one.promotion for one in queue.in_order]


def test_first_in_is_first_out_whatever_the_freight() -> None:
    assert order(filled(item(2), item(1), item(3))) == ["p2", "p1", "p3"]


def test_newer_freight_supersedes_what_waits_under_latest() -> None:
    queue, superseded = enqueue(filled(item(1), item(2, origin="x"), item(3, "hotfix")), item(4), "latest")
    assert [one.promotion for one in superseded] == ["p1"]
    assert order(queue) == ["p3", "p2", "p4"]


def test_older_freight_supersedes_nothing() -> None:
    queue, superseded = enqueue(filled(item(2)), item(1), "latest")
    assert superseded == ()
    assert order(queue) == ["p2", "p1"]


def test_rollback_and_hotfix_go_first() -> None:
    assert order(filled(item(1), item(2, "hotfix"), item(3, "rollback"), item(4, "hotfix"))) == [
        "p3",
        "p2",
        "p4",
        "p1",
    ]


def test_asking_twice_queues_once() -> None:
    queue = started(filled(item(1), item(2)), "p1")
    assert enqueue(queue, item(1))[0] == queue
    assert enqueue(queue, item(2))[0] == queue
    assert [queue.position(name) for name in ("p1", "p2", "p3")] == [0, 1, -1]


def test_next_waits_for_the_one_that_runs() -> None:
    queue = started(filled(item(1), item(2, "rollback")), "p1")
    assert "p1 is running" in next_turn(queue, OPEN).waits_for
    with pytest.raises(Refused, match="p1"):
        started(queue, "p2")
    after = next_turn(ended(queue, "p1"), OPEN)
    assert after.start is not None
    assert after.start.promotion == "p2"


def test_what_does_not_wait_cannot_start() -> None:
    with pytest.raises(Refused, match="not in the queue"):
        started(StageQueue(), "p1")


def test_lost_promotions_do_not_block() -> None:
    queue = ended(started(filled(item(1), item(2)), "p1"), "p1")
    assert ended(queue, "p2") == StageQueue()
    assert ended(queue, "unknown") == queue


@pytest.mark.parametrize(
    ("gate", "starts"),
    [
        (Gate(), True),
        (Gate(has_freight=True, verification="none"), False),
        (Gate(has_freight=True, verification="running"), False),
        (Gate(has_freight=True, verification="over"), True),
        (Gate(has_freight=True, verification="none", is_healthy=False), True),
        (Gate(has_freight=True, verification="running", is_healthy=False), False),
        (Gate(has_freight=True, verification="over", is_healthy=False), True),
    ],
)
def test_next_waits_for_verification_while_healthy(gate: Gate, starts: bool) -> None:
    assert (next_turn(filled(item(1)), gate).start is not None) is starts


def test_rollback_ends_a_verification_that_runs() -> None:
    turn = next_turn(filled(item(1, "rollback")), Gate(has_freight=True, verification="running"))
    assert turn.start is not None
    assert turn.ends_verification


def test_freeze_and_window_say_until_when() -> None:
    turn = next_turn(filled(item(1)), FROZEN)
    assert (turn.start, turn.until) == (None, T0 + timedelta(hours=1))
    assert "ann" in turn.waits_for
    closed = FROZEN.model_copy(
        update={"window": WindowVerdict(allowed=False, reason="window x denies promotions")}
    )
    assert next_turn(filled(item(1)), closed).until is None


def test_break_glass_passes_freezes_and_is_recorded() -> None:
    turn = next_turn(filled(item(1), item(2, break_glass="site is down")), FROZEN)
    assert turn.start is not None
    assert turn.start.promotion == "p2"
    assert turn.overrides == ("frozen by ann: sale",)


def test_break_glass_changes_nothing_while_the_way_is_free() -> None:
    turn = next_turn(filled(item(1), item(2, break_glass="site is down")), OPEN)
    assert turn.start is not None
    assert (turn.start.promotion, turn.overrides) == ("p1", ())


def test_waiting_promotions_of_withdrawn_freight_are_refused() -> None:
    queue, refused = refuse_unavailable(filled(item(1), item(2)), lambda freight: freight == "f2")
    assert [one.promotion for one in refused] == ["p1"]
    assert order(queue) == ["p2"]


def test_empty_queue_waits_for_nothing() -> None:
    assert next_turn(StageQueue(), FROZEN).waits_for == ""
