"""A promotion that stops at a failed step and waits for a person; nothing that succeeded runs again."""

from __future__ import annotations

import asyncio

import pytest

from freightway import names
from freightway.entities.messages import Done, PromoteAnswer, RepairRequest
from freightway.errors import Refused
from tests.servers.http_server import Reply
from tests.servers.manifests import PROJECT, post, stage, warehouse
from tests.servers.temporal import Pipeline
from tests.workflows.conftest import Outside


async def parked(project: Pipeline, outside: Outside) -> PromoteAnswer:
    """A promotion that stands at the second of three steps."""
    steps = [
        post(outside.at("/first"), "first"),
        {
            "uses": "fail",
            "as": "second",
            "if": "${{ vars.works != 'yes' }}",
            "config": {"message": "it is broken"},
        },
        post(outside.at("/third"), "third"),
    ]
    await project.apply(
        PROJECT,
        warehouse(),
        stage(
            "dev", steps=steps, variables={"works": "no"}, annotations={"freightway.dev/on-failure": "park"}
        ),
    )
    answer = await project.promote("dev", await project.freight("a" * 40))
    state = await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting))
    assert state.current.waiting.phase.value == "Parked"
    assert (outside.count("/first"), outside.count("/third")) == (1, 0)
    return answer


async def test_a_retry_that_fails_again_parks_again(project: Pipeline, outside: Outside) -> None:
    answer = await parked(project, outside)
    await project.api.repair(project.name, answer.promotion, RepairRequest(action="retry"))
    await project.stage_is(
        "dev", lambda state: len([e for e in state.log.events if e.reason == "PromotionParked"]) == 2
    )
    assert (outside.count("/first"), outside.count("/third")) == (1, 0)


async def test_a_retry_with_changed_variables_goes_on_from_the_failed_step(
    project: Pipeline, outside: Outside
) -> None:
    answer = await parked(project, outside)
    request = RepairRequest(action="retry", vars={"works": "yes"})
    await project.api.repair(project.name, answer.promotion, request)
    assert (await project.ended(answer)).phase == "Succeeded"
    assert (outside.count("/first"), outside.count("/third")) == (1, 1)
    reasons = [event.reason.value for event in await project.events("PromotionParked", "PromotionResumed")]
    assert reasons == ["PromotionParked", "PromotionResumed"]


async def test_a_skipped_step_needs_a_reason_and_the_rest_runs(project: Pipeline, outside: Outside) -> None:
    answer = await parked(project, outside)
    with pytest.raises(Refused, match="say why"):
        await project.api.repair(project.name, answer.promotion, RepairRequest(action="skip"))
    request = RepairRequest(action="skip", reason="done by hand")
    await project.api.repair(project.name, answer.promotion, request)
    assert (await project.ended(answer)).phase == "Succeeded"
    assert (outside.count("/first"), outside.count("/third")) == (1, 1)


async def test_a_parked_promotion_is_aborted_and_the_next_one_runs(
    project: Pipeline, outside: Outside
) -> None:
    answer = await parked(project, outside)
    await project.api.repair(project.name, answer.promotion, RepairRequest(action="abort"))
    assert (await project.ended(answer)).phase == "Aborted"
    with pytest.raises(Refused, match="over"):
        await project.api.repair(project.name, answer.promotion, RepairRequest(action="retry"))
    assert outside.count("/third") == 0


async def test_the_same_repair_sent_twice_is_applied_once(project: Pipeline, outside: Outside) -> None:
    answer = await parked(project, outside)
    go_on = asyncio.Event()
    outside.answers["/third"] = Reply(json={"ok": True}, wait_for=go_on)
    request = RepairRequest(id="once", actor="ann", action="retry", vars={"works": "yes"})
    first = await project.api.repair(project.name, answer.promotion, request)
    again = await project.api.repair(project.name, answer.promotion, request)
    # Temporal itself knows an update by its id; the promotion knows the command.
    handle = project.handle(names.promotion_id(project.name, answer.promotion))
    by_another_id = await handle.execute_update("repair", request, id="another", result_type=Done)
    assert first == again == by_another_id
    assert first.message == "the failed step is retried"
    go_on.set()
    assert (await project.ended(answer)).phase == "Succeeded"
    assert (outside.count("/first"), outside.count("/third")) == (1, 1)
