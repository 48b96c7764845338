"""What people can do: one method for each command and question, over a Temporal client.

The one door of the command line and of every other face. Commands carry an id, are repeated while an entity
continues as new, and at most eight of them are in flight to one entity.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from freightway import contracts, names
from freightway.entities.events import Event, EventLog
from freightway.entities.freight import FreightRecord, tell_apart
from freightway.entities.messages import (
    AliasRequest,
    AnswerRequest,
    ApplyAnswer,
    ApplyRequest,
    ApproveRequest,
    CreateFreightRequest,
    DeleteRequest,
    Done,
    FreezeRequest,
    HoldRequest,
    PromoteAnswer,
    PromoteRequest,
    PromotionEnded,
    RefreshRequest,
    RepairRequest,
    TargetRequest,
)
from freightway.entities.project import CLUSTER_KINDS, Known
from freightway.entities.stage import StageState
from freightway.errors import FreightwayError, NotFound, Refused
from freightway.promotion.progress import Progress
from freightway.selection.availability import Verdict

AT_ONCE = 8
"""Updates in flight to one entity; the server slows to a halt beyond ten."""

ANSWER_WITHIN = timedelta(seconds=20)
"""How long a command or question waits for a worker's answer."""

PART_BYTES = 1_000_000
"""Largest part of an ``apply``; the payload limit of a server is two megabytes."""

