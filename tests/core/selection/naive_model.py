"""A naive model of Freight and Stages: it keeps every event and answers by reading all of them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["enter", "leave", "verify", "withdraw", "approve"]


@dataclass
class Event:
    at: datetime
    kind: Kind
    freight: str
    stage: str


@dataclass
class Wish:
    """What a Stage asks for: directly, or from Stages."""

    origin: str
    direct: bool
    stages: tuple[str, ...]
    needs_all: bool
    soak: timedelta | None


@dataclass
class NaiveModel:
    wishes: dict[str, list[Wish]]
    control_flow: frozenset[str]
    origins: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    _about: dict[tuple[str, str], list[Event]] = field(default_factory=dict)

    def note(self, at: datetime, kind: Kind, freight: str, stage: str) -> None:
        event = Event(at, kind, freight, stage)
        self.events.append(event)
        self._about.setdefault((freight, stage), []).append(event)

    def about(self, freight: str, stage: str) -> list[Event]:
        return self._about.get((freight, stage), [])

    def count(self, freight: str) -> int:
        """How many events there are of Freight."""
        return sum(len(events) for (name, _), events in self._about.items() if name == freight)

    def verified_since(self, freight: str, stage: str) -> datetime | None:
        since = None
        for event in self.about(freight, stage):
            if event.kind == "verify" and since is None:
                since = event.at
            if event.kind == "withdraw":
                since = None
        return since

    def soak(self, freight: str, stage: str, now: datetime) -> timedelta:
        """The longest stay that counts: finished while verified, or going on."""
        since = self.verified_since(freight, stage)
        if since is None:
            return timedelta(0)
        if stage in self.control_flow:
            return now - since
        longest, entered, verified = timedelta(0), None, False
        for event in self.about(freight, stage):
            if event.kind == "enter":
                entered = entered or event.at
            elif event.kind == "verify":
                verified = True
            elif event.kind == "withdraw":
                longest, verified = timedelta(0), False
            elif event.kind == "leave" and entered is not None:
                longest = max(longest, event.at - entered) if verified else longest
                entered = None
        return max(longest, now - entered) if entered is not None else longest

    def passes(self, freight: str, stage: str, soak: timedelta | None, now: datetime) -> bool:
        if self.verified_since(freight, stage) is None:
            return False
        return soak is None or self.soak(freight, stage, now) >= soak

    def available(self, freight: str, stage: str, now: datetime) -> bool:
        for wish in self.wishes[stage]:
            if wish.origin != self.origins[freight]:
                continue
            if wish.direct or any(event.kind == "approve" for event in self.about(freight, stage)):
                return True
            answers = [self.passes(freight, upstream, wish.soak, now) for upstream in wish.stages]
            return all(answers) if wish.needs_all else any(answers)
        return False
