"""What a Stage remembers: its configuration, a copy of the facts about Freight, its queue, history and holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from freightway.entities.freight import FreightRecord, StageFacts
from freightway.entities.project import StageConfiguration
from freightway.entities.promotion import WaitingFor
from freightway.entities.state import EntityState
from freightway.entities.verification import VerificationPhase, VerificationResult
from freightway.promotion.model import FreightReference, HealthCheck, Phase, PromotionPlan
from freightway.resources.meta import Model, parse_duration
from freightway.resources.settings import StageSettings, stage_settings
from freightway.selection.availability import FreightRequest
from freightway.selection.holds import Hold

KEPT_HISTORY = 10
"""Sets of Freight that a Stage remembers having held."""
KEPT_VERIFICATIONS = 10
"""Verifications remembered of one set of Freight."""
MOST_QUEUED = 30
"""Promotions that may wait at once; each carries its frozen plan."""

Kind = Literal["auto", "manual", "rollback", "hotfix"]


class Queued(Model):
    """A promotion that waits for its turn.

    Attributes:
        collection: what the Stage will hold afterwards, if it is to bring several origins at once (rollback).
        notify: workflows that are told its end.
    """

    promotion: str
    freight: str
    alias: str = ""
    origin: str = ""
    kind: Kind = "manual"
    actor: str = ""
    reason: str = ""
    created_at: datetime
    plan: PromotionPlan
    break_glass: bool = False
    notify: tuple[str, ...] = ()


class Running(Model):
    """The promotion that runs.

    Attributes:
        adopted: it is not a child of this run of the Stage, so that its end is looked for.
        waiting: what it waits for, as it said last.
        note: what people must know of it, such as a verification that was withdrawn meanwhile.
    """

    promotion: str
    freight: str
    alias: str = ""
    origin: str = ""
    kind: Kind = "manual"
    actor: str = ""
    created_at: datetime
    started_at: datetime
    notify: tuple[str, ...] = ()
    adopted: bool = False
    break_glass: bool = False
    waiting: WaitingFor | None = None
    note: str = ""


class Summary(Model):
    """A promotion that has ended."""

    promotion: str
    freight: str
    alias: str = ""
    kind: Kind = "manual"
    actor: str = ""
    phase: Phase
    message: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime


class Holding(Model):
    """A set of Freight that the Stage holds or held: one for each origin, and how it was verified.

    Attributes:
        id: SHA-1 of the names, as Kargo's FreightCollection.
        verifications: newest first.
    """

    id: str
    items: tuple[FreightReference, ...]
    promotion: str
    since: datetime
    verifications: tuple[VerificationResult, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Whether the newest verification succeeded."""
        return bool(self.verifications) and self.verifications[0].phase is VerificationPhase.SUCCESSFUL

    @property
    def label(self) -> str:
        """The aliases of the set."""
        return ", ".join(item.alias or item.name[:7] for item in self.items)


class Verifying(Model):
    """A verification that runs."""

    id: str
    holding: str
    actor: str = ""
    started_at: datetime
    repeated: bool = False
    adopted: bool = False
    waiting: str = ""


class Health(Model):
    """A Stage's health, from the checks that its last succeeded promotion registered."""

    status: str = "Healthy"
    issues: tuple[str, ...] = ()
    output: tuple[dict[str, Any], ...] = ()
    checked_at: datetime | None = None


