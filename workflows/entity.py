"""What every entity workflow does alike: take commands once, refuse what it does not know, show itself.

The rules that keep an entity alive whatever is sent to it: handlers are synchronous and only record, every
update has a validator, a handler turns any error into a refusal, unknown messages are refused, and ``run`` acts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeUpdate
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from freightway.entities.events import EventLog, Reason
    from freightway.entities.messages import Command
    from freightway.entities.state import EntityState
    from freightway.errors import FreightwayError

_SUMMARY_KEY = "freightway"
_KNOWN = "; see docs/temporal.md for the messages of each workflow"

AnswerT = TypeVar("AnswerT", bound=BaseModel)


def refused(message: str) -> ApplicationError:
    """An error that refuses a command: a sentence, never a stack trace, never retried."""
    return ApplicationError(message, type="Refused", non_retryable=True)


class Entity:
    """Base of the entity workflows."""

    state: EntityState

    def __init__(self) -> None:
        self._shown: dict[str, Any] = {}
        self._attributes: list[str] = []
        self._details = ""
        self.dirty = True

    # -- commands ----------------------------------------------------------------------------------------

    def apply_once(
        self, command: Command | None, act: Callable[[], AnswerT], answer: type[AnswerT]
    ) -> AnswerT:
        """Apply a command unless it was applied before, and give its answer; any error becomes a refusal."""
        command_id = command.id if command else ""
        before = self.state.answered(command_id)
        if before is not None:
            return answer.model_validate(before)
        try:
            result = act()
        except FailureError:
            raise
        except FreightwayError as error:
            raise refused(str(error)) from error
        except Exception as error:
            workflow.logger.exception("a command failed")
            raise refused(f"internal error: {type(error).__name__}: {error}") from error
        self.state.remember(command_id, result.model_dump(mode="json", by_alias=True))
        self.dirty = True
        return result

    def check(self, command: Command | None, rule: Callable[[], None]) -> None:
        """Run a validator's rule; a command that was applied before is let through to its old answer."""
        if command is None:
            raise refused("this update needs an argument" + _KNOWN)
        if self.state.answered(command.id) is not None:
            return
        if self.state.retired:
            raise refused(f"{workflow.info().workflow_id} is being deleted")
        try:
            rule()
        except FailureError:
            raise
        except FreightwayError as error:
            raise refused(str(error)) from error
        except Exception as error:
            raise refused(f"{type(error).__name__}: {error}") from error

    @workflow.update(dynamic=True)
    def any_update(self, name: str, args: Sequence[RawValue]) -> None:
        """Never runs: its validator refuses every update without a name of its own."""

    @any_update.validator
    def _refuse_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        raise refused(f"{workflow.info().workflow_type} has no update {name!r}{_KNOWN}")

    @workflow.signal(dynamic=True)
    def any_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Drop a signal of an unknown name."""
        workflow.logger.warning("dropped the unknown signal %s", name)

    @workflow.query
    def events(self) -> EventLog:
        """The entity's last events."""
        return self.state.log

    # -- events and what people see ------------------------------------------------------------------------

    def emit(self, reason: Reason, message: str, *, actor: str = "", **facts: Any) -> None:
        """Record an event of this entity, now."""
        self.state.emit(workflow.now(), workflow.info().workflow_id, reason, message, actor=actor, **facts)
        self.dirty = True

    def show(
        self, summary: dict[str, Any], attributes: Sequence[SearchAttributeUpdate[Any]], details: str
    ) -> None:
        """Publish memo, search attributes and current details, each only if it changed."""
        if summary != self._shown:
            workflow.upsert_memo({_SUMMARY_KEY: summary})
            self._shown = summary
        marks = [f"{update.key.name}={update.value!r}" for update in attributes]
        if marks != self._attributes:
            workflow.upsert_search_attributes(list(attributes))
            self._attributes = marks
        if details != self._details:
            workflow.set_current_details(details)
            self._details = details

    # -- life -------------------------------------------------------------------------------------------------

    async def wait_for_work(self, ready: Callable[[], bool], until: datetime | None, summary: str) -> None:
        """Sleep until there is work, the instant ``until`` or the time to continue as new."""
        timeout = max((until - workflow.now()).total_seconds(), 0.001) if until else None
        try:
            await workflow.wait_condition(
                lambda: ready() or workflow.info().is_continue_as_new_suggested(),
                timeout=timedelta(seconds=timeout) if timeout is not None else None,
                timeout_summary=summary or None,
            )
        except TimeoutError:
            return

    async def continue_if_suggested(self, idle: bool) -> None:
        """Continue as new when Temporal suggests it, nothing is under way and all handlers are done."""
        if not (idle and workflow.info().is_continue_as_new_suggested()):
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.state, memo={_SUMMARY_KEY: self._shown})
