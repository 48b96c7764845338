"""Freezes: nothing starts in a selection of Stages, in a project, or anywhere.

One rule: while one freeze applies no promotion starts; a soft one also parks what runs before its next step
with an outside effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime

from freightway.resources.meta import Model
from freightway.selection.stage_selector import StageRef, StageSelector


class Freeze(Model):
    """A stop that someone ordered.

    Attributes:
        project: where it applies, empty for every project.
        selector: which Stages there, None for all.
        soft: whether running promotions park before their next step with an outside effect.
        until: when it ends by itself, None for never.
    """

    id: str
    owner: str
    reason: str
    since: AwareDatetime
    until: AwareDatetime | None = None
    project: str = ""
    selector: StageSelector | None = None
    soft: bool = False

    def __str__(self) -> str:
        until = f" until {self.until.isoformat(timespec='seconds')}" if self.until else ""
        return f"frozen by {self.owner}{until}: {self.reason}"

    def applies(self, stage: StageRef, now: datetime) -> bool:
        """Return whether the freeze holds a Stage now."""
        if self.since > now or (self.until is not None and self.until <= now):
            return False
        if self.project and self.project != stage.project:
            return False
        return self.selector is None or self.selector.selects(stage.name, stage.labels)


class FreezeVerdict(Model):
    """Whether a Stage is frozen.

    Attributes:
        soft: whether what runs must park too.
        until: when the last freeze ends by itself; None if one does not, or if nothing is frozen.
        reason: who froze it and why, empty if nothing is frozen.
    """

    frozen: bool = False
    soft: bool = False
    until: AwareDatetime | None = None
    reason: str = ""


def freeze_verdict(freezes: Iterable[Freeze], stage: StageRef, now: datetime) -> FreezeVerdict:
    """Return whether a Stage is frozen now, by whom, and until when at least."""
    applying = [freeze for freeze in freezes if freeze.applies(stage, now)]
    if not applying:
        return FreezeVerdict()
    ends = [freeze.until for freeze in applying]
    known = [end for end in ends if end is not None]
    return FreezeVerdict(
        frozen=True,
        soft=any(freeze.soft for freeze in applying),
        until=max(known) if len(known) == len(ends) else None,
        reason="; ".join(map(str, applying)),
    )


def next_freeze_change(freezes: Iterable[Freeze], now: datetime) -> datetime | None:
    """Return when a freeze begins or ends next, None if none will."""
    times = (time for freeze in freezes for time in (freeze.since, freeze.until))
    return min((time for time in times if time is not None and time > now), default=None)
