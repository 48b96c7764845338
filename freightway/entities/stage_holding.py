"""What a Stage holds: taking it, verifying it, passing it on, going back to it, and finding it again.

Source: Kargo pkg/controller/stages/regular_stages.go and control_flow_stages.go; differs: a failed re-verification
withdraws "verified".
"""

from __future__ import annotations

from datetime import datetime

from freightway.entities.freight import FreightRecord, StageFacts
from freightway.entities.promotion import PromotionResult
from freightway.entities.stage import KEPT_HISTORY, KEPT_VERIFICATIONS, Holding, StageState
from freightway.entities.verification import VerificationPhase, VerificationResult
from freightway.errors import Refused
from freightway.selection import availability
from freightway.selection.freight_id import collection_id


def take_holding(state: StageState, result: PromotionResult, now: datetime, fact_id: str) -> None:
    """Note that a promotion succeeded: the Stage holds what it brought."""
    before = state.held_freight()
    items = result.collection or (result.freight,)
    holding = Holding(
        id=collection_id(item.name for item in items), items=items, promotion=result.promotion, since=now
    )
    state.history = [holding, *state.history][:KEPT_HISTORY]
    state.health_checks = result.health_checks
    state.health = None
    state.health_wanted = bool(result.health_checks)
    state.wanted_verification = None
    after = state.held_freight()
    for origin in dict.fromkeys([*before, *after]):
        old, new = before.get(origin), after.get(origin)
        if old == new:
            continue
        facts = StageFacts(
            id=f"{fact_id}/{origin}",
            stage=state.name,
            at=now,
            left=(old,) if old else (),
            entered=(new,) if new else (),
        )
        state.outbox.append((origin, facts))


def take_verification(state: StageState, result: VerificationResult, fact_id: str) -> bool:
    """Note the end of a verification; returns whether an earlier success is withdrawn by it."""
    holding = state.holding
    if holding is None:
        return False
    was_verified = any(known.phase is VerificationPhase.SUCCESSFUL for known in holding.verifications)
    verifications = (result, *holding.verifications)[:KEPT_VERIFICATIONS]
    state.history[0] = holding.model_copy(update={"verifications": verifications})
    good = result.phase is VerificationPhase.SUCCESSFUL
    withdrawn = was_verified and result.phase in (VerificationPhase.FAILED, VerificationPhase.ERROR)
    if not (good or withdrawn):
        return False
    for item in holding.items:
        facts = StageFacts(
            id=f"{fact_id}/{item.origin.name}",
            stage=state.name,
            at=result.finished_at,
            verified=(item.name,) if good else (),
            withdrawn=(item.name,) if withdrawn else (),
        )
        state.outbox.append((item.origin.name, facts))
    return withdrawn


def pass_on(state: StageState, now: datetime, fact_id: str) -> list[FreightRecord]:
    """Let a control-flow Stage mark as verified all Freight that is available to it; returns that Freight.

    Source: Kargo pkg/controller/stages/control_flow_stages.go; approvals and soak count here at once.
    """
    if not (state.configured and state.is_control_flow):
        return []
    available = availability.available_freight(state.name, state.requests, state.freight.values(), now)
    fresh = [
        state.freight[facts.name]
        for facts in available
        if state.name not in facts.verified_in and facts.name not in state.passed_on
    ]
    for record in fresh:
        facts = StageFacts(
            id=f"{fact_id}/{record.name}",
            stage=state.name,
            at=now,
            verified=(record.name,),
            control_flow=True,
        )
        state.outbox.append((record.origin, facts))
        state.passed_on.append(record.name)
    state.passed_on = [name for name in state.passed_on if name in state.freight]
    return fresh


def wants_verification(state: StageState) -> bool:
    """Return whether what the Stage holds is to be verified now.

    Source: Kargo verifyStageFreight: no promotion runs, the Stage is Healthy, and it was not verified yet or a
    person asked for it again.
    """
    holding = state.holding
    if holding is None or state.current or state.verifying or state.is_control_flow:
        return False
    if state.health_status != "Healthy":
        return False
    return not holding.verifications or state.wanted_verification is not None


def missing_templates(state: StageState) -> list[str]:
    """Return the AnalysisTemplates that the verification refers to and that are not there, as ``Kind name``."""
    found = []
    for reference in (state.spec.get("verification") or {}).get("analysisTemplates") or ():
        kind = reference.get("kind") or "AnalysisTemplate"
        if f"{kind}/{reference['name']}" not in state.configuration.templates:
            found.append(f"{kind} {reference['name']}")
    return found


def recover(state: StageState) -> None:
    """Learn from the Warehouses' facts what a Stage that was started anew forgot: what it holds and promotes."""
    running = state.current
    if running is not None and running.adopted and not running.freight:
        short = running.promotion.rpartition(".")[2]
        record = next((item for item in state.freight.values() if item.name.startswith(short)), None)
        if record is not None:
            known = {"freight": record.name, "alias": record.alias, "origin": record.origin}
            state.current = running.model_copy(update=known)
    if state.history or any(origin not in state.snapshots for origin in state.origins):
        return
    here = [record for record in state.freight.values() if state.name in record.currently_in]
    newest = {
        item.origin: item for item in sorted(here, key=lambda item: item.currently_in[state.name].since)
    }
    if not newest:
        return
    items = [newest[origin] for origin in state.origins if origin in newest]
    verified = [item.verified_in[state.name].verified_at for item in items if state.name in item.verified_in]
    verification = VerificationResult(
        id="recovered", phase=VerificationPhase.SUCCESSFUL, finished_at=max(verified, default=None)
    )
    state.history = [
        Holding(
            id=collection_id(item.name for item in items),
            items=tuple(item.reference for item in items),
            promotion="",
            since=max(item.currently_in[state.name].since for item in items),
            verifications=(verification,) if len(verified) == len(items) else (),
        )
    ]


def rollback_target(state: StageState, to: str = "") -> Holding:
    """Return the set that a rollback goes to: the last verified one before the present, or the one named.

    Raises:
        Refused: if there is none.
    """
    current = state.holding
    earlier = [holding for holding in state.history[1:] if current is None or holding.id != current.id]
    if to:
        for holding in state.history:
            for item in holding.items:
                if to in (item.name, item.alias) or (len(to) >= 7 and item.name.startswith(to)):
                    return holding
        known = ", ".join(holding.label for holding in earlier) or "none"
        raise Refused(f"Stage {state.name!r} did not hold Freight {to!r} lately; it held: {known}")
    for holding in earlier:
        if any(known.phase is VerificationPhase.SUCCESSFUL for known in holding.verifications):
            return holding
    raise Refused(f"Stage {state.name!r} held nothing before that was verified; name the Freight with --to")
