"""Warehouses: what they look at, the Freight they make, its names and facts, and how it goes away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from freightway import names
from freightway.entities.freight import FreightRecord
from freightway.errors import NotFound, Refused
from freightway.selection.freight_id import freight_id
from tests.servers.git_server import serve_git
from tests.servers.manifests import PROJECT, REPOSITORY, auto, project_config, stage, warehouse
from tests.servers.temporal import Pipeline, until

A, B, C = "a" * 40, "b" * 40, "c" * 40


async def test_new_commits_become_freight_and_go_on_by_themselves(project: Pipeline, tmp_path: Path) -> None:
    with serve_git(tmp_path) as git:
        git.create("app", {"a": "1"})
        url = git.url("app")
        await project.apply(
            PROJECT,
            project_config(*auto("dev")),
            warehouse(repository=url, freightCreationPolicy="Automatic"),
            stage("dev"),
        )
        state = await project.stage_is("dev", lambda state: state.holding is not None)
        first = state.holding.items[0]
        assert first.commits[0]["id"] == git.head("app")
        expected = {"origin": {"kind": "Warehouse", "name": "app"}, "commits": list(first.commits)}
        assert first.name == freight_id(expected)
        newer = git.commit("app", {"a": "2"})
        await project.api.refresh(project.name, "warehouse", "app")
        state = await project.stage_is("dev", lambda state: len(state.history) == 2)
        assert state.holding.items[0].commits[0]["id"] == newer


async def test_a_repository_that_does_not_answer_is_shown_and_recovers(
    project: Pipeline, tmp_path: Path
) -> None:
    with serve_git(tmp_path) as git:
        git.create("app", {"a": "1"})
        git.status = 500
        await project.apply(PROJECT, warehouse(repository=git.url("app"), freightCreationPolicy="Automatic"))
        state = await project.warehouse_is("app", lambda state: bool(state.problems), 40)
        assert state.problems[0].subscription == 0
        assert await project.api.freight(project.name) == []
        git.status = 0
        await project.api.refresh(project.name, "warehouse", "app")
        await project.warehouse_is(
            "app", lambda state: state.looked_at is not None and not state.problems, 40
        )
        await until(lambda: project.api.freight(project.name), bool)
        reasons = [event.reason.value for event in await project.events()]
        assert reasons.index("DiscoveryFailed") < reasons.index("DiscoveryRecovered")


async def test_a_schedule_looks_at_the_subscriptions_and_goes_with_its_warehouse(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse())
    schedule = project.world.client.get_schedule_handle(names.discovery_schedule_id(project.name, "app"))

    async def interval() -> timedelta:
        return (await schedule.describe()).schedule.spec.intervals[0].every

    assert await until(interval, bool) == timedelta(hours=24)
    await project.apply(warehouse(interval="10m"))
    await until(interval, lambda every: every == timedelta(minutes=10))
    await project.api.delete(project.name, ["Warehouse/app"])
    await project.gone(names.warehouse_id(project.name, "app"))
    listed = [item.id async for item in await project.world.client.list_schedules()]
    assert names.discovery_schedule_id(project.name, "app") not in listed


@pytest.mark.parametrize(
    ("freight", "says"),
    [
        ({}, "holds no artifact"),
        (
            {"commits": [{"repoURL": "https://git.example.com/other.git", "id": A}]},
            "has no commit subscription",
        ),
        ({"commits": [{"repoURL": REPOSITORY, "id": A}, {"repoURL": REPOSITORY, "id": B}]}, "two commits"),
        ({"commits": [{"repoURL": REPOSITORY, "id": A}], "alias": "Not An Alias"}, "alias"),
        ({"commits": "what"}, "commits"),
        ({"commits": [1]}, "commits"),
        ({"commits": [{"repoURL": REPOSITORY, "id": 5}]}, "commits"),
    ],
)
async def test_freight_that_the_warehouse_cannot_make_is_refused(
    project: Pipeline, freight: dict[str, object], says: str
) -> None:
    await project.apply(PROJECT, warehouse())
    with pytest.raises(Refused, match=says):
        await project.api.create_freight(project.name, "app", freight)
    assert await project.api.freight(project.name) == []


async def test_freight_of_the_same_content_is_made_once(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse())
    await project.freight(A)
    with pytest.raises(Refused, match="exists"):
        await project.freight(A)


async def test_aliases_are_unique_across_the_warehouses_of_a_project(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), warehouse("lib", "https://git.example.com/lib.git"))
    first = await project.freight(A, "app")
    second = await project.freight(A, "lib")

    async def aliases() -> set[str]:
        return {record.alias for record in await project.api.freight(project.name)}

    assert len(await until(aliases, lambda found: len(found) == 2)) == 2
    await project.api.set_alias(project.name, first.name, "the-one")
    await until(aliases, lambda found: "the-one" in found)
    with pytest.raises(Refused, match="taken"):
        await project.api.set_alias(project.name, second.name, "the-one")
    with pytest.raises(Refused, match="cannot be an alias"):
        await project.api.set_alias(project.name, second.name, "Not This")
    given = {"commits": [{"repoURL": REPOSITORY, "id": B}], "alias": "by-hand"}
    await project.api.create_freight(project.name, "app", given)
    found = await project.api.find_freight(project.name, "by-hand")
    other = {
        "commits": [{"repoURL": "https://git.example.com/lib.git", "id": B}],
        "alias": "by-hand",
    }
    await project.api.create_freight(project.name, "lib", other)

    async def of_lib() -> list[str]:
        return [record.alias for record in await project.api.freight(project.name, "lib")]

    # A Warehouse does not know the aliases of others: the Project gives the later one another.
    await until(of_lib, lambda aliases: "by-hand" not in aliases)
    assert (await project.api.find_freight(project.name, "by-hand")).name == found.name


async def test_freight_in_a_stage_cannot_be_deleted(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    old, new = await project.freight(A), await project.freight(B)
    await project.brought("dev", old)

    async def where() -> FreightRecord:
        return await project.api.find_freight(project.name, old.name)

    await until(where, lambda record: "dev" in record.currently_in)
    with pytest.raises(Refused, match="is in dev"):
        await project.api.delete_freight(project.name, old.alias)
    await project.brought("dev", new)
    await until(where, lambda record: not record.currently_in)
    await project.api.delete_freight(project.name, old.alias)
    await project.stage_is("dev", lambda state: old.name not in state.freight)
    with pytest.raises(NotFound):
        await project.api.find_freight(project.name, old.name)


async def test_old_freight_that_nobody_uses_is_let_go(project: Pipeline) -> None:
    keep = {"freightway.dev/keep-freight": "3", "freightway.dev/keep-freight-for": "48h"}
    document = warehouse()
    document["metadata"]["annotations"] = keep
    await project.apply(PROJECT, document, stage("dev"))
    records = [await project.freight(f"{number:040d}") for number in range(6)]
    await project.brought("dev", records[-1])
    await until(
        lambda: project.api.find_freight(project.name, records[-1].name),
        lambda record: "dev" in record.currently_in,
    )
    await project.forward(names.warehouse_id(project.name, "app"), timedelta(hours=47))
    assert len(await project.api.freight(project.name)) == 6
    await project.forward(names.warehouse_id(project.name, "app"), timedelta(hours=3))

    async def left() -> set[str]:
        return {record.name for record in await project.api.freight(project.name)}

    kept = {record.name for record in records[2:]}
    await until(left, lambda found: found == kept)
    await project.stage_is("dev", lambda state: set(state.freight) == kept)
    assert len(await project.events("FreightDeleted")) == 2


async def test_beyond_the_limit_the_oldest_unused_freight_is_let_go_however_young(project: Pipeline) -> None:
    document = warehouse()
    document["metadata"]["annotations"] = {"freightway.dev/most-freight": "5"}
    await project.apply(PROJECT, document, stage("dev"))
    records = [await project.freight(f"{number:040d}") for number in range(5)]
    await project.brought("dev", records[0])
    await until(
        lambda: project.api.find_freight(project.name, records[0].name),
        lambda record: "dev" in record.currently_in,
    )
    assert await project.events("FreightDeleted") == []
    records += [await project.freight(f"{number:040d}") for number in range(5, 8)]
    kept = {record.name for record in (records[0], *records[4:])}
    assert {record.name for record in await project.records()} == kept
    await project.stage_is("dev", lambda state: set(state.freight) == kept, 60)
    gone = await project.events("FreightDeleted")
    assert [event.freight for event in gone] == [record.name for record in records[1:4]]
    assert "as much Freight as there may be" in gone[0].message
    rows = await until(
        lambda: project.api.rows("Warehouse", project.name),
        lambda rows: bool(rows and "the oldest that no Stage holds is let go" in str(rows[0].get("message"))),
        60,
    )
    assert rows[0]["freightCount"] == 5


async def test_a_step_writes_metadata_that_the_next_stage_reads(project: Pipeline) -> None:
    writes = {
        "uses": "set-metadata",
        "config": {
            "updates": [
                {"kind": "Freight", "name": "${{ ctx.targetFreight.name }}", "values": {"built": "yes"}},
                {"kind": "Stage", "name": "${{ ctx.stage }}", "values": {"seen": 1}},
            ]
        },
    }
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[writes]))
    freight = await project.freight(A)
    await project.brought("dev", freight)
    await project.stage_is("dev", lambda state: state.metadata == {"seen": 1})
    found = await until(
        lambda: project.api.find_freight(project.name, freight.name), lambda record: bool(record.metadata)
    )
    assert found.metadata == {"built": "yes"}
