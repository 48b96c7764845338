"""How commands and questions reach the entities, and what is said when nothing answers or nothing is there.

A command is repeated while an entity continues as new, at most eight are in flight to one entity, and whatever goes
wrong becomes an error of :mod:`freightway.errors` within twenty seconds.
"""

from __future__ import annotations

import asyncio
import getpass
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    QueryRejectCondition,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from freightway import names
from freightway.entities.about import ABOUT
from freightway.entities.messages import Done, TargetRequest
from freightway.errors import FreightwayError, NotFound, NotReady, Refused
from freightway.search_attributes import PROJECT_ATTRIBUTE
from freightway.stuck import stuck_with

AT_ONCE = 8
"""Updates in flight to one entity; the server slows to a halt beyond ten."""

ANSWER_WITHIN = timedelta(seconds=20)
"""How long a command or question waits for a worker's answer, if the caller says nothing else."""

HEARD_WITHIN = timedelta(seconds=10)
"""How long a command is sent again while what it needs is on its way, such as Freight to a Stage just applied."""

_SHOWN_NAMES = 10
_ENTITIES = {"project": "Project", "warehouse": "Warehouse", "stage": "Stage"}
_WORDS = {"warehouse": "Warehouse", "stage": "Stage"}
_SLOW = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_PASSING = (
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.UNAVAILABLE,
)
AnswerT = TypeVar("AnswerT", bound=BaseModel)

_BETWEEN_RUNS = 100
"""Tries of a query that meets an entity between two runs; five seconds in all."""

PAGE = 1000
"""Workflows in one page of a list; the server gives no more."""


