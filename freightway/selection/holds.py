"""Holds: auto-promotion leaves a Stage as a person has set it.

One rule: holds stack; auto-promotion goes on when the last one that applies is released or has expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from freightway.errors import NotFound
from freightway.resources.meta import Model

HoldKind = Literal["promotion", "rollback", "person"]


class Hold(Model):
    """Someone's wish that a Stage stays as it is.

    Attributes:
        id: names the hold within its Stage.
        kind: whether it came with a promotion by hand, with a rollback, or was set by itself.
        origin: the Warehouse it is for, empty for all of the Stage.
        freight: what is held, empty if the hold is for whatever is there.
        by: who set it.
        until: when it expires, None for never.
        promotion: the promotion that it came with, empty for ``person``.
        suspended_by: promotions of the candidate, not yet over; the first of them that is not aborted releases
            the hold.
    """

    id: str
    kind: HoldKind
    origin: str = ""
    freight: str = ""
    by: str = ""
    reason: str = ""
    since: AwareDatetime
    until: AwareDatetime | None = None
    promotion: str = ""
    suspended_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        who = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        until = f" until {self.until.isoformat(timespec='seconds')}" if self.until else ""
        return f"held{who} since {self.since.isoformat(timespec='seconds')}{until}{why}"


Holds = tuple[Hold, ...]


def effective(holds: Holds, origin: str, now: datetime) -> Holds:
    """Return the holds that apply to a Warehouse now, oldest first."""
    return tuple(
        hold for hold in holds if _applies(hold, origin) and not hold.suspended_by and not _is_over(hold, now)
    )


def held_reasons(holds: Holds, origins: Iterable[str], now: datetime) -> dict[str, str]:
    """Return why each held Warehouse is held; those that are not held are missing."""
    found = {origin: effective(holds, origin, now) for origin in origins}
    return {origin: "; ".join(map(str, applying)) for origin, applying in found.items() if applying}


def next_expiry(holds: Holds, now: datetime) -> datetime | None:
    """Return when the next hold expires, None if none will."""
    return min((hold.until for hold in holds if hold.until is not None and hold.until > now), default=None)


def _applies(hold: Hold, origin: str) -> bool:
    return not hold.origin or hold.origin == origin


def _is_over(hold: Hold, now: datetime) -> bool:
    return hold.until is not None and hold.until <= now


def hold(holds: Holds, new: Hold) -> Holds:
    """Return the holds with one more; one of the same id is replaced."""
    return (*(other for other in holds if other.id != new.id), new)


def release(holds: Holds, hold_id: str) -> Holds:
    """Return the holds without one.

    Raises:
        NotFound: if there is no such hold.
    """
    if all(other.id != hold_id for other in holds):
        known = ", ".join(other.id for other in holds)
        raise NotFound("hold", hold_id, f"the holds are {known}" if known else "there are none")
    return tuple(other for other in holds if other.id != hold_id)


def release_origin(holds: Holds, origin: str) -> Holds:
    """Return the holds without those of one Warehouse; an empty name releases all."""
    return tuple(other for other in holds if origin and other.origin != origin)


def promotion_requested(
    holds: Holds,
    *,
    promotion: str,
    origin: str,
    freight: str,
    candidate: str,
    by: str,
    now: datetime,
    reason: str = "",
    kind: Literal["promotion", "rollback"] = "promotion",
    until: datetime | None = None,
) -> Holds:
    """Return the holds after a person asked for a promotion while auto-promotion is enabled.

    Freight other than the candidate holds the Warehouse at once. The candidate suspends the holds that came
    with promotions and rollbacks of that Warehouse; a hold that was set by itself stays.

    Args:
        promotion: name of the promotion.
        origin: Warehouse of the Freight.
        freight: what is promoted.
        candidate: what auto-promotion would take, empty if nothing.
    Source: Kargo's Promotion webhook; holds that stack, expire or stand by themselves are not in Kargo.
    """
    if kind == "promotion" and freight == candidate:
        return tuple(
            other.model_copy(update={"suspended_by": (*other.suspended_by, promotion)})
            if other.origin == origin and other.kind != "person"
            else other
            for other in holds
        )
    new = Hold(
        id=promotion,
        kind=kind,
        origin=origin,
        freight=freight,
        by=by,
        reason=reason,
        since=now,
        until=until,
        promotion=promotion,
    )
    return hold(holds, new)


def promotion_ended(holds: Holds, promotion: str, phase: str) -> Holds:
    """Return the holds after a promotion ended.

    An aborted or superseded one never was: its hold goes and what it suspended comes back. Any other end
    leaves its hold, also a failed one, and releases what it suspended.

    Source: Kargo pkg/controller/stages, holds are applied in any phase except Aborted.
    """
    if phase in {"Aborted", "Superseded"}:
        kept = (other for other in holds if other.promotion != promotion)
        return tuple(_without_suspender(other, promotion) for other in kept)
    return tuple(other for other in holds if promotion not in other.suspended_by)


def _without_suspender(other: Hold, promotion: str) -> Hold:
    if promotion not in other.suspended_by:
        return other
    left = tuple(name for name in other.suspended_by if name != promotion)
    return other.model_copy(update={"suspended_by": left})


def prune(holds: Holds, origins: Iterable[str], *, enabled: bool, now: datetime) -> Holds:
    """Return the holds that still mean something.

    Expired ones go, those of Warehouses that are no longer requested, and, while auto-promotion is disabled,
    those that came with promotions and rollbacks.
    """
    wanted = {"", *origins}
    return tuple(
        other
        for other in holds
        if other.origin in wanted and not _is_over(other, now) and (enabled or other.kind == "person")
    )
