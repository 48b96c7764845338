"""What people read in the Temporal Web UI: current details as Markdown, made from an entity's state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from freightway.entities.project import ProjectState
from freightway.entities.warehouse import WarehouseState
from freightway.promotion.model import PlannedStep, StepMeta, StepStatus
from freightway.promotion.progress import Progress
from freightway.verification.answers import Question
from freightway.verification.run import AnalysisRun

_MOST_BYTES = 19_000
"""Temporal's documented limit of current details is 20 kB."""
_CELL = 160
_ROWS = 60
_GAP = "\u00a0\u00a0"
"""Spaces that Markdown does not drop."""


def cell(text: str, limit: int = _CELL) -> str:
    """Return a text as one cell of a Markdown table."""
    one_line = " ".join(text.split()).replace("|", "\\|")
    return one_line if len(one_line) <= limit else one_line[: limit - 1] + "…"


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table; rows beyond sixty are counted."""
    lines = [_row(headings), "|" + " --- |" * len(headings)]
    lines += [_row(tuple(cell(value) for value in row)) for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        lines.append(f"\n… and {len(rows) - _ROWS} more")
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    # The Web UI draws tables without any space between the columns.
    return "| " + " | ".join(f"{text}{_GAP}" if text else "" for text in cells) + " |"


def fit(text: str) -> str:
    """Cut Markdown to Temporal's limit."""
    raw = text.encode()
    return text if len(raw) <= _MOST_BYTES else raw[:_MOST_BYTES].decode("utf-8", "ignore") + "\n…"


def clock(moment: datetime | None) -> str:
    """Return a moment as people read it: UTC, to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def promotion_details(progress: Progress, waits_for: str) -> str:
    """Return the state of a promotion: what, how far, what it waits for, and the table of its steps."""
    plan = progress.plan
    freight = f"{plan.freight.alias} ({plan.freight.name[:7]})" if plan.freight.alias else plan.freight.name
    lines = [
        f"## {plan.stage} ← {freight}",
        f"**{progress.phase.value}**" + (f": {cell(progress.message, 400)}" if progress.message else ""),
        "",
    ]
    if waits_for:
        lines += [f"Waits for {waits_for}", ""]
    asked = f"Asked for {clock(plan.created_at)}" + (
        f" by {plan.actor}" if plan.actor else " by auto-promotion"
    )
    lines += [asked + (", a rollback" if plan.rollback else ""), ""]
    rows = [
        _step_row(index, step, progress.meta(step.alias), progress) for index, step in enumerate(plan.steps)
    ]
    lines.append(table(("", "step", "kind", "status", "took", "message"), rows))
    for repaired in progress.repairs:
        lines.append(
            f"\n{clock(repaired.at)}: step {repaired.alias} {repaired.action} by {repaired.actor or 'someone'}"
            + (f": {cell(repaired.reason)}" if repaired.reason else "")
        )
    return fit("\n".join(lines))


_MARKS = {
    StepStatus.SUCCEEDED: "✓",
    StepStatus.SKIPPED: "–",
    StepStatus.RUNNING: "▶",
    StepStatus.FAILED: "✗",
    StepStatus.ERRORED: "✗",
    StepStatus.ABORTED: "■",
}


def _step_row(index: int, step: PlannedStep, meta: StepMeta | None, progress: Progress) -> tuple[str, ...]:
    status = meta.status if meta else None
    current = index == progress.current and not progress.phase.is_terminal
    mark = _MARKS[status] if status else ("▶" if current else "")
    shown = status.value if status else ("Running" if current else "")
    took = ""
    if meta and meta.started_at and meta.finished_at:
        took = f"{(meta.finished_at - meta.started_at).total_seconds():.1f} s"
    return (mark, step.alias, step.uses, shown, took, meta.message if meta else "")


def waiting_text(progress: Progress, until: datetime | None = None) -> str:
    """Return what the pause before the next attempt is for, and when it ends if the step does not say more."""
    step = progress.step
    if step is None:
        return "the next step"
    if progress.last_wait:
        return f'step "{step.alias}": {progress.last_wait}'[:200]
    what = "try" if progress.message else "poll"
    when = f" at {clock(until)}" if until else ""
    return f'the next {what} of step "{step.alias}"{when}'


def warehouse_details(state: WarehouseState) -> str:
    """Return the state of a Warehouse: its subscriptions, problems and newest Freight."""
    looked = clock(state.looked_at) or "never"
    lines = [f"## Warehouse {state.name}", f"Looked at its subscriptions: {looked}", ""]
    for problem in state.problems:
        lines.append(
            f"- **{problem.name or 'discovery'}** since {clock(problem.since)}: {cell(problem.message, 400)}"
        )
    if state.criteria:
        lines.append(f"- {cell(state.criteria, 400)}")
    rows = [
        (
            record.alias,
            record.name[:7],
            clock(record.discovered_at),
            ", ".join(sorted(record.currently_in)),
            ", ".join(sorted(record.verified_in)),
            ", ".join(sorted(record.approved_for)),
        )
        for record in sorted(state.freight.values(), key=lambda record: record.discovered_at, reverse=True)
    ]
    lines += ["", table(("Freight", "name", "discovered", "in", "verified in", "approved for"), rows[:20])]
    return fit("\n".join(lines))


def project_details(state: ProjectState) -> str:
    """Return the state of a Project: its Warehouses, Stages and freezes."""
    lines = [f"## Project {state.name}", ""]
    for freeze in state.freezes:
        until = f" until {clock(freeze.until)}" if freeze.until else ""
        lines.append(f"- **frozen{until}** by {freeze.owner}: {cell(freeze.reason)} ({freeze.id})")
    stages = [
        (name, ", ".join(entry.origins), ", ".join(entry.upstream) or "the Warehouse")
        for name, entry in sorted(state.stages.items())
    ]
    lines += ["", table(("Stage", "Freight of", "from"), stages)]
    return fit("\n".join(lines))


def verification_details(run: AnalysisRun, questions: Sequence[Question], title: str = "") -> str:
    """Return the state of a verification: its open questions and the table of its metrics."""
    lines = [
        f"## {title or f'Verification {run.name}'}",
        f"**{run.phase.value}**" + (f": {cell(run.message, 400)}" if run.message else ""),
    ]
    for question in questions:
        who = f" from {', '.join(question.approvers)}" if question.approvers else ""
        until = f" until {clock(question.deadline)}" if question.deadline else ""
        lines.append(
            f"\nWaits for an answer{who}{until}: **{cell(question.prompt, 400)}** ({question.metric})"
        )
    rows = []
    for result in run.metric_results:
        last = result.last
        counts = f"{result.successful} ok, {result.failed} failed, {result.inconclusive} open, {result.error} errors"
        rows.append(
            (
                result.name + (" (dry run)" if result.dry_run else ""),
                result.phase.value,
                counts,
                last.value if last else "",
                (last.message if last else "") or result.message,
            )
        )
    lines += ["", table(("metric", "phase", "measurements", "last value", "message"), rows)]
    return fit("\n".join(lines))
