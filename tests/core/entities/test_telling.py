"""Who is told what was applied, in which order, and what a new Stage need not ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from freightway.entities.project import (
    ProjectState,
    apply_resources,
    configuration,
    downstream,
    parse_all,
)
from freightway.entities.stage import StageState
from freightway.entities.stage_display import first_shown, stage_phase, stage_summary
from freightway.entities.warehouse import WarehouseConfiguration, WarehouseState, add_freight
from freightway.promotion.model import FreightReference, Origin
from tests.servers.manifests import PROJECT, stage, warehouse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def own(*documents: dict[str, Any]) -> list[Any]:
    """Resources of the project demo."""
    filled = []
    for document in documents:
        metadata = dict(document["metadata"])
        if document["kind"] == "Project":
            metadata["name"] = "demo"
        else:
            metadata["namespace"] = "demo"
        filled.append({**document, "metadata": metadata})
    return parse_all(filled)


def applied(*documents: dict[str, Any], state: ProjectState | None = None) -> ProjectState:
    state = state or ProjectState(name="demo", project="demo")
    apply_resources(state, own(*documents))
    return state


def all_told(state: ProjectState) -> list[list[str]]:
    """Tell everybody; returns who was told together."""
    groups = []
    while state.untold:
        group = state.next_told(50)
        groups.append(group)
        state.told(len(group))
    return groups


def test_stages_are_told_before_the_warehouses_that_send_them_freight() -> None:
    state = applied(PROJECT, warehouse(), stage("dev"), stage("test", upstream=("dev",)))
    assert all_told(state) == [["Stage/dev", "Stage/test", "Warehouse/app"]]
    assert state.fresh == []


def test_a_dry_run_leaves_the_project_as_it_is() -> None:
    state = applied(PROJECT, warehouse(), stage("dev"))
    before = state.model_dump_json()
    apply_resources(state, own(warehouse("other"), stage("dev", steps=()), stage("test")), dry_run=True)
    assert state.model_dump_json() == before


def test_a_stage_says_who_takes_freight_from_it() -> None:
    state = applied(
        PROJECT, warehouse(), stage("dev"), stage("b", upstream=("dev",)), stage("a", upstream=("dev",))
    )
    below = downstream(state)
    assert configuration(state, "dev", below).downstream == ("a", "b")
    assert configuration(state, "a", below).downstream == ()


def test_a_new_stage_counts_on_a_warehouse_that_is_told_after_it() -> None:
    state = applied(PROJECT, warehouse(), stage("dev"))
    assert configuration(state, "dev", {}).fed == ("app",)
    all_told(state)
    applied(warehouse(interval="12h"), stage("test"), state=state)
    assert configuration(state, "dev", {}).fed == ()
    assert configuration(state, "test", {}).fed == ("app",)


def test_a_new_stage_does_not_ask_for_freight_that_will_be_sent() -> None:
    news = configuration(applied(PROJECT, warehouse(), stage("dev")), "dev", {})
    new = StageState(project="demo", name="dev")
    assert new.take_configuration(news) == []
    assert new.take_configuration(news) == [], "the same told twice"
    told_alone = StageState(project="demo", name="dev")
    assert told_alone.take_configuration(news.model_copy(update={"fed": ()})) == ["app"]


def test_a_stage_that_the_project_takes_for_new_asks_again_for_what_it_knew() -> None:
    news = configuration(applied(PROJECT, warehouse(), stage("dev")), "dev", {})
    old = StageState(project="demo", name="dev")
    old.take_configuration(news.model_copy(update={"fed": ()}))
    old.snapshots.append("app")
    assert old.take_configuration(news) == ["app"]


def test_a_warehouse_sends_new_stages_the_freight_it_has() -> None:
    def sent(state: WarehouseState, *fresh: str) -> list[str]:
        news = WarehouseConfiguration(subscribers=("new", "old"), fresh=fresh)
        return state.take_configuration(news)

    assert sent(WarehouseState(project="demo", name="app"), "new") == ["old"], "it may know an earlier one's"
    assert sent(WarehouseState(project="demo", name="app"), "new", "old") == []
    full = WarehouseState(project="demo", name="app", subscribers=["new", "old"])
    add_freight(full, FreightReference(name="a" * 40, origin=Origin(name="app")), NOW)
    assert sent(full, "new") == ["new"]
    assert sent(full) == []


def test_a_new_stage_is_started_with_what_it_will_show() -> None:
    for document in (
        stage("dev"),
        stage("flow", steps=()),
        stage("test", upstream=("dev",), origins=("app", "b")),
    ):
        project = applied(PROJECT, warehouse(), stage("dev"), document)
        name = document["metadata"]["name"]
        news = configuration(project, name, {})
        state = StageState(project="demo", name=name)
        state.take_configuration(news)
        assert first_shown("demo", name, news) == (
            stage_summary(state, stage_phase(state), "", ""),
            stage_phase(state),
        )
