"""What keeps the next promotion of a Stage from starting though its turn has come: windows and freezes."""

from __future__ import annotations

from datetime import datetime

from freightway.entities.stage import Queued, StageState
from freightway.entities.stage_rules import stage_ref
from freightway.resources.meta import Model
from freightway.selection import availability, freezes, holds


class Gate(Model):
    """Why a promotion may not start, and until when at least; an empty text means that it may."""

    text: str = ""
    until: datetime | None = None


def gate(state: StageState, queued: Queued | None, now: datetime) -> Gate:
    """Return what keeps a promotion from starting; break glass passes every gate."""
    if queued is not None and queued.break_glass:
        return Gate()
    stage = stage_ref(state)
    frozen = freezes.freeze_verdict(state.configuration.freezes, stage, now)
    if frozen.frozen:
        return Gate(text=f"the end of a freeze: {frozen.reason}", until=frozen.until)
    return Gate()


def soft_freeze(state: StageState, now: datetime) -> str:
    """Return why a running promotion must wait before its next step with an outside effect, empty if not."""
    verdict = freezes.freeze_verdict(state.configuration.freezes, stage_ref(state), now)
    return verdict.reason if verdict.frozen and verdict.soft else ""


def next_change(state: StageState, now: datetime, *, watches_freight: bool) -> datetime | None:
    """Return when the passing of time alone may change what the Stage does next.

    Args:
        watches_freight: whether Freight that becomes available matters (auto-promotion or control flow).
    """
    moments = [
        holds.next_expiry(state.holds, now),
        freezes.next_freeze_change(state.configuration.freezes, now),
    ]
    if watches_freight:
        moments.append(
            availability.next_available_at(state.name, state.requests, state.freight.values(), now)
        )
    if state.queue:
        moments.append(gate(state, state.queue[0], now).until)
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
