"""The Project: owns what was applied, and tells the entities their new specification."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import project_details
    from freightway.entities.events import Reason
    from freightway.entities.messages import (
        AliasRequest,
        ApplyAnswer,
        ApplyRequest,
        Change,
        DeleteRequest,
        Done,
        FreezeRequest,
        TargetRequest,
    )
    from freightway.entities.project import (
        ClusterNews,
        Known,
        ProjectState,
        apply_resources,
        configuration,
        delete,
        delete_targets,
        known,
        parse_all,
        subscribers,
    )
    from freightway.entities.warehouse import WarehouseConfiguration
    from freightway.selection.alias import alias_for
    from freightway.selection.freezes import Freeze
    from freightway.selection.stage_selector import StageSelector

from freightway.workflows import options
from freightway.workflows.entity import Entity, refused

_MESSAGES_AT_ONCE = 40
"""Messages in one activity; keeps its input far below the payload limit."""


@workflow.defn(name="Project")
class Project(Entity):
    """One project."""

    @workflow.init
    def __init__(self, state: ProjectState | None = None) -> None:
        super().__init__()
        self.state: ProjectState = state or ProjectState()
        self.state.name = self.state.project = workflow.info().workflow_id.partition("/")[2]
        self._renames: list[tuple[str, AliasRequest]] = []
        self._telling = 0
        self._registered = bool(workflow.info().continued_run_id)
        self._health_scheduled = self._registered

    @workflow.run
    async def run(self, state: ProjectState | None = None) -> None:
        """Tell the entities what was recorded, until the project is deleted."""
        while True:
            await self._act()
            self._publish()
            if self.state.retired and not self._has_work():
                return
            await self.continue_if_suggested(not self._has_work())
            await self.wait_for_work(self._has_work, None, "")

    def _has_work(self) -> bool:
        state = self.state
        return bool(self.dirty or state.untold or state.retiring or self._renames)

    async def _act(self) -> None:
        self.dirty = False
        if not self._registered or self.state.retired:
            await self._register()
        while self.state.retiring:
            await self._retire(self.state.retiring[:_MESSAGES_AT_ONCE])
        while self.state.untold:
            await self._tell(self.state.untold[:_MESSAGES_AT_ONCE])
        while self._renames:
            warehouse, request = self._renames.pop(0)
            await self._deliver(
                [
                    self._message(
                        "Warehouse", warehouse, "rename", request.model_dump(mode="json", by_alias=True)
                    )
                ],
                only_running=True,
            )
        if (self.state.stages and not self._health_scheduled) or self.state.retired:
            await self._schedule_health()

    # -- commands ------------------------------------------------------------------------------------------------

    @workflow.update
    def apply(self, request: ApplyRequest | None = None) -> ApplyAnswer:
        """Apply resources; a set that comes in parts is committed by its last part."""

        def act() -> ApplyAnswer:
            assert request is not None
            if request.more:
                self.state.parts.setdefault(request.upload, []).extend(request.documents)
                return ApplyAnswer(generation=self.state.generation)
            documents = [*self.state.parts.pop(request.upload, []), *request.documents]
            changes = apply_resources(self.state, parse_all(documents), dry_run=request.dry_run)
            if not request.dry_run:
                self.state.parts.clear()
                self._emit_changes(changes, request.actor)
            return ApplyAnswer(changes=tuple(changes), generation=self.state.generation)

        return self.apply_once(request, act, ApplyAnswer)

    @apply.validator
    def _check_apply(self, request: ApplyRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            foreign = [
                document.get("metadata", {}).get("name", "")
                for document in request.documents
                if (document.get("metadata") or {}).get("namespace") not in (None, "", self.state.name)
            ]
            if foreign:
                raise refused(f"{', '.join(foreign)}: of another project than {self.state.name!r}")
            resources = parse_all(request.documents)
            if not request.more:
                apply_resources(self.state, resources, dry_run=True)

        self.check(request, rule)

    @workflow.update
    def delete(self, request: DeleteRequest | None = None) -> ApplyAnswer:
        """Delete resources, or the project with all that belongs to it."""

        def act() -> ApplyAnswer:
            assert request is not None
            targets = delete_targets(self.state, request.targets, everything=request.everything)
            changes = [
                Change(kind=kind, name=name, action="deleted")
                for kind, _, name in (target.partition("/") for target in targets)
            ]
            if not request.dry_run:
                delete(self.state, targets)
                self._emit_changes(changes, request.actor)
            return ApplyAnswer(changes=tuple(changes), generation=self.state.generation)

        return self.apply_once(request, act, ApplyAnswer)

    @delete.validator
    def _check_delete(self, request: DeleteRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if not (request.targets or request.everything):
                raise refused('name what to delete: targets such as "Stage/dev", or everything')
            delete_targets(self.state, request.targets, everything=request.everything)

        self.check(request, rule)

    @workflow.update
    def freeze(self, request: FreezeRequest | None = None) -> Done:
        """Keep promotions of a selection of Stages from starting."""

        def act() -> Done:
            assert request is not None
            self.state.freezes.append(
                Freeze(
                    id=request.name,
                    selector=StageSelector.model_validate(request.selector) if request.selector else None,
                    until=request.until,
                    soft=request.soft,
                    owner=request.actor,
                    reason=request.reason,
                    since=workflow.now(),
                    project=self.state.name,
                )
            )
            self.state.tell_stages()
            self.emit(Reason.FROZEN, f"freeze {request.name}: {request.reason}", actor=request.actor)
            return Done(message=f"freeze {request.name} is in force")

        return self.apply_once(request, act, Done)

    @freeze.validator
    def _check_freeze(self, request: FreezeRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            check_freeze(request, [freeze.id for freeze in self.state.freezes])

        self.check(request, rule)

    @workflow.update
    def unfreeze(self, request: TargetRequest | None = None) -> Done:
        """Lift a freeze."""

        def act() -> Done:
            assert request is not None
            self.state.freezes = [freeze for freeze in self.state.freezes if freeze.id != request.name]
            self.state.tell_stages()
            self.emit(Reason.UNFROZEN, f"freeze {request.name} lifted", actor=request.actor)
            return Done(message=f"freeze {request.name} is lifted")

        return self.apply_once(request, act, Done)

    @unfreeze.validator
    def _check_unfreeze(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            have = [freeze.id for freeze in self.state.freezes]
            if request.name not in have:
                raise refused(f"no freeze {request.name!r}; in force: {', '.join(have) or 'none'}")

        self.check(request, rule)

    @workflow.update
    def set_alias(self, request: AliasRequest | None = None) -> Done:
        """Give Freight another alias, unique in the project."""

        def act() -> Done:
            assert request is not None
            freight, _, warehouse = request.freight.partition("@")
            self.state.aliases = {
                alias: owner
                for alias, owner in self.state.aliases.items()
                if owner.partition("@")[0] != freight
            }
            self.state.aliases[request.alias] = request.freight
            self._renames.append((warehouse, AliasRequest(freight=freight, alias=request.alias)))
            return Done(message=f"Freight {freight[:7]} is now {request.alias}")

        return self.apply_once(request, act, Done)

    @set_alias.validator
    def _check_set_alias(self, request: AliasRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            freight, _, warehouse = request.freight.partition("@")
            if warehouse not in self.state.warehouses:
                raise refused("give the Freight as <name>@<warehouse>")
            if not names.is_freight_alias(request.alias):
                raise refused(
                    f"{request.alias!r} cannot be an alias: lower case letters, digits and -, at most 63"
                )
            owner = self.state.aliases.get(request.alias)
            if owner is not None and owner.partition("@")[0] != freight:
                raise refused(f"alias {request.alias!r} is taken by Freight {owner[:7]}")

        self.check(request, rule)

    # -- what the Cluster and Warehouses say -----------------------------------------------------------------------

    @workflow.signal
    def cluster(self, news: ClusterNews | None = None) -> None:
        """Take what the Cluster owns."""
        if news is not None and news.generation >= self.state.cluster.generation:
            self.state.cluster = news
            self.state.tell_stages()
            self.dirty = True

    @workflow.signal
    def alias_taken(self, request: AliasRequest | None = None) -> None:
        """Take the alias of new Freight into the index; one in use already is replaced."""
        if request is None or not request.alias:
            return
        owner = self.state.aliases.get(request.alias)
        if owner is None or owner == request.freight:
            self.state.aliases[request.alias] = request.freight
            return
        freight, _, warehouse = request.freight.partition("@")
        alias = alias_for(freight, self.state.aliases)
        self.state.aliases[alias] = request.freight
        self._renames.append((warehouse, AliasRequest(freight=freight, alias=alias)))

    @workflow.signal
    def alias_freed(self, request: AliasRequest | None = None) -> None:
        """Forget the alias of Freight that is gone."""
        if request is not None and self.state.aliases.get(request.alias) == request.freight:
            del self.state.aliases[request.alias]

    @workflow.query
    def known(self) -> Known:
        """What the project has."""
        found = known(self.state)
        return found.model_copy(update={"pending": found.pending + self._telling})

    @workflow.query
    def describe(self) -> ProjectState:
        """Everything the Project knows but its applied commands."""
        return self.state.model_copy(update={"seen": {}, "parts": {}})

    # -- acting ------------------------------------------------------------------------------------------------------

    def _emit_changes(self, changes: list[Change], actor: str) -> None:
        changed = [change for change in changes if change.action not in ("unchanged", "stored")]
        if changed:
            reason = Reason.RESOURCE_DELETED if changed[0].action == "deleted" else Reason.RESOURCE_APPLIED
            shown = ", ".join(f"{change.kind} {change.name} {change.action}" for change in changed[:10])
            more = f" and {len(changed) - 10} more" if len(changed) > 10 else ""
            self.emit(reason, shown + more, actor=actor)

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

    async def _tell(self, keys: list[str]) -> None:
        messages = []
        told = []
        for key in keys:
            kind, _, name = key.partition("/")
            if kind == "Warehouse" and name in self.state.warehouses:
                messages.append(self._configure_warehouse(name))
            elif kind == "Stage" and name in self.state.stages:
                news = configuration(self.state, name)
                told.append((name, news.spec))
                payload = news.model_dump(mode="json", by_alias=True)
                messages.append(self._message("Stage", name, "configure", payload))
        self.state.untold = self.state.untold[len(keys) :]
        await self._deliver(messages)
        for name, spec in told:
            if self.state.specs.get(name) is spec:
                del self.state.specs[name]

    def _configure_warehouse(self, name: str) -> contracts.Message:
        entry = self.state.warehouses[name]
        news = WarehouseConfiguration(
            generation=self.state.generation,
            spec=entry.spec,
            labels=entry.labels,
            annotations=entry.annotations,
            subscribers=subscribers(self.state, name),
        )
        return self._message("Warehouse", name, "configure", news.model_dump(mode="json", by_alias=True))

    async def _retire(self, targets: list[str]) -> None:
        messages = [
            self._message(kind, name, "retire", {})
            for kind, _, name in (target.partition("/") for target in targets)
        ]
        self.state.retiring = self.state.retiring[len(targets) :]
        await self._deliver(messages, only_running=True)

    def _message(self, kind: str, name: str, signal: str, payload: dict[str, Any]) -> contracts.Message:
        project = self.state.name
        workflow_id = (names.stage_id if kind == "Stage" else names.warehouse_id)(project, name)
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
        self._telling = len(messages)
        await workflow.execute_activity(
            contracts.tell,
            contracts.TellRequest(messages=tuple(messages), only_running=only_running),
            summary=f"tell {len(messages)} entities"
            if len(messages) > 1
            else f"tell {messages[0].workflow_id}",
            **options.QUICK,
        )
        self._telling = 0

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

    def _publish(self) -> None:
        state = self.state
        phase = "Deleting" if state.retired else "Ready"
        summary = {
            "kind": "Project",
            "project": state.name,
            "name": state.name,
            "phase": phase,
            "warehouses": len(state.warehouses),
            "stages": len(state.stages),
            "freezes": [freeze.id for freeze in state.freezes],
        }
        attributes = [
            contracts.PROJECT_ATTRIBUTE.value_set(state.name),
            contracts.PHASE_ATTRIBUTE.value_set(phase),
        ]
        self.show(summary, attributes, project_details(state))


def check_freeze(request: FreezeRequest, names_in_force: list[str]) -> None:
    """Refuse a freeze without a name, an owner or a reason, or of a name in force."""
    missing = [
        what
        for what, value in (("name", request.name), ("actor", request.actor), ("reason", request.reason))
        if not value
    ]
    if missing:
        raise refused(f"a freeze needs {' and '.join(missing)}")
    if request.name in names_in_force:
        raise refused(f"a freeze {request.name!r} is in force; lift it first or take another name")
    if request.until is not None and request.until <= workflow.now():
        raise refused("the end of the freeze is in the past")
