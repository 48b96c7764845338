"""Histories that were recorded earlier replay with the code of today."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from freightway import FreightwayPlugin
from freightway.worker import WORKFLOWS
from freightway.workflows import options
from freightway.workflows.discovery import DiscoveryInput, DiscoveryReport

HISTORIES = Path(__file__).resolve().parent / "histories"
RECORDED = sorted(HISTORIES.glob("*/*.json"))
TYPES = {workflow._Definition.must_from_class(item).name for item in WORKFLOWS}


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    return Replayer(workflows=[], plugins=[FreightwayPlugin()])


def history(path: Path) -> WorkflowHistory:
    text = path.read_text()
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    # Entities look at the id they go by.
    return WorkflowHistory.from_json(started["workflowId"], text)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_history_replays(replayer: Replayer, path: Path) -> None:
    await replayer.replay_workflow(history(path))


def test_every_version_has_histories_of_every_workflow_type() -> None:
    types: dict[str, set[str]] = defaultdict(set)
    for path in RECORDED:
        types[path.parent.name].add(path.stem.rpartition("-")[0])
    assert types
    for version, found in types.items():
        assert found == TYPES, version


@workflow.defn(name="Discovery", failure_exception_types=options.DEFECTS)
class ReorderedDiscovery:
    """A Discovery that waits before it looks: what a careless change does."""

    @workflow.run
    async def run(self, request: DiscoveryInput | None = None) -> DiscoveryReport:
        await workflow.sleep(1)
        await workflow.execute_activity("discover", request, **options.DISCOVER)
        return DiscoveryReport()


async def test_a_reordered_workflow_does_not_replay() -> None:
    replayer = Replayer(
        workflows=[ReorderedDiscovery],
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    looked = [
        path
        for path in RECORDED
        if path.stem.startswith("Discovery-") and "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED" in path.read_text()
    ]
    assert looked
    for path in looked:
        with pytest.raises(workflow.NondeterminismError):
            await replayer.replay_workflow(history(path))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_history_tells_nothing_of_the_machine(path: Path) -> None:
    text = path.read_text()
    plain = "".join([text, *payloads(json.loads(text))])
    for word in ("/tmp/", "/home/", "/root/", "site-packages", "stackTrace"):
        assert word not in plain, word


def payloads(value: Any) -> list[str]:
    """All payloads in a history, decoded."""
    if isinstance(value, list):
        return [text for item in value for text in payloads(item)]
    if not isinstance(value, dict):
        return []
    found = [text for item in value.values() for text in payloads(item)]
    if isinstance(value.get("data"), str) and "metadata" in value:
        found.append(base64.b64decode(value["data"]).decode("utf-8", "replace"))
    return found
