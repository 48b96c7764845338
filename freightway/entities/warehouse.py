"""A Warehouse's state and its rules: which Freight is made of what was discovered, and which is let go.

Source: Kargo pkg/controller/warehouses/warehouses.go, pkg/garbage. Differs: one subscription that cannot be
looked at does not discard what the others found.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import Field

from freightway.entities.freight import FreightRecord, StageFacts
from freightway.entities.state import EntityState
from freightway.errors import ExpressionError, Refused
from freightway.promotion.model import FreightReference, Origin
from freightway.resources.load import parse_resource
from freightway.resources.meta import Model
from freightway.resources.settings import warehouse_settings
from freightway.selection import freight_facts
from freightway.selection.alias import alias_for
from freightway.selection.freight_id import freight_id
from freightway.urls import normalize_chart, normalize_git

_SHOWN_ARTIFACTS = 20
MOST_FREIGHT_BYTES = 512 * 1024
"""Bytes that the Freight of a Warehouse may have as JSON; a thousand each is usual."""


class WarehouseConfiguration(Model):
    """What a Project tells a Warehouse.

    Attributes:
        subscribers: Stages that take Freight from it.
        upstream: for each of them the Stages whose facts matter to it.
        fresh: those of them that are new and count on being sent the Freight that there is.
    """

    generation: int = 0
    spec: dict[str, Any] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    subscribers: tuple[str, ...] = ()
    upstream: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    fresh: tuple[str, ...] = ()


class SubscriptionProblem(Model):
    """Why a subscription could not be looked at, and since when."""

    subscription: int
    name: str = ""
    message: str = ""
    since: datetime


class WarehouseState(EntityState):
    """What a Warehouse owns: its subscriptions, what was discovered last, its Freight.

    Attributes:
        crowded: Freight was let go before its time when Freight was made last, since there was too much of it.
        alias_news: aliases that the project's index has not been told, by Freight; empty for Freight that is gone.
        news: Freight that changed and that Stages have not been told of, by Stage.
        snapshots: Stages that are to be told of all Freight.
        untold: Stages that have not been told all of it, as the Warehouse answers when it is asked.
    """

    spec: dict[str, Any] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    subscribers: list[str] = Field(default_factory=list)
    upstream: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    freight: dict[str, FreightRecord] = Field(default_factory=dict)
    discovered: dict[str, Any] = Field(default_factory=dict)
    discovered_at: datetime | None = None
    looked_at: datetime | None = None
    problems: list[SubscriptionProblem] = Field(default_factory=list)
    criteria: str = ""
    last_freight: str = ""
    deleted: list[str] = Field(default_factory=list)
    refresh_wanted: bool = False
    schedule_wanted: bool = False
    collect_at: datetime | None = None
    crowded: bool = False
    alias_news: dict[str, str] = Field(default_factory=dict)
    news: dict[str, set[str]] = Field(default_factory=dict)
    snapshots: list[str] = Field(default_factory=list)
    untold: tuple[str, ...] = ()

    def take_configuration(self, news: WarehouseConfiguration) -> list[str]:
        """Take what the Project says; returns the Stages that are to be sent all Freight.

        A Stage that is new has none, so that a Warehouse without any has nothing to send it; one that is new to this
        Warehouse only may know Freight of its predecessor.
        """
        known, empty = {*self.subscribers}, {*news.fresh}
        if self.freight:
            fresh = [stage for stage in news.subscribers if stage not in known or stage in empty]
        else:
            fresh = [stage for stage in news.subscribers if stage not in known and stage not in empty]
        self.spec, self.generation = news.spec, news.generation
        self.labels, self.annotations = news.labels, news.annotations
        self.subscribers = list(news.subscribers)
        self.upstream = dict(news.upstream)
        return fresh

    @property
    def is_healthy(self) -> bool:
        """Whether the last look at every subscription succeeded."""
        return not self.problems


def newest_combination(state: WarehouseState) -> FreightReference | None:
    """Return the Freight made of the newest artifact of every subscription, None if one has none."""
    found = state.discovered
    parts: dict[str, list[dict[str, Any]]] = {"commits": [], "images": [], "charts": []}
    for result in found.get("git", ()):
        if not result.get("commits"):
            return None
        parts["commits"].append(_commit(result))
    for result in found.get("images", ()):
        if not result.get("references"):
            return None
        parts["images"].append(_image(result))
    for result in found.get("charts", ()):
        if not result.get("versions"):
            return None
        parts["charts"].append(_chart(result))
    if not any(parts.values()):
        return None
    origin = {"kind": "Warehouse", "name": state.name}
    name = freight_id({"origin": origin, **parts})
    return FreightReference(
        name=name,
        origin=Origin(name=state.name),
        commits=tuple(parts["commits"]),
        images=tuple(parts["images"]),
        charts=tuple(parts["charts"]),
    )


def _commit(result: dict[str, Any]) -> dict[str, Any]:
    newest = result["commits"][0]
    keys = ("id", "branch", "tag", "author", "committer")
    part = {"repoURL": result["repoURL"], **{key: newest[key] for key in keys if newest.get(key)}}
    if newest.get("subject"):
        part["message"] = newest["subject"]
    return _named(part, result)


def _image(result: dict[str, Any]) -> dict[str, Any]:
    newest = result["references"][0]
    part = {"repoURL": result["repoURL"], "tag": newest.get("tag", ""), "digest": newest.get("digest", "")}
    if newest.get("annotations"):
        part["annotations"] = newest["annotations"]
    return _named(part, result)


def _chart(result: dict[str, Any]) -> dict[str, Any]:
    part = {"repoURL": result["repoURL"], "version": result["versions"][0]}
    if result.get("name"):
        part["name"] = result["name"]
    return _named(part, result)


def _named(part: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    if result.get("subscriptionName"):
        part["subscriptionName"] = result["subscriptionName"]
    return part


def criteria_hold(state: WarehouseState) -> tuple[bool, str]:
    """Tell whether Freight may be made of what was discovered, and if not, why.

    Source: Kargo pkg/controller/warehouses (freightCreationCriteria); evaluated over the discovered artifacts.
    """
    # Late: commands import this module and evaluate nothing.
    from freightway import expr
    from freightway.expr import functions

    source = (state.spec.get("freightCreationCriteria") or {}).get("expression", "")
    if not source.strip():
        return True, ""
    try:
        value = expr.evaluate(source, {}, functions=functions.criteria_functions(state.discovered))
    except ExpressionError as error:
        return False, f"freightCreationCriteria does not evaluate: {error.message}"
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower(), value)
    if not isinstance(value, bool):
        return False, f"freightCreationCriteria must give true or false, not {value!r}"
    return value, "" if value else "freightCreationCriteria is not satisfied"


def add_freight(state: WarehouseState, reference: FreightReference, at: datetime) -> FreightRecord:
    """Add Freight to the Warehouse, with an alias if it has none."""
    taken = {record.alias for record in state.freight.values()}
    alias = reference.alias or alias_for(reference.name, taken)
    record = FreightRecord.of(reference.model_copy(update={"alias": alias}), at)
    state.freight[record.name] = record
    state.last_freight = record.name
    return record


def drop_freight(state: WarehouseState, name: str) -> None:
    """Take Freight out of the Warehouse; the newest that is left is the last then."""
    del state.freight[name]
    if state.last_freight == name:
        newest = max(state.freight.values(), key=lambda record: record.age_key, default=None)
        state.last_freight = newest.name if newest else ""


def take_facts(state: WarehouseState, facts: StageFacts, at: datetime) -> set[str]:
    """Apply what a Stage says; returns the names of the Freight that changed."""
    moment = facts.at or at
    before = dict(state.freight)
    if facts.forget:
        state.freight = {name: record.without_stage(facts.stage) for name, record in state.freight.items()}
        return {name for name, record in state.freight.items() if record != before[name]}
    changes: list[tuple[str, Callable[[FreightRecord], Any]]] = []
    stage = facts.stage
    changes += [(name, lambda record: freight_facts.left(record, stage, moment)) for name in facts.left]
    changes += [(name, lambda record: freight_facts.entered(record, stage, moment)) for name in facts.entered]
    changes += [
        (name, lambda record: freight_facts.verified(record, stage, moment, control_flow=facts.control_flow))
        for name in facts.verified
    ]
    changes += [(name, lambda record: freight_facts.unverified(record, stage)) for name in facts.withdrawn]
    for name, change in changes:
        if name in state.freight:
            state.freight[name] = change(state.freight[name])
    for name, values in facts.metadata.items():
        if name in state.freight:
            state.freight[name] = state.freight[name].annotated(values)
    return {name for name, record in state.freight.items() if record is not before.get(name)}


def collectable(state: WarehouseState, now: datetime) -> list[str]:
    """Return the names of the Freight that may be let go.

    Kept are the newest, everything up to the oldest Freight in some Stage, as many more as the settings say
    (twenty), and what is younger than the settings say (336 hours).

    Source: Kargo pkg/garbage; the limits are its defaults.
    """
    settings = warehouse_settings(state.annotations)
    ordered = sorted(state.freight.values(), key=lambda record: record.discovered_at, reverse=True)
    if len(ordered) <= settings.keep_freight:
        return []
    in_use = [index for index, record in enumerate(ordered) if record.currently_in]
    first = (max(in_use) if in_use else -1) + settings.keep_freight + 1
    return [
        record.name for record in ordered[first:] if now - record.discovered_at > settings.keep_freight_for
    ]


def crowded_out(state: WarehouseState) -> list[str]:
    """Return the names of the Freight that must be let go although it may be young: there is too much of it.

    The oldest goes first; what a Stage holds stays, and so does what was made last.
    """
    most = warehouse_settings(state.annotations).most_freight
    sizes = {name: len(record.model_dump_json()) for name, record in state.freight.items()}
    count, size = len(sizes), sum(sizes.values())
    gone = []
    for record in sorted(state.freight.values(), key=lambda record: record.age_key):
        if count <= most and size <= MOST_FREIGHT_BYTES:
            break
        if record.currently_in or record.name == state.last_freight:
            continue
        gone.append(record.name)
        count, size = count - 1, size - sizes[record.name]
    return gone


def check_configuration(state: WarehouseState, news: WarehouseConfiguration) -> None:
    """Check that a Warehouse can live by a configuration; only what a person sent past the Project cannot.

    Raises:
        InvalidResource: if it cannot.
    """
    warehouse_settings(news.annotations)
    metadata = {"name": state.name, "namespace": state.project}
    parse_resource(
        {
            "apiVersion": "kargo.akuity.io/v1alpha1",
            "kind": "Warehouse",
            "metadata": metadata,
            "spec": news.spec,
        }
    )


def check_artifacts(state: WarehouseState, freight: dict[str, Any]) -> None:
    """Check that Freight made by hand has one artifact a subscription and none that the Warehouse does not know.

    Raises:
        Refused: naming what is missing or unknown.
        InvalidResource: if the artifacts are not written as artifacts are.
    Source: Kargo pkg/webhook/kubernetes/freight; versions are not checked, repositories are.
    """
    document = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Freight", "metadata": {}}
    parse_resource({**freight, **document, "origin": {"kind": "Warehouse", "name": state.name}})
    wanted: dict[tuple[str, ...], int] = {}
    for subscription in state.spec.get("subscriptions", ()):
        if "git" in subscription:
            wanted[("commit", normalize_git(subscription["git"]["repoURL"]))] = 0
        elif "image" in subscription:
            wanted[("image", subscription["image"]["repoURL"])] = 0
        elif "chart" in subscription:
            chart = subscription["chart"]
            wanted[("chart", normalize_chart(chart["repoURL"]), chart.get("name", ""))] = 0
    given = [("commit", normalize_git(item.get("repoURL", ""))) for item in freight.get("commits", ())]
    given += [("image", item.get("repoURL", "")) for item in freight.get("images", ())]
    charts = freight.get("charts", ())
    given_charts = [
        ("chart", normalize_chart(item.get("repoURL", "")), item.get("name", "")) for item in charts
    ]
    for key in [*given, *given_charts]:
        if key not in wanted:
            raise Refused(f"Warehouse {state.name!r} has no {key[0]} subscription of {' '.join(key[1:])}")
        wanted[key] += 1
        if wanted[key] > 1:
            raise Refused(f"two {key[0]}s of {' '.join(key[1:])}; give one")
    missing = [" ".join(key) for key, count in wanted.items() if count == 0]
    if missing:
        raise Refused(f"no artifact for {', '.join(missing)}; give one for each subscription")


def take_discovery(
    state: WarehouseState, artifacts: dict[str, Any], problems: list[SubscriptionProblem], at: datetime
) -> None:
    """Keep what a look found; what could not be looked at keeps its earlier result."""
    state.looked_at = at
    state.problems = problems
    state.discovered = trim(artifacts)
    if not problems:
        state.discovered_at = at


def trim(artifacts: dict[str, Any]) -> dict[str, Any]:
    """Cut the lists of what was discovered, so that the state stays small; only the newest keep annotations."""
    shorter: dict[str, Any] = {}
    for kind, key in (("git", "commits"), ("images", "references"), ("charts", "versions")):
        results = []
        for result in artifacts.get(kind, ()):
            entries = list(result.get(key) or ())[:_SHOWN_ARTIFACTS]
            entries = [
                {name: value for name, value in entry.items() if name != "annotations"}
                if index and isinstance(entry, dict)
                else entry
                for index, entry in enumerate(entries)
            ]
            results.append({**result, key: entries})
        if results:
            shorter[kind] = results
    return shorter
