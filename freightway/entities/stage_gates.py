"""When the next promotion of a Stage may start: its queue, the verification before it, windows and freezes."""

from __future__ import annotations

from datetime import datetime

from freightway.entities import stage_rules
from freightway.entities.freight import FreightRecord
from freightway.entities.stage import StageState
from freightway.entities.stage_rules import queue_of, stage_ref
from freightway.selection import availability, explain, freezes, holds, windows
from freightway.selection.availability import Verdict
from freightway.selection.queue import Gate, Turn, VerificationState, next_turn
from freightway.selection.windows import PromotionWindow, WindowVerdict


def turn(state: StageState, now: datetime) -> Turn:
    """Return which promotion starts now, or what the next one waits for and until when."""
    return next_turn(queue_of(state), gate(state, now))


def gate(state: StageState, now: datetime) -> Gate:
    """Return what a start depends on besides the queue."""
    return Gate(
        has_freight=state.holding is not None,
        # Before the first look nobody knows: what waits for the verification of a healthy Stage waits for the look.
        is_healthy=state.health_status == "Healthy" or state.health is None,
        verification=_verification(state),
        window=window_verdict(state, now),
        freeze=freezes.freeze_verdict(state.configuration.freezes, stage_ref(state), now),
    )


def explain_start(state: StageState, freight: FreightRecord, now: datetime) -> Verdict:
    """Return whether Freight may come, and whether its promotion could start now."""
    return explain.explain_start(stage_rules.explain(state, freight, now), gate(state, now), now)


def _verification(state: StageState) -> VerificationState:
    if state.verifying is not None:
        return "running"
    if state.wanted_verification is not None or not (state.holding and state.holding.verifications):
        return "none"
    return "over"


def window_verdict(state: StageState, now: datetime) -> WindowVerdict:
    """Return whether the promotion windows of project and cluster let a promotion start now."""
    given = [PromotionWindow.model_validate(window) for window in state.configuration.windows]
    return windows.may_start(given, stage_ref(state), now)


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
        moments.append(turn(state, now).until)
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
