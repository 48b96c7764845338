"""Promotions from the command line: asked for, waited for, answered, repaired, aborted, rolled back, explained."""

from __future__ import annotations

import json

import pytest


def test_promotion_is_waited_for_and_shown(pipeline):
    done = pipeline.cli("promote", "--stage", "dev", "--wait")
    assert done.returncode == 0, done.stderr
    assert "first into dev, 1 steps" in done.stdout
    assert done.stdout.rstrip().endswith("Succeeded")
    stage = pipeline.until("stage", "dev", lambda state: state["history"][0]["verifications"])
    assert stage["history"][0]["items"][0]["alias"] == "first"
    shown = pipeline.ok("describe", "stage", "dev")
    assert "holds         first" in shown
    assert "Finished promotions" in shown


def test_promotion_that_fails_has_an_exit_code_of_its_own_and_plain_json(pipeline):
    done = pipeline.cli("promote", "--stage", "broken", "--wait", "-o", "json")
    assert done.returncode == 3
    answer = json.loads(done.stdout)
    assert answer["ended"]["phase"] == "Failed"
    assert "it never works" in answer["ended"]["message"]
    told = pipeline.refused("abort", answer["promotion"])
    assert f"promotion {answer['promotion']} is over: Failed" in told


def test_wrong_names_say_what_exists(pipeline):
    assert "it has broken, dev, fan, flaky, gate, prod, test" in pipeline.refused("promote", "--stage", "de")
    told = pipeline.refused("promote", "--stage", "dev", "--freight", "nope")
    assert "Freight 'nope' not found" in told
    assert "first (" in told
    told = pipeline.stack.cli("promote", "--stage", "dev", "-p", "nope")
    assert told.returncode == 1
    assert f"{pipeline.project}" in told.stderr
    assert "not found" in told.stderr


def test_stage_without_steps_takes_no_promotion(pipeline):
    assert "only passes Freight on" in pipeline.refused("promote", "--stage", "fan")


def test_parked_promotion_is_repaired_with_another_variable(pipeline):
    name = pipeline.promote("flaky")
    pipeline.until("promotion", name, lambda state: state.get("phase") == "Parked")
    assert "it does not work" in pipeline.ok("describe", "promotion", name)
    assert "--skip needs --reason" in pipeline.refused("repair", name, "--skip", code=2)
    assert "the failed step is retried" in pipeline.ok("repair", name, "--retry", "--set", "works=yes")
    pipeline.until("promotion", name, lambda state: state["phase"] == "Succeeded")
    assert "is over: Succeeded" in pipeline.refused("repair", name, "--retry")


def test_parked_promotion_is_skipped_or_aborted(pipeline):
    skipped = pipeline.promote("flaky")
    pipeline.until("promotion", skipped, lambda state: state.get("phase") == "Parked")
    pipeline.ok("repair", skipped, "--skip", "--reason", "done by hand")
    pipeline.until("promotion", skipped, lambda state: state["phase"] == "Succeeded")
    shown = pipeline.ok("describe", "promotion", skipped)
    assert "done by hand" in shown
    ended = pipeline.promote("flaky")
    pipeline.until("promotion", ended, lambda state: state.get("phase") == "Parked")
    pipeline.ok("repair", ended, "--abort")
    pipeline.until("promotion", ended, lambda state: state["phase"] == "Aborted")


def test_repair_of_an_unknown_promotion_names_the_newest(pipeline):
    known = pipeline.promote("dev", "--wait")
    told = pipeline.refused("repair", "dev.nothing", "--retry")
    assert "promotion 'dev.nothing' not found" in told
    assert known in told


def test_approval_is_answered_and_the_queue_is_left(pipeline):
    running = pipeline.promote("gate")
    waiting = pipeline.promote("gate")
    pipeline.until("stage", "gate", lambda state: (state["current"] or {}).get("waiting"))
    assert "has not started: it waits in the queue" in pipeline.refused("repair", waiting, "--retry")
    assert "Pending" in pipeline.ok("describe", "promotion", waiting)
    assert "--reject needs --reason" in pipeline.refused("answer", "--promotion", running, "--reject", code=2)
    told = pipeline.refused("answer", "--promotion", running, "--approve", "--target", "x")
    assert "step 'x' does not wait for an approval" in told
    assert "out of the queue" in pipeline.ok("abort", waiting)
    assert "is over: Aborted" in pipeline.refused("abort", waiting)
    assert "approved step 'approval'" in pipeline.ok(
        "answer", "--stage", "gate", "--approve", "--actor", "bob"
    )
    pipeline.until("promotion", running, lambda state: state["phase"] == "Succeeded")
    told = pipeline.refused("answer", "--stage", "gate", "--approve")
    assert "nothing waits for an answer in Stage 'gate'" in told


def test_running_promotion_is_aborted(pipeline):
    name = pipeline.promote("gate")
    pipeline.until("promotion", name, lambda state: state.get("phase") == "Running")
    assert "is being aborted" in pipeline.ok("abort", name)
    pipeline.until("promotion", name, lambda state: state["phase"] == "Aborted")
    assert "project 'nope' not found" in pipeline.stack.cli("abort", name, "-p", "nope").stderr


def test_refresh_asks_a_waiting_promotion_again(pipeline):
    name = pipeline.promote("gate")
    pipeline.until("promotion", name, lambda state: state.get("phase") == "Running")
    assert "asked again" in pipeline.ok("refresh", "promotion", name)
    pipeline.ok("answer", "--promotion", name, "--reject", "--reason", "not today", "--actor", "bob")
    pipeline.until("promotion", name, lambda state: state["phase"] == "Failed")
    assert "is over: Failed" in pipeline.refused("refresh", "promotion", name)


