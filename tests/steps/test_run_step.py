"""The boundary of a step: what goes in, and how everything that can happen comes out as an outcome."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from freightway.activities.run_step import run_step
from freightway.activities.services import Attempt, Services, make_services
from freightway.activities.steps.registry import (
    Recorder,
    Result,
    StepConfig,
    StepInfo,
    StepOutput,
    StepRegistry,
    Waiting,
    Workspace,
    step,
)
from freightway.activities.workspace import WorkspaceLost
from freightway.adapters.credentials import write_generic
from freightway.errors import AdapterError, NotFound, StepErrored, StepFailed
from freightway.promotion.model import (
    FreightReference,
    HealthCheck,
    MetadataUpdate,
    Origin,
    PlannedStep,
    StepMeta,
    StepOutcome,
    StepRecord,
    StepRequest,
    StepStatus,
    WorkspaceRef,
)
from freightway.resources.meta import Duration, Variable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = "tok-0123456789/abcdef"


class Anything(StepConfig):
    """A configuration with one free value."""

    value: Any = None


class Strict(StepConfig):
    """A configuration with one field of each type."""

    text: str = Field(default="x", min_length=1)
    count: int = 0
    flag: bool = False
    items: list[str] = Field(default_factory=lambda: ["x"], min_length=1)
    mode: Literal["a", "b"] = "a"
    limit: Duration = timedelta(0)
    needed: str


class Clock:
    """A capability of another package."""


class Commit(StepOutput):
    """An output with an absent part."""

    commit: str
    commit_url: str | None = None


@pytest.fixture
def registry() -> StepRegistry:
    return StepRegistry()


@pytest.fixture
def services(tmp_path: Path, registry: StepRegistry) -> Services:
    home = tmp_path / "home"
    home.mkdir()
    write_generic(home, project="demo", name="git", data={"token": TOKEN, "pin": "12345678"})
    return replace(make_services(home, registry=registry), clock=lambda: NOW)


def request(uses: str = "it", config: dict[str, Any] | None = None, **fields: Any) -> StepRequest:
    shape = {key: fields.pop(key) for key in ("if_", "vars") if key in fields}
    return StepRequest(
        project="demo",
        stage="test",
        promotion="test.01.abc",
        freight=FreightReference(name="f00dfeed", alias="fancy-ferret", origin=Origin(name="wh")),
        created_at=NOW,
        step=PlannedStep(alias="a", uses=uses, config=config, **shape),
        **fields,
    )


def gives(registry: StepRegistry, answer: Any) -> None:
    """Register ``it``: a step that returns or raises the answer."""

    @step("it", config=Anything, registry=registry)
    async def it(cfg: Anything) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer(cfg) if callable(answer) else answer


@pytest.mark.parametrize(
    ("answer", "status", "output"),
    [
        (None, "Succeeded", None),
        ({"n": 1, "none": None}, "Succeeded", {"n": 1, "none": None}),
        (Commit(commit="abc"), "Succeeded", {"commit": "abc"}),
        (Result(status=StepStatus.SKIPPED, message="no changes"), "Skipped", None),
        (Result(status=StepStatus.FAILED, message="503"), "Failed", None),
        (Waiting("PR is open", after=30, output={"id": 7}), "Running", {"id": 7}),
        ({"at": NOW, "path": Path("a/b")}, "Succeeded", {"at": "2026-01-02T03:04:05Z", "path": "a/b"}),
    ],
)
async def test_what_a_step_returns_becomes_an_outcome(
    services: Services, registry: StepRegistry, answer: Any, status: str, output: Any
) -> None:
    gives(registry, answer)
    outcome = await run_step(request(), services)
    assert (outcome.status, outcome.output, outcome.error) == (status, output, False)


@pytest.mark.parametrize(
    ("raised", "status", "terminal", "message"),
    [
        (StepFailed("tag is there already"), "Failed", True, 'step "a": tag is there already'),
        (StepErrored("no answer"), "Errored", False, 'error running step "a": no answer'),
        (StepErrored("never", terminal=True), "Errored", True, 'error running step "a": never'),
        (NotFound("Freight", "f"), "Errored", False, "error running step \"a\": Freight 'f' not found"),
        (OSError("disk full"), "Errored", False, 'error running step "a": disk full'),
        (TypeError("a bug"), "Errored", True, 'error running step "a": step panicked: a bug'),
        (TimeoutError(), "Errored", False, 'error running step "a": TimeoutError'),
    ],
)
async def test_what_a_step_raises_becomes_an_outcome(
    services: Services, registry: StepRegistry, raised: Exception, status: str, terminal: bool, message: str
) -> None:
    gives(registry, raised)
    outcome = await run_step(request(), services)
    assert (outcome.status, outcome.error, outcome.terminal) == (status, True, terminal)
    assert outcome.message == message
    assert outcome.output is None


async def test_a_host_that_asks_to_wait_is_passed_on(services: Services, registry: StepRegistry) -> None:
    gives(registry, AdapterError("too many requests", status=429, retryable=True, retry_after=17))
    assert (await run_step(request(), services)).retry_after == 17


async def test_an_answer_that_no_step_may_give_is_a_bug_of_the_step(
    services: Services, registry: StepRegistry
) -> None:
    gives(registry, [1, 2])
    outcome = await run_step(request(), services)
    assert outcome.terminal
    assert "step panicked: a step must return a map" in outcome.message


@pytest.mark.parametrize("bad", [{"n": float("nan")}, {"n": object()}])
async def test_an_output_that_is_not_json_is_refused(
    services: Services, registry: StepRegistry, bad: Any
) -> None:
    gives(registry, bad)
    assert "the output is not plain JSON" in (await run_step(request(), services)).message


async def test_a_cancellation_is_never_swallowed(services: Services, registry: StepRegistry) -> None:
    gives(registry, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await run_step(request(), services)


async def test_an_unknown_kind_does_not_start(services: Services) -> None:
    begun: list[bool] = []
    outcome = await run_step(request("nope"), services, on_begin=lambda: begun.append(True))
    assert (outcome.status, outcome.ran, outcome.counted, begun) == (StepStatus.ERRORED, False, False, [])


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "(root): needed is required"),
        ({"needed": "x", "nope": 1}, "(root): Additional property nope is not allowed"),
        ({"needed": 1.2}, "needed: Invalid type. Expected: string, given: number"),
        ({"needed": None}, "needed: Invalid type. Expected: string, given: null"),
        ({"needed": "x", "count": "5"}, "count: Invalid type. Expected: integer, given: string"),
        ({"needed": "x", "flag": "true"}, "flag: Invalid type. Expected: boolean, given: string"),
        ({"needed": "x", "items": {}}, "items: Invalid type. Expected: array, given: object"),
        ({"needed": "x", "items": ["a", 2]}, "items.1: Invalid type. Expected: string, given: integer"),
        ({"needed": "x", "items": []}, "items: Array must have at least 1 items"),
        ({"needed": "x", "text": ""}, "text: String length must be greater than or equal to 1"),
        ({"needed": "x", "mode": "c"}, 'mode: mode must be one of the following: "a" or "b"'),
    ],
)
async def test_a_configuration_is_refused_in_the_words_of_kargos_schemas(
    services: Services, registry: StepRegistry, config: dict[str, Any], problem: str
) -> None:
    @step("strict", config=Strict, registry=registry)
    async def strict(cfg: Strict) -> None:
        raise AssertionError("must not run")

    outcome = await run_step(request("strict", config), services)
    assert (outcome.status, outcome.terminal, outcome.ran) == (StepStatus.FAILED, True, True)
    assert outcome.message == f'step "a": invalid strict config: {problem}'


async def test_integral_numbers_and_durations_fit_their_fields(
    services: Services, registry: StepRegistry
) -> None:
    seen: list[Strict] = []

    @step("strict", config=Strict, registry=registry)
    async def strict(cfg: Strict) -> None:
        seen.append(cfg)

    await run_step(request("strict", {"needed": "x", "count": 5.0, "limit": "1m30s"}), services)
    assert (seen[0].count, seen[0].limit) == (5, timedelta(seconds=90))


async def test_a_step_gets_the_capabilities_it_asks_for(services: Services, registry: StepRegistry) -> None:
    seen: dict[str, Any] = {}

    @step("asks", config=Anything, registry=registry)
    async def asks(cfg: Anything, who: StepInfo, recorder: Recorder, clock: Clock) -> None:
        seen.update(who=who, recorder=recorder, clock=clock)

    def make(attempt: Attempt) -> Clock:
        seen["attempt"] = attempt
        return Clock()

    asked = request("asks", outputs={"a": {"id": 7}}, poll=3, begun=True)
    outcome = await run_step(asked, services.provide(Clock, make))
    assert outcome.status is StepStatus.SUCCEEDED
    assert seen["attempt"].request == asked
    assert seen["who"].previous == {"id": 7}
    assert seen["who"].idempotency_key == "demo/test.01.abc/a/3"
    assert not seen["recorder"].rebuilding
    lacking = await run_step(asked, services)
    assert "asks for Clock, which this worker does not offer" in lacking.message


async def test_a_step_with_files_needs_a_workspace(services: Services, registry: StepRegistry) -> None:
    @step("files", config=Anything, registry=registry)
    async def files(cfg: Anything, workspace: Workspace) -> None:
        raise AssertionError("must not run")

    assert "needs a workspace" in (await run_step(request("files"), services)).message
    gone = WorkspaceRef(host=services.workspaces.host, queue="q", folder="gone")
    with pytest.raises(WorkspaceLost):
        await run_step(request("files", workspace=gone), services)


async def test_machine_paths_do_not_leave(services: Services, registry: StepRegistry) -> None:
    @step("files", config=Anything, registry=registry)
    async def files(cfg: Anything, workspace: Workspace) -> None:
        raise StepErrored(f"{workspace.root}/a/b.yaml: not found (home {services.workspaces.home}/x)")

    ref = await services.workspaces.claim("demo", "p")
    outcome = await run_step(request("files", workspace=ref), services)
    assert outcome.message == 'error running step "a": a/b.yaml: not found (home <home>/x)'


def leak(form: Callable[[str], str]) -> Callable[[Anything], Any]:
    def answer(cfg: Anything) -> Any:
        raise StepErrored(f"cannot use {form(cfg.value)} here")

    return answer


SECRET = {"value": "${{ secret('git').token }}"}


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text,
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: text.replace("/", "%2F"),
    ],
)
async def test_secrets_do_not_leave_in_messages(
    services: Services, registry: StepRegistry, form: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    gives(registry, leak(form))
    with caplog.at_level("DEBUG"):
        outcome = await run_step(request(config=SECRET), services)
    assert "***" in outcome.message
    assert form(TOKEN)[8:] not in outcome.message
    assert form(TOKEN)[8:] not in caplog.text
    assert "cannot use" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        lambda cfg: {"deep": [{"url": f"https://x:{cfg.value}@host"}]},
        lambda cfg: Waiting("open", output={"token": cfg.value}),
        lambda cfg: Result(health_check=HealthCheck(uses="x", config={"token": cfg.value})),
        lambda cfg: Result(
            metadata=(MetadataUpdate(kind="Stage", name="test", values={"token": cfg.value}),)
        ),
    ],
)
async def test_secrets_are_never_stored(
    services: Services, registry: StepRegistry, answer: Callable[[Anything], Any]
) -> None:
    gives(registry, answer)
    outcome = await run_step(request(config=SECRET), services)
    assert (outcome.status, outcome.terminal) == (StepStatus.ERRORED, True)
    assert "holds a secret at" in outcome.message
    assert TOKEN not in outcome.model_dump_json()


async def test_an_if_is_decided_once(services: Services, registry: StepRegistry) -> None:
    gives(registry, None)
    begun: list[bool] = []
    skipped = await run_step(request(if_="${{ 1 > 2 }}"), services, on_begin=lambda: begun.append(True))
    assert (skipped.status, skipped.ran, begun) == (StepStatus.SKIPPED, False, [])
    again = await run_step(
        request(if_="${{ 1 > 2 }}", begun=True), services, on_begin=lambda: begun.append(True)
    )
    assert (again.status, again.ran, begun) == (StepStatus.SUCCEEDED, True, [True])


async def test_a_step_without_if_is_skipped_after_a_failure(
    services: Services, registry: StepRegistry
) -> None:
    gives(registry, None)
    failed = StepMeta(alias="before", status=StepStatus.FAILED)
    assert (await run_step(request(metas=(failed,)), services)).status is StepStatus.SKIPPED


async def test_changed_variables_replace_every_definition(services: Services, registry: StepRegistry) -> None:
    gives(registry, lambda cfg: {"value": cfg.value})
    asked = request(
        config={"value": "${{ vars.a }} ${{ vars.b }} ${{ vars.c }} ${{ vars.d }}"},
        vars=(Variable(name="b", value="step"), Variable(name="c", value="${{ vars.a }}!")),
    ).model_copy(
        update={
            "vars": (Variable(name="a", value="1x"),),
            "overrides": tuple(Variable(name=name, value=f"{name}2") for name in "abd"),
        }
    )
    assert (await run_step(asked, services)).output == {"value": "a2 b2 a2! d2"}


@pytest.fixture
def writes(registry: StepRegistry) -> list[Recorder]:
    """Registers ``writes``, which puts its value and what it resolved into a file."""
    recorders: list[Recorder] = []

    @step("writes", config=Anything, effect="files", registry=registry)
    async def write(cfg: Anything, workspace: Workspace, recorder: Recorder, info: StepInfo) -> None:
        recorders.append(recorder)
        latest = recorder.pinned.get("commit", f"commit-{len(recorders)}")
        recorder.note("commit", latest)
        (workspace.root / "file").write_text(f"{cfg.value} {latest}")

    return recorders


async def run_and_record(services: Services, config: dict[str, Any]) -> StepRecord:
    ref = await services.workspaces.claim("demo", "p")
    outcome = await run_step(request("writes", config, workspace=ref), services)
    assert outcome.status is StepStatus.SUCCEEDED, outcome.message
    assert outcome.record is not None
    return outcome.record


async def replay(services: Services, record: StepRecord) -> StepOutcome:
    """Repeat the step in a new workspace, much later."""
    later = replace(services, clock=lambda: NOW + timedelta(days=1))
    ref = await later.workspaces.claim("demo", "p", attempt=1)
    raw = {"value": "${{ 'another value' }}"}
    return await run_step(request("writes", raw, workspace=ref, replay=record, if_="${{ nope( }}"), later)


async def test_a_step_is_repeated_with_what_it_resolved_then(
    services: Services, writes: list[Recorder]
) -> None:
    record = await run_and_record(services, {"value": "${{ now().Unix() }} ${{ ctx.stage }}"})
    assert record.config == {"value": f"{int(NOW.timestamp())} test"}
    assert record.resolved == {"commit": "commit-1"}
    outcome = await replay(services, record)
    assert (outcome.status, outcome.message) == (StepStatus.SUCCEEDED, "rebuilt")
    assert writes[1].rebuilding


async def test_a_repetition_with_other_files_ends_with_a_sentence(
    services: Services, writes: list[Recorder]
) -> None:
    record = await run_and_record(services, {"value": "x"})
    changed = record.model_copy(update={"resolved": {"commit": "another"}})
    outcome = await replay(services, changed)
    assert (outcome.status, outcome.terminal) == (StepStatus.ERRORED, True)
    assert "gave other files than before" in outcome.message


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        ("Bearer ${{ secret('git').token }}", ()),
        ("${{ secret('git').pin }}", ()),
        (
            "${{ vars.t }}",
            ({"name": "s", "value": "${{ secret('git').token }}"}, {"name": "t", "value": "${{ vars.s }}"}),
        ),
        ("${{ secret('git').token[0:5] }} at ${{ now().Unix() }}", ()),
    ],
)
async def test_secrets_are_recorded_as_references_and_read_again(
    services: Services, writes: list[Recorder], template: str, variables: tuple[dict[str, str], ...]
) -> None:
    config = {"value": [{"deep": template, "plain": "${{ ctx.stage }}"}]}
    shape = tuple(Variable.model_validate(item) for item in variables)
    ref = await services.workspaces.claim("demo", "p")
    first = await run_step(request("writes", config, workspace=ref, vars=shape), services)
    record = first.record
    assert record is not None, first.message
    assert record.config == {"value": [{"deep": {"$template": template}, "plain": "test"}]}
    assert TOKEN not in first.model_dump_json()
    later = replace(services, clock=lambda: NOW + timedelta(days=1))
    ref = await services.workspaces.claim("demo", "p", attempt=1)
    again = await run_step(request("writes", {}, workspace=ref, vars=shape, replay=record), later)
    assert again.message == "rebuilt"


async def test_a_map_that_looks_like_a_reference_is_recorded_as_it_is(
    services: Services, writes: list[Recorder]
) -> None:
    record = await run_and_record(services, {"value": {"$template": "just text"}})
    assert (await replay(services, record)).message == "rebuilt"


async def test_steps_without_files_leave_no_record(services: Services, registry: StepRegistry) -> None:
    gives(registry, None)
    assert (await run_step(request(), services)).record is None
