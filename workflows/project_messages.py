"""What a Project says to the Cluster, its Warehouses and its Stages: many messages in one activity."""

from __future__ import annotations

import json
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.project import (
        ProjectState,
        StageConfiguration,
        configuration,
        downstream,
        subscribers,
        upstream_of,
    )
    from freightway.entities.stage_display import first_shown
    from freightway.entities.warehouse import WarehouseConfiguration

from freightway.workflows import options
from freightway.workflows.entity import Entity

MESSAGES_AT_ONCE = 50
_BYTES_AT_ONCE = 500_000
"""Messages in one activity: its input stays far below the payload limit, and it takes a few seconds at most."""
_AS_PROMISED = ("RUNNING", "CONTINUED_AS_NEW")


class ProjectMessages(Entity):
    """The messages of a Project."""

    state: ProjectState

    def __init__(self, state: ProjectState) -> None:
        super().__init__()
        self.state = state
        self.telling = 0
        self._registered = bool(workflow.info().continued_run_id)
        self._health_scheduled = self._registered

    async def _register(self) -> None:
        self._registered = True
        action = "forget" if self.state.retired else "register"
        message = contracts.Message(
            workflow="Cluster",
            workflow_id=names.CLUSTER_ID,
            signal=action,
            payload={"name": self.state.name},
            summary="Cluster",
        )
        await self._deliver([message])

    async def _make_sure(self, keys: list[str]) -> None:
        """Look whether entities that were applied without a change run; one that was terminated is told anew."""
        ids = {self._entity_id(key): key for key in keys}
        answer = await workflow.execute_activity(
            contracts.workflow_status,
            contracts.StatusRequest(workflow_ids=tuple(ids)),
            summary="do they run?",
            **options.QUICK,
        )
        for found in answer.workflows:
            key = ids[found.workflow_id]
            kind, _, name = key.partition("/")
            if found.status not in _AS_PROMISED:
                self.state.tell(key)
            elif kind == "Stage" and key not in self.state.untold:
                self.state.specs.pop(name, None)
        self.state.unsure = self.state.unsure[len(keys) :]

    def _entity_id(self, key: str) -> str:
        kind, _, name = key.partition("/")
        return (names.stage_id if kind == "Stage" else names.warehouse_id)(self.state.name, name)

    async def _tell(self, keys: list[str]) -> None:
        messages, specs, size, count = [], {}, 0, 0
        below = downstream(self.state)
        for key in keys:
            kind, _, name = key.partition("/")
            count += 1
            if kind == "Warehouse" and name in self.state.warehouses:
                message = self._configure_warehouse(name)
            elif kind == "Stage" and name in self.state.stages:
                news = configuration(self.state, name, below)
                specs[name] = news.spec
                message = self._configure_stage(name, news)
            else:
                continue
            messages.append(message)
            size += len(json.dumps(message.payload))
            if size > _BYTES_AT_ONCE:
                break
        # First, so that what changes meanwhile is told again.
        fresh = list(self.state.fresh)
        self.state.told(count)
        try:
            await self._deliver(messages)
        except FailureError:
            self.state.tell(*keys[:count])
            self.state.fresh = list(dict.fromkeys([*fresh, *self.state.fresh]))
            raise
        for name, spec in specs.items():
            if spec is not None and self.state.specs.get(name) == spec:
                del self.state.specs[name]

    def _configure_stage(self, name: str, news: StageConfiguration) -> contracts.Message:
        message = self._message("Stage", name, "configure", news.model_dump(mode="json", by_alias=True))
        if name not in self.state.fresh:
            return message
        # What a new Stage shows is known: given at its start it costs the server nothing, later three events.
        summary, phase = first_shown(self.state.name, name, news)
        return message.model_copy(
            update={
                "start": {**message.start, "alone": True},
                "memo": {names.MEMO_KEY: summary},
                "attributes": {**message.attributes, names.SEARCH_PHASE: phase},
            }
        )

    def _configure_warehouse(self, name: str) -> contracts.Message:
        entry = self.state.warehouses[name]
        news = WarehouseConfiguration(
            generation=self.state.told_generation,
            spec=entry.spec,
            labels=entry.labels,
            annotations=entry.annotations,
            subscribers=subscribers(self.state, name),
            upstream=upstream_of(self.state, name),
            fresh=tuple(stage for stage in self.state.fresh if name in self._origins(stage)),
        )
        return self._message("Warehouse", name, "configure", news.model_dump(mode="json", by_alias=True))

    def _origins(self, stage: str) -> tuple[str, ...]:
        entry = self.state.stages.get(stage)
        return entry.origins if entry else ()

    async def _retire(self, targets: list[str]) -> None:
        messages = [
            self._message(kind, name, "retire", {})
            for kind, _, name in (target.partition("/") for target in targets)
        ]
        self.state.retiring = self.state.retiring[len(targets) :]
        await self._deliver(messages, only_running=True)

    def _message(self, kind: str, name: str, signal: str, payload: dict[str, Any]) -> contracts.Message:
        project = self.state.name
        workflow_id = self._entity_id(f"{kind}/{name}")
        attribute = names.SEARCH_STAGE if kind == "Stage" else names.SEARCH_WAREHOUSE
        return contracts.Message(
            workflow=kind,
            workflow_id=workflow_id,
            signal=signal,
            payload=payload,
            start={"project": project, "name": name},
            summary=f"{kind} {name} of {project}",
            attributes={names.SEARCH_PROJECT: project, attribute: name},
        )

    async def _deliver(self, messages: list[contracts.Message], *, only_running: bool = False) -> None:
        if not messages:
            return
        self.telling = len(messages)
        await workflow.execute_activity(
            contracts.tell,
            contracts.TellRequest(messages=tuple(messages), only_running=only_running),
            summary=f"tell {len(messages)} entities"
            if len(messages) > 1
            else f"tell {messages[0].workflow_id}",
            **options.QUICK,
        )
        self.telling = 0

    async def _schedule_health(self) -> None:
        self._health_scheduled = True
        await workflow.execute_activity(
            contracts.set_schedule,
            contracts.ScheduleRequest(
                schedule_id=names.health_schedule_id(self.state.name),
                workflow="HealthCheck",
                workflow_id=names.health_schedule_id(self.state.name),
                argument={"project": self.state.name},
                queue=names.TASK_QUEUE,
                every=options.INTERVALS.health.total_seconds(),
                attributes={names.SEARCH_PROJECT: self.state.name},
                summary=f"Health of {self.state.name}",
                delete=self.state.retired,
            ),
            summary="schedule health checks",
            **options.QUICK,
        )
