"""The workflow Promote: a person's command with plain JSON, that ends as the promotion ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from freightway import names
from tests.servers.manifests import PROJECT, stage, warehouse
from tests.servers.temporal import Pipeline
from tests.workflows.test_poison import temporal

A = "a" * 40


async def promote(project: Pipeline, request: dict[str, Any]) -> Any:
    handle = await project.world.client.start_workflow(
        "Promote", request, id=f"by-hand-{project.name}", task_queue=names.TASK_QUEUE
    )
    async with asyncio.timeout(20):
        return await handle.result()


async def refusal(project: Pipeline, request: dict[str, Any]) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await promote(project, request)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def test_freight_is_promoted_by_its_alias_from_the_temporal_command_line(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight(A, stages=["dev"])
    command = f'{{"project": "{project.name}", "stage": "dev", "freight": "{freight.alias}"}}'
    status, text = await temporal(
        project.world,
        "workflow",
        "execute",
        "--type",
        "Promote",
        "-t",
        "freightway",
        "-w",
        f"cli-{project.name}",
        "--input",
        command,
    )
    assert status == 0, text
    assert "Succeeded" in text
    assert (await project.stage("dev")).held_freight() == {"app": freight.name}


async def test_without_freight_the_newest_is_promoted(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    await project.freight(A)
    newest = await project.freight("b" * 40, stages=["dev"])
    ended = await promote(project, {"project": project.name, "stage": "dev"})
    assert (ended["phase"], ended["freight"]) == ("Succeeded", newest.name)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "give the project and the Stage"),
        ({"project": "PROJECT", "stage": "none"}, "not found"),
        ({"project": "none", "stage": "dev"}, "not found"),
        ({"project": "PROJECT", "stage": "dev", "freight": "no-such"}, "the newest are"),
        ({"project": "PROJECT", "stage": "dev", "frieght": "x"}, "frieght: unknown field"),
        ({"project": "x" * 3000, "stage": "dev"}, "is not the name of a project"),
    ],
)
async def test_a_promotion_that_cannot_be_is_refused_with_the_reason(
    project: Pipeline, request_: dict[str, Any], says: str
) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    await project.freight(A, stages=["dev"])
    filled = {key: value.replace("PROJECT", project.name) for key, value in request_.items()}
    error = await refusal(project, filled)
    assert says in error.message
    assert error.type == "Refused"


async def test_a_promotion_that_fails_ends_the_command_the_same_way(project: Pipeline) -> None:
    steps = [{"uses": "fail", "config": {"message": "it does not fit"}}]
    await project.apply(PROJECT, warehouse(), stage("dev", steps=steps))
    await project.freight(A, stages=["dev"])
    error = await refusal(project, {"project": project.name, "stage": "dev"})
    assert error.type == "Failed"
    assert "it does not fit" in error.message


async def test_a_promotion_that_is_aborted_ends_the_command_the_same_way(project: Pipeline) -> None:
    steps = [{"uses": "wait-for-approval", "as": "gate", "config": {}}]
    await project.apply(PROJECT, warehouse(), stage("dev", steps=steps))
    await project.freight(A, stages=["dev"])
    command = asyncio.create_task(refusal(project, {"project": project.name, "stage": "dev"}))
    state = await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting))
    await project.api.abort(project.name, state.current.promotion)
    assert (await command).type == "Aborted"


async def test_two_commands_of_one_id_ask_for_one_promotion(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight(A)
    first = await project.promote("dev", freight, id="the-same")
    again = await project.promote("dev", freight, id="the-same")
    assert first.promotion == again.promotion
    await project.ended(first)
    assert len((await project.stage("dev")).finished) == 1
