"""What keeps a promotion from starting: holds, freezes, windows and approvals; and how to get past them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freightway import names
from freightway.entities.messages import AnswerRequest, FreezeRequest, HoldRequest
from freightway.errors import Refused
from tests.servers.manifests import PROJECT, auto, post, project_config, say, stage, warehouse
from tests.servers.temporal import Pipeline, until
from tests.workflows.conftest import Outside

A, B = "a" * 40, "b" * 40


async def test_a_hold_keeps_auto_promotion_off_until_it_expires(project: Pipeline) -> None:
    await project.apply(PROJECT, project_config(*auto("dev")), warehouse(), stage("dev"))
    until_then = datetime.now(UTC) + timedelta(days=3)
    await project.api.hold(project.name, "dev", HoldRequest(reason="we look", until=until_then))
    freight = await project.freight(A, stages=["dev"])
    await project.forward(names.stage_id(project.name, "dev"), timedelta(days=2))
    state = await project.stage("dev")
    assert state.finished == []
    assert [(hold.by, hold.reason) for hold in state.holds] == [("ann", "we look")]
    await project.forward(names.stage_id(project.name, "dev"), timedelta(days=1, minutes=1))
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": freight.name})


async def test_holds_stack_and_each_is_released_by_itself(project: Pipeline) -> None:
    await project.apply(PROJECT, project_config(*auto("dev")), warehouse(), stage("dev"))
    await project.api.hold(project.name, "dev", HoldRequest(reason="one"))
    await project.api.hold(project.name, "dev", HoldRequest(reason="two", origin="app"))
    freight = await project.freight(A, stages=["dev"])
    first, second = (await project.stage("dev")).holds
    await project.api.release(project.name, "dev", first.id)
    assert (await project.stage("dev")).finished == []
    await project.api.release(project.name, "dev", second.id)
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": freight.name})
    reasons = [event.reason.value for event in await project.events("HoldSet", "HoldLifted")]
    assert reasons == ["HoldSet", "HoldSet", "HoldLifted", "HoldLifted"]


async def test_a_hold_that_makes_no_sense_is_refused(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    request = HoldRequest(reason="x", until=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(Refused, match="in the past"):
        await project.api.hold(project.name, "dev", request)
    with pytest.raises(Refused, match="requests no Freight of Warehouse 'other'"):
        await project.api.hold(project.name, "dev", HoldRequest(reason="x", origin="other"))
    with pytest.raises(Refused, match="no hold"):
        await project.api.release(project.name, "dev")


async def test_older_freight_promoted_by_hand_stays(project: Pipeline) -> None:
    await project.apply(PROJECT, project_config(*auto("dev")), warehouse(), stage("dev"))
    old = await project.freight(A)
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": old.name})
    new = await project.freight(B)
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": new.name})
    await project.brought("dev", old, reason="the new one is slow")
    state = await project.stage_is("dev", lambda state: bool(state.holds))
    assert state.held_freight() == {"app": old.name}
    await project.brought("dev", new)
    assert (await project.stage("dev")).holds == ()


async def test_a_freeze_lets_nothing_start_until_it_is_lifted(project: Pipeline) -> None:
    await project.apply(
        PROJECT, project_config(*auto("dev", "test")), warehouse(), stage("dev"), stage("test")
    )
    freeze = FreezeRequest(name="release", reason="release week", selector={"name": "dev"})
    await project.api.freeze(project.name, freeze)
    await project.stage_is("dev", lambda state: bool(state.configuration.freezes))
    freight = await project.freight(A)
    await project.stage_is("test", lambda state: state.held_freight() == {"app": freight.name})
    state = await project.stage_is("dev", lambda state: bool(state.queue))
    assert state.current is None
    await project.api.unfreeze(project.name, "release")
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": freight.name})


async def test_a_freeze_ends_by_itself(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight(A)
    freeze = FreezeRequest(name="week", reason="audit", until=datetime.now(UTC) + timedelta(days=7))
    await project.api.freeze(project.name, freeze)
    await project.stage_is("dev", lambda state: bool(state.configuration.freezes))
    answer = await project.promote("dev", freight)
    assert "audit" in answer.waits_for
    await project.forward(names.stage_id(project.name, "dev"), timedelta(days=7, minutes=1))
    assert (await project.ended(answer)).phase == "Succeeded"


async def test_break_glass_passes_a_freeze_with_a_reason_that_is_recorded(
    project: Pipeline, outside: Outside
) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[post(outside.at("/deploy"))]))
    freight = await project.freight(A)
    await project.api.freeze(project.name, FreezeRequest(name="all", reason="audit", soft=True))
    await project.stage_is("dev", lambda state: bool(state.configuration.freezes))
    with pytest.raises(Refused, match="break glass needs a reason"):
        await project.promote("dev", freight, break_glass=True)
    answer = await project.promote("dev", freight, break_glass=True, reason="prod is down")
    assert (await project.ended(answer)).phase == "Succeeded"
    assert outside.count("/deploy") == 1
    events = await project.events("BreakGlass")
    assert events
    assert all("prod is down" in event.message for event in events)


async def test_a_soft_freeze_stops_what_runs_before_its_next_effect_outside(
    project: Pipeline, outside: Outside
) -> None:
    gate = {"uses": "wait-for-approval", "as": "gate", "config": {}}
    steps = [gate, say(), post(outside.at("/deploy"))]
    await project.apply(PROJECT, warehouse(), stage("dev", steps=steps))
    freight = await project.freight(A)
    answer = await project.promote("dev", freight)
    await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting))
    await project.api.freeze(project.name, FreezeRequest(name="all", reason="audit", soft=True))
    await project.stage_is("dev", lambda state: bool(state.configuration.freezes))
    await project.api.answer_promotion(project.name, answer.promotion, AnswerRequest(actor="ben"))
    state = await project.stage_is(
        "dev",
        lambda state: bool(state.current and state.current.waiting and "audit" in state.current.waiting.text),
    )
    assert state.current.waiting.step == "post"
    assert outside.count("/deploy") == 0
    await project.api.unfreeze(project.name, "all")
    assert (await project.ended(answer)).phase == "Succeeded"
    assert outside.count("/deploy") == 1


async def test_a_freeze_of_the_cluster_reaches_every_project(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight(A)
    freeze = FreezeRequest(name=project.name, reason="datacentre", selector={"name": "dev"})
    await project.api.freeze("", freeze)
    try:
        await project.stage_is("dev", lambda state: bool(state.configuration.freezes))
        answer = await project.promote("dev", freight)
        assert "datacentre" in answer.waits_for
    finally:
        await project.api.unfreeze("", project.name)
    assert (await project.ended(answer)).phase == "Succeeded"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (FreezeRequest(reason="x"), "needs name"),
        (FreezeRequest(name="f"), "needs reason"),
        (FreezeRequest(name="f", reason="x", selector={"what": 1}), "selector"),
        (FreezeRequest(name="f", reason="x", until=datetime(2020, 1, 1, tzinfo=UTC)), "in the past"),
    ],
)
async def test_a_freeze_that_makes_no_sense_is_refused(
    project: Pipeline, wrong: FreezeRequest, says: str
) -> None:
    await project.apply(PROJECT)
    with pytest.raises(Refused, match=says):
        await project.api.freeze(project.name, wrong)


async def test_a_window_that_is_closed_is_waited_for(project: Pipeline) -> None:
    opens = datetime.now(UTC) + timedelta(hours=30)
    window = {
        "name": "maintenance",
        "kind": "Allow",
        "rrule": "FREQ=WEEKLY",
        "dtstart": opens.strftime("%Y%m%dT%H%M%SZ"),
        "dtend": (opens + timedelta(hours=1)).strftime("%Y%m%dT%H%M%SZ"),
    }
    await project.apply(PROJECT, project_config(*auto("dev"), windows=[window]), warehouse(), stage("dev"))
    freight = await project.freight(A)
    state = await project.stage_is("dev", lambda state: bool(state.queue))
    assert state.current is None
    rows = await until(
        lambda: project.api.rows("Stage", project.name), lambda rows: bool(rows and rows[0]["waitsFor"])
    )
    assert "window" in rows[0]["waitsFor"]
    await project.forward(names.stage_id(project.name, "dev"), timedelta(hours=30, minutes=1))
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": freight.name})


async def test_a_step_waits_for_people_and_records_who_approved(project: Pipeline, outside: Outside) -> None:
    gate = {
        "uses": "wait-for-approval",
        "as": "gate",
        "config": {"approvals": 2, "approvers": ["ann", "ben", "cem"], "deadline": "24h"},
    }
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[gate, post(outside.at("/deploy"))]))
    freight = await project.freight(A)
    answer = await project.promote("dev", freight, actor="ann")
    state = await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting))
    assert "approval" in state.current.waiting.text
    with pytest.raises(Refused, match="ann asked for this promotion; another person must approve it"):
        await project.api.answer_promotion(project.name, answer.promotion, AnswerRequest(actor="ann"))
    for actor in ("ben", "ben", "eve"):
        await project.api.answer_promotion(project.name, answer.promotion, AnswerRequest(actor=actor))
    assert outside.count("/deploy") == 0
    await project.api.answer_promotion(
        project.name, answer.promotion, AnswerRequest(actor="cem", reason="tested")
    )
    assert (await project.ended(answer)).phase == "Succeeded"
    assert outside.count("/deploy") == 1
    progress = await project.api.progress(project.name, answer.promotion)
    approved = progress.outputs["gate"]["approvedBy"]
    assert [(one["actor"], one.get("reason", "")) for one in approved] == [("ben", ""), ("cem", "tested")]


async def test_a_rejection_ends_the_promotion_with_the_words_of_the_person(project: Pipeline) -> None:
    gate = {"uses": "wait-for-approval", "as": "gate", "config": {}}
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[gate]))
    answer = await project.promote("dev", await project.freight(A))
    await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting))
    with pytest.raises(Refused, match="say why"):
        await project.api.answer_promotion(
            project.name, answer.promotion, AnswerRequest(actor="ben", approve=False)
        )
    no = AnswerRequest(actor="ben", approve=False, reason="it is Friday")
    await project.api.answer_promotion(project.name, answer.promotion, no)
    ended = await project.ended(answer)
    assert ended.phase == "Failed"
    assert "rejected by ben: it is Friday" in ended.message


async def test_an_approval_that_does_not_come_in_time_fails_the_step(project: Pipeline) -> None:
    gate = {"uses": "wait-for-approval", "as": "gate", "config": {"deadline": "2s", "reminder": "1s"}}
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[gate]))
    answer = await project.promote("dev", await project.freight(A))
    await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting))
    ended = await project.ended(answer)
    assert ended.phase == "Failed"
    assert "not approved within" in ended.message