def test_explanation_names_each_condition_and_the_earliest_time(pipeline):
    pipeline.promote("dev", "--wait")
    pipeline.until("stage", "dev", lambda state: state["history"][0]["verifications"])
    shown = pipeline.ok("explain", "--stage", "dev", "--freight", "first")
    assert "may be promoted into Stage dev now" in shown
    assert "✓ it may come directly from Warehouse app" in shown
    pipeline.ok("freeze", "fair", "--stages", "prod", "--reason", "the fair")
    try:
        shown = pipeline.ok("explain", "--stage", "prod", "--freight", "first")
        assert "may not come to Stage prod" in shown
        assert "✗ it has soaked in Stage dev for 1h" in shown
        assert "the Stage is frozen by ann: the fair" in shown
        [verdict] = pipeline.data("explain", "--stage", "prod", "--freight", "first")
        assert verdict["available"] is False
    finally:
        pipeline.ok("unfreeze", "fair")
    [verdict] = pipeline.data("explain", "--stage", "prod", "--freight", "first")
    assert verdict["earliest"] is not None
    assert "Freight 'nope' not found" in pipeline.refused("explain", "--stage", "prod", "--freight", "nope")
    assert "it has broken, dev" in pipeline.refused("explain", "--stage", "nope")


def test_approved_freight_comes_without_soak(pipeline):
    told = pipeline.refused("promote", "--stage", "prod")
    assert "no Freight is available to Stage 'prod'" in told
    assert "is approved for Stage prod" in pipeline.ok(
        "approve", "--stage", "prod", "--freight", "first", "--reason", "hot"
    )
    pipeline.until("stage", "prod", lambda state: next(iter(state["freight"].values()))["approvedFor"])
    pipeline.promote("prod", "--wait")
    assert "it has broken, dev" in pipeline.refused("approve", "--stage", "nope", "--freight", "first")
    assert "Freight 'nope' not found" in pipeline.refused("approve", "--stage", "prod", "--freight", "nope")


def test_verification_is_answered_repeated_and_aborted(pipeline):
    pipeline.promote("dev", "--wait")
    pipeline.until("stage", "dev", lambda state: state["history"][0]["verifications"])
    pipeline.until("stage", "test", lambda state: next(iter(state["freight"].values()))["verifiedIn"])
    pipeline.promote("test", "--wait")
    asks = pipeline.until("stage", "test", lambda state: (state["verifying"] or {}).get("waiting"))
    assert "is running" in pipeline.refused("verify", "stage", "test")
    assert asks["verifying"]["waiting"] == "an answer: Does it look good?"
    assert "approved looks-good" in pipeline.ok("answer", "--stage", "test", "--approve")
    pipeline.until("stage", "test", lambda state: state["history"][0]["verifications"])
    pipeline.ok("verify", "stage", "test")
    pipeline.until("stage", "test", lambda state: (state["verifying"] or {}).get("waiting"))
    done = pipeline.cli("verify", "stage", "test", "--abort", "--wait")
    assert done.returncode == 0, done.stderr
    assert "Aborted" in done.stdout
    assert "no verification is running" in pipeline.refused("verify", "stage", "test", "--abort")
    assert "it has broken, dev" in pipeline.refused("verify", "stage", "nope")
    waits = pipeline.cli("verify", "stage", "test", "--wait", "--timeout", "0.5")
    assert waits.returncode == 124
    done = pipeline.cli("verify", "stage", "dev", "--wait")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def second(pipeline):
    """Freight of the older commit, and dev holding it after having held the first."""
    older = pipeline.git.log("app.git", "%H")[1]
    pipeline.ok("create", "freight", "--warehouse", "app", "--commit", older[:8], "--alias", "second")
    for alias in ("first", "second"):
        pipeline.promote("dev", "--freight", alias, "--wait")
        pipeline.until(
            "stage",
            "dev",
            lambda state, alias=alias: (
                state["history"][0]["items"][0]["alias"] == alias and state["history"][0]["verifications"]
            ),
        )
    return older


def test_rollback_brings_back_what_was_verified_before(pipeline, second):
    done = pipeline.cli("rollback", "--stage", "dev", "--wait", "--reason", "it was worse")
    assert done.returncode == 0, done.stderr
    stage = pipeline.until("stage", "dev", lambda state: state["history"][0]["items"][0]["alias"] == "first")
    assert stage["finished"][0]["kind"] == "rollback"
    assert "did not hold Freight 'nope'" in pipeline.refused("rollback", "--stage", "dev", "--to", "nope")
    assert "held nothing before" in pipeline.refused("rollback", "--stage", "broken")
    assert "it has broken, dev" in pipeline.refused("rollback", "--stage", "nope")
    pipeline.ok("rollback", "--stage", "dev", "--to", "second", "-o", "name", "--wait")


def test_events_tell_the_story_and_are_followed(pipeline):
    events = pipeline.data("events")
    reasons = {event["reason"] for event in events}
    assert {"ResourceApplied", "FreightCreated", "PromotionSucceeded", "FreightApproved"} <= reasons
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert "promotion of first" in pipeline.ok("events", "--stage", "dev", "--limit", "30")
    assert "it has broken, dev" in pipeline.refused("events", "--stage", "nope")
    told = pipeline.stack.cli("events", "-p", "nope")
    assert told.returncode == 1
    assert "project 'nope' not found" in told.stderr