class Transport:
    """Sends updates and queries, and lists workflows.

    Args:
        client: a Temporal client that speaks pydantic (``freightway.connection.connect``).
        actor: who asks; the name of the operating system's user if empty.
        answer_within: how long a command or question waits for a worker's answer.
    """

    def __init__(self, client: Client, *, actor: str = "", answer_within: timedelta = ANSWER_WITHIN) -> None:
        self.client = client
        self.answer_within = answer_within
        self.actor = actor or _user()
        self.page_size = PAGE
        self._slots: dict[str, asyncio.Semaphore] = {}

    # -- lists -----------------------------------------------------------------------------------------------------

    async def rows(
        self, kind: str, project: str = "", *, stage: str = "", limit: int = 0, running: bool = False
    ) -> list[dict[str, Any]]:
        """Return what ``get`` shows: the memo of each entity or promotion, with its workflow id and start.

        Args:
            kind: ``Project``, ``Warehouse``, ``Stage``, ``Promotion`` or ``Verification``.
            limit: most rows, newest first; 0 for all.
            running: only what runs; of entities that is always so.
        """
        query = f'WorkflowType = "{kind}"'
        if running or kind in _ENTITIES.values():
            query += ' AND ExecutionStatus = "Running"'
        if project:
            query += f' AND FreightwayProject = "{_plain(project)}"'
        if stage:
            query += f' AND FreightwayStage = "{_plain(stage)}"'
        found: list[dict[str, Any]] = []
        token = b""
        try:
            while True:
                size = min(limit - len(found), self.page_size) if limit else self.page_size
                page = await self.client.workflow_service.list_workflow_executions(
                    ListWorkflowExecutionsRequest(
                        namespace=self.client.namespace, query=query, page_size=size, next_page_token=token
                    ),
                    retry=True,
                )
                found += await self._page(page.executions)
                token = page.next_page_token
                if not token or (limit and len(found) >= limit):
                    return found
        except RPCError as error:
            raise _server_error(error, self.client.namespace) from error

    async def _page(self, runs: Sequence[WorkflowExecutionInfo]) -> list[dict[str, Any]]:
        """Return the rows of one page of a list.

        The raw list, since the SDK's decodes every search attribute of every workflow twice: a third of a
        millisecond a row, which nobody looks at here.
        """
        shown = {
            run.execution.run_id: run.memo.fields[names.MEMO_KEY]
            for run in runs
            if names.MEMO_KEY in run.memo.fields
        }
        values = await self.client.data_converter.decode(list(shown.values())) if shown else []
        memos = dict(zip(shown, values, strict=True))
        return [
            {
                **(memos.get(run.execution.run_id) or {}),
                "workflowId": run.execution.workflow_id,
                "startedAt": run.start_time.ToDatetime(UTC).isoformat(),
                "status": WorkflowExecutionStatus(run.status).name if run.status else "",
            }
            for run in runs
        ]

    async def running(self, workflow_id: str) -> bool:
        """Return whether a workflow runs."""
        return await self.status(workflow_id) == WorkflowExecutionStatus.RUNNING.name

    async def status(self, workflow_id: str) -> str:
        """Return how a workflow stands (``RUNNING``, ``COMPLETED``, …), empty if there is none."""
        try:
            description = await self.client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return ""
            raise _server_error(error, self.client.namespace) from error
        return description.status.name if description.status else ""

    # -- commands --------------------------------------------------------------------------------------------------

    def _filled(self, request: Any) -> Any:
        return request.model_copy(update={"id": request.id or new_id(), "actor": request.actor or self.actor})

    async def _target(self, workflow_id: str, update: str, name: str) -> Done:
        return await self._update(workflow_id, update, self._filled(TargetRequest(name=name)), Done)

    async def _update(
        self, workflow_id: str, update: str, request: Any, answer: type[AnswerT], *, start: str = ""
    ) -> AnswerT:
        """Send a command until it is answered; ``start`` starts the entity of that type if it does not run."""
        slots = self._slots.setdefault(workflow_id, asyncio.Semaphore(AT_ONCE))
        async with slots:
            try:
                async with asyncio.timeout(self.answer_within.total_seconds()):
                    return await self._until_taken(workflow_id, update, request, answer, start)
            except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                raise await self.no_answer(workflow_id) from error

    async def _until_taken(
        self, workflow_id: str, update: str, request: Any, answer: type[AnswerT], start: str
    ) -> AnswerT:
        pause = 0.05
        loop = asyncio.get_running_loop()
        heard_by = loop.time() + HEARD_WITHIN.total_seconds()
        while True:
            try:
                return await self._send(workflow_id, update, request, answer, start)
            except WorkflowUpdateFailedError as error:
                said = refusal(error.cause)
                if said and (said.type != NotReady.__name__ or loop.time() >= heard_by):
                    raise Refused(said.message) from error
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    raise await self.missing(workflow_id) from error
                # An entity that continues as new, a busy or restarting server: the next try may succeed.
                if error.status not in _PASSING:
                    raise await self._refused_by_server(error, workflow_id) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    async def _send(
        self, workflow_id: str, update: str, request: Any, answer: type[AnswerT], start: str
    ) -> AnswerT:
        if not start:
            handle = self.client.get_workflow_handle(workflow_id)
            found: AnswerT = await handle.execute_update(update, request, id=request.id, result_type=answer)
            return found
        name = workflow_id.partition("/")[2] or workflow_id
        attributes = [SearchAttributePair(PROJECT_ATTRIBUTE, name)] if start == "Project" else []
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            start,
            {"name": name},
            id=workflow_id,
            task_queue=names.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes(attributes),
            static_summary=f"{start} {name}" if start != "Cluster" else "Cluster",
            static_details=ABOUT.get(start),
        )
        started: AnswerT = await self.client.execute_update_with_start_workflow(
            update, request, id=request.id, result_type=answer, start_workflow_operation=operation
        )
        return started

    # -- questions -------------------------------------------------------------------------------------------------

    async def _query(self, workflow_id: str, query: str, answer: Any, *args: Any) -> Any:
        for _ in range(_BETWEEN_RUNS):
            try:
                return await self._query_once(workflow_id, query, answer, *args)
            except WorkflowQueryRejectedError as error:
                if error.status != WorkflowExecutionStatus.CONTINUED_AS_NEW:
                    raise await self.missing(workflow_id) from error
            # The entity is between two runs: the next one answers in a moment.
            await asyncio.sleep(0.05)
        raise await self.no_answer(workflow_id)

    async def _query_once(self, workflow_id: str, query: str, answer: Any, *args: Any) -> Any:
        handle = self.client.get_workflow_handle(workflow_id)
        # An entity that was deleted is over and would still answer; a promotion that is over may be asked.
        is_entity = workflow_id.partition("/")[0] in _ENTITIES
        reject = QueryRejectCondition.NOT_OPEN if is_entity else None
        try:
            return await handle.query(
                query, *args, result_type=answer, reject_condition=reject, rpc_timeout=self.answer_within
            )
        except WorkflowQueryFailedError as error:
            raise Refused(str(error)) from error
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise await self.missing(workflow_id) from error
            if error.status in (*_SLOW, RPCStatusCode.FAILED_PRECONDITION):
                raise await self.no_answer(workflow_id) from error
            raise _server_error(error, self.client.namespace) from error

    # -- what is not there, or does not answer ---------------------------------------------------------------------

    async def no_answer(self, workflow_id: str) -> FreightwayError:
        """Return the error that says why nothing answered: what its task failed with, or that no worker took it."""
        problem = await stuck_with(self.client, workflow_id)
        if problem:
            return FreightwayError(
                f"{workflow_id} cannot go on, and is tried again and again: {problem}; nothing of it is lost"
            )
        return FreightwayError(
            f"{workflow_id} did not answer within {self.answer_within.total_seconds():g} s; is a worker running? "
            "start one with `freightway worker`"
        )

    async def _refused_by_server(self, error: RPCError, workflow_id: str) -> FreightwayError:
        if error.status in _SLOW:
            return await self.no_answer(workflow_id)
        return _server_error(error, self.client.namespace)

    async def missing(self, workflow_id: str) -> FreightwayError:
        """Return the error that says that something does not run, and what there is instead."""
        kind, _, name = workflow_id.partition("/")
        project, _, rest = name.partition("/")
        if kind == "cluster":
            return NotFound("resource", "cluster", "apply a cluster-wide resource first")
        projects = [str(row.get("name")) for row in await self.rows("Project")]
        if project not in projects or kind == "project":
            known = _listed(projects, "the projects are {}", "there is none yet: freightway apply -f FILE")
            return NotFound("project", project, known)
        if kind in ("promotion", "verification"):
            return await self._missing_run(kind, project, rest)
        rows = await self.rows(_ENTITIES.get(kind, kind), project)
        known = _listed((str(row.get("name")) for row in rows), "it has {}", "it has none")
        return NotFound(_WORDS.get(kind, kind), rest, f"in project {project!r}: {known}")

    async def _missing_run(self, kind: str, project: str, name: str) -> FreightwayError:
        status = await self.status(f"{kind}/{project}/{name}")
        if status and status != WorkflowExecutionStatus.RUNNING.name:
            rows = [row for row in await self.rows(kind.capitalize(), project) if row.get("name") == name]
            phase = rows[0].get("phase") if rows else ""
            ended = {"TERMINATED": "Aborted", "CANCELED": "Aborted"}.get(status) or phase or status.lower()
            return Refused(f"{kind} {name} is over: {ended}")
        newest = [str(row.get("name")) for row in await self.rows(kind.capitalize(), project, limit=5)]
        known = _listed(newest, "the newest are {}", "there is none yet")
        return NotFound(kind, name, f"in project {project!r}: {known}")


