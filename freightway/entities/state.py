"""What every entity carries across continue-as-new: the commands it has applied and its last events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from freightway.entities.events import Event, EventLog, Reason

KEPT_COMMANDS = 128
"""How many applied commands an entity remembers. A client repeats a command within seconds; with at most eight
commands in flight this is far more than can come between a command and its repetition."""


class EntityState(BaseModel):
    """Base of an entity's state: mutable inside its workflow, plain JSON when it continues as new.

    Attributes:
        began: when the entity was first started, in milliseconds since 1970 UTC; 0 where it does not matter.
        seen: id of each applied command and the answer it got, oldest first.
    """

    model_config = ConfigDict(
        extra="ignore", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )

    project: str = ""
    name: str = ""
    generation: int = 0
    began: int = 0
    retired: bool = False
    seen: dict[str, dict[str, Any]] = Field(default_factory=dict)
    log: EventLog = Field(default_factory=EventLog)

    @property
    def told_generation(self) -> int:
        """The generation as others are told it: one of an entity that was started anew is later than all before."""
        return self.began + self.generation

    def answered(self, command_id: str) -> dict[str, Any] | None:
        """Return the answer that the command of this id got, None if it was not applied yet."""
        return self.seen.get(command_id) if command_id else None

    def remember(self, command_id: str, answer: dict[str, Any]) -> None:
        """Keep the answer to a command; the oldest beyond the limit is forgotten."""
        if not command_id:
            return
        self.seen[command_id] = answer
        while len(self.seen) > KEPT_COMMANDS:
            del self.seen[next(iter(self.seen))]

    def emit(
        self, at: datetime, entity: str, reason: Reason, message: str, *, actor: str = "", **facts: Any
    ) -> None:
        """Record an event. ``facts`` are fields of Event or, otherwise, entries of its detail."""
        named = {key: facts.pop(key) for key in ("stage", "freight", "promotion") if key in facts}
        event = Event(
            sequence=0,
            at=at,
            entity=entity,
            reason=reason,
            message=message,
            actor=actor,
            project=self.project,
            detail=facts,
            **named,
        )
        self.log = self.log.add(event)
