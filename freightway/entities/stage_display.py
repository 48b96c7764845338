"""What people see of a Stage: the row of ``get stages``, the dashboard's node and the Markdown of the Web UI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freightway.entities.display import cell, clock, fit, table
from freightway.entities.project import StageConfiguration
from freightway.entities.stage import StageState
from freightway.entities.verification import VerificationPhase
from freightway.promotion.model import Phase
from freightway.selection.auto_promotion import Decision

_SHORT = 300


def stage_phase(state: StageState) -> str:
    """Return a Stage's state in one word.

    Source: Kargo's Ready condition, in its order; the words are ours.
    """
    if state.retired:
        return "Deleting"
    if not state.configured:
        return "NotConfigured"
    if state.current is not None:
        waiting = state.current.waiting
        if waiting is not None:
            return "Parked" if waiting.phase is Phase.PARKED else "WaitingForPerson"
        return "Promoting"
    if state.verifying is not None:
        return "WaitingForPerson" if state.verifying.waiting else "Verifying"
    if state.is_control_flow:
        return "Ready"
    last = state.finished[0] if state.finished else None
    if last is not None and last.phase in (Phase.FAILED, Phase.ERRORED):
        return "Failed"
    if state.holding is None:
        return "Empty"
    if state.health_status != "Healthy":
        return "Unhealthy" if state.health_status == "Unhealthy" else state.health_status
    newest = state.holding.verifications[0].phase if state.holding.verifications else None
    if newest is not None and newest is not VerificationPhase.SUCCESSFUL:
        return "NotVerified"
    return "Ready"


def stage_summary(state: StageState, phase: str, waits: str, problem: str) -> dict[str, Any]:
    """Return the memo of a Stage: less than a kilobyte, plain JSON."""
    holding = state.holding
    last = state.finished[0] if state.finished else None
    newest = holding.verifications[0] if holding and holding.verifications else None
    current = state.current
    message = _message(state, phase, problem)
    return {
        "kind": "Stage",
        "project": state.project,
        "name": state.name,
        "shard": state.shard,
        "phase": phase,
        "health": "" if state.is_control_flow else state.health_status,
        "freight": holding.label if holding else "",
        "freightNames": list(state.held_freight().values()),
        "verification": newest.phase.value if newest else "",
        "current": current.promotion if current else "",
        "currentFreight": (current.alias or current.freight[:7]) if current else "",
        "queue": len(state.queue),
        "waitsFor": waits[:_SHORT],
        "last": f"{last.promotion} {last.phase.value}" if last else "",
        "holds": len(state.holds),
        "controlFlow": state.is_control_flow,
        "healthChecks": len(state.health_checks),
        "message": message[:_SHORT],
        "origins": list(state.origins),
        "upstream": sorted({stage for request in state.requests for stage in request.stages}),
    }


def first_shown(project: str, name: str, news: StageConfiguration) -> tuple[dict[str, Any], str]:
    """Return memo and phase of a Stage that was just created and has heard of nothing but its configuration."""
    state = StageState(project=project, name=name)
    state.take_configuration(news)
    phase = stage_phase(state)
    return stage_summary(state, phase, "", ""), phase


def _message(state: StageState, phase: str, problem: str) -> str:
    """Why the Stage is in its phase, where the phase alone does not say it."""
    last = state.finished[0] if state.finished else None
    newest = state.holding.verifications[0] if state.holding and state.holding.verifications else None
    current = state.current
    message = problem or (current.note if current else "")
    if current is not None and current.waiting is not None:
        return f"waits for {current.waiting.text}"
    if state.verifying is not None and state.verifying.waiting:
        return f"verification waits for {state.verifying.waiting}"
    if phase == "Failed" and last is not None:
        return last.message
    if phase == "NotVerified" and newest is not None:
        return newest.message
    if not message and state.health and state.health.issues:
        return "; ".join(state.health.issues)
    return message


def stage_details(
    state: StageState, phase: str, waits: str, problem: str, decisions: Sequence[Decision]
) -> str:
    """Return the state of a Stage as Markdown."""
    why = _message(state, phase, problem)
    lines = [f"## Stage {state.name}", f"**{phase}**" + (f": {cell(why, 400)}" if why else ""), ""]
    if problem and problem != why:
        lines += [f"**{cell(problem, 400)}**", ""]
    lines += _present(state, waits)
    for hold in state.holds:
        lines.append(f"- {cell(str(hold), 300)} ({hold.id})")
    for decision in decisions:
        what = "auto-promotion" if decision.promote else "no auto-promotion"
        lines.append(f"- {what} from {decision.origin} now: {cell(decision.reason, 300)}")
    if state.queue:
        rows = [
            (
                str(place),
                item.alias or item.freight[:7],
                item.kind,
                item.actor,
                clock(item.created_at),
                item.promotion,
            )
            for place, item in enumerate(state.queue, start=1)
        ]
        lines += ["", "### Queue", table(("", "Freight", "kind", "by", "asked for", "promotion"), rows)]
    if state.finished:
        done = [
            (
                item.phase.value,
                item.alias or item.freight[:7],
                item.message,
                clock(item.finished_at),
                item.promotion,
            )
            for item in state.finished
        ]
        lines += [
            "",
            "### Finished promotions",
            table(("phase", "Freight", "message", "finished", "promotion"), done),
        ]
    return fit("\n".join(lines))


def _present(state: StageState, waits: str) -> list[str]:
    lines = []
    if state.holding is not None:
        verification = state.holding.verifications[0] if state.holding.verifications else None
        verified = f", verification {verification.phase.value}" if verification else ""
        text = f": {cell(verification.message)}" if verification and verification.message else ""
        lines.append(
            f"- holds {state.holding.label} since {clock(state.holding.since)}, health {state.health_status}"
            f"{verified}{text}"
        )
    if state.current is not None:
        lines.append(
            f"- promoting {state.current.alias or state.current.freight[:7]}: `{state.current.promotion}`"
        )
        if state.current.note and state.current.waiting:
            lines.append(f"- **{cell(state.current.note, 300)}**")
    if state.verifying is not None:
        lines.append(f"- verifying: `{state.verifying.id}`")
    if state.queue and waits:
        lines.append(f"- the next promotion waits for {cell(waits, 300)}")
    return lines
