"""Entities continue as new in the middle of everything: nothing is lost, nothing is applied twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from freightway import names
from freightway.entities.freight import FreightRecord
from freightway.entities.messages import ApplyAnswer, ApplyRequest, HoldRequest, PromoteRequest
from freightway.entities.project import StageConfiguration
from freightway.entities.promotion import PromotionResult
from freightway.entities.stage import StageState
from freightway.entities.stage_holding import take_holding, take_verification
from freightway.entities.stage_rules import finish as finish_promotion
from freightway.entities.stage_rules import plan_promotion, summarize
from freightway.entities.verification import VerificationPhase, VerificationResult
from freightway.entities.warehouse import WarehouseState, add_freight, crowded_out
from freightway.errors import Refused
from freightway.promotion.model import FreightReference, Origin, Phase
from freightway.selection import freight_facts
from tests.servers.http_server import Reply
from tests.servers.manifests import PROJECT, REPOSITORY, post, stage, waits, warehouse
from tests.servers.temporal import World, until
from tests.workflows.conftest import Outside, continued

A = "a" * 40
KIB = 1024


async def test_no_hold_and_no_release_is_lost_or_applied_twice(restless: World) -> None:
    project = restless.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    wanted = [f"reason-{number}" for number in range(40)]
    for start in range(0, 160, 40):
        holds = [
            project.api.hold(project.name, "dev", HoldRequest(reason=f"{start}/{reason}"))
            for reason in wanted
        ]
        await asyncio.gather(*holds)
        state = await project.stage("dev")
        assert sorted(hold.reason for hold in state.holds) == sorted(f"{start}/{reason}" for reason in wanted)
        await asyncio.gather(*(project.api.release(project.name, "dev", hold.id) for hold in state.holds))
        assert (await project.stage("dev")).holds == ()
    assert await continued(restless, names.stage_id(project.name, "dev")) >= 2


async def test_no_signal_is_lost(restless: World) -> None:
    project = restless.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    handle = project.stage_handle("dev")
    slots = asyncio.Semaphore(20)

    async def send(number: int) -> None:
        async with slots:
            await handle.signal("metadata", {"values": {f"key-{number}": number}})

    await asyncio.gather(*(send(number) for number in range(600)))
    state = await project.stage_is("dev", lambda state: len(state.metadata) == 600, 40)
    assert sum(state.metadata.values()) == sum(range(600))
    assert await continued(restless, names.stage_id(project.name, "dev")) >= 1


async def test_freight_made_in_a_hurry_reaches_the_stages(restless: World) -> None:
    project = restless.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))

    def commit(number: int) -> dict[str, Any]:
        return {"commits": [{"repoURL": REPOSITORY, "id": f"{number:040x}", "branch": "main"}]}

    await asyncio.gather(
        *(project.api.create_freight(project.name, "app", commit(number)) for number in range(100))
    )
    await project.stage_is("dev", lambda state: len(state.freight) == 100, 40)
    records = await project.records()
    assert len(records) == 100
    assert len({record.alias for record in records}) == 100
    assert await continued(restless, names.warehouse_id(project.name, "app")) >= 1
    index = await until(lambda: project.api.project(project.name), lambda found: len(found.aliases) == 100)
    assert sorted(index.aliases) == sorted(record.alias for record in records)


async def test_promotions_go_on_one_by_one(restless: World, outside: Outside) -> None:
    project = restless.project()
    steps = [post(outside.at("/${{ ctx.promotion }}"))]
    await project.apply(PROJECT, warehouse(), stage("dev", steps=steps))
    freight = await project.freight(A, stages=["dev"])
    asked = []
    for _ in range(2):
        requests = [
            project.api.promote(PromoteRequest(project=project.name, stage="dev", freight=freight.name))
            for _ in range(15)
        ]
        asked += await asyncio.gather(*requests)
        await project.stage_is("dev", lambda state: not state.queue and state.current is None, 60)
    counted = sorted(request.path[1:] for request in outside.requests)
    assert counted == sorted(answer.promotion for answer in asked)
    assert await continued(restless, names.stage_id(project.name, "dev")) >= 2


async def test_a_stage_with_a_promotion_under_way_goes_on_and_does_not_spin(
    restless: World, outside: Outside
) -> None:
    outside.answers["/gate"] = Reply(json={"ready": False})
    project = restless.project()
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[waits(outside.at("/gate"))]))
    freight = await project.freight(A)
    answer = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    handle = project.stage_handle("dev")
    for number in range(120):
        await handle.signal("metadata", {"values": {"number": number}})
        if number % 10 == 0:
            # A query waits until what was sent before is worked off.
            assert (await project.stage("dev")).current is not None
    state = await project.stage_is("dev", lambda state: state.metadata.get("number") == 119)
    assert state.current is not None
    assert state.current.promotion == answer.promotion
    assert await continued(restless, names.stage_id(project.name, "dev")) >= 1
    outside.answers["/gate"] = Reply(json={"ready": True})
    await project.api.refresh(project.name, "promotion", answer.promotion)
    assert (await project.ended(answer)).phase == "Succeeded"
    assert (await project.stage("dev")).held_freight() == {"app": freight.name}


async def test_lists_still_show_an_entity_that_continued_as_new(restless: World) -> None:
    project = restless.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    for number in range(60):
        await project.api.hold(project.name, "dev", HoldRequest(reason=str(number)))
        await project.api.release(project.name, "dev")
    assert await continued(restless, names.stage_id(project.name, "dev")) >= 1
    rows = await until(lambda: project.api.rows("Stage", project.name), lambda rows: len(rows) == 1)
    assert (rows[0]["name"], rows[0]["phase"], rows[0]["holds"]) == ("dev", "Empty", 0)


async def test_an_upload_broken_by_a_new_run_is_refused_and_not_half_applied(restless: World) -> None:
    project = restless.project()
    await project.apply(PROJECT, warehouse())
    owner = names.project_id(project.name)

    async def part(number: int, *, more: bool) -> ApplyAnswer:
        document = project.own(stage(f"part-{number}"))
        request = ApplyRequest(id=f"up/{number}", documents=(document,), upload="up", more=more)
        return await project.api._update(owner, "apply", request, ApplyAnswer)

    await part(1, more=True)
    before = await continued(restless, owner)
    for number in range(60):
        await project.apply(PROJECT, warehouse(interval=f"{number + 1}h"))
        if await continued(restless, owner) > before:
            break
    with pytest.raises(Refused, match="apply again"):
        await part(2, more=False)
    assert (await project.api.project(project.name)).stages == {}


# -- how large a state is ----------------------------------------------------------------------------------------


def reference(number: int) -> FreightReference:
    commit = {
        "repoURL": "https://git.example.com/some/team/some-application-config.git",
        "id": f"{number:040x}",
        "branch": "main",
        "author": "Some Body <some.body@example.com>",
        "message": "A subject line of about the usual length for a commit",
    }
    image = {
        "repoURL": "registry.example.com/team/application",
        "tag": f"v1.{number}.0",
        "digest": f"sha256:{number:064x}",
    }
    return FreightReference(
        name=f"{number:040x}", origin=Origin(name="app"), commits=(commit,), images=(image,)
    )


def full_warehouse(count: int = 200, stages: int = 2) -> WarehouseState:
    """A Warehouse of 200 Freight, each with facts of three Stages, and all the commands it remembers."""
    state = WarehouseState(project="demo", name="app", spec=warehouse()["spec"])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        record: Any = add_freight(state, reference(number), now + timedelta(minutes=number))
        for name in range(stages):
            record = freight_facts.verified(record, f"stage-{name}", now)
        record = freight_facts.approved(record, "prod", now, "ann", "we know what it is")
        state.freight[record.name] = record
        state.remember(f"{number:032x}", {"message": f"Freight {record.label} created: {record.name}"})
    return state


def full_stage(freight: dict[str, FreightRecord]) -> StageState:
    """A Stage with 200 Freight that has finished 1,000 promotions."""
    state = StageState(project="demo", name="dev", freight=freight)
    document = stage("dev", steps=[post("https://example.com/x", f"step-{number}") for number in range(8)])
    for step in document["spec"]["promotionTemplate"]["spec"]["steps"]:
        step["as"] = f"does-{step['as']}"
    state.take_configuration(
        StageConfiguration(spec=document["spec"], warehouses={"app": warehouse()["spec"]})
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    records = list(freight.values())
    for number in range(1000):
        record = records[number % len(records)]
        now += timedelta(minutes=5)
        queued = plan_promotion(
            state, record.reference, now=now, entropy=number.to_bytes(10, "big"), actor="ann"
        )
        answer = {
            "promotion": queued.promotion,
            "project": "demo",
            "stage": "dev",
            "freight": record.name,
        }
        state.remember(f"{number:032x}", answer)
        result = PromotionResult(
            promotion=queued.promotion,
            phase=Phase.SUCCEEDED,
            freight=record.reference,
            collection=queued.plan.collection,
        )
        take_holding(state, result, now, str(number))
        finish_promotion(state, summarize(queued, Phase.SUCCEEDED, "", now, now))
        verification = VerificationResult(
            id=f"{number:026d}", phase=VerificationPhase.SUCCESSFUL, finished_at=now
        )
        take_verification(state, verification, str(number))
        state.emit(
            now, "stage/demo/dev", "PromotionSucceeded", "promotion of it Succeeded", freight=record.name
        )  # type: ignore[arg-type]
        state.outbox.clear()
    return state


def test_the_state_of_a_full_warehouse_is_small() -> None:
    assert len(full_warehouse().model_dump_json(by_alias=True).encode()) < 256 * KIB


def test_the_state_of_a_full_stage_is_small() -> None:
    state = full_stage(full_warehouse().freight)
    assert len(state.finished) == 20
    assert len(state.model_dump_json(by_alias=True).encode()) < 256 * KIB


@pytest.mark.parametrize("stages", [2, 40])
def test_thousands_of_young_freight_do_not_make_a_state_too_large(stages: int) -> None:
    state = full_warehouse(3000, stages)
    names_by_age = list(state.freight)
    gone = crowded_out(state)
    for name in gone:
        del state.freight[name]
    assert gone == names_by_age[: len(gone)]
    assert 50 <= len(state.freight) <= 500
    assert len(state.model_dump_json(by_alias=True).encode()) < 640 * KIB
    of_three = {f"{name}{origin}": record for origin in "abc" for name, record in state.freight.items()}
    assert len(full_stage(of_three).model_dump_json(by_alias=True).encode()) < 1800 * KIB
