"""No activity without limits and a summary, and no workflow that waits without saying for what."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata

from freightway import names
from freightway.entities.about import ABOUT
from freightway.workflows import options
from tests.servers.manifests import PROJECT, stage, warehouse
from tests.servers.temporal import Pipeline, until

A = "a" * 40
WORKFLOWS = Path(options.__file__).parent
CHOSEN: dict[str, Any] = {
    name: value
    for name, value in vars(options).items()
    if isinstance(value, dict) and "start_to_close_timeout" in value
}


def activity_calls() -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.name}:{node.lineno}", node)
        for path in sorted(WORKFLOWS.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("execute_activity", "start_activity")
    ]


@pytest.mark.parametrize("name", CHOSEN)
def test_an_attempt_has_an_end_and_a_long_one_beats(name: str) -> None:
    chosen = CHOSEN[name]
    assert chosen["start_to_close_timeout"] <= options.STEP_ATTEMPT
    # A step's beats are two a second; a quick activity is over before a beat would be missed.
    assert "heartbeat_timeout" in chosen or chosen["start_to_close_timeout"] <= timedelta(seconds=30)
    assert "retry_policy" in chosen


def test_every_activity_is_asked_for_with_options_and_a_summary() -> None:
    calls = activity_calls()
    assert len(calls) > 10
    for place, call in calls:
        keywords = {keyword.arg for keyword in call.keywords}
        assert None in keywords, f"{place}: no options"
        assert "summary" in keywords, f"{place}: no summary"


async def details(project: Pipeline, workflow_id: str) -> str:
    metadata: WorkflowMetadata = await project.handle(workflow_id).query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return metadata.current_details


async def test_entities_say_what_they_are_for(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    for kind, workflow_id in (
        ("Project", names.project_id(project.name)),
        ("Warehouse", names.warehouse_id(project.name, "app")),
        ("Stage", names.stage_id(project.name, "dev")),
    ):
        description = await project.handle(workflow_id).describe()
        assert await description.static_details() == ABOUT[kind]


async def test_a_promotion_of_a_shard_without_a_worker_says_so(project: Pipeline) -> None:
    sharded = stage("far")
    sharded["spec"]["shard"] = "nobody"
    await project.apply(PROJECT, warehouse(), sharded)
    freight = await project.freight(A, stages=["far"])
    answer = await project.promote("far", freight)
    workflow_id = names.promotion_id(project.name, answer.promotion)

    async def shown() -> str:
        return await details(project, workflow_id) if await project.api.running(workflow_id) else ""

    seen = await until(shown, bool, 60)
    assert seen == "Waits for a worker of queue `freightway.shard.nobody` to say what the steps need."
    await project.handle(workflow_id).terminate()
