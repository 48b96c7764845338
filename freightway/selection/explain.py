"""Everything that stands between Freight and its promotion, as conditions that people can read.

One rule: whether Freight may come is ``availability.explain``; this adds when its promotion may start.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from freightway.selection.availability import Condition, Verdict, all_of
from freightway.selection.queue import Gate


def explain_start(availability: Verdict, gate: Gate, now: datetime) -> Verdict:
    """Return the verdict on availability with the freeze and the window of the Stage as further conditions.

    ``available`` stays what it was: a promotion may be asked for and waits in the queue; ``earliest`` is when
    it can start.
    """
    frozen = gate.freeze.frozen
    freeze = Condition(
        text="the Stage is not frozen",
        holds=not frozen,
        earliest=gate.freeze.until if frozen else now,
        needs=f"the Stage is {gate.freeze.reason}" if frozen else "",
    )
    opened = gate.window.allowed
    window = Condition(
        text="a promotion window allows it",
        holds=opened,
        earliest=now if opened else gate.window.until,
        needs="" if opened else gate.window.reason,
    )
    conditions = (*availability.conditions, freeze, window)
    whole = all_of("", conditions)
    return availability.model_copy(update={"conditions": conditions, "earliest": whole.earliest})


def condition_lines(verdict: Verdict, now: datetime) -> Iterator[str]:
    """Yield one line for each condition, its parts indented: ``yes`` or ``no``, the text, and when."""
    for condition in verdict.conditions:
        yield from _lines(condition, now, 0)


def _lines(condition: Condition, now: datetime, depth: int) -> Iterator[str]:
    mark = "yes" if condition.holds else "no "
    line = f"{'  ' * depth}{mark} {condition.text}"
    if not condition.holds and condition.earliest is not None and condition.earliest > now:
        line += f" (at the earliest {condition.earliest.isoformat(timespec='seconds')})"
    elif not condition.holds and not condition.parts and condition.needs:
        line += f" ({condition.needs})"
    yield line
    for part in condition.parts:
        yield from _lines(part, now, depth + 1)
