"""Whatever a person types into the Temporal command line: no entity is ever stuck, and what is wrong is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from freightway import names
from freightway.entities.messages import AnswerRequest, HoldRequest
from freightway.errors import Refused
from tests.servers.manifests import PROJECT, analysis, question, stage, verified_by, warehouse
from tests.servers.temporal import Pipeline, World, until
from tests.servers.temporal_cli import (
    TYPES,
    messages,
    refusal,
    send_signal,
    send_update,
    sentence,
    temporal,
)


def given(*texts: str) -> list[str]:
    return [part for text in texts for part in ("--input", text)]


WRONG_TYPES = (
    '{"id": [], "name": {}, "freight": 7, "generation": "x", "spec": 3, "documents": 1, "project": [], '
    '"stage": true, "actor": 1, "given": "x"}'
)
INPUTS: dict[str, list[str]] = {
    "nothing": given(),
    "null": given("null"),
    "a number": given("5"),
    "a text": given('"what"'),
    "an empty text": given('""'),
    "a list": given("[1]"),
    "an unknown field": given('{"bogus": 1}'),
    "a right field and an unknown one": given('{"id": "x", "bogus": 1}'),
    "wrong types": given(WRONG_TYPES),
    "two inputs": given("{}", "{}"),
    "another encoding": [*given("{}"), "--input-meta", "encoding=json/protobuf"],
}


@pytest_asyncio.fixture(scope="module")
async def targets(temporal_world: World) -> AsyncIterator[dict[str, str]]:
    """A running workflow of each type that takes messages, by type."""
    project = temporal_world.project()
    gate = {"uses": "wait-for-approval", "as": "gate", "config": {}}
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("asks", question()),
        stage("dev", verification=verified_by("asks")),
        stage("gated", steps=[gate]),
        stage("victim", steps=[gate]),
    )
    freight = await project.freight("a" * 40)
    await project.ended(await project.promote("dev", freight))
    promotion = await project.promote("gated", freight)
    waiting = await project.promote("victim", freight)
    state = await project.stage_is("dev", lambda state: bool(state.verifying and state.verifying.waiting))
    for name in ("gated", "victim"):
        await project.stage_is(name, lambda state: bool(state.current and state.current.waiting))
    promote = await temporal_world.client.start_workflow(
        "Promote",
        {"project": project.name, "stage": "gated"},
        id=f"promote-{project.name}",
        task_queue=names.TASK_QUEUE,
    )
    await until(lambda: promote.query("answer"), bool)
    yield {
        "Cluster": names.CLUSTER_ID,
        "Project": names.project_id(project.name),
        "Warehouse": names.warehouse_id(project.name, "app"),
        "Stage": names.stage_id(project.name, "victim"),
        "Promotion": names.promotion_id(project.name, promotion.promotion),
        "Verification": names.verification_id(project.name, "dev", state.verifying.id),
        "Promote": promote.id,
        "project": project.name,
        "waiting": waiting.promotion,
    }


async def alive(world: World, workflow_id: str) -> None:
    """Check that a workflow still answers, and that it runs."""
    handle = world.client.get_workflow_handle(workflow_id)
    assert (await handle.describe()).status.name == "RUNNING", workflow_id
    query = {"promotion": "progress", "verification": "analysis_run", "promote-": "answer"}
    name = next((value for key, value in query.items() if workflow_id.startswith(key)), "events")
    async with asyncio.timeout(20):
        await handle.query(name)


NEEDS_NOTHING = {
    ("Warehouse", "refresh"),
    ("Stage", "refresh"),
    ("Promotion", "refresh"),
    ("Promotion", "abort"),
    ("Verification", "abort"),
}
"""Updates that may be sent without an input."""


@pytest.mark.parametrize(("workflow_type", "update"), list(messages("updates")))
async def test_an_update_with_wrong_input_is_refused_with_a_sentence(
    temporal_world: World, targets: dict[str, str], workflow_type: str, update: str
) -> None:
    workflow_id = targets[workflow_type]
    needs_nothing = (workflow_type, update) in NEEDS_NOTHING
    wrong = {
        label: given
        for label, given in INPUTS.items()
        if not (needs_nothing and label in ("nothing", "null"))
    }
    answers = await asyncio.gather(
        *(send_update(temporal_world, workflow_id, update, given) for given in wrong.values())
    )
    said = dict(zip(wrong, [refusal(text) for _, text in answers], strict=True))
    assert said["an unknown field"] == "bogus: unknown field"
    assert "id: a text is wanted, not a list" in said["wrong types"]
    assert said["two inputs"] == "a single input is wanted, not 2"
    await alive(temporal_world, workflow_id)


ENDING = ("retire", "abort_now")
"""Signals that are right without an argument and end the workflow: they can be sent nothing wrong but once."""


@pytest.mark.parametrize(
    ("workflow_type", "signal"), [pair for pair in messages("signals") if pair[1] not in ENDING]
)
async def test_a_signal_with_wrong_input_is_dropped(
    temporal_world: World, targets: dict[str, str], workflow_type: str, signal: str
) -> None:
    workflow_id = targets[workflow_type]
    await asyncio.gather(
        *(send_signal(temporal_world, workflow_id, signal, given) for given in INPUTS.values())
    )
    await alive(temporal_world, workflow_id)


@pytest.mark.parametrize(("workflow_type", "query"), list(messages("queries")))
async def test_a_query_with_wrong_input_harms_nothing(
    temporal_world: World, targets: dict[str, str], workflow_type: str, query: str
) -> None:
    workflow_id = targets[workflow_type]

    async def ask(given: list[str]) -> tuple[int, str]:
        return await temporal(temporal_world, "workflow", "query", "-w", workflow_id, "--name", query, *given)

    wrong = [INPUTS[label] for label in ("a list", "two inputs", "an unknown field")]
    for status, text in await asyncio.gather(*map(ask, wrong)):
        # Input that a query does not take is passed over.
        if status or query == "explain":
            assert status == 1, text
            sentence(text.strip())
    status, text = await ask([])
    assert status == 0, text


GARBAGE: list[tuple[str, str, dict[str, Any]]] = [
    ("Stage", "configure", {"generation": 10**15, "spec": {"requestedFreight": [{}]}}),
    ("Stage", "configure", {"generation": 10**15, "spec": {"requestedFreight": 5}}),
    ("Stage", "configure", {"generation": 10**15, "policies": [{"stageSelector": 5}]}),
    (
        "Stage",
        "configure",
        {"generation": 10**15, "windows": [{"name": "w", "kind": "Allow", "rrule": "FREQ=x"}]},
    ),
    ("Stage", "configure", {"generation": 10**15, "annotations": {"freightway.dev/keep-promotions": "lots"}}),
    ("Stage", "metadata", {"values": {"deep": [[[[[[]]]]]]}}),
    ("Stage", "freight", {"origin": "app", "snapshot": True, "records": []}),
    ("Stage", "promotion_result", {"promotion": "x", "phase": "Succeeded", "freight": {"name": "y"}}),
    ("Warehouse", "configure", {"generation": 10**15, "spec": {"subscriptions": [{"what": 1}]}}),
    ("Warehouse", "configure", {"generation": 10**15, "spec": {"subscriptions": [], "interval": "-5m"}}),
    ("Warehouse", "discovered", {"discoveredAt": "2026-01-01T00:00:00Z", "artifacts": {"git": [1, {}]}}),
    ("Warehouse", "discovered", {"discoveredAt": "2026-01-01T00:00:00Z", "artifacts": {"images": "x"}}),
    ("Warehouse", "facts", {"stage": "dev", "metadata": {"x": {"y": 1}}, "entered": ["none"]}),
    ("Warehouse", "rename", {"freight": "none", "alias": "x"}),
    ("Project", "cluster", {"generation": 10**15, "config": {"promotionWindows": 5}}),
    ("Project", "aliases", {"aliases": {"x": "y", "": "", "z@none": "y"}}),
    ("Cluster", "register", {"name": "no/such project"}),
]


@pytest.mark.parametrize(("workflow_type", "signal", "payload"), GARBAGE)
async def test_garbage_deep_inside_a_signal_stops_no_entity(
    temporal_world: World, workflow_type: str, signal: str, payload: dict[str, Any]
) -> None:
    project = temporal_world.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    workflow_id = {
        "Cluster": names.CLUSTER_ID,
        "Project": names.project_id(project.name),
        "Warehouse": names.warehouse_id(project.name, "app"),
        "Stage": names.stage_id(project.name, "dev"),
    }[workflow_type]
    handle = project.handle(workflow_id)
    await handle.signal(signal, payload)
    await alive(temporal_world, workflow_id)
    # It still works: Freight is made, told to the Stage, and promoted.
    freight = await project.freight("b" * 40)
    await project.brought("dev", freight)
    if workflow_type == "Cluster":
        await handle.signal("forget", payload)


@pytest.mark.parametrize("workflow_type", TYPES)
async def test_a_workflow_started_with_wrong_input_ends_with_a_sentence_and_never_hangs(
    temporal_world: World, workflow_type: str
) -> None:
    async def start(number: int, given: list[str]) -> str:
        workflow_id = f"poison-{workflow_type}-{number}"
        where = ("--type", workflow_type, "-t", names.TASK_QUEUE, "-w", workflow_id)
        status, text = await temporal(temporal_world, "workflow", "start", *where, *given)
        assert status == 0, text
        return workflow_id

    inputs = {**INPUTS, "an empty object": given("{}")}
    if workflow_type != "HealthCheck":  # a project is all that it needs
        inputs["something missing"] = given('{"project": "demo"}')
    ids = await asyncio.gather(*(start(number, given) for number, given in enumerate(inputs.values())))
    for workflow_id in ids:
        handle = temporal_world.client.get_workflow_handle(workflow_id)
        async with asyncio.timeout(60):
            with pytest.raises(WorkflowFailureError) as failed:
                await handle.result()
        cause = failed.value.cause
        assert isinstance(cause, ApplicationError), cause
        sentence(cause.message)
    status, text = await temporal(temporal_world, "workflow", "show", "-w", ids[-1])
    assert status == 0
    assert "StackTrace" not in text


@pytest.mark.parametrize(
    ("workflow_type", "workflow_id"),
    [
        ("Stage", "stage/demo"),
        ("Stage", "stage/Demo/dev"),
        ("Warehouse", "stage/demo/dev"),
        ("Project", "project/"),
        ("Cluster", "cluster-2"),
    ],
)
async def test_an_entity_under_an_id_that_it_does_not_go_by_ends_with_a_sentence(
    temporal_world: World, workflow_type: str, workflow_id: str
) -> None:
    handle = await temporal_world.client.start_workflow(
        workflow_type, {}, id=workflow_id, task_queue=names.TASK_QUEUE
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert "goes by the workflow id" in str(failed.value.cause)


async def test_a_command_that_is_too_large_is_refused(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    with pytest.raises(Refused, match="reason has 100000 characters"):
        await project.api.hold(project.name, "dev", HoldRequest(reason="x" * 100_000))
    freight = {"commits": [{"repoURL": "x", "id": "y", "message": "z" * 100_000}]}
    with pytest.raises(Refused, match="bytes"):
        await project.api.create_freight(project.name, "app", freight)


async def test_unknown_messages_are_refused_or_dropped(
    temporal_world: World, targets: dict[str, str]
) -> None:
    for workflow_type in ("Cluster", "Project", "Warehouse", "Stage", "Promotion", "Verification"):
        workflow_id = targets[workflow_type]
        _, text = await send_update(temporal_world, workflow_id, "explode", given("{}"))
        assert "has no update 'explode'" in refusal(text)
        await send_signal(temporal_world, workflow_id, "explode", given("{}"))
        await alive(temporal_world, workflow_id)


async def test_what_was_poisoned_still_does_its_work(temporal_world: World, targets: dict[str, str]) -> None:
    project = Pipeline(temporal_world, targets["project"])
    for stage_name, promotion in (
        ("victim", targets["waiting"]),
        ("gated", targets["Promotion"].rpartition("/")[2]),
    ):
        await project.api.answer_promotion(project.name, promotion, AnswerRequest(actor="ben"))
        end = await project.api.wait_for_promotion(project.name, promotion, stage=stage_name, timeout=20)
        assert end.phase == "Succeeded", end
    await project.api.answer_verification(project.name, "dev", AnswerRequest(approve=True))
    await project.stage_is("dev", lambda state: bool(state.holding and state.holding.is_verified))