class StageState(EntityState):
    """What a Stage owns.

    Attributes:
        configured: a specification has arrived.
        alone: it was started with the word that nothing of an earlier Stage of its name runs.
        freight: copy of the facts about the Freight of the requested origins, by name.
        snapshots: origins whose Freight has arrived, or comes by itself if there is any.
        coming: those of them that would send it about now.
        coming_until: when they have sent what they have.
        wanted_verification: who asked to verify again, None if nobody did.
        outbox: facts to tell, with the Warehouse they are for.
        notices: ends of promotions to tell, with the workflow they are for.
    """

    configured: bool = False
    alone: bool = False
    configuration: StageConfiguration = Field(default_factory=StageConfiguration)
    spec: dict[str, Any] = Field(default_factory=dict)
    freight: dict[str, FreightRecord] = Field(default_factory=dict)
    snapshots: list[str] = Field(default_factory=list)
    coming: list[str] = Field(default_factory=list)
    coming_until: datetime | None = None
    queue: list[Queued] = Field(default_factory=list)
    current: Running | None = None
    finished: list[Summary] = Field(default_factory=list)
    history: list[Holding] = Field(default_factory=list)
    holds: tuple[Hold, ...] = ()
    health: Health | None = None
    health_checks: tuple[HealthCheck, ...] = ()
    health_wanted: bool = False
    verifying: Verifying | None = None
    wanted_verification: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    outbox: list[tuple[str, StageFacts]] = Field(default_factory=list)
    notices: list[tuple[str, dict[str, Any]]] = Field(default_factory=list)
    passed_on: list[str] = Field(default_factory=list)

    def take_configuration(self, news: StageConfiguration) -> list[str]:
        """Take what the Project says; returns the origins whose Freight is to be asked for."""
        if news.spec is not None:
            self.spec = news.spec
            self.configured = True
        before, self.configuration = self.configuration, news.model_copy(update={"spec": None})
        present = [origin for origin in self.origins if origin in news.warehouses]
        self.freight = {name: record for name, record in self.freight.items() if record.origin in present}
        self.snapshots = [origin for origin in self.snapshots if origin in present]
        # What it knows of a Warehouse that takes it for new comes from an earlier one: it asks again.
        outdated = {origin for origin in self.snapshots if origin in news.fed and origin not in before.fed}
        self.snapshots = [
            origin for origin in present if origin in (*self.snapshots, *news.fed) and origin not in outdated
        ]
        self.coming = [origin for origin in self.snapshots if origin in news.fed and origin not in before.fed]
        return self.missing_origins

    def unheard_origins(self, now: datetime) -> list[str]:
        """Return the Warehouses that may have Freight that has not arrived."""
        coming = self.coming if self.coming_until and now < self.coming_until else []
        return [*self.missing_origins, *coming]

    @property
    def missing_origins(self) -> list[str]:
        """Warehouses that are there and whose Freight has not arrived."""
        there = self.configuration.warehouses
        return [origin for origin in self.origins if origin in there and origin not in self.snapshots]

    @property
    def requests(self) -> tuple[FreightRequest, ...]:
        """What the Stage requests, in plain fields."""
        return tuple(_request(item) for item in self.spec.get("requestedFreight") or ())

    @property
    def origins(self) -> tuple[str, ...]:
        """Names of the Warehouses that it takes Freight of."""
        return tuple(item["origin"]["name"] for item in self.spec.get("requestedFreight") or ())

    @property
    def template(self) -> dict[str, Any]:
        """Its promotion template, empty for a control-flow Stage."""
        template: dict[str, Any] = (self.spec.get("promotionTemplate") or {}).get("spec") or {}
        return template

    @property
    def is_control_flow(self) -> bool:
        """Whether it has no steps and only passes Freight on."""
        return not self.template.get("steps")

    @property
    def shard(self) -> str:
        """Its shard, empty for none."""
        return str(self.spec.get("shard") or "")

    @property
    def settings(self) -> StageSettings:
        """Freightway's own settings, from its annotations."""
        return stage_settings(self.configuration.annotations)

    @property
    def holding(self) -> Holding | None:
        """What it holds now."""
        return self.history[0] if self.history else None

    @property
    def health_status(self) -> str:
        """Its health; Healthy without checks, Unknown before they were looked at."""
        if self.health_checks and self.health is None:
            return "Unknown"
        return self.health.status if self.health else "Healthy"

    def held_freight(self) -> dict[str, str]:
        """Name of the Freight held, by the name of its Warehouse."""
        return {item.origin.name: item.name for item in self.holding.items} if self.holding else {}

    def label(self, freight: str) -> str:
        """How people see Freight of this name."""
        record = self.freight.get(freight)
        return record.label if record else freight[:7]


def _request(item: dict[str, Any]) -> FreightRequest:
    sources = item.get("sources") or {}
    soak = sources.get("requiredSoakTime")
    options = sources.get("autoPromotionOptions") or {}
    return FreightRequest(
        origin=item["origin"]["name"],
        direct=bool(sources.get("direct")),
        stages=tuple(sources.get("stages") or ()),
        strategy=sources.get("availabilityStrategy") or "",
        soak=parse_duration(soak) if soak else None,
        policy=options.get("selectionPolicy") or "",
    )
