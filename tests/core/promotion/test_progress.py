"""The course of a promotion: attempts, errors, limits, polls, lost workers and aborts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from freightway.promotion.model import (
    FreightReference,
    HealthCheck,
    KindFacts,
    Origin,
    Phase,
    PlannedStep,
    PromotionPlan,
    Retry,
    StepOutcome,
    StepRecord,
    StepStatus,
    WorkspaceRef,
)
from freightway.promotion.progress import Finished, Parked, Progress, RunStep

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OK = StepOutcome(status=StepStatus.SUCCEEDED)
FAILED = StepOutcome(status=StepStatus.FAILED, message='step "a": no', error=True, terminal=True)
ERRORED = StepOutcome(status=StepStatus.ERRORED, message="oops", error=True)


def step(alias: str, **fields: Any) -> PlannedStep:
    return PlannedStep(alias=alias, uses="x", **fields)


def start(*steps: PlannedStep, **fields: Any) -> Progress:
    plan = PromotionPlan(
        project="demo",
        stage="test",
        promotion="p",
        freight=FreightReference(name="f", origin=Origin(name="wh")),
        steps=steps,
        created_at=NOW,
        **fields,
    )
    return Progress.start(plan, NOW)


def waiting(why: str = "still open", after: float | None = None) -> StepOutcome:
    return StepOutcome(status=StepStatus.RUNNING, message=why, retry_after=after)


def test_steps_run_in_order_and_the_promotion_succeeds() -> None:
    progress = start(step("a"), step("b"))
    assert progress.next() == RunStep(0, step("a"))
    progress = progress.begin(NOW).record(OK, NOW + SECOND)
    assert progress.next() == RunStep(1, step("b"))
    progress = progress.record(OK, NOW + 2 * SECOND)
    assert progress.next() == Finished(Phase.SUCCEEDED, "")
    assert progress.finished_at == NOW + 2 * SECOND
    first = progress.meta("a")
    assert first is not None
    assert (first.started_at, first.finished_at) == (NOW, NOW + SECOND)


def test_progress_survives_a_trip_through_json() -> None:
    record = StepRecord(config={"a": 1}, tree="abc", evaluated_at=NOW)
    progress = start(step("a"), step("b")).record(OK.model_copy(update={"record": record}), NOW)
    assert Progress.model_validate_json(progress.model_dump_json()) == progress


def test_steps_without_condition_are_passed_over_after_a_failure() -> None:
    progress = start(step("a"), step("b"), step("c", if_="${{ always() }}")).record(FAILED, NOW)
    assert progress.next() == RunStep(2, step("c", if_="${{ always() }}"))
    done = progress.record(OK, NOW)
    assert done.next() == Finished(Phase.FAILED, 'step "a": no')
    assert [meta.status for meta in done.metas] == ["Failed", "Skipped", "Succeeded"]
    assert "b" not in done.outputs


def test_errors_are_counted_in_total_and_each_pause_is_longer() -> None:
    progress = start(step("a", retry=Retry(error_threshold=3)))
    progress = progress.record(ERRORED, NOW)
    assert progress.pause == SECOND
    assert progress.message == "oops"
    assert progress.metas[0].message == "oops; step will be retried"
    progress = progress.record(ERRORED, NOW)
    assert progress.pause == 2 * SECOND
    progress = progress.record(waiting(), NOW)
    assert progress.pause == timedelta(minutes=5)
    progress = progress.record(ERRORED, NOW)
    assert progress.next() == Finished(Phase.ERRORED, 'step "a" met error threshold of 3: oops')


def test_the_pause_after_errors_has_an_upper_bound() -> None:
    progress = start(step("a", retry=Retry(error_threshold=99)))
    for _ in range(30):
        progress = progress.record(ERRORED, NOW)
    assert progress.pause == timedelta(seconds=1000)


def test_a_host_that_asks_to_wait_is_heeded() -> None:
    busy = ERRORED.model_copy(update={"retry_after": 90.0})
    assert start(step("a", retry=Retry(error_threshold=9))).record(busy, NOW).pause == 90 * SECOND


@pytest.mark.parametrize(("asked", "given"), [(None, 300), (0.2, 1), (2, 2), (30, 30)])
def test_a_waiting_step_is_polled_at_the_interval_it_asks_for_but_not_below_a_second(
    asked: float | None, given: int
) -> None:
    progress = start(step("a")).record(waiting(after=asked), NOW)
    assert progress.pause == given * SECOND
    assert progress.last_wait == "still open"
    assert progress.request(NOW).last_wait == "still open"


def test_the_pause_ends_when_the_limit_does_and_a_late_success_counts() -> None:
    progress = start(step("a", retry=Retry(timeout=timedelta(minutes=1)))).begin(NOW)
    progress = progress.record(waiting(), NOW + 20 * SECOND)
    assert progress.pause == timedelta(seconds=40, milliseconds=1)
    later = NOW + timedelta(minutes=2)
    assert progress.record(OK, later).phase is Phase.SUCCEEDED
    timed_out = progress.record(waiting(), later)
    assert timed_out.next() == Finished(Phase.ERRORED, 'step "a" timed out after 1m0s')


def test_an_explicit_zero_lifts_the_limit_of_the_kind() -> None:
    facts = KindFacts(timeout=timedelta(minutes=5))
    late = NOW + timedelta(hours=1)
    assert start(step("a", facts=facts)).begin(NOW).record(waiting(), late).phase is Phase.ERRORED
    lifted = start(step("a", facts=facts, retry=Retry(timeout=timedelta(0)))).begin(NOW)
    assert lifted.record(waiting(), late).phase is Phase.RUNNING
    assert lifted.request(NOW).deadline is None


def test_a_step_with_a_broken_condition_has_neither_start_nor_end() -> None:
    broken = StepOutcome(status=StepStatus.ERRORED, message="bad if", ran=False, error=True, counted=False)
    progress = start(step("a", if_="${{ ( }}"), step("b")).begin(NOW).record(broken, NOW)
    assert progress.next() == Finished(Phase.ERRORED, "bad if")
    assert progress.metas[0].started_at is None
    assert progress.outputs == {}


def test_a_step_with_a_broken_configuration_is_not_tried_again() -> None:
    broken = StepOutcome(status=StepStatus.ERRORED, message="bad config", error=True, counted=False)
    progress = start(step("a", retry=Retry(error_threshold=5))).begin(NOW).record(broken, NOW)
    assert progress.next() == Finished(Phase.ERRORED, "bad config")
    assert (progress.metas[0].started_at, progress.metas[0].finished_at) == (NOW, None)


def test_each_attempt_overwrites_the_output_and_task_outputs_are_merged() -> None:
    first = StepOutcome(status=StepStatus.SUCCEEDED, output={"a": 1}, task_output=True)
    second = StepOutcome(status=StepStatus.SUCCEEDED, output={"b": None}, task_output=True)
    progress = start(step("t::one"), step("t::two")).record(first, NOW).record(second, NOW)
    assert progress.outputs == {"t::one": {"a": 1}, "t::two": {"b": None}, "t": {"a": 1, "b": None}}
    retried = start(step("a", retry=Retry(error_threshold=2)))
    retried = retried.record(StepOutcome(status=StepStatus.RUNNING, output={"id": 7}), NOW)
    assert retried.outputs == {"a": {"id": 7}}
    assert retried.record(ERRORED, NOW).outputs == {"a": None}


def test_health_checks_of_succeeded_steps_are_kept() -> None:
    check = HealthCheck(uses="argocd-update", config={"apps": []})
    progress = start(step("a"), step("b"))
    progress = progress.record(OK.model_copy(update={"health_check": check}), NOW)
    progress = progress.record(FAILED.model_copy(update={"health_check": check}), NOW)
    assert progress.health_checks == (check,)


def test_an_abort_ends_the_running_step_and_nothing_runs_after_it() -> None:
    progress = start(step("a"), step("b", if_="${{ always() }}")).begin(NOW).abort(NOW + SECOND, "ada")
    assert progress.next() == Finished(Phase.ABORTED, "Promotion terminated by ada")
    assert progress.metas[0].status is StepStatus.ABORTED
    assert progress.metas[0].finished_at == NOW + SECOND
    assert progress.record(OK, NOW) is progress
    assert start(step("a")).abort(NOW).message == "Promotion terminated per user request"


def test_an_abort_between_attempts_leaves_the_status_of_the_step() -> None:
    progress = start(step("a", retry=Retry(error_threshold=2))).record(ERRORED, NOW).abort(NOW)
    assert progress.metas[0].status is StepStatus.ERRORED
    assert start(step("a")).record(waiting(), NOW).abort(NOW).metas[0].status is StepStatus.ABORTED


def test_a_lost_attempt_is_repeated_only_where_that_is_safe() -> None:
    safe = start(step("a")).begin(NOW).lost("the worker is gone", NOW)
    assert safe.next() == RunStep(0, step("a"))
    unsafe = start(step("a", facts=KindFacts(repeatable=False), retry=Retry(error_threshold=9))).begin(NOW)
    ended = unsafe.lost("the worker is gone", NOW)
    assert ended.phase is Phase.ERRORED
    assert ended.message.startswith('step "a": the worker is gone')


def test_a_promotion_without_steps_has_succeeded() -> None:
    progress = start()
    assert progress.next() == Finished(Phase.SUCCEEDED, "")
    assert progress.current == -1


def test_recorded_steps_before_the_current_one_rebuild_a_workspace() -> None:
    record = StepRecord(config={"a": 1})
    workspace = WorkspaceRef(host="h", queue="q", folder="f")
    progress = start(step("a"), step("b"), step("c"))
    progress = progress.record(OK.model_copy(update={"record": record}), NOW).record(OK, NOW)
    (replay,) = progress.replays(NOW, workspace=workspace)
    assert (replay.step.alias, replay.replay, replay.workspace) == ("a", record, workspace)
    assert replay.deadline is None


def test_a_request_carries_how_often_the_step_was_asked() -> None:
    progress = start(step("a"), step("b")).record(waiting(), NOW).record(waiting(), NOW)
    assert (progress.request(NOW).poll, progress.request(NOW).begun) == (2, True)
    following = progress.record(OK, NOW).request(NOW)
    assert (following.poll, following.begun, following.step.alias) == (0, False, "b")


def test_polls_that_found_nothing_new_have_numbers_of_their_own() -> None:
    progress = start(step("a")).record(waiting(), NOW)
    # Four polls of one activity: three found nothing new.
    progress = progress.record(waiting().model_copy(update={"polls": 3}), NOW)
    assert progress.request(NOW).poll == 5


def test_a_failed_step_parks_the_promotion_if_so_wished() -> None:
    progress = start(step("a"), step("b", if_="${{ always() }}"), on_failure="park").record(FAILED, NOW)
    assert progress.next() == Parked(0, step("a"), 'step "a": no')
    assert progress.finished_at is None


def test_a_step_that_may_fail_does_not_park_the_promotion() -> None:
    progress = start(step("a", continue_on_error=True), step("b"), on_failure="park").record(FAILED, NOW)
    assert progress.next() == RunStep(1, step("b"))
