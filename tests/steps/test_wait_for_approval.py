"""wait-for-approval: who may answer, how many it takes, and what ends the wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from step_bench import NOW, Bench

from freightway.promotion.model import Answer, StepMeta, StepOutcome, StepStatus


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return await Bench.make(tmp_path / "home")


async def ask(
    bench: Bench, *answers: Answer, after: timedelta = timedelta(0), actor: str = "ann", **config: Any
) -> StepOutcome:
    """Run the step, started at NOW, some time later."""
    bench.services = replace(bench.services, clock=lambda: NOW + after)
    started = StepMeta(alias="a", uses="wait-for-approval", status=StepStatus.RUNNING, started_at=NOW)
    return await bench.run("wait-for-approval", config, answers=answers, actor=actor, metas=(started,))


def yes(actor: str, *groups: str, at: datetime = NOW, target: str = "a", reason: str = "") -> Answer:
    return Answer(actor=actor, groups=groups, at=at, target=target, reason=reason)


def no(actor: str, reason: str = "not on a Friday", **fields: Any) -> Answer:
    return Answer(actor=actor, approve=False, reason=reason, at=NOW, target="a", **fields)


@pytest.mark.parametrize(
    ("config", "answers", "approved_by"),
    [
        ({}, [yes("bob")], ["bob"]),
        ({}, [], None),
        ({}, [yes("ann")], None),
        ({"allowRequester": True}, [yes("ann")], ["ann"]),
        ({"approvers": ["bob"]}, [yes("eve")], None),
        ({"approvers": ["bob"]}, [yes("eve"), yes("bob")], ["bob"]),
        ({"groups": ["ops"]}, [yes("eve", "dev")], None),
        ({"groups": ["ops"]}, [yes("eve", "dev", "ops")], ["eve"]),
        ({"approvers": ["bob"], "groups": ["ops"]}, [yes("eve", "ops")], ["eve"]),
        ({"groups": ["ops"]}, [yes("ann", "ops")], None),
        ({"approvals": 2}, [yes("bob")], None),
        ({"approvals": 2}, [yes("bob"), yes("bob")], None),
        ({"approvals": 2}, [yes("bob"), yes("eve")], ["bob", "eve"]),
        ({}, [yes("bob", target="other")], None),
        ({}, [yes("bob", target="")], ["bob"]),
        ({"approvers": ["bob"]}, [no("eve"), yes("bob")], ["bob"]),
    ],
)
async def test_enough_approvals_by_those_who_may_end_the_wait(
    bench: Bench, config: dict[str, Any], answers: list[Answer], approved_by: list[str] | None
) -> None:
    outcome = await ask(bench, *answers, **config)
    if approved_by is None:
        assert outcome.status == "Running"
    else:
        assert outcome.status == "Succeeded"
        assert outcome.output is not None
        assert [one["actor"] for one in outcome.output["approvedBy"]] == approved_by


async def test_the_output_says_who_approved_when_and_why(bench: Bench) -> None:
    outcome = await ask(bench, yes("bob", reason="looks good"))
    assert outcome.output == {
        "approvedBy": [{"actor": "bob", "reason": "looks good", "at": "2026-01-02T03:04:05Z"}]
    }


@pytest.mark.parametrize("actor", ["bob", "ann"])
async def test_a_rejection_fails_with_name_and_reason(bench: Bench, actor: str) -> None:
    outcome = await ask(bench, yes("eve"), no(actor), approvers=["bob", "eve"], approvals=2)
    assert (outcome.status, outcome.terminal) == ("Failed", True)
    assert outcome.message == f'step "a": rejected by {actor}: not on a Friday'


async def test_people_read_what_is_missing(bench: Bench) -> None:
    outcome = await ask(
        bench,
        yes("bob"),
        prompt="Ship it?",
        approvals=2,
        approvers=["ann", "bob", "eve"],
        groups=["ops"],
        deadline="2h",
    )
    assert outcome.message == (
        "waiting for 1 approval by eve, group ops; given by bob; until 2026-01-02 05:04:05 UTC: Ship it?"
    )


async def test_the_deadline_fails_the_step(bench: Bench) -> None:
    early = await ask(bench, after=timedelta(hours=1, minutes=59), deadline="2h")
    assert (early.status, early.retry_after) == ("Running", 60)
    late = await ask(bench, yes("bob"), after=timedelta(hours=2), deadline="2h", approvals=2)
    assert (late.status, late.terminal) == ("Failed", True)
    assert late.message == 'step "a": not approved within 2h0m0s: 1 of 2 approvals were given'


async def test_an_approval_counts_if_it_was_given_before_the_deadline(bench: Bench) -> None:
    hours = timedelta(hours=1)
    assert (
        await ask(bench, yes("bob", at=NOW + hours), after=9 * hours, deadline="2h")
    ).status == "Succeeded"
    assert (
        await ask(bench, yes("bob", at=NOW + 3 * hours), after=9 * hours, deadline="2h")
    ).status == "Failed"


async def test_a_reminder_changes_the_text_when_it_is_due(bench: Bench) -> None:
    first = await ask(bench, after=timedelta(minutes=29), reminder="30m")
    assert (first.message, first.retry_after) == ("waiting for 1 approval", 60)
    second = await ask(bench, after=timedelta(minutes=65), reminder="30m", prompt="customers?")
    assert (second.message, second.retry_after) == (
        "waiting for 1 approval (reminder 2): customers?",
        25 * 60,
    )
