"""What a person can do about a parked promotion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freightway.errors import Refused
from freightway.promotion.model import (
    FreightReference,
    Origin,
    Phase,
    PlannedStep,
    PromotionPlan,
    Retry,
    StepOutcome,
    StepStatus,
)
from freightway.promotion.progress import Finished, Progress, RunStep
from freightway.promotion.repair import retry, skip
from freightway.resources.meta import Variable

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LATER = NOW + timedelta(hours=5)
OK = StepOutcome(status=StepStatus.SUCCEEDED, output={"n": 1})
ERRORED = StepOutcome(status=StepStatus.ERRORED, message="oops", error=True)
STEPS = (
    PlannedStep(alias="a", uses="x"),
    PlannedStep(alias="b", uses="x", retry=Retry(timeout=timedelta(minutes=1), error_threshold=1)),
    PlannedStep(alias="c", uses="x"),
)


@pytest.fixture
def parked() -> Progress:
    plan = PromotionPlan(
        project="demo",
        stage="test",
        promotion="p",
        freight=FreightReference(name="f", origin=Origin(name="wh")),
        steps=STEPS,
        on_failure="park",
        created_at=NOW,
    )
    progress = Progress.start(plan, NOW).record(OK, NOW).begin(NOW).record(ERRORED, NOW)
    assert progress.phase is Phase.PARKED
    return progress


def test_a_retry_goes_on_from_the_failed_step(parked: Progress) -> None:
    again = retry(parked, LATER, actor="ada")
    assert again.next() == RunStep(1, STEPS[1])
    assert again.outputs["a"] == {"n": 1}
    done = again.begin(LATER).record(OK, LATER).record(OK, LATER)
    assert done.next() == Finished(Phase.SUCCEEDED, "")
    assert done.repairs[0].actor == "ada"


def test_a_retry_starts_with_fresh_errors_time_and_condition(parked: Progress) -> None:
    again = retry(parked, LATER)
    request = again.request(LATER)
    assert not request.begun
    assert request.poll == 1
    assert request.deadline == LATER + timedelta(minutes=1, milliseconds=1)
    parked_again = again.begin(LATER).record(ERRORED, LATER)
    assert parked_again.phase is Phase.PARKED
    assert parked_again.metas[1].error_count == 1


def test_changed_variables_hold_for_all_later_steps(parked: Progress) -> None:
    once = retry(parked, LATER, variables=[Variable(name="v", value="1"), Variable(name="w", value="2")])
    twice = retry(once.record(ERRORED, LATER), LATER, variables=[Variable(name="v", value="3")])
    wanted = (Variable(name="w", value="2"), Variable(name="v", value="3"))
    assert twice.request(LATER).overrides == wanted
    assert twice.record(OK, LATER).request(LATER).overrides == wanted


def test_a_skipped_step_keeps_the_reason_and_does_not_fail_the_promotion(parked: Progress) -> None:
    skipped = skip(parked, LATER, "done by hand", actor="ada")
    assert skipped.next() == RunStep(2, STEPS[2])
    meta = skipped.meta("b")
    assert meta is not None
    assert (meta.status, meta.message) == (StepStatus.SKIPPED, "skipped by ada: done by hand")
    assert skipped.record(OK, LATER).phase is Phase.SUCCEEDED


def test_a_skip_needs_a_reason(parked: Progress) -> None:
    with pytest.raises(Refused, match="say why"):
        skip(parked, LATER, "  ")


def test_a_parked_promotion_can_be_aborted(parked: Progress) -> None:
    aborted = parked.abort(LATER, "ada")
    assert aborted.next() == Finished(Phase.ABORTED, "Promotion terminated by ada")
    assert aborted.metas[1].status is StepStatus.ERRORED


def test_only_a_parked_promotion_can_be_repaired(parked: Progress) -> None:
    running = retry(parked, LATER)
    with pytest.raises(Refused, match="only a Parked promotion"):
        retry(running, LATER)
    with pytest.raises(Refused, match="only a Parked promotion"):
        skip(running.abort(LATER), LATER, "why not")
