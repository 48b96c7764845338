"""The queue of a Stage: one promotion at a time, first in, first out.

One rule: order changes only by priority (rollback, then hotfix, then the rest) and, where the Stage wants it,
newer Freight supersedes older Freight that still waits.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from freightway.errors import Refused
from freightway.resources.meta import Model
from freightway.selection.freezes import FreezeVerdict
from freightway.selection.windows import WindowVerdict

Priority = Literal["rollback", "hotfix", "normal"]
QueuePolicy = Literal["fifo", "latest"]
VerificationState = Literal["none", "running", "over"]

_RANK: dict[Priority, int] = {"rollback": 0, "hotfix": 1, "normal": 2}


class Queued(Model):
    """A promotion that waits for its turn.

    Attributes:
        discovered_at: age of its Freight, which decides what supersedes it.
        break_glass: why it may start in spite of windows and freezes, empty if it may not.
    """

    promotion: str
    freight: str
    origin: str
    discovered_at: AwareDatetime
    requested_at: AwareDatetime
    requested_by: str = ""
    priority: Priority = "normal"
    break_glass: str = ""


class StageQueue(Model):
    """What runs in a Stage, empty if nothing does, and what waits, in the order of asking."""

    running: str = ""
    waiting: tuple[Queued, ...] = ()

    @property
    def in_order(self) -> tuple[Queued, ...]:
        """What waits, in the order of starting."""
        return tuple(sorted(self.waiting, key=lambda item: _RANK[item.priority]))

    def position(self, promotion: str) -> int:
        """Return the place of a promotion: 0 if it runs, 1 if it is next, -1 if it is not here."""
        if promotion == self.running:
            return 0
        names = [item.promotion for item in self.in_order]
        return names.index(promotion) + 1 if promotion in names else -1


class Gate(Model):
    """What a start depends on besides the queue.

    Attributes:
        has_freight: whether any Freight was promoted into the Stage before.
        is_healthy: whether health is Healthy or not known yet.
        verification: whether the newest verification of the current Freight is missing, running or over.
    """

    has_freight: bool = False
    is_healthy: bool = True
    verification: VerificationState = "none"
    window: WindowVerdict = WindowVerdict()
    freeze: FreezeVerdict = FreezeVerdict()


class Turn(Model):
    """What starts now, or why nothing does.

    Attributes:
        start: what starts, None if nothing does.
        waits_for: what the next one waits for, a sentence without a full stop; empty if it starts or none waits.
        until: when that is over by the passing of time, None if something must happen.
        ends_verification: whether a verification that runs must be ended, because a rollback replaces its Freight.
        overrides: what the reason for breaking the glass overrode, to be recorded.
    """

    start: Queued | None = None
    waits_for: str = ""
    until: AwareDatetime | None = None
    ends_verification: bool = False
    overrides: tuple[str, ...] = ()


def enqueue(
    queue: StageQueue, item: Queued, policy: QueuePolicy = "fifo"
) -> tuple[StageQueue, tuple[Queued, ...]]:
    """Return the queue with one more promotion, and those that it supersedes.

    Under ``latest`` it supersedes what waits with normal priority for the same Warehouse with older Freight.
    Asking again with the same name changes nothing.
    """
    if queue.position(item.promotion) >= 0:
        return queue, ()
    superseded = tuple(other for other in queue.waiting if policy == "latest" and _supersedes(item, other))
    kept = tuple(other for other in queue.waiting if other not in superseded)
    return queue.model_copy(update={"waiting": (*kept, item)}), superseded


def _supersedes(item: Queued, other: Queued) -> bool:
    if other.priority != "normal" or other.origin != item.origin or item.freight == other.freight:
        return False
    return (other.discovered_at, other.freight) < (item.discovered_at, item.freight)


def next_turn(queue: StageQueue, gate: Gate) -> Turn:
    """Return what starts now, or what the next promotion waits for.

    The next waits for the one that runs, for freezes and windows, and, while the Stage is healthy, for the
    verification of its Freight to end in any way. A rollback does not wait for verification. A reason for
    breaking the glass passes freezes and windows, nothing else, and goes before those that they hold up.

    Source: Kargo pkg/controller/stages, sync of Promotions; priorities, freezes and windows are not in Kargo.
    """
    if not queue.waiting:
        return Turn()
    item = queue.in_order[0]
    if queue.running:
        return Turn(waits_for=f"promotion {queue.running} is running")
    verifying = gate.has_freight and _must_verify(gate)
    if verifying and item.priority != "rollback":
        state = "is running" if gate.verification == "running" else "has not started"
        return Turn(waits_for=f"verification of the current Freight {state}")
    barred = _barred(gate)
    if barred:
        breaking = next((other for other in queue.in_order if other.break_glass), None)
        if breaking is None:
            return Turn(waits_for="; ".join(barred), until=_until(gate))
        item = breaking
    return Turn(
        start=item,
        ends_verification=gate.verification == "running",
        overrides=barred,
    )


def _must_verify(gate: Gate) -> bool:
    return gate.verification == "running" or (gate.is_healthy and gate.verification == "none")


def _barred(gate: Gate) -> tuple[str, ...]:
    freeze = (gate.freeze.reason,) if gate.freeze.frozen else ()
    window = () if gate.window.allowed else (gate.window.reason,)
    return freeze + window


def _until(gate: Gate) -> datetime | None:
    """When to look again: not before the freeze and the window that bar the way have both changed."""
    ends = []
    if gate.freeze.frozen:
        ends.append(gate.freeze.until)
    if not gate.window.allowed:
        ends.append(gate.window.until)
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def started(queue: StageQueue, promotion: str) -> StageQueue:
    """Return the queue after a waiting promotion started.

    Raises:
        Refused: if another one runs, or it does not wait.
    """
    if queue.running:
        raise Refused(f"promotion {promotion} cannot start: promotion {queue.running} is running")
    if queue.position(promotion) < 1:
        raise Refused(f"promotion {promotion} cannot start: it is not in the queue")
    kept = tuple(item for item in queue.waiting if item.promotion != promotion)
    return StageQueue(running=promotion, waiting=kept)


def ended(queue: StageQueue, promotion: str) -> StageQueue:
    """Return the queue after a promotion ended, was aborted, or was lost, wherever it was; others stay."""
    kept = tuple(item for item in queue.waiting if item.promotion != promotion)
    return StageQueue(running="" if queue.running == promotion else queue.running, waiting=kept)


def refuse_unavailable(
    queue: StageQueue, is_available: Callable[[str], bool]
) -> tuple[StageQueue, tuple[Queued, ...]]:
    """Return the queue without the promotions whose Freight may no longer come, and those promotions.

    Args:
        queue: the queue.
        is_available: whether Freight of a name may come to the Stage now.
    """
    refused = tuple(item for item in queue.waiting if not is_available(item.freight))
    kept = tuple(item for item in queue.waiting if item not in refused)
    return queue.model_copy(update={"waiting": kept}), refused
