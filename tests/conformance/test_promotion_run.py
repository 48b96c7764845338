"""The step loop: statuses, phases, messages and state as Kargo's own engine gives them.

Each case runs through the functions of the product: ``inflate``, ``Progress`` and ``run_step`` with the real steps
compose-output and fail, and the two scripted kinds that the header of promotion-run.yaml describes.

Messages are compared too, but for the texts of the expression engine itself (what comes before them is compared) and
for one rule: time limits are kept in microseconds, so a shorter one reads ``1µs``.
"""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from facts import case_id, cases

from freightway.activities.outcomes import RunnerResult
from freightway.activities.run_step import run_step
from freightway.activities.services import ATTEMPT_PROVIDERS, Services
from freightway.activities.steps.compose_output import compose_output
from freightway.activities.steps.fail import fail
from freightway.activities.steps.registry import REGISTRY, StepConfig, StepRegistry, step
from freightway.activities.workspace import WorkspaceManager
from freightway.adapters.data import FolderData
from freightway.promotion.model import FreightReference, Origin, Phase, PromotionPlan
from freightway.promotion.plan import inflate
from freightway.promotion.progress import Progress, RunStep
from freightway.resources.meta import Variable

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ENGINE_TEXT = re.compile(
    r"(?P<prefix>(?:error checking if step \".*?\" should be skipped: "
    r"|failed to build step context: failed to get step config: )"
    r"(?:error pre-processing promotion variable \"\w+\": )?)"
    r"(?!expression must evaluate to a boolean)",
    re.S,
)


class MockConfig(StepConfig):
    """What a scripted step does."""

    status: str = "Succeeded"
    message: str = ""
    error: str | None = None
    terminal: bool = False
    panic: bool = False
    output: dict[str, Any] | None = None


async def scripted(cfg: MockConfig) -> RunnerResult:
    if cfg.panic:
        raise RuntimeError("mock panic")
    return RunnerResult(cfg.status, cfg.message, cfg.error, cfg.terminal, cfg.output)


@pytest.fixture(scope="module")
def registry() -> StepRegistry:
    made = StepRegistry()
    step("mock", config=MockConfig, registry=made)(scripted)
    step("mock-task-output", config=MockConfig, task_output=True, registry=made)(scripted)
    for name, function in (("compose-output", compose_output), ("fail", fail)):
        kind = REGISTRY.get(name)
        assert kind is not None
        assert kind.run is function
        made.add(kind)
    return made


@pytest.fixture
def services(registry: StepRegistry, tmp_path: Path) -> Services:
    ticks = itertools.count()
    return Services(
        registry=registry,
        workspaces=WorkspaceManager(tmp_path),
        providers=ATTEMPT_PROVIDERS,
        data=lambda: FolderData(tmp_path),
        clock=lambda: START + timedelta(seconds=next(ticks)),
    )


def plan(case: dict[str, Any], registry: StepRegistry) -> PromotionPlan:
    variables = case.get("vars") or []
    steps = inflate(case["steps"], variables)
    return PromotionPlan(
        project="demo",
        stage="test",
        promotion="test.01.abc",
        freight=FreightReference(name="f00dfeed", alias="fancy-ferret", origin=Origin(name="wh")),
        vars=tuple(Variable.model_validate(item) for item in variables),
        steps=tuple(item.model_copy(update={"facts": registry.facts(item.uses)}) for item in steps),
        actor="admin",
        ui_base_url="https://kargo.example.com",
        created_at=START,
    )


async def one_pass(progress: Progress, services: Services) -> Progress:
    """Run steps until one of them must be asked again later, or the promotion has ended."""
    while isinstance(progress.next(), RunStep):
        progress = progress.begin(services.clock())
        outcome = await run_step(progress.request(services.clock()), services)
        progress = progress.record(outcome, services.clock())
        if progress.pause is not None:
            break
    return progress


def shape(message: str) -> str:
    """The message without what the expression engine says and without tiny durations."""
    found = ENGINE_TEXT.match(message)
    if found:
        return f"{found['prefix']}<expression>"
    return re.sub(r"(?<=timed out after )\d+ns$", "1µs", message)


def answer(progress: Progress) -> dict[str, Any]:
    running = progress.phase is Phase.RUNNING
    value: dict[str, Any] = {
        "phase": progress.phase.value,
        "message": "" if running else shape(progress.message),
        "currentStep": progress.current,
        "state": progress.outputs,
        "steps": [
            {
                "alias": meta.alias,
                "status": meta.status.value if meta.status else "",
                "message": shape(meta.message),
                "started": meta.started_at is not None,
                "finished": meta.finished_at is not None,
                "errorCount": meta.error_count,
            }
            for meta in progress.metas
        ],
    }
    if running and progress.message:
        value["returnedError"] = shape(progress.message)
    return value


@pytest.mark.parametrize("case", cases("promotion-run"), ids=case_id)
async def test_promotions_run_as_recorded(
    case: dict[str, Any], registry: StepRegistry, services: Services
) -> None:
    progress = Progress.start(plan(case, registry), services.clock())
    for _ in range(case.get("passes", 1)):
        # What a workflow keeps between two passes is JSON.
        progress = Progress.model_validate_json(progress.model_dump_json())
        progress = await one_pass(progress, services)
    expected = dict(case["expect"]["value"])
    expected["message"] = shape(expected["message"])
    expected["steps"] = [{**item, "message": shape(item["message"])} for item in expected["steps"]]
    assert answer(progress) == expected
