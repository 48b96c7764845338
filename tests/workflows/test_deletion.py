"""Deleting what was applied: everything that belongs to it goes, and what is applied again starts clean."""

from __future__ import annotations

from contextlib import suppress

import pytest

from freightway import names
from freightway.errors import NotFound, Refused
from tests.servers.http_server import Reply
from tests.servers.manifests import PROJECT, stage, waits, warehouse
from tests.servers.temporal import Pipeline, until
from tests.workflows.conftest import Outside

A = "a" * 40


async def test_deleting_a_stage_aborts_what_runs_and_what_waits(project: Pipeline, outside: Outside) -> None:
    outside.answers["/gate"] = Reply(json={"ready": False})
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[waits(outside.at("/gate"))]))
    freight = await project.freight(A)
    running = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    await project.promote("dev", freight)
    plan = await project.api.delete(project.name, ["Stage/dev"], dry_run=True)
    assert [change.name for change in plan.changes] == ["dev"]
    assert await project.api.running(names.stage_id(project.name, "dev"))
    await project.api.delete(project.name, ["Stage/dev"])
    await project.gone(names.stage_id(project.name, "dev"))
    handle = project.handle(names.promotion_id(project.name, running.promotion))
    assert (await handle.describe()).status.name != "RUNNING"
    with pytest.raises(NotFound, match="dev"):
        await project.api.stage(project.name, "dev")


async def test_a_stage_applied_again_starts_clean(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight(A)
    await project.brought("dev", freight)
    await project.api.delete(project.name, ["Stage/dev"])
    await project.gone(names.stage_id(project.name, "dev"))
    await until(
        lambda: project.api.find_freight(project.name, freight.name),
        lambda record: not (record.currently_in or record.verified_in),
    )
    await project.apply(stage("dev"))
    state = await project.stage_is("dev", lambda state: freight.name in state.freight)
    assert (state.history, state.finished, state.queue) == ([], [], [])


async def test_a_stage_applied_again_while_it_is_being_deleted_starts_clean(
    project: Pipeline, outside: Outside
) -> None:
    outside.answers["/gate"] = Reply(json={"ready": False})
    document = stage("dev", steps=[waits(outside.at("/gate"))])
    await project.apply(PROJECT, warehouse(), document)
    freight = await project.freight(A)
    running = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    await project.api.delete(project.name, ["Stage/dev"])
    await project.apply(document)
    state = await project.stage_is("dev", lambda state: not state.retired and freight.name in state.freight)
    assert (state.history, state.finished, state.queue, state.current) == ([], [], [], None)
    handle = project.handle(names.promotion_id(project.name, running.promotion))
    assert (await handle.describe()).status.name != "RUNNING"


async def test_deleting_a_project_removes_all_of_it(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"), stage("prod", upstream=["dev"]))
    await project.brought("dev", await project.freight(A))
    await project.api.delete(project.name, everything=True)
    for entity in ("project/{}", "warehouse/{}/app", "stage/{}/dev", "stage/{}/prod"):
        await project.gone(entity.format(project.name))
    schedules = [item.id async for item in await project.world.client.list_schedules()]
    assert [item for item in schedules if project.name in item] == []
    with pytest.raises(NotFound, match=project.name):
        await project.api.project(project.name)
    known = await until(
        lambda: project.handle("cluster").query("projects"), lambda names: project.name not in names
    )
    assert known is not None


async def test_a_project_applied_again_starts_clean(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    await project.brought("dev", await project.freight(A))
    await project.api.delete(project.name, everything=True)

    async def apply() -> bool:
        # While the deletion is under way people are told so.
        with suppress(Refused):
            await project.apply(PROJECT, warehouse(), stage("dev"))
            return True
        return False

    await until(apply, bool)
    state = await project.stage("dev")
    assert state.history == []
    freight = await project.freight(A)
    await project.brought("dev", freight)


async def test_a_warehouse_that_was_deleted_takes_its_freight_from_the_stages(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    await project.freight(A, stages=["dev"])
    await project.api.delete(project.name, ["Warehouse/app"])
    await project.gone(names.warehouse_id(project.name, "app"))
    await project.stage_is("dev", lambda state: state.freight == {})
    await project.apply(warehouse())
    freight = await project.freight(A)
    await project.brought("dev", freight)


async def test_what_does_not_exist_cannot_be_deleted(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse())
    with pytest.raises(Refused, match="Stage/none not found"):
        await project.api.delete(project.name, ["Stage/none"])
    with pytest.raises(Refused, match="name what to delete"):
        await project.api.delete(project.name)


async def test_a_project_that_was_terminated_is_heard_again_after_the_next_apply(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    for _ in range(3):
        await project.apply(stage("dev", labels={"changed": "often"}))
        await project.apply(stage("dev"))
    await project.handle(names.project_id(project.name)).terminate("by hand")
    await project.apply(PROJECT, warehouse(), stage("dev", labels={"changed": "yes"}))
    await project.stage_is("dev", lambda state: state.configuration.labels == {"changed": "yes"})
