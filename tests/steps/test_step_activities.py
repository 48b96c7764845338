"""Steps on a real Temporal server: heartbeats, polls without history, cancellation, unknown kinds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from freightway.activities.services import Services, make_services
from freightway.activities.step_activities import kinds_activity, step_activities
from freightway.activities.steps.registry import (
    StepConfig,
    StepInfo,
    StepRegistry,
    Waiting,
    Workspace,
    step,
)
from freightway.activities.workspace import workspace_activities
from freightway.adapters.processes import ProcessRunner
from freightway.contracts import ClaimRequest, KindsAnswer, KindsRequest, claim_workspace, remove_workspace
from freightway.promotion.model import (
    FreightReference,
    KindFacts,
    Origin,
    PlannedStep,
    StepMeta,
    StepOutcome,
    StepRequest,
    StepStatus,
    WorkspaceRef,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@workflow.defn(name="OneStep")
class OneStep:
    @workflow.run
    async def run(self, request: StepRequest) -> StepOutcome:
        outcome: StepOutcome = await workflow.execute_activity(
            request.step.uses,
            request,
            result_type=StepOutcome,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=5),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )
        return outcome


@workflow.defn(name="Borrow")
class Borrow:
    @workflow.run
    async def run(self, request: ClaimRequest) -> WorkspaceRef:
        limit = timedelta(seconds=10)
        ref = await workflow.execute_activity(claim_workspace, request, start_to_close_timeout=limit)
        await workflow.execute_activity(remove_workspace, ref, start_to_close_timeout=limit)
        return ref


@workflow.defn(name="Kinds")
class Kinds:
    @workflow.run
    async def run(self, request: KindsRequest) -> KindsAnswer:
        answer: KindsAnswer = await workflow.execute_activity(
            "step-kinds", request, result_type=KindsAnswer, start_to_close_timeout=timedelta(seconds=10)
        )
        return answer


class Nothing(StepConfig):
    """No configuration."""


class Bench:
    """A worker with steps whose behaviour a test chooses."""

    def __init__(self, client: Client, home: Path) -> None:
        self.client = client
        self.queue = f"q-{uuid4().hex[:8]}"
        self.calls: Counter[str] = Counter()
        self.polls: list[int] = []
        self.answers: list[Any] = []
        self.started = asyncio.Event()
        registry = StepRegistry()

        @step("scripted", config=Nothing, registry=registry)
        async def scripted(cfg: Nothing, info: StepInfo) -> Any:
            self.calls["scripted"] += 1
            self.polls.append(info.poll)
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        @step("long", config=Nothing, registry=registry)
        async def long(cfg: Nothing, workspace: Workspace, processes: ProcessRunner) -> None:
            self.calls["long"] += 1
            child = asyncio.create_task(
                processes.run(["/bin/sh", "-c", "echo $$ > child; sleep 60"], cwd=workspace.root)
            )
            while not (workspace.root / "child").exists():
                await asyncio.sleep(0.01)
            self.started.set()
            try:
                await child
            except asyncio.CancelledError:
                child.cancel()
                await asyncio.gather(child, return_exceptions=True)
                raise

        self.services: Services = replace(
            make_services(home, registry=registry), minimum_poll=timedelta(milliseconds=10)
        )

    async def run(self, request: StepRequest) -> tuple[StepOutcome, list[int]]:
        """The outcome, and the types of the events in the history."""
        handle = await self.start(request)
        outcome = await handle.result()
        return outcome, [event.event_type async for event in handle.fetch_history_events()]

    async def start(self, request: StepRequest) -> Any:
        return await self.client.start_workflow(
            OneStep.run, request, id=f"w-{uuid4().hex}", task_queue=self.queue
        )


@pytest_asyncio.fixture
async def bench(temporal: Client, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(temporal, tmp_path)
    async with Worker(
        temporal,
        task_queue=made.queue,
        workflows=[OneStep, Borrow, Kinds],
        activities=[
            *step_activities(made.services, beat_seconds=0.1),
            *workspace_activities(made.services.workspaces),
            kinds_activity(made.services.registry),
        ],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_heartbeat_throttle_interval=timedelta(milliseconds=200),
    ):
        yield made


def request(kind: str, **fields: Any) -> StepRequest:
    return StepRequest(
        project="demo",
        stage="test",
        promotion="p",
        freight=FreightReference(name="f", origin=Origin(name="wh")),
        created_at=NOW,
        step=PlannedStep(alias="a", uses=kind, facts=KindFacts(needs_files=kind == "long")),
        **fields,
    )


def still_waiting(why: str, **fields: Any) -> StepRequest:
    """The request for a step whose last poll the workflow knows."""
    meta = StepMeta(alias="a", status=StepStatus.RUNNING, message=why, started_at=NOW)
    return request("scripted", begun=True, last_wait=why, metas=(meta,), poll=1, **fields)


async def test_the_first_answer_of_a_waiting_step_goes_to_the_workflow(bench: Bench) -> None:
    bench.answers = [Waiting("PR 7 is open", after=1)]
    outcome, _ = await bench.run(request("scripted"))
    assert (outcome.status, outcome.message) == (StepStatus.RUNNING, "PR 7 is open")


async def test_polls_that_find_nothing_new_leave_no_trace_in_the_history(bench: Bench) -> None:
    same = Waiting("PR 7 is open", after=0.01, output={"pr": 7})
    bench.answers = [same, same, same, {"merged": True}]
    waiting = still_waiting("PR 7 is open", outputs={"a": {"pr": 7}})
    outcome, events = await bench.run(waiting)
    assert (outcome.status, outcome.output) == (StepStatus.SUCCEEDED, {"merged": True})
    assert bench.polls == [1, 2, 3, 4]
    # The workflow counts them all, so that the next poll has a number, and a request a key, of its own.
    assert outcome.polls == 3
    assert events.count(EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED) == 1
    assert len(events) == 11


async def test_a_new_message_or_output_goes_to_the_workflow_at_once(bench: Bench) -> None:
    bench.answers = [Waiting("PR 7 is open", after=0.01), Waiting("PR 7 is approved", after=0.01)]
    outcome, _ = await bench.run(still_waiting("PR 7 is open"))
    assert outcome.message == "PR 7 is approved"
    bench.answers = [Waiting("PR 7 is open", after=0.01), Waiting("PR 7 is open", output={"n": 1})]
    outcome, _ = await bench.run(still_waiting("PR 7 is open"))
    assert outcome.output == {"n": 1}


async def test_a_poll_past_the_deadline_goes_to_the_workflow(bench: Bench) -> None:
    bench.answers = [Waiting("PR 7 is open", after=0.01)]
    outcome, _ = await bench.run(still_waiting("PR 7 is open", deadline=NOW))
    assert outcome.status is StepStatus.RUNNING


async def test_a_poll_of_a_step_that_may_not_be_repeated_goes_to_the_workflow(bench: Bench) -> None:
    bench.answers = [Waiting("PR 7 is open", after=0.01)]
    waiting = still_waiting("PR 7 is open")
    once = waiting.step.model_copy(update={"facts": KindFacts(repeatable=False)})
    outcome, _ = await bench.run(waiting.model_copy(update={"step": once}))
    assert outcome.status is StepStatus.RUNNING


async def test_an_error_is_an_outcome_and_is_not_retried_by_the_server(bench: Bench) -> None:
    bench.answers = [ValueError("broken pipe")]
    outcome, _ = await bench.run(request("scripted"))
    assert outcome.message == 'error running step "a": broken pipe'
    assert bench.calls["scripted"] == 1


async def test_a_cancelled_step_ends_its_children_and_lets_go_of_the_workspace(bench: Bench) -> None:
    ref = await bench.services.workspaces.claim("demo", "p")
    handle = await bench.start(request("long", workspace=ref))
    await asyncio.wait_for(bench.started.wait(), 20)
    child = int((bench.services.workspaces.home / "workspaces" / ref.folder / "work" / "child").read_text())
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert not Path(f"/proc/{child}").exists()
    async with bench.services.workspaces.open(ref):
        pass


async def test_a_lost_workspace_reaches_the_workflow_by_type(bench: Bench) -> None:
    ref = await bench.services.workspaces.claim("demo", "p")
    await bench.services.workspaces.remove(ref)
    with pytest.raises(WorkflowFailureError) as caught:
        await bench.run(request("long", workspace=ref))
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.type == "WorkspaceLost"


async def test_an_unknown_kind_is_answered_as_kargo_answers_it(bench: Bench) -> None:
    outcome, _ = await bench.run(request("no-such-step"))
    assert (outcome.status, outcome.ran) == (StepStatus.ERRORED, False)
    assert outcome.message.startswith(
        'step kind "no-such-step" is not registered; verify the kind is correct'
    )


async def test_workspaces_and_kinds_are_activities_too(bench: Bench) -> None:
    claim = ClaimRequest(project="demo", stage="test", promotion="p")
    ref = await bench.client.execute_workflow(
        Borrow.run, claim, id=f"w-{uuid4().hex}", task_queue=bench.queue
    )
    assert ref.host == bench.services.workspaces.host
    asked = KindsRequest(kinds=("long", "nope"))
    answer = await bench.client.execute_workflow(
        Kinds.run, asked, id=f"w-{uuid4().hex}", task_queue=bench.queue
    )
    assert answer.facts["long"].needs_files
    assert not answer.facts["nope"].known


async def test_a_stopping_worker_hands_the_step_to_the_next_one(temporal: Client, tmp_path: Path) -> None:
    made = Bench(temporal, tmp_path)
    ref = await made.services.workspaces.claim("demo", "p")

    def worker() -> Worker:
        return Worker(
            temporal,
            task_queue=made.queue,
            workflows=[OneStep],
            activities=step_activities(made.services, beat_seconds=0.1),
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_heartbeat_throttle_interval=timedelta(milliseconds=200),
        )

    async with worker():
        handle = await made.start(request("long", workspace=ref))
        await asyncio.wait_for(made.started.wait(), 20)
    (made.services.workspaces.home / "workspaces" / ref.folder / "work" / "child").unlink()
    made.started.clear()
    async with worker():
        await asyncio.wait_for(made.started.wait(), 20)
        assert made.calls["long"] == 2
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
