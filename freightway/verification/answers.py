"""The ``signal`` provider: a metric whose measurement is the answer of a person or a system.

The measurement is Running from the question to the answer. An approval is Successful, a rejection Failed; no answer by
the deadline, or a run that is cut short, is Inconclusive. Nothing outside is touched, so no activity is needed.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from freightway.errors import Refused
from freightway.resources.analysis import AnalysisPhase, SignalMetric
from freightway.resources.meta import Model
from freightway.verification.durations import go_duration
from freightway.verification.lifecycle import record
from freightway.verification.limits import provider_kind
from freightway.verification.run import Action, AnalysisRun, Due, MeasurementResult, MetricResult


class Answer(Model):
    """What somebody says to the question of a ``signal`` metric.

    Attributes:
        metric: name of the metric; may be left out while only one question is open.
        approve: whether the answer is yes.
        reason: why, for people who look later.
        actor: who answers.
    """

    metric: str = ""
    approve: bool
    reason: str = Field(default="", max_length=2000)
    actor: str = ""


class Question(Model):
    """An open question.

    Attributes:
        approvers: who may answer, empty for anybody.
        deadline: when the question is withdrawn.
    """

    metric: str
    prompt: str
    approvers: tuple[str, ...] = ()
    deadline: datetime | None = None


def is_answered_by_signal(run: AnalysisRun, task: Due) -> bool:
    """Whether a due task needs no activity because an answer, not a provider, is its measurement."""
    return provider_kind(run.metrics[task.index].provider) == "signal"


def ask(run: AnalysisRun, task: Due) -> MeasurementResult:
    """Return what a due task on a ``signal`` metric gives: the question, or the end of waiting for an answer."""
    if task.action is Action.TERMINATE:
        return MeasurementResult(phase=AnalysisPhase.INCONCLUSIVE, message="the question was withdrawn")
    signal = _signal(run, task.metric)
    if signal is None:
        return MeasurementResult(phase=AnalysisPhase.ERROR, message="the metric asks no question")
    if task.action is Action.RESUME:
        text = f"no answer within {signal.deadline}"
        return MeasurementResult(phase=AnalysisPhase.INCONCLUSIVE, message=text)
    try:
        wait = go_duration(signal.deadline).total_seconds()
    except ValueError as error:
        return MeasurementResult(phase=AnalysisPhase.ERROR, message=f"invalid deadline: {error}")
    return MeasurementResult(
        phase=AnalysisPhase.RUNNING, message=f"waiting for an answer: {signal.prompt}", resume_after=wait
    )


def open_questions(run: AnalysisRun) -> tuple[Question, ...]:
    """Return the questions that wait for an answer, in the metrics' order."""
    found: list[Question] = []
    if run.is_completed:
        return ()
    for metric in run.resolved_metrics:
        signal = metric.provider.signal
        result = run.result(metric.name)
        if signal is not None and result is not None and _is_open(result):
            deadline = result.last.resume_at if result.last else None
            found.append(
                Question(
                    metric=metric.name, prompt=signal.prompt, approvers=signal.approvers, deadline=deadline
                )
            )
    return tuple(found)


def check_answer(run: AnalysisRun, answer: Answer) -> Question:
    """Return the question that an answer belongs to.

    Raises:
        Refused: if nobody is named as answering, no such question is open, it is not clear which is meant, or the
            actor may not answer it.
    """
    if not answer.actor:
        # What says nothing must not approve.
        raise Refused("say who answers: actor")
    questions = open_questions(run)
    if answer.metric:
        questions = tuple(question for question in questions if question.metric == answer.metric)
        if not questions:
            raise Refused(f"metric {answer.metric!r} waits for no answer")
    if not questions:
        raise Refused("no metric waits for an answer")
    if len(questions) > 1:
        names = ", ".join(question.metric for question in questions)
        raise Refused(f"several metrics wait for an answer; name one of {names}")
    question = questions[0]
    if question.approvers and answer.actor not in question.approvers:
        allowed = ", ".join(question.approvers)
        raise Refused(f"{answer.actor} may not answer {question.metric!r}; ask {allowed}")
    return question


def take_answer(run: AnalysisRun, answer: Answer, now: datetime) -> AnalysisRun:
    """Return the run with an answer recorded as the measurement it is; the next pass assesses it.

    Raises:
        Refused: as ``check_answer``.
    """
    question = check_answer(run, answer)
    verdict = "approved" if answer.approve else "rejected"
    result = MeasurementResult(
        phase=AnalysisPhase.SUCCESSFUL if answer.approve else AnalysisPhase.FAILED,
        value=verdict,
        message=f"{verdict} by {answer.actor}" + (f": {answer.reason}" if answer.reason else ""),
        metadata={"actor": answer.actor},
    )
    return record(run, question.metric, result, now)


def _is_open(result: MetricResult) -> bool:
    return not result.phase.is_completed and result.last is not None and not result.last.phase.is_completed


def _signal(run: AnalysisRun, name: str) -> SignalMetric | None:
    return next((metric.provider.signal for metric in run.resolved_metrics if metric.name == name), None)
