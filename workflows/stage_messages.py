"""What Projects, Warehouses and children say to a Stage, and what it answers to questions. Handlers only record."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts
    from freightway.entities import stage_gates, stage_holding, stage_rules
    from freightway.entities.events import Reason
    from freightway.entities.freight import FreightNews
    from freightway.entities.messages import ExplainRequest, MetadataNews, TargetRequest
    from freightway.entities.project import StageConfiguration
    from freightway.entities.promotion import PromotionResult, WaitingFor
    from freightway.entities.stage import Health, Queued, Running, StageState, Summary
    from freightway.entities.verification import VerificationResult
    from freightway.promotion.model import Phase
    from freightway.selection.auto_promotion import Decision
    from freightway.selection.availability import Verdict

from freightway.workflows import options
from freightway.workflows.entity import Entity, tolerant


class StageMessages(Entity):
    """The signals and queries of a Stage."""

    state: StageState

    def __init__(self, state: StageState) -> None:
        super().__init__()
        self.state = state
        parts = workflow.info().workflow_id.split("/")
        if len(parts) == 3:
            self.state.project, self.state.name = parts[1], parts[2]
        self.ended: list[PromotionResult] = []
        self.verified: list[VerificationResult] = []
        self.aborts: list[tuple[str, TargetRequest]] = []
        self.subscriptions = state.missing_origins
        self.decisions: tuple[Decision, ...] = ()
        self.told_freeze = ""
        self.reborn: StageConfiguration | None = None
        self.unknown = False
        self._entropy = workflow.new_random("stage")

    def entropy(self) -> bytes:
        """Ten bytes that are random, and the same when the history is replayed.

        From a source of their own: a worker that begins in the middle of a history may see a message before the
        turn that went before it, when that turn asked the server for nothing, and each turn draws from the common one.
        """
        return self._entropy.randbytes(10)

    def emit_of(
        self,
        promotion: Queued | Running | Summary,
        reason: Reason,
        message: str,
        *,
        actor: str = "",
        **facts: Any,
    ) -> None:
        """Record an event of one of the Stage's promotions."""
        facts |= {
            "stage": self.state.name,
            "freight": promotion.freight,
            "promotion": promotion.promotion,
        }
        self.emit(reason, message, actor=actor, **facts)

    def child_attributes(self, *freight: str, phase: str) -> TypedSearchAttributes:
        """Search attributes of a promotion or verification."""
        return TypedSearchAttributes(
            [
                SearchAttributePair(contracts.PROJECT_ATTRIBUTE, self.state.project),
                SearchAttributePair(contracts.STAGE_ATTRIBUTE, self.state.name),
                SearchAttributePair(contracts.PHASE_ATTRIBUTE, phase),
                SearchAttributePair(contracts.FREIGHT_ATTRIBUTE, list(freight)),
            ]
        )

    def take_health(self, health: contracts.StageHealth) -> None:
        """Note the Stage's health."""
        before = self.state.health_status
        self.state.health = Health(
            status=health.status, issues=health.issues, output=health.output, checked_at=workflow.now()
        )
        if before != health.status:
            text = f": {'; '.join(health.issues)}" if health.issues else ""
            self.emit(
                Reason.HEALTH_CHANGED,
                f"health is {health.status}{text}",
                stage=self.state.name,
                before=before,
            )

    @workflow.signal
    @tolerant
    def configure(self, news: StageConfiguration | None = None) -> None:
        """Take what the Project says; a specification that did not change is not sent again."""
        state = self.state
        if news is None:
            return
        if state.retired:
            # The Warehouses forget the Stage when it ends: the next run asks them.
            self.reborn = news.model_copy(update={"fed": ()})
            return
        if news.generation < state.configuration.generation:
            return
        stage_rules.check_configuration(state.project, state.name, news)
        self.problem = ""
        self.subscriptions += state.take_configuration(news)
        state.coming_until = workflow.now() + options.INTERVALS.coming
        self.unknown = not state.configured
        self.dirty = True

    @workflow.signal
    @tolerant
    def freight(self, news: FreightNews | None = None) -> None:
        """Take what a Warehouse says about its Freight."""
        if news is None or news.origin not in self.state.origins:
            return
        state = self.state
        if news.snapshot:
            state.freight = {
                name: record for name, record in state.freight.items() if record.origin != news.origin
            }
            state.coming = [origin for origin in state.coming if origin != news.origin]
            if news.origin not in state.snapshots:
                state.snapshots.append(news.origin)
        for record in news.records:
            state.freight[record.name] = record
        for name in news.removed:
            state.freight.pop(name, None)
        stage_holding.recover(state)
        self._note_withdrawal()
        self.dirty = True

    def _note_withdrawal(self) -> None:
        """A running promotion whose Freight lost its availability goes on, and the Stage says so."""
        current = self.state.current
        record = self.state.freight.get(current.freight) if current else None
        if current is None or record is None or current.kind == "rollback":
            return
        verdict = stage_rules.explain(self.state, record, workflow.now())
        note = (
            "" if verdict.available else f"Freight {record.label} is not available any more: {verdict.needs}"
        )
        if note != current.note:
            self.state.current = current.model_copy(update={"note": note})

    @workflow.signal
    @tolerant
    def metadata(self, news: MetadataNews | None = None) -> None:
        """Take values that ``set-metadata`` writes to the Stage; a null removes its key."""
        if news is not None:
            merged = {**self.state.metadata, **news.values}
            self.state.metadata = {key: value for key, value in merged.items() if value is not None}
            self.dirty = True

    @workflow.signal
    @tolerant
    def waiting(self, news: WaitingFor | None = None) -> None:
        """Take what the running promotion waits for."""
        current = self.state.current
        if news is None or current is None or current.promotion != news.promotion:
            return
        self.state.current = current.model_copy(update={"waiting": news if news.text else None})
        if not news.text:
            self.emit_of(current, Reason.PROMOTION_RESUMED, "the promotion goes on")
        elif news.phase is Phase.PARKED:
            self.emit_of(current, Reason.PROMOTION_PARKED, f"parked; waits for {news.text}")
        else:
            self.emit_of(current, Reason.PROMOTION_WAITING_FOR_PERSON, f"waits for {news.text}")

    @workflow.signal
    @tolerant
    def verification_waiting(self, news: WaitingFor | None = None) -> None:
        """Take what the running verification waits for."""
        verifying = self.state.verifying
        if news is None or verifying is None or verifying.id != news.promotion:
            return
        self.state.verifying = verifying.model_copy(update={"waiting": news.text})
        if news.text:
            self.emit(
                Reason.PROMOTION_WAITING_FOR_PERSON,
                f"verification waits for {news.text}",
                stage=self.state.name,
            )
        self.dirty = True

    @workflow.signal
    @tolerant
    def promotion_result(self, result: PromotionResult | None = None) -> None:
        """Take the end that a promotion tells itself; the server's word for it comes to the same."""
        if result is not None and self.state.current is not None and self.state.current.adopted:
            self.ended.append(result)

    @workflow.signal
    @tolerant
    def verification_result(self, result: VerificationResult | None = None) -> None:
        """Take the end that a verification tells itself."""
        if result is not None and self.state.verifying is not None and self.state.verifying.adopted:
            self.verified.append(result)

    @workflow.signal
    @tolerant
    def health(self, health: contracts.StageHealth | None = None) -> None:
        """Take the health that a HealthCheck saw."""
        if health is not None and self.state.current is None:
            self.take_health(health)

    @workflow.signal
    @tolerant
    def retire(self, request: TargetRequest | None = None) -> None:
        """End: the Stage was deleted."""
        self.state.retired = True
        self.reborn = None
        self.dirty = True

    @workflow.query
    def describe(self) -> StageState:
        """Everything the Stage knows but the plans that wait and the commands it applied."""
        queue = [
            item.model_copy(update={"plan": item.plan.model_copy(update={"steps": (), "warehouses": {}})})
            for item in self.state.queue
        ]
        return self.state.model_copy(update={"seen": {}, "queue": queue})

    @workflow.query
    def explain(self, request: ExplainRequest | None = None) -> list[Verdict]:
        """Whether Freight may come, with every condition; the Freight named, or all, newest first."""
        now = workflow.now()
        if request is not None and request.freight:
            chosen = [stage_rules.resolve_freight(self.state, request.freight, "", now)]
        else:
            chosen = sorted(self.state.freight.values(), key=lambda record: record.age_key, reverse=True)
        return [stage_gates.explain_start(self.state, record, now) for record in chosen]

    @workflow.query
    def health_request(self) -> contracts.StageHealthRequest:
        """The health checks to look at, for HealthCheck."""
        return contracts.StageHealthRequest(stage=self.state.name, checks=self.state.health_checks)

    async def signal(self, workflow_id: str, name: str, payload: Any) -> None:
        """Send a message to another workflow; one that does not run is passed over."""
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(name, payload)
        except ApplicationError:
            workflow.logger.info("%s does not run", workflow_id)
