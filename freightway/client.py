"""What people can do: one method for each command and question, over a Temporal client.

The one door of the command line and of every other face; how it is sent is in :mod:`freightway.transport`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from freightway import names
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
)
from freightway.errors import FreightwayError, NotFound, Refused
from freightway.transport import ANSWER_WITHIN, AT_ONCE, AnswerT, Transport, new_id
from freightway.upload import PART_BYTES, parts_of, project_of

if TYPE_CHECKING:
    # Each question imports what it reads when it is asked: the models of all entities take a third of a second.
    from freightway.entities.events import Event, EventLog
    from freightway.entities.freight import FreightRecord
    from freightway.entities.project import Known, ProjectState
    from freightway.entities.stage import StageState
    from freightway.entities.verification import VerificationResult
    from freightway.entities.warehouse import WarehouseState
    from freightway.promotion.progress import Progress
    from freightway.selection.availability import Verdict
    from freightway.verification.run import AnalysisRun

__all__ = ["ANSWER_WITHIN", "AT_ONCE", "PART_BYTES", "Freightway"]

SETTLE_WITHIN = 60.0
"""Seconds that ``apply`` waits for the entities to be told; a thousand of them take some ten."""

_LOOK_SECONDS = 0.3


class Freightway(Transport):
    """The commands and questions of people.

    Args:
        client: a Temporal client that speaks pydantic (``freightway.connection.connect``).
        actor: who asks; the name of the operating system's user if empty.
    """

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
            groups.setdefault(project_of(document), []).append(document)
        answers = {}
        # The cluster first: what a project refers to must be there.
        for project in sorted(groups):
            answers[project] = await self._apply_group(project, groups[project], dry_run=dry_run)
        return answers

    async def _apply_group(
        self, project: str, documents: list[Mapping[str, Any]], *, dry_run: bool
    ) -> ApplyAnswer:
        upload = uuid.uuid4().hex
        parts = list(parts_of(documents))
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
        if project and not dry_run:
            await self.settled(project)
        return answer

    async def settled(self, project: str, *, seconds: float = SETTLE_WITHIN) -> bool:
        """Wait until every entity of a project was told what was applied; returns whether that is so."""
        pause = 0.02
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            if (await self.known(project)).pending == 0:
                return True
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)
        return False

    async def delete(
        self, project: str, targets: Iterable[str] = (), *, everything: bool = False, dry_run: bool = False
    ) -> ApplyAnswer:
        """Delete resources (``Stage/dev``) of a project, or all of it; an empty project means the cluster."""
        request = DeleteRequest(
            id=new_id(),
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
        from freightway.entities.project import Known

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
        workflow_id = names.stage_id(request.project, request.stage)
        return await self._update(workflow_id, update, self._filled(request), answer)

    async def abort(self, project: str, promotion: str) -> Done:
        """End a promotion that waits or runs."""
        stage = names.stage_of_promotion(promotion)
        if stage == promotion or not await self.running(names.stage_id(project, stage)):
            raise await self.missing(names.promotion_id(project, promotion))
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
        start = "" if project else "Cluster"
        return await self._update(_owner(project), "freeze", self._filled(request), Done, start=start)

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
        if kind == "promotion":
            return await self._promotion(project, name, "refresh", RefreshRequest())
        ids = {"warehouse": names.warehouse_id, "stage": names.stage_id}
        return await self._update(ids[kind](project, name), "refresh", self._filled(RefreshRequest()), Done)

    async def repair(self, project: str, promotion: str, request: RepairRequest) -> Done:
        """Retry, skip or abort the failed step of a parked promotion."""
        return await self._promotion(project, promotion, "repair", request)

    async def answer_promotion(self, project: str, promotion: str, request: AnswerRequest) -> Done:
        """Approve or reject at a step that waits for a person."""
        return await self._promotion(project, promotion, "answer", request)

    async def _promotion(self, project: str, promotion: str, update: str, request: Any) -> Done:
        """Send a command to a promotion's workflow; one that still waits in the queue has none."""
        workflow_id = names.promotion_id(project, promotion)
        try:
            return await self._update(workflow_id, update, self._filled(request), Done)
        except NotFound:
            stage = names.stage_of_promotion(promotion)
            if stage != promotion and await self.running(names.stage_id(project, stage)):
                state = await self.stage(project, stage)
                if any(item.promotion == promotion for item in state.queue):
                    raise Refused(
                        f"promotion {promotion} has not started: it waits in the queue of Stage {stage!r}"
                    ) from None
            raise

    async def answer_verification(self, project: str, stage: str, request: AnswerRequest) -> Done:
        """Approve or reject the question of a running verification."""
        state = await self.stage(project, stage)
        if state.verifying is None:
            raise Refused(f"no verification is running in Stage {stage!r}")
        workflow_id = names.verification_id(project, stage, state.verifying.id)
        return await self._update(workflow_id, "answer", self._filled(request), Done)

    # -- questions -------------------------------------------------------------------------------------------------

    async def freight(self, project: str, warehouse: str = "") -> list[FreightRecord]:
        """Return the Freight of a project, or of one Warehouse, newest first."""
        from freightway.entities.freight import FreightRecord

        origins = [warehouse] if warehouse else (await self.known(project)).warehouses
        if not origins and not await self.running(names.project_id(project)):
            raise await self.missing(names.project_id(project))
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
        from freightway.entities.freight import tell_apart

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
        from freightway.entities.stage import StageState

        found: StageState = await self._query(names.stage_id(project, stage), "describe", StageState)
        return found

    async def warehouse(self, project: str, warehouse: str) -> WarehouseState:
        """Return everything a Warehouse knows but its Freight."""
        from freightway.entities.warehouse import WarehouseState

        found: WarehouseState = await self._query(
            names.warehouse_id(project, warehouse), "describe", WarehouseState
        )
        return found

    async def project(self, project: str) -> ProjectState:
        """Return everything a project knows."""
        from freightway.entities.project import ProjectState

        found: ProjectState = await self._query(names.project_id(project), "describe", ProjectState)
        return found

    async def verification(self, project: str, stage: str, verification: str) -> AnalysisRun | None:
        """Return a verification as it stands, None before it has begun."""
        from freightway.verification.run import AnalysisRun

        workflow_id = names.verification_id(project, stage, verification)
        found: AnalysisRun | None = await self._query(workflow_id, "analysis_run", AnalysisRun | None)
        return found

    async def explain(self, project: str, stage: str, freight: str = "") -> list[Verdict]:
        """Return whether Freight may come to a Stage, with every condition."""
        from freightway.selection.availability import Verdict

        found: list[Verdict] = await self._query(
            names.stage_id(project, stage), "explain", list[Verdict], {"freight": freight}
        )
        return found

    async def progress(self, project: str, promotion: str) -> Progress | None:
        """Return how far a promotion has come."""
        from freightway.promotion.progress import Progress

        workflow_id = names.promotion_id(project, promotion)
        found: Progress | None = await self._query(workflow_id, "progress", Progress | None)
        return found

    async def events(self, project: str) -> list[Event]:
        """Return the last events of a project and all its entities, oldest first."""
        entities = [names.project_id(project)]
        for kind in ("Warehouse", "Stage"):
            entities += [row["workflowId"] for row in await self.rows(kind, project)]
        logs = await asyncio.gather(*(self._events(entity) for entity in entities))
        merged = [event for log in logs for event in log.events]
        return sorted(merged, key=lambda event: (event.at, event.entity, event.sequence))

    async def _events(self, workflow_id: str) -> EventLog:
        from freightway.entities.events import EventLog

        try:
            found: EventLog = await self._query(workflow_id, "events", EventLog)
        except NotFound:
            # Deleted since it was listed; a project that does not exist is an error all the same.
            if workflow_id.startswith("project/"):
                raise
            return EventLog()
        return found

    async def wait_for_verification(
        self, project: str, stage: str, after: StageState, *, timeout: float | None = None
    ) -> VerificationResult:
        """Wait for the end of the verification that was asked for, or that ran, when the Stage was as ``after``.

        Raises:
            Refused: if the Stage holds other Freight meanwhile.
            TimeoutError: if it has not ended within ``timeout`` seconds.
        """
        known = {result.id for result in after.holding.verifications} if after.holding else set()
        async with asyncio.timeout(timeout):
            while True:
                state = await self.stage(project, stage)
                holding = state.holding
                if holding is None or after.holding is None or holding.promotion != after.holding.promotion:
                    raise Refused(f"Stage {stage!r} holds other Freight now")
                newest = next((item for item in holding.verifications if item.id not in known), None)
                if newest is not None and state.verifying is None:
                    return newest
                await asyncio.sleep(_LOOK_SECONDS)

    async def wait_for_refresh(
        self, project: str, kind: str, name: str, before: Any, *, timeout: float | None = None
    ) -> Any:
        """Wait until a Warehouse or a Stage has looked again; ``before`` is its state when that was asked for.

        Raises:
            TimeoutError: if it has not within ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                if kind == "warehouse":
                    warehouse = await self.warehouse(project, name)
                    looked = warehouse.looked_at is not None and warehouse.looked_at != before.looked_at
                    # Only when the Stages know of it can it be promoted.
                    if looked and not warehouse.untold:
                        return warehouse
                else:
                    stage = await self.stage(project, name)
                    checked = stage.health.checked_at if stage.health else None
                    was = before.health.checked_at if before.health else None
                    if not stage.health_checks or (checked is not None and checked != was):
                        return stage
                await asyncio.sleep(_LOOK_SECONDS)

    async def wait_for_promotion(
        self, project: str, promotion: str, *, stage: str = "", timeout: float | None = None
    ) -> PromotionEnded:
        """Wait for the end of a promotion, one that still waits in the queue included.

        Raises:
            TimeoutError: if it has not ended within ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            while True:
                workflow_id = names.promotion_id(project, promotion)
                handle = self.client.get_workflow_handle(workflow_id)
                if await self.status(workflow_id):
                    break
                ended = await self._ended_in_queue(
                    project, stage or names.stage_of_promotion(promotion), promotion
                )
                if ended is not None:
                    return ended
                await asyncio.sleep(_LOOK_SECONDS)
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
        except RPCError as error:
            raise FreightwayError(f"the Temporal server does not answer any more: {error.message}") from error
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

    async def follow_events(self, project: str, *, every: float = 1.0) -> AsyncIterator[Event]:
        """Yield the events of a project, the known ones first, then each new one; never ends by itself."""
        seen: dict[str, int] = {}
        while True:
            for event in await self.events(project):
                if event.sequence > seen.get(event.entity, 0):
                    seen[event.entity] = event.sequence
                    yield event
            await asyncio.sleep(every)


def _owner(project: str) -> str:
    return names.project_id(project) if project else names.CLUSTER_ID