_TRIES = 12
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Freightway:
    """The commands and questions of people.

    Args:
        client: a Temporal client that speaks pydantic (``freightway.connection.connect``).
        actor: who asks; the name of the operating system's user if empty.
    """

    def __init__(self, client: Client, *, actor: str = "") -> None:
        self.client = client
        self.actor = actor or _user()
        self._slots: dict[str, asyncio.Semaphore] = {}

    # -- applying --------------------------------------------------------------------------------------------------

    async def apply(
        self, documents: Iterable[Mapping[str, Any]], *, dry_run: bool = False
    ) -> dict[str, ApplyAnswer]:
        """Apply resources in Kargo's JSON form; returns what changed by project, ``""`` for the cluster.

        Each project's resources are committed as a whole or not at all.

        Raises:
            Refused: if a project refuses its resources, with the reason.
        """
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for document in documents:
            groups.setdefault(_project_of(document), []).append(document)
        answers = {}
        # The cluster first: what a project refers to must be there.
        for project in sorted(groups):
            answers[project] = await self._apply_group(project, groups[project], dry_run=dry_run)
        return answers

    async def _apply_group(
        self, project: str, documents: list[Mapping[str, Any]], *, dry_run: bool
    ) -> ApplyAnswer:
        upload = uuid.uuid4().hex
        parts = list(_parts(documents))
        answer = ApplyAnswer()
        for number, part in enumerate(parts, start=1):
            request = ApplyRequest(
                id=f"{upload}/{number}",
                actor=self.actor,
                project=project,
                documents=tuple(dict(document) for document in part),
                upload=upload,
                more=number < len(parts),
                dry_run=dry_run,
            )
            kind, workflow_id = (
                ("Project", names.project_id(project)) if project else ("Cluster", names.CLUSTER_ID)
            )
            answer = await self._update(workflow_id, "apply", request, ApplyAnswer, start=kind)
        return answer

    async def delete(
        self, project: str, targets: Iterable[str] = (), *, everything: bool = False, dry_run: bool = False
    ) -> ApplyAnswer:
        """Delete resources (``Stage/dev``) of a project, or all of it; an empty project means the cluster."""
        request = DeleteRequest(
            id=_new_id(),
            actor=self.actor,
            project=project,
            targets=tuple(targets),
            everything=everything,
            dry_run=dry_run,
        )
        workflow_id = names.project_id(project) if project else names.CLUSTER_ID
        return await self._update(workflow_id, "delete", request, ApplyAnswer)

    async def known(self, project: str) -> Known:
        """Return what a project has; an empty answer if it does not exist."""
        try:
            found: Known = await self._query(names.project_id(project), "known", Known)
        except NotFound:
            return Known()
        return found

    # -- commands --------------------------------------------------------------------------------------------------

    async def promote(self, request: PromoteRequest) -> PromoteAnswer:
        """Ask a Stage for a promotion."""
        return await self._stage(request, "promote", PromoteAnswer)

    async def rollback(self, request: PromoteRequest) -> PromoteAnswer:
        """Ask a Stage to go back to the last verified Freight, or to the one named."""
        return await self._stage(request, "rollback", PromoteAnswer)

    async def _stage(self, request: PromoteRequest, update: str, answer: type[AnswerT]) -> AnswerT:
        filled = request.model_copy(
            update={"id": request.id or _new_id(), "actor": request.actor or self.actor}
        )
        return await self._update(names.stage_id(request.project, request.stage), update, filled, answer)

    async def abort(self, project: str, promotion: str) -> Done:
        """End a promotion that waits or runs."""
        stage = names.stage_of_promotion(promotion)
        return await self._target(names.stage_id(project, stage), "abort", promotion)

    async def verify(self, project: str, stage: str) -> Done:
        """Verify again what a Stage holds."""
        return await self._target(names.stage_id(project, stage), "verify", "")

    async def abort_verification(self, project: str, stage: str) -> Done:
        """End a Stage's running verification."""
        return await self._target(names.stage_id(project, stage), "abort_verification", "")

    async def release(self, project: str, stage: str, hold: str = "") -> Done:
        """Release a hold of a Stage, or all of them."""
        return await self._target(names.stage_id(project, stage), "release", hold)

    async def hold(self, project: str, stage: str, request: HoldRequest) -> Done:
        """Hold a Stage."""
        return await self._update(names.stage_id(project, stage), "hold", self._filled(request), Done)

    async def freeze(self, project: str, request: FreezeRequest) -> Done:
        """Freeze Stages of a project; of every project if its name is empty."""
        return await self._update(_owner(project), "freeze", self._filled(request), Done)

    async def unfreeze(self, project: str, name: str) -> Done:
        """Lift a freeze."""
        return await self._target(_owner(project), "unfreeze", name)

    async def approve(self, project: str, stage: str, freight: str, reason: str = "") -> Done:
        """Make Freight available to a Stage without verification and soak."""
        record = await self.find_freight(project, freight)
        request = ApproveRequest(freight=record.name, stage=stage, reason=reason)
        return await self._update(
            names.warehouse_id(project, record.origin), "approve", self._filled(request), Done
        )

    async def create_freight(self, project: str, warehouse: str, freight: dict[str, Any]) -> Done:
        """Make Freight from chosen artifacts."""
        request = self._filled(CreateFreightRequest(freight=freight))
        return await self._update(names.warehouse_id(project, warehouse), "create_freight", request, Done)

    async def delete_freight(self, project: str, freight: str) -> Done:
        """Delete Freight that no Stage holds."""
        record = await self.find_freight(project, freight)
        return await self._target(names.warehouse_id(project, record.origin), "delete_freight", record.name)

    async def set_alias(self, project: str, freight: str, alias: str) -> Done:
        """Give Freight another alias."""
        record = await self.find_freight(project, freight)
        request = AliasRequest(freight=f"{record.name}@{record.origin}", alias=alias)
        return await self._update(names.project_id(project), "set_alias", self._filled(request), Done)

    async def refresh(self, project: str, kind: str, name: str) -> Done:
        """Have a Warehouse, a Stage or a promotion look again now."""
        ids = {"warehouse": names.warehouse_id, "stage": names.stage_id, "promotion": names.promotion_id}
        return await self._update(ids[kind](project, name), "refresh", self._filled(RefreshRequest()), Done)

    async def repair(self, project: str, promotion: str, request: RepairRequest) -> Done:
        """Retry, skip or abort the failed step of a parked promotion."""
        return await self._update(
            names.promotion_id(project, promotion), "repair", self._filled(request), Done
        )

    async def answer_promotion(self, project: str, promotion: str, request: AnswerRequest) -> Done:
        """Approve or reject at a step that waits for a person."""
        return await self._update(
            names.promotion_id(project, promotion), "answer", self._filled(request), Done
        )

    async def answer_verification(self, project: str, stage: str, request: AnswerRequest) -> Done:
        """Approve or reject the question of a running verification."""
        state = await self.stage(project, stage)
        if state.verifying is None:
            raise Refused(f"no verification is running in Stage {stage!r}")
        workflow_id = names.verification_id(project, stage, state.verifying.id)
        return await self._update(workflow_id, "answer", self._filled(request), Done)

    # -- questions -------------------------------------------------------------------------------------------------

    async def rows(
        self, kind: str, project: str = "", *, stage: str = "", limit: int = 0
    ) -> list[dict[str, Any]]:
        """Return what ``get`` shows: the memo of each entity or promotion, with its workflow id and start.

        Args:
            kind: ``Project``, ``Warehouse``, ``Stage``, ``Promotion`` or ``Verification``.
            limit: most rows, newest first; 0 for all.
        """
        query = f'WorkflowType = "{kind}"'
        if kind in ("Project", "Warehouse", "Stage"):
            query += ' AND ExecutionStatus = "Running"'
        if project:
            query += f' AND FreightwayProject = "{_plain(project)}"'
        if stage:
            query += f' AND FreightwayStage = "{_plain(stage)}"'
        found = []
        async for run in self.client.list_workflows(query, page_size=1000, limit=limit or None):
            memo = (await run.memo()).get("freightway") or {}
            status = run.status.name if run.status else ""
            found.append(
                {**memo, "workflowId": run.id, "startedAt": run.start_time.isoformat(), "status": status}
            )
        return found

    async def freight(self, project: str, warehouse: str = "") -> list[FreightRecord]:
        """Return the Freight of a project, or of one Warehouse, newest first."""
        origins = [warehouse] if warehouse else (await self.known(project)).warehouses
        if not origins and not (await self.known(project)).exists:
            raise NotFound("project", project, "apply it first: freightway apply -f FILE")
        found: list[FreightRecord] = []
        for origin in origins:
            records = await self._query(
                names.warehouse_id(project, origin), "freight", dict[str, FreightRecord]
            )
            found += records.values()
        return sorted(found, key=lambda record: record.age_key, reverse=True)

    async def find_freight(self, project: str, text: str) -> FreightRecord:
        """Return the Freight of this name, alias or first digits.

        Raises:
            NotFound: if there is none.
            Refused: if the text may mean several.
        """
        records = {record.name: record for record in await self.freight(project)}
        found = tell_apart(records, text)
        if not found:
            newest = ", ".join(record.label for record in list(records.values())[:5]) or "none"
            raise NotFound("Freight", text, f"the newest of project {project!r} are: {newest}")
        if len(found) > 1:
            raise Refused(
                f"{text!r} may mean {' and '.join(record.label for record in found)}; give more digits"
            )
        return found[0]

    async def stage(self, project: str, stage: str) -> StageState:
        """Return everything a Stage knows."""
        found: StageState = await self._query(names.stage_id(project, stage), "describe", StageState)
        return found

    async def explain(self, project: str, stage: str, freight: str = "") -> list[Verdict]:
        """Return whether Freight may come to a Stage, with every condition."""
        found: list[Verdict] = await self._query(
            names.stage_id(project, stage), "explain", list[Verdict], {"freight": freight}
        )
        return found

    async def progress(self, project: str, promotion: str) -> Progress | None:
        """Return how far a promotion has come."""
        workflow_id = names.promotion_id(project, promotion)
        found: Progress | None = await self._query(workflow_id, "progress", Progress | None)
        return found

    async def events(self, project: str) -> list[Event]:
        """Return the last events of a project and all its entities, oldest first."""
        entities = [names.project_id(project)]
        for kind in ("Warehouse", "Stage"):
            entities += [row["workflowId"] for row in await self.rows(kind, project)]
        logs = await asyncio.gather(*(self._query(entity, "events", EventLog) for entity in entities))
        merged = [event for log in logs for event in log.events]
        return sorted(merged, key=lambda event: (event.at, event.entity, event.sequence))

    async def wait_for_promotion(
        self, project: str, promotion: str, *, stage: str = "", timeout: float | None = None
    ) -> PromotionEnded:
        """Wait for the end of a promotion, one that still waits in the queue included.

        Raises:
            TimeoutError: if it has not ended within ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                handle = self.client.get_workflow_handle(names.promotion_id(project, promotion))
                try:
                    await handle.describe()
                    break
                except RPCError as error:
                    if error.status != RPCStatusCode.NOT_FOUND:
                        raise
                ended = await self._ended_in_queue(
                    project, stage or names.stage_of_promotion(promotion), promotion
                )
                if ended is not None:
                    return ended
                await asyncio.sleep(0.5)
            return await self._result(handle, promotion)

    async def _ended_in_queue(self, project: str, stage: str, promotion: str) -> PromotionEnded | None:
        state = await self.stage(project, stage)
        for item in state.finished:
            if item.promotion == promotion:
                return PromotionEnded(
                    promotion=promotion,
                    phase=item.phase.value,
                    message=item.message,
                    freight=item.freight,
                    finished_at=item.finished_at,
                )
        waits = any(item.promotion == promotion for item in state.queue)
        runs = state.current is not None and state.current.promotion == promotion
        if not (waits or runs):
            raise NotFound("promotion", promotion, f"Stage {stage!r} does not know it")
        return None

    async def _result(self, handle: Any, promotion: str) -> PromotionEnded:
        try:
            result = await handle.result()
        except WorkflowFailureError as error:
            cause = error.cause
            detail = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else None
            if isinstance(detail, dict):
                result = detail
            else:
                return PromotionEnded(promotion=promotion, phase="Aborted", message=str(cause))
        return PromotionEnded(
            promotion=promotion,
            phase=str(result.get("phase")),
            message=str(result.get("message") or ""),
            freight=str((result.get("freight") or {}).get("name") or ""),
        )

    # -- how it is sent --------------------------------------------------------------------------------------------

    def _filled(self, request: Any) -> Any:
        return request.model_copy(
            update={"id": request.id or _new_id(), "actor": request.actor or self.actor}
        )

    async def _target(self, workflow_id: str, update: str, name: str) -> Done:
        return await self._update(workflow_id, update, self._filled(TargetRequest(name=name)), Done)

    async def _update(
        self, workflow_id: str, update: str, request: Any, answer: type[AnswerT], *, start: str = ""
    ) -> AnswerT:
        """Send a command until it is answered; ``start`` starts the entity of that type if it does not run."""
        slots = self._slots.setdefault(workflow_id, asyncio.Semaphore(AT_ONCE))
        async with slots:
            for attempt in range(_TRIES):
                try:
                    async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                        return await self._send(workflow_id, update, request, answer, start)
                except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                    raise FreightwayError(
                        f"{workflow_id} did not answer within {ANSWER_WITHIN.total_seconds():g} s; is a worker "
                        "running? start one with `freightway worker`"
                    ) from error
                except WorkflowUpdateFailedError as error:
                    cause = error.cause
                    if (
                        isinstance(cause, ApplicationError)
                        and cause.type != "AcceptedUpdateCompletedWorkflow"
                    ):
                        raise Refused(cause.message) from error
                except RPCError as error:
                    _raise_unless_passing(error, workflow_id)
                await asyncio.sleep(min(0.05 * 2**attempt, 1.0))
        raise FreightwayError(f"{workflow_id} is too busy to answer; try again")

    async def _send(
        self, workflow_id: str, update: str, request: Any, answer: type[AnswerT], start: str
    ) -> AnswerT:
        if not start:
            handle = self.client.get_workflow_handle(workflow_id)
            found: AnswerT = await handle.execute_update(update, request, id=request.id, result_type=answer)
            return found
        name = workflow_id.partition("/")[2] or workflow_id
        attributes = [SearchAttributePair(contracts.PROJECT_ATTRIBUTE, name)] if start == "Project" else []
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            start,
            {"name": name},
            id=workflow_id,
            task_queue=names.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes(attributes),
            static_summary=f"{start} {name}" if start != "Cluster" else "Cluster",
        )
        started: AnswerT = await self.client.execute_update_with_start_workflow(
            update, request, id=request.id, result_type=answer, start_workflow_operation=operation
        )
        return started

    async def _query(self, workflow_id: str, query: str, answer: Any, *args: Any) -> Any:
        handle = self.client.get_workflow_handle(workflow_id)
        try:
            return await handle.query(query, *args, result_type=answer, rpc_timeout=ANSWER_WITHIN)
        except WorkflowQueryFailedError as error:
            raise Refused(str(error)) from error
        except WorkflowQueryRejectedError as error:
            raise FreightwayError(f"{workflow_id} did not answer: {error}") from error
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise _not_found(workflow_id) from error
            if error.status in (
                RPCStatusCode.DEADLINE_EXCEEDED,
                RPCStatusCode.CANCELLED,
                RPCStatusCode.FAILED_PRECONDITION,
            ):
                raise FreightwayError(
                    f"{workflow_id} did not answer; is a worker running? start one with `freightway worker`"
                ) from error
            raise FreightwayError(f"Temporal did not answer: {error}") from error

    async def running(self, workflow_id: str) -> bool:
        """Return whether a workflow runs."""
        try:
            description = await self.client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return description.status == WorkflowExecutionStatus.RUNNING

    async def follow_events(self, project: str, *, every: float = 1.0) -> AsyncIterator[Event]:
        """Yield the events of a project, the known ones first, then each new one; never ends by itself."""
        seen: dict[str, int] = {}
        while True:
            for event in await self.events(project):
                if event.sequence > seen.get(event.entity, 0):
                    seen[event.entity] = event.sequence
                    yield event
            await asyncio.sleep(every)


def _raise_unless_passing(error: RPCError, workflow_id: str) -> None:
    """Let pass what another try may mend: an entity that continues as new, a busy or restarting server."""
    passing = (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE)
    if error.status in passing:
        return
    if error.status == RPCStatusCode.NOT_FOUND:
        raise _not_found(workflow_id) from error
    if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
        raise FreightwayError(
            f"{workflow_id} did not answer; is a worker running? start one with `freightway worker`"
        ) from error
    raise FreightwayError(f"Temporal refused: {error.message}") from error


def _not_found(workflow_id: str) -> NotFound:
    kind, _, name = workflow_id.partition("/")
    project, _, rest = name.partition("/")
    if kind == "project":
        return NotFound("project", project, "apply it first: freightway apply -f FILE")
    if kind == "cluster":
        return NotFound("resource", "cluster", "apply a cluster-wide resource first")
    return NotFound(
        {"stage": "Stage", "warehouse": "Warehouse"}.get(kind, kind),
        rest,
        f"in project {project!r}; see: freightway get {kind}s",
    )


def _owner(project: str) -> str:
    return names.project_id(project) if project else names.CLUSTER_ID


def _project_of(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata") or {}
    if document.get("kind") in CLUSTER_KINDS:
        return ""
    if document.get("kind") == "Project":
        return str(metadata.get("name") or "")
    return str(metadata.get("namespace") or "")


def _parts(documents: list[Mapping[str, Any]]) -> Iterable[list[Mapping[str, Any]]]:
    part: list[Mapping[str, Any]] = []
    size = 0
    for document in documents:
        length = len(json.dumps(document).encode())
        if part and size + length > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(document)
        size += length
    yield part


def _plain(text: str) -> str:
    """A name as it may stand in a list query; anything else would change the query's meaning."""
    if not names.is_object_name(text):
        raise Refused(f"{text!r} is not a name")
    return text


def _new_id() -> str:
    return uuid.uuid4().hex


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