def refusal(cause: BaseException | None) -> ApplicationError | None:
    """Return what an entity said against an update; None if its run ended before it answered, so that it is asked again."""
    if isinstance(cause, ApplicationError) and cause.type != "AcceptedUpdateCompletedWorkflow":
        return cause
    return None


def new_id() -> str:
    """Return an id for a command."""
    return uuid.uuid4().hex


def _listed(found: Iterable[str], text: str, none: str) -> str:
    known = sorted(found)
    if not known:
        return none
    more = f" and {len(known) - _SHOWN_NAMES} more" if len(known) > _SHOWN_NAMES else ""
    return text.format(", ".join(known[:_SHOWN_NAMES]) + more)


def _server_error(error: RPCError, namespace: str) -> FreightwayError:
    if "search attribute" in error.message.lower():
        return FreightwayError(
            f"namespace {namespace!r} is not prepared: a worker does that when it starts; start one with "
            "`freightway worker`"
        )
    if error.status == RPCStatusCode.NOT_FOUND and "namespace" in error.message.lower():
        return FreightwayError(
            f"namespace {namespace!r} not found; name yours with TEMPORAL_NAMESPACE, or create it: temporal operator "
            f"namespace create -n {namespace} --retention 90d"
        )
    if error.status in (*_SLOW, RPCStatusCode.UNAVAILABLE):
        return FreightwayError(
            "the Temporal server does not answer any more; start one with `freightway dev`"
        )
    return FreightwayError(f"Temporal refused: {error.message}")


def _plain(text: str) -> str:
    """A name as it may stand in a list query; anything else would change the query's meaning."""
    if not names.is_object_name(text):
        raise Refused(f"{text!r} is not a name")
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
