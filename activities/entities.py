"""Activities that speak to Temporal itself: messages to entities, Schedules, and how other workflows stand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from freightway import contracts, names
from freightway.entities.about import ABOUT
from freightway.errors import NotReady
from freightway.transport import refusal

_AT_ONCE = 8
"""Messages in flight at once; the server slows down beyond it."""

_TRIES_WHEN_EARLY = 20
"""Tries of a command that came before what it needs, half a second apart."""

_CATCH_UP = timedelta(minutes=10)
"""Runs of a Schedule missed while the server was down are made good for this long, and not for a year."""


def typed(attributes: Mapping[str, str]) -> TypedSearchAttributes:
    """Return keyword search attributes by name."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
            for name, value in attributes.items()
        ]
    )


class EntityActivities:
    """The activities that need a Temporal client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def all(self) -> list[Any]:
        """Return the activities, to be registered on a worker."""
        return [
            self.tell,
            self.command,
            self.set_schedule,
            self.running_workflows,
            self.workflow_status,
        ]

    @activity.defn(name="tell")
    async def tell(self, request: contracts.TellRequest) -> contracts.Told:
        """Deliver signals to entities, starting those that do not run; in order for each entity."""
        kinds: dict[str, dict[str, list[contracts.Message]]] = {}
        for message in await self._checked(request.messages):
            lanes = kinds.setdefault(message.workflow, {})
            for workflow_id in (message.workflow_id, *message.also):
                own = message.model_copy(update={"workflow_id": workflow_id})
                lanes.setdefault(workflow_id, []).append(own)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def deliver(lane: list[contracts.Message]) -> list[str]:
            async with slots:
                return [
                    message.workflow_id
                    for message in lane
                    if not await self._tell_one(message, only_running=request.only_running)
                ]

        sent, absent = 0, []
        for lanes in kinds.values():
            for missed in await asyncio.gather(*map(deliver, lanes.values())):
                absent += missed
            sent += sum(map(len, lanes.values()))
        return contracts.Told(delivered=sent - len(absent), absent=tuple(absent))

    async def _checked(self, messages: tuple[contracts.Message, ...]) -> list[contracts.Message]:
        """Take back the word that a new entity is alone where something of its project runs: it looks for itself."""
        projects = {str(message.start["project"]) for message in messages if message.start.get("alone")}
        busy = {project for project in projects if await self._is_busy(project)}
        return [
            message.model_copy(update={"start": {**message.start, "alone": False}})
            if message.start.get("alone") and message.start["project"] in busy
            else message
            for message in messages
        ]

    async def _is_busy(self, project: str) -> bool:
        found = await self._client.count_workflows(
            f'FreightwayProject = "{project}" AND ExecutionStatus = "Running" '
            'AND WorkflowType IN ("Promotion", "Verification")'
        )
        return found.count > 0

    async def _tell_one(self, message: contracts.Message, *, only_running: bool) -> bool:
        if only_running:
            try:
                await self._client.get_workflow_handle(message.workflow_id).signal(
                    message.signal, message.payload
                )
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return False
                raise
            return True
        signal: dict[str, Any] = (
            {"start_signal": message.signal, "start_signal_args": [message.payload]} if message.signal else {}
        )
        await self._client.start_workflow(
            message.workflow,
            message.start,
            id=message.workflow_id,
            task_queue=names.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=message.summary or None,
            static_details=ABOUT.get(message.workflow),
            search_attributes=typed(message.attributes),
            memo=message.memo or None,
            **signal,
        )
        return True

    @activity.defn(name="command")
    async def command(self, request: contracts.CommandRequest) -> contracts.CommandAnswer:
        """Send a Workflow Update to an entity and give its answer or its refusal."""
        handle = self._client.get_workflow_handle(request.workflow_id)
        try:
            result = await handle.execute_update(
                request.update, request.payload, id=request.id or None, result_type=dict
            )
        except WorkflowUpdateFailedError as error:
            said = refusal(error.cause)
            if said is None:
                raise
            if said.type == NotReady.__name__ and activity.info().attempt < _TRIES_WHEN_EARLY:
                # What the command needs is on its way.
                raise ApplicationError(
                    said.message, type=said.type, next_retry_delay=timedelta(milliseconds=500)
                ) from error
            return contracts.CommandAnswer(refused=said.message)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return contracts.CommandAnswer(refused=f"{request.workflow_id} not found")
            raise
        return contracts.CommandAnswer(result=result)

    @activity.defn(name="set-schedule")
    async def set_schedule(self, request: contracts.ScheduleRequest) -> None:
        """Create, change, trigger or delete a Temporal Schedule."""
        handle = self._client.get_schedule_handle(request.schedule_id)
        if request.delete:
            try:
                await handle.delete()
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
            return
        schedule = _schedule(request)
        try:
            await self._client.create_schedule(
                request.schedule_id,
                schedule,
                trigger_immediately=request.trigger,
                search_attributes=typed(request.attributes),
            )
        except ScheduleAlreadyRunningError:

            def change(current: ScheduleUpdateInput) -> ScheduleUpdate:
                schedule.state = current.description.schedule.state
                return ScheduleUpdate(schedule=schedule)

            await handle.update(change)
            if request.trigger:
                # BUFFER_ONE: a look that runs already may have missed what just changed.
                await handle.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)

    @activity.defn(name="running-workflows")
    async def running_workflows(self, request: contracts.RunningRequest) -> contracts.RunningAnswer:
        """List the promotions and verifications of a Stage that run."""
        query = (
            f'FreightwayProject = "{request.project}" AND FreightwayStage = "{request.stage}" '
            'AND ExecutionStatus = "Running" AND WorkflowType IN ("Promotion", "Verification")'
        )
        found = [
            contracts.RunningWorkflow(workflow_id=run.id, type=run.workflow_type, status="RUNNING")
            async for run in self._client.list_workflows(query)
        ]
        return contracts.RunningAnswer(workflows=tuple(found))

    @activity.defn(name="workflow-status")
    async def workflow_status(self, request: contracts.StatusRequest) -> contracts.RunningAnswer:
        """Tell how workflows stand and, for those that ended, how."""
        return contracts.RunningAnswer(
            workflows=tuple([await self._status(workflow_id) for workflow_id in request.workflow_ids])
        )

    async def _status(self, workflow_id: str) -> contracts.RunningWorkflow:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            description = await handle.describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return contracts.RunningWorkflow(workflow_id=workflow_id, status="NOT_FOUND")
            raise
        status = description.status or WorkflowExecutionStatus.RUNNING
        found = contracts.RunningWorkflow(
            workflow_id=workflow_id, type=description.workflow_type, status=status.name
        )
        if status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW):
            return found
        try:
            result = await handle.result()
        except WorkflowFailureError as error:
            cause = error.cause
            detail = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else None
            message = cause.message if isinstance(cause, ApplicationError) else str(cause)
            return found.model_copy(
                update={"message": message, "result": detail if isinstance(detail, dict) else None}
            )
        return found.model_copy(update={"result": result if isinstance(result, dict) else None})


def _schedule(request: contracts.ScheduleRequest) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            request.workflow,
            request.argument,
            id=request.workflow_id,
            task_queue=request.queue,
            typed_search_attributes=typed(request.attributes),
            static_summary=request.summary or None,
            static_details=ABOUT.get(request.workflow),
        ),
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=timedelta(seconds=request.every))],
            jitter=timedelta(seconds=request.jitter),
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )
