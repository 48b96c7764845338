"""An answer is a measurement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from freightway.errors import Refused
from freightway.resources.analysis import AnalysisPhase, AnalysisTemplate
from freightway.verification.answers import Answer, ask, is_answered_by_signal, open_questions, take_answer
from freightway.verification.assess import assess
from freightway.verification.lifecycle import record, start, terminate
from freightway.verification.run import AnalysisRun
from freightway.verification.schedule import due, pause

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def asking(*names: str, **signal: Any) -> AnalysisRun:
    provider = {"signal": {"prompt": "Does it {{ args.verb }}?", "deadline": "1h", **signal}}
    metrics = [{"name": name, "provider": provider} for name in names or ("qa",)]
    spec = {"metrics": metrics, "args": [{"name": "verb", "value": "work"}]}
    template = AnalysisTemplate.model_validate({"metadata": {"name": "t"}, "spec": spec})
    return a_pass(start([template], [], NOW), NOW)


def a_pass(run: AnalysisRun, now: datetime) -> AnalysisRun:
    for task in due(run, now)[0]:
        assert is_answered_by_signal(run, task)
        run = record(run, task, ask(run, task), now)
    return assess(run, now)


def test_question_is_open_until_its_deadline() -> None:
    run = asking(approvers=["ada"])
    assert run.phase is AnalysisPhase.RUNNING
    assert pause(run, NOW) == timedelta(hours=1)
    (question,) = open_questions(run)
    assert (question.prompt, question.approvers) == ("Does it work?", ("ada",))
    assert question.deadline == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("approve", "phase", "value"),
    [(True, AnalysisPhase.SUCCESSFUL, "approved"), (False, AnalysisPhase.FAILED, "rejected")],
)
def test_answer_decides_the_run(approve: bool, phase: AnalysisPhase, value: str) -> None:
    run = take_answer(asking(), Answer(approve=approve, reason="looked at it", actor="ada"), NOW)
    run = assess(run, NOW)
    while not run.is_completed:
        run = a_pass(run, NOW)
    assert run.phase is phase
    last = run.metric_results[0].last
    assert last is not None
    assert (last.value, last.message) == (value, f"{value} by ada: looked at it")
    assert open_questions(run) == ()


def test_no_answer_in_time_is_inconclusive() -> None:
    later = NOW + timedelta(hours=1)
    run = a_pass(asking(), later)
    run = run if run.is_completed else a_pass(run, later)
    assert run.phase is AnalysisPhase.INCONCLUSIVE
    assert "no answer within 1h" in run.message


def test_terminated_run_withdraws_its_question() -> None:
    run = a_pass(terminate(asking()), NOW)
    assert run.phase is AnalysisPhase.INCONCLUSIVE
    assert open_questions(run) == ()


@pytest.mark.parametrize(
    ("run", "answer", "why"),
    [
        (
            asking(approvers=["ada", "bob"]),
            Answer(approve=True, actor="eve"),
            "eve may not answer 'qa'; ask ada, bob",
        ),
        (asking(approvers=["ada"]), Answer(approve=True), "say who answers: actor"),
        (asking(), Answer(approve=True), "say who answers: actor"),
        (asking(), Answer(approve=True, actor="ada", metric="other"), "metric 'other' waits for no answer"),
        (asking("a", "b"), Answer(approve=True, actor="ada"), "name one of a, b"),
        (
            terminate(asking()).changed(phase=AnalysisPhase.FAILED),
            Answer(approve=True, actor="ada"),
            "no metric waits",
        ),
    ],
)
def test_answer_that_fits_no_question_is_refused(run: AnalysisRun, answer: Answer, why: str) -> None:
    with pytest.raises(Refused, match=why):
        take_answer(run, answer, NOW)


def test_bad_deadline_is_an_error_measurement() -> None:
    run = asking(deadline="tomorrow")
    last = run.metric_results[0].last
    assert last is not None
    assert last.phase is AnalysisPhase.ERROR
    assert 'invalid duration "tomorrow"' in last.message


def test_answer_at_the_last_moment_beats_the_deadline() -> None:
    later = NOW + timedelta(hours=1)
    run = asking()
    (task,), _ = due(run, later)
    ended = ask(run, task)
    run = record(take_answer(run, Answer(approve=True, actor="ada"), later), task, ended, later)
    assert [measured.value for measured in run.metric_results[0].measurements] == ["approved"]
    assert assess(run, later).phase is AnalysisPhase.SUCCESSFUL
