"""The life of a Stage: what is promoted into it by itself, its queue, and ends that come from outside."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from freightway import names
from freightway.entities.messages import AnswerRequest, PromoteRequest
from freightway.errors import Refused
from freightway.workflows.stage_promotions import TIME_OVER
from tests.servers.http_server import Reply
from tests.servers.manifests import (
    PROJECT,
    analysis,
    auto,
    post,
    project_config,
    question,
    stage,
    verified_by,
    waits,
    warehouse,
    web,
)
from tests.servers.temporal import Pipeline, until
from tests.workflows.conftest import Outside

A, B, C = "a" * 40, "b" * 40, "c" * 40


async def test_freight_goes_from_stage_to_stage_by_itself(project: Pipeline) -> None:
    await project.apply(
        PROJECT,
        project_config(*auto("dev", "prod")),
        warehouse(),
        stage("dev"),
        stage("prod", upstream=["dev"]),
    )
    freight = await project.freight(A)
    state = await project.stage_is("prod", lambda state: state.held_freight() == {"app": freight.name})
    assert [item.kind for item in state.finished] == ["auto"]


async def test_what_follows_an_apply_at_once_waits_for_the_freight_to_arrive(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse())
    freight = await project.freight(A)
    ends = []
    for number in range(5):
        name = f"dev{number}"
        await project.api.apply([project.own(stage(name))])
        answer = await project.api.promote(PromoteRequest(project=project.name, stage=name))
        assert answer.freight == freight.name
        ends.append(await project.ended(answer))
    assert {end.phase for end in ends} == {"Succeeded"}


async def test_a_control_flow_stage_passes_freight_on(project: Pipeline) -> None:
    await project.apply(
        PROJECT,
        project_config(*auto("dev", "west", "east")),
        warehouse(),
        stage("dev"),
        stage("fan", upstream=["dev"], steps=()),
        stage("west", upstream=["fan"]),
        stage("east", upstream=["fan"]),
    )
    freight = await project.freight(A)
    for name in ("west", "east"):
        await project.stage_is(name, lambda state: state.held_freight() == {"app": freight.name})
    fan = await project.stage("fan")
    assert fan.holding is None
    assert freight.name in fan.passed_on


async def test_freight_soaks_for_a_week_and_not_a_second_less(project: Pipeline) -> None:
    await project.apply(
        PROJECT,
        project_config(*auto("dev", "prod")),
        warehouse(),
        stage("dev"),
        stage("prod", upstream=["dev"], sources={"requiredSoakTime": "168h"}),
    )
    freight = await project.freight(A)
    await project.stage_is(
        "prod",
        lambda state: freight.name in state.freight and "dev" in state.freight[freight.name].verified_in,
    )
    with pytest.raises(Refused, match="soak"):
        await project.promote("prod", freight)
    week = timedelta(hours=168)
    since = (await project.stage("prod")).freight[freight.name].currently_in["dev"].since
    now = (await project.world.skipper.get_current_time(project.stage_handle("prod"))) - since
    await project.forward(names.stage_id(project.name, "prod"), week - now - timedelta(minutes=1))
    assert (await project.stage("prod")).finished == []
    await project.forward(names.stage_id(project.name, "prod"), timedelta(minutes=2))
    state = await project.stage_is("prod", lambda state: state.held_freight() == {"app": freight.name})
    assert timedelta(0) <= state.finished[0].created_at - since - week < timedelta(seconds=2)


async def test_match_upstream_brings_what_the_upstream_stage_holds(project: Pipeline) -> None:
    await project.apply(
        PROJECT,
        project_config(*auto("mirror")),
        warehouse(),
        stage("dev"),
        stage(
            "mirror",
            upstream=["dev"],
            sources={"autoPromotionOptions": {"selectionPolicy": "MatchUpstream"}},
        ),
    )
    old = await project.freight(A)
    new = await project.freight(B)
    await project.brought("dev", new)
    await project.stage_is("mirror", lambda state: state.held_freight() == {"app": new.name})
    await project.brought("dev", old)
    await project.stage_is("mirror", lambda state: state.held_freight() == {"app": old.name})


async def test_a_change_of_policy_takes_effect_at_once(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight(A)
    await project.stage_is("dev", lambda state: freight.name in state.freight)
    assert (await project.stage("dev")).finished == []
    await project.apply(project_config(*auto("dev")))
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": freight.name})


async def test_a_failed_auto_promotion_is_not_repeated_for_ever(project: Pipeline) -> None:
    steps = [{"uses": "fail", "config": {"message": "no"}}]
    await project.apply(PROJECT, project_config(*auto("dev")), warehouse(), stage("dev", steps=steps))
    await project.freight(A)
    await project.stage_is("dev", lambda state: len(state.finished) == 1)
    await project.api.refresh(project.name, "stage", "dev")
    await project.freight(B)
    state = await project.stage_is("dev", lambda state: len(state.finished) == 2)
    assert len({item.freight for item in state.finished}) == 2


async def test_promotions_run_one_after_the_other_in_the_order_asked_for(
    project: Pipeline, outside: Outside
) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[post(outside.at("/${{ ctx.promotion }}"))]))
    freight = await project.freight(A)
    answers = [await project.promote("dev", freight) for _ in range(5)]
    for answer in answers:
        await project.ended(answer)
    assert [request.path[1:] for request in outside.requests] == [answer.promotion for answer in answers]
    state = await project.stage("dev")
    spans = sorted((item.started_at, item.finished_at) for item in state.finished)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


async def test_with_the_policy_latest_what_waits_gives_way_to_newer_freight(
    project: Pipeline, outside: Outside
) -> None:
    outside.answers["/gate"] = _ready(False)
    await project.apply(
        PROJECT,
        warehouse(),
        stage(
            "dev",
            steps=[waits(outside.at("/gate"))],
            annotations={"freightway.dev/queue-policy": "latest"},
        ),
    )
    first, second, third = [await project.freight(commit) for commit in (A, B, C)]
    running = await project.promote("dev", first)
    await until(lambda: outside.count("/gate"), bool)
    superseded = await project.promote("dev", second)
    newest = await project.promote("dev", third)
    state = await project.stage_is("dev", lambda state: len(state.finished) == 1)
    assert state.finished[0].promotion == superseded.promotion
    assert state.finished[0].phase.value == "Superseded"
    outside.answers["/gate"] = _ready(True)
    await project.api.refresh(project.name, "promotion", running.promotion)
    assert (await project.ended(newest)).phase == "Succeeded"


async def test_a_hotfix_goes_before_what_waits(project: Pipeline, outside: Outside) -> None:
    outside.answers["/gate"] = _ready(False)
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[waits(outside.at("/gate"))]))
    freight = await project.freight(A)
    running = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    normal = await project.promote("dev", freight)
    urgent = await project.promote("dev", freight, hotfix=True)
    assert (normal.place, urgent.place) == (1, 1)
    outside.answers["/gate"] = _ready(True)
    await project.api.refresh(project.name, "promotion", running.promotion)
    await project.ended(normal)
    order = [item.promotion for item in reversed((await project.stage("dev")).finished)]
    assert order == [running.promotion, urgent.promotion, normal.promotion]


async def test_a_rollback_brings_back_what_was_verified_before_and_holds_it(project: Pipeline) -> None:
    await project.apply(PROJECT, project_config(*auto("dev")), warehouse(), stage("dev"))
    old = await project.freight(A)
    await project.stage_is("dev", lambda state: state.held_freight() == {"app": old.name})
    new = await project.freight(B)
    await project.stage_is(
        "dev", lambda state: state.held_freight() == {"app": new.name} and state.holding.is_verified
    )
    answer = await project.api.rollback(PromoteRequest(project=project.name, stage="dev", reason="broken"))
    await project.ended(answer)
    state = await project.stage_is("dev", lambda state: state.current is None and not state.queue)
    assert state.held_freight() == {"app": old.name}
    assert state.holds
    assert state.holds[0].reason == "broken"
    await project.freight(C, stages=["dev"])
    assert (await project.stage("dev")).held_freight() == {"app": old.name}
    await project.api.release(project.name, "dev")
    await project.stage_is(
        "dev", lambda state: state.held_freight() not in ({"app": old.name}, {"app": new.name})
    )


async def test_a_failed_verification_rolls_back_once(project: Pipeline, outside: Outside) -> None:
    outside.answers["/check"] = _ok(True)
    await project.apply(
        PROJECT,
        project_config(*auto("dev", autoRollback={"onVerification": ["Failed"]})),
        warehouse(),
        analysis("check", web(outside.at("/check"))),
        stage("dev", verification=verified_by("check")),
    )
    good = await project.freight(A)
    await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))
    outside.answers["/check"] = _ok(False)
    await project.freight(B)
    state = await project.stage_is(
        "dev",
        lambda state: (
            len(state.finished) == 3
            and state.current is None
            and state.verifying is None
            and bool(state.holding.verifications)
        ),
    )
    assert [item.kind for item in state.finished] == ["rollback", "auto", "auto"]
    assert state.held_freight() == {"app": good.name}
    assert not state.queue
    started = await project.events("RollbackStarted")
    assert len(started) == 1


async def test_a_failed_promotion_rolls_back_to_what_is_held(project: Pipeline, outside: Outside) -> None:
    steps = [{"uses": "fail", "if": "${{ ctx.targetFreight.name == vars.bad }}"}]
    await project.apply(
        PROJECT,
        project_config(*auto("dev", autoRollback={"onPromotion": ["Failed", "Errored"]})),
        warehouse(),
        stage("dev", steps=steps, variables={"bad": "none"}),
    )
    good = await project.freight(A)
    await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))
    steps = [{"uses": "fail", "if": f"${{{{ ctx.targetFreight.name != '{good.name}' }}}}"}]
    await project.apply(stage("dev", steps=steps))
    await project.freight(B)
    state = await project.stage_is("dev", lambda state: len(state.finished) == 3)
    assert [(item.kind, item.phase.value) for item in state.finished] == [
        ("rollback", "Succeeded"),
        ("auto", "Failed"),
        ("auto", "Succeeded"),
    ]
    assert state.held_freight() == {"app": good.name}


@pytest.mark.parametrize("end", ["terminate", "cancel"])
async def test_a_promotion_ended_from_outside_does_not_block_the_queue(
    project: Pipeline, outside: Outside, end: str
) -> None:
    outside.answers["/gate"] = _ready(False)
    steps = [waits(outside.at("/gate")) | {"if": "${{ ctx.targetFreight.alias != '' }}"}]
    await project.apply(PROJECT, warehouse(), stage("dev", steps=steps))
    freight = await project.freight(A)
    stuck = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    waiting = await project.promote("dev", freight)
    handle = project.handle(names.promotion_id(project.name, stuck.promotion))
    await (handle.terminate("by hand") if end == "terminate" else handle.cancel())
    outside.answers["/gate"] = _ready(True)
    assert (await project.ended(waiting)).phase == "Succeeded"
    first = (await project.stage("dev")).finished[-1]
    assert (first.promotion, first.phase.value) == (stuck.promotion, "Aborted")


async def test_a_promotion_that_lives_too_long_is_ended_and_the_next_one_starts(project: Pipeline) -> None:
    asks = {"uses": "wait-for-approval", "as": "approval", "config": {}}
    short = stage("dev", steps=[asks], annotations={"freightway.dev/longest-promotion": "5s"})
    await project.apply(PROJECT, warehouse(), short)
    freight = await project.freight(A)
    stuck = await project.promote("dev", freight)
    await project.stage_is("dev", lambda state: state.current is not None or bool(state.finished), 60)
    # What waits has all the time there is, once it runs.
    await project.apply(stage("dev", steps=[asks]))
    await project.stage_is("dev", lambda state: not state.configuration.annotations, 60)
    waiting = await project.promote("dev", freight)
    workflow_id = names.promotion_id(project.name, stuck.promotion)
    ended = await until(lambda: project.api.status(workflow_id), lambda status: status != "RUNNING", 60)
    assert ended == "TIMED_OUT"
    state = await project.stage_is(
        "dev",
        lambda state: (
            state.current is not None
            and state.current.promotion == waiting.promotion
            and state.current.waiting is not None
        ),
        60,
    )
    assert [(item.promotion, item.phase.value) for item in state.finished] == [(stuck.promotion, "Errored")]
    assert state.finished[0].message == TIME_OVER
    assert [event.promotion for event in await project.events("PromotionErrored")] == [stuck.promotion]
    await project.api.answer_promotion(
        project.name, waiting.promotion, AnswerRequest(actor="bob", approve=True)
    )
    assert (await project.ended(waiting, 60)).phase == "Succeeded"


async def test_what_waits_and_what_runs_is_aborted_and_the_queue_goes_on(
    project: Pipeline, outside: Outside
) -> None:
    outside.answers["/gate"] = _ready(False)
    await project.apply(PROJECT, warehouse(), stage("dev", steps=[waits(outside.at("/gate"))]))
    freight = await project.freight(A)
    running = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    waiting = await project.promote("dev", freight)
    outside.answers["/gate"] = _ready(True)
    await project.api.abort(project.name, waiting.promotion)
    await project.api.abort(project.name, running.promotion)
    again = await project.promote("dev", freight)
    assert (await project.ended(again)).phase == "Succeeded"
    phases = [item.phase.value for item in (await project.stage("dev")).finished]
    assert phases == ["Succeeded", "Aborted", "Aborted"]


async def test_a_stage_started_again_adopts_what_runs_and_what_it_holds(
    project: Pipeline, outside: Outside
) -> None:
    outside.answers["/gate"] = _ready(True)
    template = stage("dev", steps=[waits(outside.at("/gate"))])
    await project.apply(PROJECT, project_config(*auto("dev")), warehouse(), template)
    held = await project.freight(A)
    await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))
    await project.warehouse_is("app", lambda state: True)
    await until(lambda: project.api.freight(project.name), lambda found: "dev" in found[0].verified_in)
    outside.answers["/gate"] = _ready(False)
    seen = outside.count("/gate")
    coming = await project.freight(B)
    await until(lambda: outside.count("/gate"), lambda count: count > seen)
    await project.stage_handle("dev").terminate("by hand")
    await project.apply(template)
    state = await project.stage_is("dev", lambda state: bool(state.current and state.current.freight))
    assert state.held_freight() == {"app": held.name}
    assert state.current is not None
    assert state.current.freight == coming.name
    assert not state.queue
    outside.answers["/gate"] = _ready(True)
    await project.api.refresh(project.name, "promotion", state.current.promotion)
    state = await project.stage_is("dev", lambda state: state.held_freight() == {"app": coming.name})
    assert [item.freight for item in state.finished] == [coming.name]


async def test_an_adopted_promotion_that_is_terminated_does_not_block_the_queue(
    project: Pipeline, outside: Outside
) -> None:
    outside.answers["/gate"] = _ready(False)
    template = stage("dev", steps=[waits(outside.at("/gate"))])
    await project.apply(PROJECT, warehouse(), template)
    freight = await project.freight(A)
    stuck = await project.promote("dev", freight)
    await until(lambda: outside.count("/gate"), bool)
    await project.stage_handle("dev").terminate("by hand")
    await project.apply(template)
    await project.stage_is("dev", lambda state: state.current is not None)
    await project.handle(names.promotion_id(project.name, stuck.promotion)).terminate("by hand")
    await project.forward(names.stage_id(project.name, "dev"), timedelta(seconds=30))
    state = await project.stage_is("dev", lambda state: state.current is None)
    assert state.finished[0].phase.value == "Aborted"


async def test_a_stage_that_lost_its_specification_says_so_and_takes_it_from_the_next_apply(
    project: Pipeline,
) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    await project.stage_handle("dev").terminate("by hand")
    # The Project tells every Stage of its policies, and so starts this one anew.
    await project.api.apply([project.own(project_config(*auto("other")))])
    rows = await until(
        lambda: project.api.rows("Stage", project.name),
        lambda rows: bool(rows and "apply the Stage again" in str(rows[0].get("message"))),
    )
    assert rows[0]["phase"] == "NotConfigured"
    await project.apply(stage("dev"))


async def test_the_questions_of_a_stage_survive_its_restart(project: Pipeline) -> None:
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("asks", question()),
        stage("dev", verification=verified_by("asks")),
    )
    freight = await project.freight(A)
    await project.ended(await project.promote("dev", freight))
    await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    await project.stage_handle("dev").terminate("by hand")
    await project.apply(stage("dev", verification=verified_by("asks")))
    await project.stage_is("dev", lambda state: state.verifying is not None)
    await project.api.answer_verification(project.name, "dev", AnswerRequest(approve=True))
    state = await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))
    assert state.verifying is None


def _ready(ready: bool) -> Reply:
    return Reply(json={"ready": ready})


def _ok(ok: bool) -> Reply:
    return Reply(json={"ok": ok})
