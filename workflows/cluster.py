"""The Cluster: owns what every project shares, and tells the Projects."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.events import Reason
    from freightway.entities.messages import (
        ApplyAnswer,
        ApplyRequest,
        Change,
        DeleteRequest,
        Done,
        FreezeRequest,
        TargetRequest,
    )
    from freightway.entities.project import ClusterNews, ClusterState, apply_to_cluster, parse_all
    from freightway.selection.freezes import Freeze
    from freightway.selection.stage_selector import StageSelector

from freightway.workflows.entity import Entity, check_identity, refused, tolerant
from freightway.workflows.project import check_freeze


@workflow.defn(name="Cluster")
class Cluster(Entity):
    """What every project shares."""

    @workflow.init
    def __init__(self, state: ClusterState | None = None) -> None:
        super().__init__()
        self.state: ClusterState = state or ClusterState(name=names.CLUSTER_ID)

    @workflow.run
    async def run(self, state: ClusterState | None = None) -> None:
        """Tell the Projects what was recorded, for ever."""
        check_identity(names.CLUSTER_ID, 1)
        self.state.began = self.state.began or int(workflow.now().timestamp() * 1000)
        await self.serve()

    async def _act(self) -> None:
        self.dirty = False
        while self.state.untold and not self._must_leave():
            await self._tell(self.state.untold.pop(0))

    def _has_work(self) -> bool:
        return bool(self.dirty or self.state.untold)

    @workflow.signal
    @tolerant
    def register(self, request: TargetRequest | None = None) -> None:
        """Tell a Project everything, and every change from then on."""
        if request is None or not request.name:
            return
        if request.name not in self.state.projects:
            self.state.projects.append(request.name)
        self.state.tell(request.name)
        self.dirty = True

    @workflow.signal
    @tolerant
    def forget(self, request: TargetRequest | None = None) -> None:
        """Forget a Project that was deleted."""
        if request is not None and request.name in self.state.projects:
            self.state.projects.remove(request.name)
            self.dirty = True

    @workflow.update
    def apply(self, request: ApplyRequest | None = None) -> ApplyAnswer:
        """Apply cluster-wide resources."""

        def act() -> ApplyAnswer:
            assert request is not None
            changes = apply_to_cluster(self.state, parse_all(request.documents), dry_run=request.dry_run)
            changed = [change for change in changes if change.action != "unchanged"]
            if changed and not request.dry_run:
                text = ", ".join(f"{change.kind} {change.name} {change.action}" for change in changed)
                self.emit(Reason.RESOURCE_APPLIED, text, actor=request.actor)
            return ApplyAnswer(changes=tuple(changes), generation=self.state.generation)

        return self.apply_once(request, act, ApplyAnswer)

    @apply.validator
    def _check_apply(self, request: ApplyRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            apply_to_cluster(self.state, parse_all(request.documents), dry_run=True)

        self.check(request, rule)

    @workflow.update
    def delete(self, request: DeleteRequest | None = None) -> ApplyAnswer:
        """Delete cluster-wide resources."""

        def act() -> ApplyAnswer:
            assert request is not None
            changes = []
            for target in request.targets:
                kind, _, name = target.partition("/")
                changes.append(Change(kind=kind, name=name, action="deleted"))
                if request.dry_run:
                    continue
                if kind == "ClusterConfig":
                    self.state.config = {}
                else:
                    self._owned(kind).pop(name)
            if not request.dry_run:
                self.state.generation += 1
                self.state.tell(*self.state.projects)
                shown = ", ".join(request.targets)
                self.emit(Reason.RESOURCE_DELETED, f"{shown} deleted", actor=request.actor)
            return ApplyAnswer(changes=tuple(changes), generation=self.state.generation)

        return self.apply_once(request, act, ApplyAnswer)

    @delete.validator
    def _check_delete(self, request: DeleteRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if not request.targets:
                raise refused('name what to delete: targets such as "ClusterPromotionTask/notify"')
            for target in request.targets:
                kind, _, name = target.partition("/")
                found = bool(self.state.config) if kind == "ClusterConfig" else name in self._owned(kind)
                if not found:
                    raise refused(f"{target} not found in the cluster")

        self.check(request, rule)

    @workflow.update
    def freeze(self, request: FreezeRequest | None = None) -> Done:
        """Keep promotions of a selection of Stages of every project from starting."""

        def act() -> Done:
            assert request is not None
            freeze = Freeze(
                id=request.name,
                selector=StageSelector.model_validate(request.selector) if request.selector else None,
                until=request.until,
                soft=request.soft,
                owner=request.actor,
                reason=request.reason,
                since=workflow.now(),
            )
            self._set_freezes([*self.state.freezes, freeze])
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
            self._set_freezes([freeze for freeze in self.state.freezes if freeze.id != request.name])
            self.emit(Reason.UNFROZEN, f"freeze {request.name} lifted", actor=request.actor)
            return Done(message=f"freeze {request.name} is lifted")

        return self.apply_once(request, act, Done)

    @unfreeze.validator
    def _check_unfreeze(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            if request.name not in [freeze.id for freeze in self.state.freezes]:
                raise refused(f"no freeze {request.name!r} of the cluster is in force")

        self.check(request, rule)

    @workflow.query
    def news(self) -> ClusterNews:
        """What the Projects are told."""
        return self.state.news

    @workflow.query
    def projects(self) -> list[str]:
        """The projects that registered."""
        return self.state.projects

    def _owned(self, kind: str) -> dict[str, dict[str, object]]:
        owned = {"ClusterPromotionTask": self.state.tasks, "ClusterAnalysisTemplate": self.state.templates}
        if kind not in owned:
            raise refused(f"the cluster keeps no {kind}")
        return owned[kind]

    def _set_freezes(self, freezes: list[Freeze]) -> None:
        self.state.freezes = freezes
        self.state.generation += 1
        self.state.tell(*self.state.projects)

    async def _tell(self, project: str) -> None:
        handle = workflow.get_external_workflow_handle(names.project_id(project))
        try:
            await handle.signal("cluster", self.state.news)
        except ApplicationError:
            # A Project that does not run registers again when it starts.
            workflow.logger.info("project %s does not run", project)

    def _publish(self) -> None:
        summary = {
            "kind": "Cluster",
            "name": names.CLUSTER_ID,
            "phase": "Ready",
            "projects": len(self.state.projects),
            "freezes": [freeze.id for freeze in self.state.freezes],
        }
        listed = "\n".join(f"- {project}" for project in sorted(self.state.projects)[:200])
        self.show(
            summary, [contracts.PHASE_ATTRIBUTE.value_set("Ready")], f"## Cluster\n\nProjects:\n\n{listed}"
        )
