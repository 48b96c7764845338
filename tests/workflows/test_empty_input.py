"""Messages with no input and with ``{}``: refused with a sentence or done, and the workflow answers what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from freightway import names
from freightway.entities.messages import AnswerRequest, FreezeRequest, HoldRequest
from tests.servers.manifests import PROJECT, analysis, question, stage, verified_by, warehouse
from tests.servers.temporal import Pipeline, World, until
from tests.servers.temporal_cli import messages, refusal, send_signal, send_update

COMPLETE = {
    ("Cluster", "apply"),
    ("Project", "apply"),
    ("Warehouse", "refresh"),
    ("Stage", "abort"),
    ("Stage", "hold"),
    ("Stage", "promote"),
    ("Stage", "refresh"),
    ("Promotion", "abort"),
    ("Promotion", "refresh"),
    ("Verification", "abort"),
}
"""Updates to which ``{}`` says all they need; every other is refused."""

NEEDS_NOTHING = {
    ("Warehouse", "refresh"),
    ("Stage", "refresh"),
    ("Promotion", "abort"),
    ("Promotion", "refresh"),
    ("Verification", "abort"),
}
"""Updates that may be sent without any input."""

ENDS = {
    ("Promotion", "abort"),
    ("Promotion", "abort_now"),
    ("Verification", "abort"),
    ("Verification", "abort_now"),
}
GATE = {"uses": "wait-for-approval", "as": "gate", "config": {}}
NOBODY = {"name": "nobody"}


@dataclass(frozen=True)
class Target:
    """A workflow to send to, and a right command to it that must succeed."""

    project: Pipeline
    workflow_id: str
    proof: Callable[[], Awaitable[None]]


async def target(world: World, workflow_type: str) -> Target:
    """Make a project with a running workflow of a type."""
    project = world.project()
    api, name = project.api, project.name
    documents = [PROJECT, warehouse(), analysis("asks", question())]
    await project.apply(
        *documents, stage("dev", verification=verified_by("asks")), stage("gated", steps=[GATE])
    )

    async def freezes(where: str) -> None:
        await api.freeze(where, FreezeRequest(name=name, reason="tried", selector=NOBODY))
        await api.unfreeze(where, name)

    async def holds() -> None:
        await api.hold(name, "gated", HoldRequest(reason="tried"))
        await api.release(name, "gated")

    async def makes_freight() -> None:
        await project.freight("d" * 40)

    if workflow_type == "Cluster":
        return Target(project, names.CLUSTER_ID, lambda: freezes(""))
    if workflow_type == "Project":
        return Target(project, names.project_id(name), lambda: freezes(name))
    if workflow_type == "Warehouse":
        return Target(project, names.warehouse_id(name, "app"), makes_freight)
    freight = await project.freight("c" * 40)
    if workflow_type == "Verification":
        await project.ended(await project.promote("dev", freight), seconds=60)
        state = await project.stage_is("dev", lambda it: bool(it.verifying and it.verifying.waiting), 60)
        assert state.verifying

        async def answers() -> None:
            await api.answer_verification(name, "dev", AnswerRequest(actor="ben"))
            await project.stage_is("dev", lambda it: bool(it.holding and it.holding.is_verified), 60)

        return Target(project, names.verification_id(name, "dev", state.verifying.id), answers)
    promotion = (await project.promote("gated", freight)).promotion
    await project.stage_is("gated", lambda it: bool(it.current and it.current.waiting), 60)

    async def approves() -> None:
        await api.answer_promotion(name, promotion, AnswerRequest(actor="ben"))
        ended = await api.wait_for_promotion(name, promotion, stage="gated", timeout=60)
        assert ended.phase == "Succeeded", ended

    if workflow_type == "Stage":
        return Target(project, names.stage_id(name, "gated"), holds)
    if workflow_type == "Promotion":
        return Target(project, names.promotion_id(name, promotion), approves)
    assert workflow_type == "Promote"
    given = {"project": name, "stage": "gated", "freight": freight.name}
    promote = await world.client.start_workflow(
        "Promote", given, id=f"promote-{name}", task_queue=names.TASK_QUEUE
    )
    await until(lambda: promote.query("answer"), bool, 60)

    async def succeeds() -> None:
        await approves()
        asked = (await promote.query("answer"))["promotion"]
        await project.stage_is(
            "gated", lambda it: bool(it.current and it.current.promotion == asked and it.current.waiting), 60
        )
        await api.answer_promotion(name, asked, AnswerRequest(actor="ben"))
        assert (await promote.result())["phase"] == "Succeeded"

    return Target(project, promote.id, succeeds)


async def prove(found: Target, *, ended: bool) -> None:
    """Check that a workflow goes on with its work, or that it ended as it was told to."""
    if ended:
        await found.project.gone(found.workflow_id)
        return
    async with asyncio.timeout(120):
        await found.proof()


@pytest.mark.parametrize(("workflow_type", "update"), list(messages("updates")))
async def test_an_update_with_empty_input_is_refused_with_a_sentence_or_done(
    temporal_world: World, workflow_type: str, update: str
) -> None:
    pair = (workflow_type, update)
    found = await target(temporal_world, workflow_type)
    done = False
    for given, is_right in (([], pair in NEEDS_NOTHING), (["--input", "{}"], pair in COMPLETE)):
        if done and pair in ENDS:
            continue
        status, text = await send_update(temporal_world, found.workflow_id, update, given)
        if is_right:
            assert status == 0, text
            done = True
        else:
            refusal(text)
    await prove(found, ended=done and pair in ENDS)


@pytest.mark.parametrize(("workflow_type", "signal"), list(messages("signals")))
async def test_a_signal_with_empty_input_leaves_no_workflow_stuck(
    temporal_world: World, workflow_type: str, signal: str
) -> None:
    found = await target(temporal_world, workflow_type)
    await send_signal(temporal_world, found.workflow_id, signal, [])
    ended = (workflow_type, signal) in ENDS
    if not ended and signal != "retire":
        await send_signal(temporal_world, found.workflow_id, signal, ["--input", "{}"])
    if signal == "retire":
        # It ends, and is back when it is applied again.
        await found.project.gone(found.workflow_id)
        await found.project.apply(PROJECT, warehouse(), stage("gated", steps=[GATE]))
    await prove(found, ended=ended)
