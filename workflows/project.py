"""The Project: owns what was applied, and tells the entities their new specification."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import project_details
    from freightway.entities.events import Reason
    from freightway.entities.messages import (
        AliasNews,
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
        delete,
        delete_targets,
        known,
        parse_all,
    )
    from freightway.resources.meta import Resource
    from freightway.selection.alias import alias_for
    from freightway.selection.freezes import Freeze
    from freightway.selection.stage_selector import StageSelector

from freightway.workflows.entity import check_identity, refused, tolerant
from freightway.workflows.project_messages import MESSAGES_AT_ONCE, ProjectMessages

_MOST_FREEZES = 100


@workflow.defn(name="Project")
class Project(ProjectMessages):
    """One project."""

    @workflow.init
    def __init__(self, state: ProjectState | None = None) -> None:
        super().__init__(state or ProjectState())
        self.state.name = self.state.project = workflow.info().workflow_id.partition("/")[2]
        self.state.began = self.state.began or int(workflow.now().timestamp() * 1000)
        self._renames: list[tuple[str, AliasRequest]] = []
        self._parsed: tuple[str, list[Resource]] = ("", [])

    @workflow.run
    async def run(self, state: ProjectState | None = None) -> None:
        """Tell the entities what was recorded, until the project is deleted."""
        check_identity("project", 2)
        await self.serve()

    def _has_work(self) -> bool:
        state = self.state
        return bool(self.dirty or state.untold or state.unsure or state.retiring or self._renames)

    def _is_carried(self) -> bool:
        return not (self._renames or self.state.retired)

    def _next_state(self) -> ProjectState:
        """What the next run begins with: an upload that is under way is broken off, it may be megabytes."""
        self.state.break_off_uploads()
        return self.state

    async def _act(self) -> None:
        self.dirty = False
        if not self._registered or self.state.retired:
            await self._register()
        while self.state.retiring:
            await self._retire(self.state.retiring[:MESSAGES_AT_ONCE])
        while self.state.unsure:
            await self._make_sure(self.state.unsure[:MESSAGES_AT_ONCE])
        while self.state.untold and not self._must_leave():
            await self._tell(self.state.next_told(MESSAGES_AT_ONCE))
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
            if request.upload in self.state.broken_off:
                raise refused("the upload was broken off meanwhile; apply again")
            if request.more:
                self.state.parts.setdefault(request.upload, []).extend(request.documents)
                return ApplyAnswer(generation=self.state.generation)
            earlier = self.state.parts.pop(request.upload, [])
            parsed_id, resources = self._parsed
            if earlier or parsed_id != request.id:
                resources = parse_all([*earlier, *request.documents])
            changes = apply_resources(self.state, resources, dry_run=request.dry_run)
            if not request.dry_run:
                self.state.break_off_uploads()
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
            # Only to save the handler the work: it parses for itself where no validator ran, as in a replay.
            self._parsed = (request.id, resources)
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
    @tolerant
    def cluster(self, news: ClusterNews | None = None) -> None:
        """Take what the Cluster owns."""
        if news is not None and news.generation >= self.state.cluster.generation:
            if news.model_copy(update={"generation": 0}) != self.state.cluster.model_copy(
                update={"generation": 0}
            ):
                self.state.tell_stages()
            self.state.cluster = news
            self.dirty = True

    @workflow.signal
    @tolerant
    def aliases(self, news: AliasNews | None = None) -> None:
        """Take the aliases of new Freight into the index, and forget those of Freight that is gone."""
        if news is None:
            return
        known = self.state.aliases
        gone = {owner for owner, alias in news.aliases.items() if not alias}
        for alias in [alias for alias, owner in known.items() if owner in gone]:
            del known[alias]
        for owner, alias in news.aliases.items():
            if alias and known.setdefault(alias, owner) != owner:
                self._give_another(owner)

    def _give_another(self, owner: str) -> None:
        """Give Freight another alias than the one it came with, which other Freight has."""
        freight, _, warehouse = owner.partition("@")
        alias = alias_for(freight, self.state.aliases)
        self.state.aliases[alias] = owner
        self._renames.append((warehouse, AliasRequest(freight=freight, alias=alias)))

    @workflow.signal
    @tolerant
    def lost(self, request: TargetRequest | None = None) -> None:
        """Take it that a Stage was started anew and has no specification: the next apply tells it."""
        entry = self.state.stages.get(request.name) if request else None
        if request is not None and entry is not None and request.name not in self.state.specs:
            self.state.stages[request.name] = entry.model_copy(update={"digest": ""})

    @workflow.query
    def known(self) -> Known:
        """What the project has."""
        found = known(self.state)
        return found.model_copy(update={"pending": found.pending + self.telling})

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

    def _publish(self) -> None:
        state = self.state
        phase = "Deleting" if state.retired else "Ready"
        summary = {
            "kind": "Project",
            "project": state.name,
            "name": state.name,
            "phase": phase,
            "message": self.problem,
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
    if len(names_in_force) >= _MOST_FREEZES:
        raise refused(f"{len(names_in_force)} freezes are in force; lift some first")
    if request.selector is not None:
        try:
            StageSelector.model_validate(request.selector)
        except ValueError as error:
            raise refused(f"the selector of the freeze is not valid: {error}") from error
    if request.name in names_in_force:
        raise refused(f"a freeze {request.name!r} is in force; lift it first or take another name")
    if request.until is not None and request.until <= workflow.now():
        raise refused("the end of the freeze is in the past")
