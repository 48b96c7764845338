"""What every entity workflow does alike: take commands once, refuse what it does not know, show itself.

The rules that keep an entity alive whatever is sent to it: handlers are synchronous and only record, every
update has a validator, a handler turns any error into a refusal, unknown messages are refused, and ``run`` acts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeUpdate
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ValidationError

    from freightway import names
    from freightway.entities.events import EventLog, Reason
    from freightway.entities.input_errors import argument_sentence, input_sentence
    from freightway.entities.messages import Command, check_size
    from freightway.entities.state import EntityState
    from freightway.errors import FreightwayError, NotReady

from freightway.workflows import options

_KNOWN = "; see docs/temporal.md for the messages of each workflow"

AnswerT = TypeVar("AnswerT", bound=BaseModel)
OwnerT = TypeVar("OwnerT")
MessageT = TypeVar("MessageT")


def refused(message: str) -> ApplicationError:
    """An error that refuses a command: a sentence, never a stack trace, never retried."""
    return ApplicationError(message, type="Refused", non_retryable=True)


def tolerant(handler: Callable[[OwnerT, MessageT], None]) -> Callable[[OwnerT, MessageT], None]:
    """Make a signal handler drop a message that it cannot take: nothing that is sent may stop a workflow."""

    @functools.wraps(handler)
    def guarded(self: OwnerT, message: MessageT = None, *more: Any) -> None:  # type: ignore[assignment]
        try:
            if more:
                raise FreightwayError(f"a single input is wanted, not {1 + len(more)}")
            handler(self, message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the workflow goes on
            workflow.logger.exception("dropped the signal %s", handler.__name__)
            if isinstance(self, Entity):
                self.problem = f"dropped the signal {handler.__name__}: {_sentence(error)}"
                self.dirty = True

    return guarded


class Entity:
    """Base of the entity workflows."""

    state: EntityState

    def __init__(self) -> None:
        self.problem = ""
        self._broken: datetime | None = None
        self._stained = False
        self._pause = options.INTERVALS.after_error
        self._suggested_at = 0
        self._shown: dict[str, Any] = {}
        self._attributes: dict[str, Any] = {}
        if not workflow.info().continued_run_id:
            self._take_shown()
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
            raise refused(f"internal error: {_sentence(error)}") from error
        kept = result.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        # Plans would fill the state; the answer to a command that is sent again does without.
        kept.pop("plan", None)
        self.state.remember(command_id, kept)
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
            check_size(command)
            rule()
        except FailureError:
            raise
        except NotReady as error:
            raise ApplicationError(str(error), type=NotReady.__name__, non_retryable=True) from error
        except FreightwayError as error:
            raise refused(str(error)) from error
        except Exception as error:
            raise refused(_sentence(error)) from error

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
            workflow.upsert_memo({names.MEMO_KEY: summary})
            self._shown = summary
        # An empty list and none at all are the same to the server.
        values = {update.key.name: update.value for update in attributes if update.value}
        if values != self._attributes:
            workflow.upsert_search_attributes(list(attributes))
            self._attributes = values
        if details != self._details:
            workflow.set_current_details(details)
            self._details = details

    def _take_shown(self) -> None:
        """Take it that what was given at the start is shown already."""
        self._shown = dict(workflow.memo_value(names.MEMO_KEY, {}))
        self._attributes = {pair.key.name: pair.value for pair in workflow.info().typed_search_attributes}

    # -- life -------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Act on what the handlers recorded, until the entity is over."""
        while not self._is_over():
            await self._turn()
            if self._is_over():
                return
            await self._continue_if_suggested()
            await self._wait_for_work()

    async def _turn(self) -> None:
        """Act once. An error is shown and tried again later; it never ends the entity."""
        try:
            await self._act()
            self._publish()
        except Exception as error:
            if is_cancelled_exception(error) or isinstance(error, workflow.NondeterminismError):
                raise
            workflow.logger.exception("an entity's turn failed")
            self.problem = f"internal error: {_sentence(error)}"
            self._broken = workflow.now() + self._pause
            self._pause = min(2 * self._pause, options.INTERVALS.after_errors)
            self._stained = True
            with suppress(Exception):
                self._publish()
        else:
            self._broken = None
            self._pause = options.INTERVALS.after_error

    async def _act(self) -> None:
        raise NotImplementedError

    def _publish(self) -> None:
        raise NotImplementedError

    def _has_work(self) -> bool:
        return self.dirty

    def _is_idle(self) -> bool:
        """Whether nothing is under way that the next run would not know of."""
        return not self._has_work()

    def _is_over(self) -> bool:
        return self.state.retired and not self._has_work()

    def _let_go(self) -> None:
        """Make ready to continue as new although something is under way; only for a history that grows too long."""

    async def _put_aside(self) -> None:
        """End what runs beside the loop; the next run begins it again."""

    def _next_moment(self) -> datetime | None:
        """When the passing of time alone may change something."""
        return None

    def _next_state(self) -> EntityState:
        return self.state

    async def _wait_for_work(self) -> None:
        """Sleep until there is work, until time changes something, or until it is time to continue as new."""
        if self._broken is not None:
            self.dirty = False
            await self._sleep_until(self._broken, lambda: self.dirty, "the next try after an internal error")
            return
        may_continue = self._is_idle()
        await self._sleep_until(
            self._next_moment(),
            lambda: (
                self._has_work()
                or self._must_continue()
                or (may_continue and workflow.info().is_continue_as_new_suggested())
            ),
            "until something may change",
        )

    async def _sleep_until(self, until: datetime | None, ready: Callable[[], bool], what_for: str) -> None:
        timeout = max((until - workflow.now()).total_seconds(), 0.001) if until else None
        try:
            await workflow.wait_condition(
                ready,
                timeout=timedelta(seconds=timeout) if timeout is not None else None,
                timeout_summary=what_for if until else None,
            )
        except TimeoutError:
            return

    def _must_continue(self) -> bool:
        """Whether the history has become twice as long as when Temporal first suggested to continue as new."""
        info = workflow.info()
        if not info.is_continue_as_new_suggested():
            return False
        length = info.get_current_history_length()
        self._suggested_at = self._suggested_at or length
        return length >= 2 * self._suggested_at

    def _is_carried(self) -> bool:
        """Whether all that is still to be done is in the state, so that the next run can do it."""
        return True

    def _must_leave(self) -> bool:
        """Whether a new run must begin although something is to be done: messages come faster than they are acted on."""
        return self._must_continue() and self._is_carried()

    def _may_leave(self) -> bool:
        return not self._has_work() or self._broken is not None or self._must_leave()

    async def _continue_if_suggested(self) -> None:
        """Continue as new when Temporal suggests it and nothing is under way, or in any case before it is too late."""
        if not self._may_leave():
            return
        # A history with an error in it is left behind: corrected code would not come to the same commands.
        wanted = workflow.info().is_continue_as_new_suggested() or (self._stained and self._broken is None)
        if not (self._is_idle() and wanted):
            if not self._must_continue():
                return
            self._let_go()
        await self._put_aside()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._may_leave():
            return
        self.continue_as(self._next_state())

    def continue_as(self, state: EntityState) -> None:
        """Go on in a new run with this state."""
        workflow.continue_as_new(state, memo={names.MEMO_KEY: self._shown})


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return input_sentence(error)
    if isinstance(error, TypeError) and argument_sentence(error):
        return argument_sentence(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def check_identity(prefix: str, parts: int) -> list[str]:
    """Return the names in the workflow id of an entity, such as ``stage/demo/dev``.

    Raises:
        ApplicationError: if a person started the entity under an id that it does not go by.
    """
    found = workflow.info().workflow_id.split("/")
    if len(found) != parts or found[0] != prefix or not all(map(names.is_object_name, found[1:])):
        shape = {1: prefix, 2: f"{prefix}/<project>", 3: f"{prefix}/<project>/<name>"}[parts]
        raise refused(
            f"a {workflow.info().workflow_type} goes by the workflow id {shape}, not "
            f"{workflow.info().workflow_id!r}; it is started by freightway apply"
        )
    return found[1:]
