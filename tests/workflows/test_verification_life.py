"""When a verification starts, what people can do about it, and what its end means for the Stages behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from freightway import names
from freightway.entities.messages import AnswerRequest
from freightway.errors import Refused
from tests.servers.http_server import Reply
from tests.servers.manifests import (
    PROJECT,
    analysis,
    auto,
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

A, B = "a" * 40, "b" * 40


async def test_what_is_promoted_is_verified_and_then_offered_downstream(
    project: Pipeline, outside: Outside
) -> None:
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("check", web(outside.at("/check"), count=3, interval="1s")),
        stage("dev", verification=verified_by("check")),
        stage("prod", upstream=["dev"]),
    )
    freight = await project.freight(A)
    state = await project.brought("dev", freight)
    assert state.holding.verifications[0].phase.value == "Successful"
    assert outside.count("/check") == 3
    await project.available("prod", freight)


async def test_a_failed_verification_keeps_freight_from_going_on(project: Pipeline, outside: Outside) -> None:
    outside.answers["/check"] = Reply(json={"ok": False})
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("check", web(outside.at("/check"))),
        stage("dev", verification=verified_by("check")),
        stage("prod", upstream=["dev"]),
    )
    freight = await project.freight(A)
    state = await project.brought("dev", freight)
    assert state.holding.verifications[0].phase.value == "Failed"
    with pytest.raises(Refused, match="verified in"):
        await project.promote("prod", freight)
    outside.answers["/check"] = Reply(json={"ok": True})
    await project.api.verify(project.name, "dev")
    state = await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))
    assert [item.phase.value for item in state.holding.verifications] == ["Successful", "Failed"]
    assert state.holding.verifications[0].actor == "ann"
    await project.available("prod", freight)


async def test_a_failed_reverification_withdraws_what_was_verified(
    project: Pipeline, outside: Outside
) -> None:
    outside.answers["/gate"] = Reply(json={"ready": False})
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("check", web(outside.at("/check"))),
        stage("dev", verification=verified_by("check")),
        stage("west", upstream=["dev"], steps=[waits(outside.at("/gate"))]),
        stage("east", upstream=["dev"]),
    )
    freight = await project.freight(A)
    await project.brought("dev", freight)
    await project.available("west", freight)
    await project.available("east", freight)
    running = await project.promote("west", freight)
    await until(lambda: outside.count("/gate"), bool)
    queued = await project.promote("west", freight)
    outside.answers["/check"] = Reply(json={"ok": False})
    await project.api.verify(project.name, "dev")
    state = await project.stage_is("west", lambda state: bool(state.current and state.current.note))
    assert "not available any more" in state.current.note
    state = await project.stage_is("west", lambda state: not state.queue)
    assert state.finished[0].promotion == queued.promotion
    assert "not available" in state.finished[0].message
    with pytest.raises(Refused, match="not available"):
        await project.promote("east", freight)
    outside.answers["/gate"] = Reply(json={"ready": True})
    await project.api.refresh(project.name, "promotion", running.promotion)
    assert (await project.ended(running)).phase == "Succeeded"
    assert await project.events("FreightVerificationWithdrawn")


async def test_an_approval_lets_freight_in_without_verification(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"), stage("prod", upstream=["dev"]))
    freight = await project.freight(A, stages=["prod"])
    with pytest.raises(Refused, match="freightway approve"):
        await project.promote("prod", freight)
    await project.api.approve(project.name, "prod", freight.alias, "urgent")
    await project.available("prod", freight)
    await project.brought("prod", freight)
    with pytest.raises(Refused, match="does not request"):
        await project.api.approve(project.name, "other", freight.alias)


async def test_a_verification_is_aborted_and_recorded_as_such(project: Pipeline) -> None:
    await project.apply(
        PROJECT, warehouse(), analysis("asks", question()), stage("dev", verification=verified_by("asks"))
    )
    freight = await project.freight(A)
    await project.ended(await project.promote("dev", freight))
    await project.stage_is("dev", lambda state: state.verifying is not None)
    with pytest.raises(Refused, match="is running"):
        await project.api.verify(project.name, "dev")
    await project.api.abort_verification(project.name, "dev")
    state = await project.stage_is("dev", lambda state: bool(state.holding and state.holding.verifications))
    assert state.holding.verifications[0].phase.value == "Aborted"
    with pytest.raises(Refused, match="no verification is running"):
        await project.api.abort_verification(project.name, "dev")


@pytest.mark.parametrize(("approve", "phase"), [(True, "Successful"), (False, "Failed")])
async def test_a_person_answers_a_question(project: Pipeline, approve: bool, phase: str) -> None:
    await project.apply(
        PROJECT, warehouse(), analysis("asks", question()), stage("dev", verification=verified_by("asks"))
    )
    freight = await project.freight(A)
    await project.ended(await project.promote("dev", freight))
    state = await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    assert "Does it look good?" in state.verifying.waiting
    answer = AnswerRequest(approve=approve, reason="I looked")
    await project.api.answer_verification(project.name, "dev", answer)
    state = await project.stage_is("dev", lambda state: bool(state.holding and state.holding.verifications))
    assert state.holding.verifications[0].phase.value == phase


async def test_a_system_answers_a_question_with_a_signal(project: Pipeline) -> None:
    await project.apply(
        PROJECT, warehouse(), analysis("asks", question()), stage("dev", verification=verified_by("asks"))
    )
    freight = await project.freight(A)
    await project.ended(await project.promote("dev", freight))
    state = await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    handle = project.handle(names.verification_id(project.name, "dev", state.verifying.id))
    await handle.signal("answer_now", {"target": "no-such-metric", "approve": True, "actor": "ci"})
    await handle.signal("answer_now", {"approve": True, "actor": "ci"})
    await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))


async def test_a_question_that_nobody_answers_ends_at_its_deadline(project: Pipeline) -> None:
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("asks", question(deadline="72h")),
        stage("dev", verification=verified_by("asks")),
    )
    freight = await project.freight(A)
    await project.ended(await project.promote("dev", freight))
    state = await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    workflow_id = names.verification_id(project.name, "dev", state.verifying.id)
    await project.forward(workflow_id, timedelta(hours=73))
    state = await project.stage_is("dev", lambda state: bool(state.holding and state.holding.verifications))
    assert state.holding.verifications[0].phase.value in ("Failed", "Inconclusive", "Error")
    assert not state.holding.is_verified


async def test_the_next_promotion_waits_until_verification_is_over(project: Pipeline) -> None:
    await project.apply(
        PROJECT, warehouse(), analysis("asks", question()), stage("dev", verification=verified_by("asks"))
    )
    first, second = await project.freight(A), await project.freight(B)
    await project.ended(await project.promote("dev", first))
    await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    waiting = await project.promote("dev", second)
    assert "verification" in waiting.waits_for
    assert (await project.stage("dev")).current is None
    await project.api.answer_verification(project.name, "dev", AnswerRequest(approve=True))
    assert (await project.ended(waiting)).phase == "Succeeded"


async def test_a_verification_ended_from_outside_does_not_block_the_stage(project: Pipeline) -> None:
    await project.apply(
        PROJECT, warehouse(), analysis("asks", question()), stage("dev", verification=verified_by("asks"))
    )
    await project.ended(await project.promote("dev", await project.freight(A)))
    state = await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    await project.handle(names.verification_id(project.name, "dev", state.verifying.id)).terminate()
    state = await project.stage_is("dev", lambda state: bool(state.holding and state.holding.verifications))
    assert state.holding.verifications[0].phase.value == "Aborted"


async def test_a_template_that_was_deleted_is_an_error_and_no_success(
    project: Pipeline, outside: Outside
) -> None:
    await project.apply(
        PROJECT,
        project_config(*auto("prod")),
        warehouse(),
        analysis("check", web(outside.at("/check"))),
        stage("dev", verification=verified_by("check")),
        stage("prod", upstream=["dev"]),
    )
    await project.api.delete(project.name, ["AnalysisTemplate/check"])
    await project.stage_is("dev", lambda state: not state.configuration.templates)
    state = await project.brought("dev", await project.freight(A))
    assert state.holding.verifications[0].phase.value == "Error"
    assert "check not found" in state.holding.verifications[0].message


class Mute:
    """A server that takes a request, says nothing, and notes when whoever asked has gone."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        while await reader.read(1024):
            pass
        self.left.set()
        writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Mute]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        try:
            yield self
        finally:
            server.close()


