"""The Warehouse: owns its Freight and every fact about it, and tells the Stages that take Freight from it.

Life: an entity. Discovery is a workflow of its own, started by a Temporal Schedule, that signals ``discovered``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.display import warehouse_details
    from freightway.entities.events import Reason
    from freightway.entities.freight import FreightRecord, StageFacts, tell_apart
    from freightway.entities.messages import (
        AliasRequest,
        ApproveRequest,
        CreateFreightRequest,
        Done,
        RefreshRequest,
        TargetRequest,
    )
    from freightway.entities.warehouse import (
        SubscriptionProblem,
        WarehouseConfiguration,
        WarehouseState,
        add_freight,
        check_artifacts,
        check_configuration,
        collectable,
        criteria_hold,
        crowded_out,
        drop_freight,
        newest_combination,
        take_discovery,
        take_facts,
    )
    from freightway.promotion.model import FreightReference, Origin
    from freightway.resources.meta import parse_duration
    from freightway.selection import freight_facts
    from freightway.selection.freight_id import freight_id

from freightway.workflows import options
from freightway.workflows.entity import check_identity, refused, tolerant
from freightway.workflows.warehouse_messages import NEWS_AT_ONCE, WarehouseMessages

_DEFAULT_INTERVAL = timedelta(minutes=5)
_CROWDED = "there is as much Freight as there may be, so the oldest that no Stage holds is let go"


@workflow.defn(name="Warehouse")
class Warehouse(WarehouseMessages):
    """One Warehouse of a project."""

    @workflow.init
    def __init__(self, state: WarehouseState | None = None) -> None:
        super().__init__(state or WarehouseState())
        self._identify()
        self._discoveries: list[contracts.DiscoveryResult] = []
        self._reborn: WarehouseConfiguration | None = None

    def _identify(self) -> None:
        parts = workflow.info().workflow_id.split("/")
        if len(parts) == 3:
            self.state.project, self.state.name = parts[1], parts[2]

    @workflow.run
    async def run(self, state: WarehouseState | None = None) -> None:
        """Act on what the handlers recorded until the Warehouse is deleted."""
        check_identity("warehouse", 3)
        if self.state.collect_at is None:
            self.state.collect_at = workflow.now() + options.INTERVALS.collect
        await self.serve()
        if self._reborn is not None:
            # Applied again while it was being deleted: it starts clean.
            fresh = WarehouseState(project=self.state.project, name=self.state.name, schedule_wanted=True)
            fresh.take_configuration(self._reborn)
            await workflow.wait_condition(workflow.all_handlers_finished)
            self.continue_as(fresh)

    def _next_moment(self) -> datetime | None:
        return self.state.collect_at

    def _has_work(self) -> bool:
        return bool(
            self.dirty
            or self.state.news
            or self.state.snapshots
            or self._discoveries
            or self.state.alias_news
            or self.state.schedule_wanted
            or self.state.refresh_wanted
        )

    def _is_carried(self) -> bool:
        return not self._discoveries and not self.state.retired

    async def _act(self) -> None:
        self.dirty = False
        while self._discoveries:
            self._take_discovery(self._discoveries.pop(0))
        failure: FailureError | None = None
        if self.state.schedule_wanted or self.state.retired or self.state.refresh_wanted:
            try:
                await self._set_schedule()
            except FailureError as error:
                failure = error
        if self.state.collect_at and workflow.now() >= self.state.collect_at:
            self._collect()
        await self._tell_all()
        if failure is not None:
            # Only now: what cannot be scheduled keeps no Stage from its Freight.
            raise failure

    # -- what Projects, Stages and discovery say ---------------------------------------------------------------

    @workflow.signal
    @tolerant
    def configure(self, configuration: WarehouseConfiguration | None = None) -> None:
        """Take the specification that was applied."""
        if configuration is None:
            return
        if self.state.retired:
            self._reborn = configuration
            return
        if configuration.generation < self.state.generation:
            return
        check_configuration(self.state, configuration)
        self.problem = ""
        self.state.schedule_wanted = self.state.schedule_wanted or configuration.spec != self.state.spec
        self.state.snapshots += self.state.take_configuration(configuration)
        self.dirty = True

    @workflow.signal
    @tolerant
    def subscribe(self, request: TargetRequest | None = None) -> None:
        """Send a Stage everything, and every change from then on."""
        if request is None or not request.name:
            return
        if request.name not in self.state.subscribers:
            self.state.subscribers.append(request.name)
        if request.name not in self.state.snapshots:
            self.state.snapshots.append(request.name)

    @workflow.signal
    @tolerant
    def facts(self, facts: StageFacts | None = None) -> None:
        """Take what a Stage says about Freight; the same facts twice are taken once."""
        if facts is None or not facts.stage or self.state.answered(facts.id) is not None:
            return
        changed = take_facts(self.state, facts, workflow.now())
        if facts.forget and facts.stage in self.state.subscribers:
            self.state.subscribers.remove(facts.stage)
        self.state.remember(facts.id, {})
        self._changed(*changed, by="" if facts.metadata else facts.stage)

    @workflow.signal
    @tolerant
    def discovered(self, result: contracts.DiscoveryResult | None = None) -> None:
        """Take what a discovery found."""
        if result is not None:
            self._discoveries.append(result)

    @workflow.signal
    @tolerant
    def rename(self, request: AliasRequest | None = None) -> None:
        """Take an alias that the project's index of aliases gave."""
        if request is None or request.freight not in self.state.freight or not request.alias:
            return
        record = self.state.freight[request.freight]
        self.state.freight[record.name] = record.renamed(request.alias)
        self._changed(record.name)

    @workflow.signal
    @tolerant
    def retire(self, request: TargetRequest | None = None) -> None:
        """End: the Warehouse was deleted."""
        self.state.retired = True
        self._reborn = None
        self.dirty = True

    # -- commands ----------------------------------------------------------------------------------------------

    @workflow.update
    def approve(self, request: ApproveRequest | None = None) -> Done:
        """Make Freight available to a Stage without verification and soak."""

        def act() -> Done:
            assert request is not None
            record = self._one(request.freight)
            approved = freight_facts.approved(
                record, request.stage, workflow.now(), request.actor, request.reason
            )
            self.state.freight[record.name] = record.model_copy(
                update={"approved_for": approved.approved_for}
            )
            self.emit(
                Reason.FREIGHT_APPROVED,
                f"Freight {record.label} approved for Stage {request.stage}",
                actor=request.actor,
                stage=request.stage,
                freight=record.name,
                why=request.reason,
            )
            self._changed(record.name)
            return Done(message=f"Freight {record.label} is approved for Stage {request.stage}")

        return self.apply_once(request, act, Done)

    @approve.validator
    def _check_approve(self, request: ApproveRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            self._one(request.freight)
            if request.stage not in self.state.subscribers:
                raise refused(
                    f"Stage {request.stage!r} does not request Freight of Warehouse {self.state.name!r}"
                )

        self.check(request, rule)

    @workflow.update
    def create_freight(self, request: CreateFreightRequest | None = None) -> Done:
        """Make Freight from chosen artifacts."""

        def act() -> Done:
            assert request is not None
            reference = self._reference(request)
            record = add_freight(self.state, reference, workflow.now())
            self._created(record, request.actor)
            return Done(message=f"Freight {record.label} created: {record.name}")

        return self.apply_once(request, act, Done)

    @create_freight.validator
    def _check_create_freight(self, request: CreateFreightRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            check_artifacts(self.state, request.freight)
            reference = self._reference(request)
            known = self.state.freight.get(reference.name)
            if known is not None:
                raise refused(f"Freight of this content exists: {known.label}")
            if reference.alias and tell_apart(self.state.freight, reference.alias):
                raise refused(f"alias {reference.alias!r} is taken")

        self.check(request, rule)

    @workflow.update
    def delete_freight(self, request: TargetRequest | None = None) -> Done:
        """Delete Freight that no Stage holds."""

        def act() -> Done:
            assert request is not None
            record = self._one(request.name)
            self._forget(record, request.actor)
            return Done(message=f"Freight {record.label} deleted")

        return self.apply_once(request, act, Done)

    @delete_freight.validator
    def _check_delete_freight(self, request: TargetRequest | None = None) -> None:
        def rule() -> None:
            assert request is not None
            record = self._one(request.name)
            if record.currently_in:
                stages = ", ".join(sorted(record.currently_in))
                raise refused(f"Freight {record.label} is in {stages}; promote other Freight there first")

        self.check(request, rule)

    @workflow.update
    def refresh(self, request: RefreshRequest | None = None) -> Done:
        """Look at all subscriptions now."""

        def act() -> Done:
            self.state.refresh_wanted = True
            return Done(message=f"Warehouse {self.state.name} is looking at its subscriptions")

        return self.apply_once(request, act, Done)

    @refresh.validator
    def _check_refresh(self, request: RefreshRequest | None = None) -> None:
        self.check(request or RefreshRequest(), lambda: None)

    @workflow.query
    def freight(self) -> dict[str, FreightRecord]:
        """All Freight of the Warehouse, by name."""
        return self.state.freight

    @workflow.query
    def describe(self) -> WarehouseState:
        """Everything the Warehouse knows but its Freight and applied commands."""
        untold = tuple(sorted({*self.state.news, *self.state.snapshots, *self.telling}))
        return self.state.model_copy(update={"seen": {}, "freight": {}, "news": {}, "untold": untold})

    # -- acting --------------------------------------------------------------------------------------------------

    def _one(self, text: str) -> FreightRecord:
        found = tell_apart(self.state.freight, text)
        if len(found) == 1:
            return found[0]
        if found:
            raise refused(
                f"{text!r} means {' and '.join(record.label for record in found)}; give more digits"
            )
        raise refused(f"Freight {text!r} not found in Warehouse {self.state.name!r}")

    def _reference(self, request: CreateFreightRequest) -> FreightReference:
        given = request.freight
        origin = {"kind": "Warehouse", "name": self.state.name}
        parts = {key: tuple(given.get(key) or ()) for key in ("commits", "images", "charts", "artifacts")}
        name = freight_id({"origin": origin, **{key: list(value) for key, value in parts.items()}})
        return FreightReference(
            name=name, alias=given.get("alias", ""), origin=Origin(name=self.state.name), **parts
        )

    def _take_discovery(self, result: contracts.DiscoveryResult) -> None:
        at = result.discovered_at
        since = {(problem.subscription, problem.name): problem.since for problem in self.state.problems}
        problems = [
            SubscriptionProblem(
                subscription=error.subscription,
                name=error.name,
                message=error.message,
                since=since.get((error.subscription, error.name), at),
            )
            for error in result.errors
        ]
        was_healthy = self.state.is_healthy
        take_discovery(self.state, result.artifacts, problems, at)
        if problems and was_healthy:
            self.emit(Reason.DISCOVERY_FAILED, "; ".join(problem.message for problem in problems))
        elif was_healthy is False and not problems:
            self.emit(Reason.DISCOVERY_RECOVERED, "every subscription can be looked at again")
        if problems or self.state.spec.get("freightCreationPolicy") == "Manual":
            return
        holds, self.state.criteria = criteria_hold(self.state)
        newest = newest_combination(self.state) if holds else None
        if newest is not None and newest.name not in self.state.freight:
            self._created(add_freight(self.state, newest, workflow.now()))

    def _created(self, record: FreightRecord, actor: str = "") -> None:
        self.emit(Reason.FREIGHT_CREATED, f"Freight {record.label} created", actor=actor, freight=record.name)
        self._note_alias(record, record.alias)
        self._changed(record.name)
        self._make_room()

    def _make_room(self) -> None:
        """Let go of the oldest Freight that no Stage holds while there is more than there may be."""
        gone = crowded_out(self.state)
        self.state.crowded = bool(gone)
        for name in gone:
            self._forget(self.state.freight[name], why=f": {_CROWDED}")

    def _note_alias(self, record: FreightRecord, alias: str) -> None:
        """Note an alias for the project's index; empty for Freight that is gone."""
        self.state.alias_news[f"{record.name}@{self.state.name}"] = alias

    def _forget(self, record: FreightRecord, actor: str = "", why: str = "") -> None:
        drop_freight(self.state, record.name)
        self.state.deleted = [*self.state.deleted, record.name][-NEWS_AT_ONCE:]
        text = f"Freight {record.label} deleted{why}"
        self.emit(Reason.FREIGHT_DELETED, text, actor=actor, freight=record.name)
        self._note_alias(record, "")
        self._changed(record.name)

    def _collect(self) -> None:
        for name in collectable(self.state, workflow.now()):
            self._forget(self.state.freight[name])
        self._make_room()
        self.state.collect_at = workflow.now() + options.INTERVALS.collect

    def _changed(self, *freight: str, by: str = "") -> None:
        """Note whom to tell: every Stage, or those that facts of the Stage ``by`` matter to."""
        for stage in self.state.subscribers:
            if not by or stage == by or by in self.state.upstream.get(stage, (by,)):
                self.state.news.setdefault(stage, set()).update(freight)
        self.dirty = True

    async def _set_schedule(self) -> None:
        state = self.state
        state.refresh_wanted, state.schedule_wanted = False, False
        spec = state.spec
        interval = parse_duration(spec["interval"]) if spec.get("interval") else _DEFAULT_INTERVAL
        request = contracts.ScheduleRequest(
            schedule_id=names.discovery_schedule_id(state.project, state.name),
            workflow="Discovery",
            workflow_id=names.discovery_schedule_id(state.project, state.name),
            argument={"project": state.project, "warehouse": state.name, "spec": spec},
            queue=names.TASK_QUEUE,
            every=interval.total_seconds(),
            jitter=min(interval.total_seconds() / 10, 30.0),
            attributes={names.SEARCH_PROJECT: state.project, names.SEARCH_WAREHOUSE: state.name},
            summary=f"Discovery of Warehouse {state.name}",
            delete=state.retired,
            trigger=not state.retired,
        )
        try:
            await workflow.execute_activity(
                contracts.set_schedule, request, **options.SCHEDULE, summary="schedule discovery"
            )
        except FailureError:
            state.schedule_wanted = True
            raise

    def _publish(self) -> None:
        state = self.state
        phase = "Healthy" if state.is_healthy else "Unhealthy"
        newest = state.freight.get(state.last_freight)
        message = self.problem or "; ".join(problem.message for problem in state.problems) or state.criteria
        summary = {
            "kind": "Warehouse",
            "project": state.project,
            "name": state.name,
            "shard": state.spec.get("shard", ""),
            "phase": phase,
            "message": "; ".join(filter(None, (message, _CROWDED if state.crowded else ""))),
            "freight": newest.label if newest else "",
            "freightCount": len(state.freight),
            "subscriptions": len(state.spec.get("subscriptions", ())),
            "discoveredAt": state.discovered_at.isoformat() if state.discovered_at else "",
            "lookedAt": state.looked_at.isoformat() if state.looked_at else "",
        }
        self.show(
            summary,
            [
                contracts.PROJECT_ATTRIBUTE.value_set(state.project),
                contracts.WAREHOUSE_ATTRIBUTE.value_set(state.name),
                contracts.PHASE_ATTRIBUTE.value_set(phase),
            ],
            warehouse_details(state),
        )