async def test_an_abort_ends_the_measurement_that_is_under_way(project: Pipeline, outside: Outside) -> None:
    async with Mute().serving() as mute:
        slow = web(mute.url)
        slow["provider"]["web"]["timeoutSeconds"] = 280
        await project.apply(
            PROJECT,
            warehouse(),
            analysis(
                "slow", slow, web(outside.at("/check"), name="quick", count=3, interval="1h"), question()
            ),
            stage("dev", verification=verified_by("slow")),
        )
        await project.ended(await project.promote("dev", await project.freight(A)))
        async with asyncio.timeout(60):
            await mute.asked.wait()
        verifying = (await project.stage("dev")).verifying
        assert verifying is not None
        await project.api.abort_verification(project.name, "dev")
        state = await project.stage_is(
            "dev", lambda state: bool(state.holding and state.holding.verifications), 60
        )
        assert state.holding.verifications[0].phase.value == "Aborted"
        assert state.holding.verifications[0].message == "aborted by ann"
        async with asyncio.timeout(60):
            await mute.left.wait()
        handle = project.handle(names.verification_id(project.name, "dev", verifying.id))
        events = [event async for event in handle.fetch_history_events()]
        assert any(event.HasField("activity_task_cancel_requested_event_attributes") for event in events)


async def test_an_abort_does_not_wait_for_a_worker_that_is_not_there(project: Pipeline) -> None:
    plain = stage("dev")
    await project.apply(PROJECT, warehouse(), plain)
    await project.brought("dev", await project.freight(A))
    elsewhere = {
        **plain,
        "spec": {**plain["spec"], "shard": "nobody-there", "verification": verified_by("asks")},
    }
    await project.apply(analysis("asks", question()), elsewhere)
    await project.stage_is(
        "dev", lambda state: state.shard == "nobody-there" and bool(state.configuration.templates)
    )
    await project.api.verify(project.name, "dev")
    await project.stage_is("dev", lambda state: state.verifying is not None, 60)
    await project.api.abort_verification(project.name, "dev")
    state = await project.stage_is(
        "dev", lambda state: bool(state.holding and len(state.holding.verifications) == 2), 60
    )
    assert state.holding.verifications[0].phase.value == "Aborted"
    assert state.verifying is None
