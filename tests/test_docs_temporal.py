"""docs/temporal.md: every command of the page does what the page says, on a real server with a real worker."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from freightway.adapters.dev_server import temporal_binary
from freightway.client import Freightway
from freightway.connection import connect
from freightway.entities.messages import PromoteRequest
from freightway.entities.stage import StageState
from tests.servers.freightway_stack import Stack, environment
from tests.servers.git_server import serve_git

PAGE = Path(__file__).parents[1] / "docs" / "temporal.md"
WITHIN_SECONDS = 30

MANIFEST = """
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {name: demo}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: app, namespace: demo}
spec:
  freightCreationPolicy: Manual
  interval: 24h
  subscriptions:
  - git: {repoURL: "REPOSITORY", branch: main}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: asks, namespace: demo}
spec:
  metrics:
  - name: looks-good
    provider:
      signal: {prompt: "Does it look good?", deadline: 1h}
"""

STAGE = """
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: NAME, namespace: demo, annotations: {freightway.dev/on-failure: ON_FAILURE}}
spec:
  requestedFreight:
  - origin: {kind: Warehouse, name: app}
    sources: SOURCES
  promotionTemplate:
    spec:
      vars: [{name: works, value: "no"}]
      steps:
      STEPS
"""

SAY = "- {uses: compose-output, as: say, config: {said: hello}}"
STAGES = {
    "dev": ("{direct: true}", SAY),
    "test": ("{stages: [dev]}", SAY),
    "gate": ("{stages: [test]}", "- {uses: wait-for-approval, as: approval, config: {}}"),
    "waits": (
        "{direct: true}",
        """- uses: http
        as: poll
        config:
          url: "REPOSITORY/info/refs?service=git-upload-pack"
          successExpression: response.status == 299
          failureExpression: response.status == 500""",
    ),
    "flaky": (
        "{direct: true}",
        """- {uses: fail, as: breaks, if: "${{ vars.works != 'yes' }}", config: {message: broke}}""",
    ),
    "broken": (
        "{direct: true}",
        '- {uses: fail, as: smoke-test, config: {message: "the smoke test answered 503"}}',
    ),
}


def manifest(repository: str) -> str:
    """Return the pipeline that the page speaks of."""
    text = MANIFEST
    for name, (sources, steps) in STAGES.items():
        park = "park" if name == "flaky" else "fail"
        stage = STAGE.replace("NAME", name).replace("SOURCES", sources).replace("STEPS", steps)
        stage = stage.replace("ON_FAILURE", park)
        if name == "test":
            stage += "  verification: {analysisTemplates: [{name: asks}]}\n"
        text += stage
    return text.replace("REPOSITORY", repository)


@dataclass(frozen=True)
class Block:
    """One fenced block of the page."""

    section: str
    number: int
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.section.lower().replace(' ', '-')}-{self.number}"


def blocks() -> list[Block]:
    """Return the ``sh`` blocks of the page in their order."""
    found = []
    for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        section = part.partition("\n")[0].strip()
        fenced = re.findall(r"^```sh ?([^\n]*)\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)
        found += [
            Block(section, number, tuple(marks.split()), text) for number, (marks, text) in enumerate(fenced)
        ]
    return found


@dataclass
class Site:
    """The running pipeline."""

    stack: Stack
    freightway: Freightway

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a block of the page in a shell that finds our ``temporal`` first."""
        env = environment(self.stack.server.address, self.stack.home)
        env["PATH"] = f"{temporal_binary().parent}:{env['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    async def stage(self, name: str) -> StageState:
        return await self.freightway.stage("demo", name)

    async def until(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:
        """Look again and again until there is something, and return it."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not (seen := await look()):
                await asyncio.sleep(0.05)
        assert seen, what
        return seen

    async def until_stage(self, name: str, wanted: Callable[[StageState], Any]) -> StageState:
        async def look() -> StageState | None:
            state = await self.stage(name)
            return state if wanted(state) else None

        state: StageState = await self.until(f"Stage {name} as wanted", look)
        return state

    async def promote(self, stage: str, freight: str = "brave-otter") -> str:
        request = PromoteRequest(project="demo", stage=stage, freight=freight)
        return (await self.freightway.promote(request)).promotion

    async def until_listed(self, query: str) -> None:
        async def look() -> bool:
            return (await self.freightway.client.count_workflows(query)).count > 0

        await self.until(query, look)

    async def until_phase(self, stage: str, phase: str) -> StageState:
        """Wait for the end of the last promotion of a Stage; it must be ``phase``."""
        state = await self.until_stage(stage, lambda state: state.current is None and state.finished)
        assert state.finished[0].phase.value == phase, state.finished[0]
        return state


@pytest.fixture(scope="module")
async def site(tmp_path_factory):
    """The pipeline of the page, on a server of its own: the page's lists must show nothing else."""
    folder = tmp_path_factory.mktemp("docs-temporal")
    stack = Stack(folder / "home")
    await stack.start()
    try:
        with serve_git(folder / "git") as git:
            git.create("app.git", {"version": "1"})
            first = git.head("app.git")
            git.commit("app.git", {"version": "2"}, message="second")
            pipeline = folder / "pipeline.yaml"
            pipeline.write_text(manifest(git.url("app.git")))
            stack.ok("apply", "-f", pipeline)
            stack.ok("refresh", "warehouse", "app", "-p", "demo", "--wait")
            create = ("create", "freight", "-p", "demo", "--warehouse", "app", "--alias")
            stack.ok(*create, "calm-heron", "--commit", first)
            stack.ok(*create, "brave-otter")
            made = Site(stack, Freightway(await connect(stack.server.address), actor="ann"))
            await made.promote("dev", "calm-heron")
            await made.until_stage("dev", lambda state: state.holding and state.holding.verifications)
            yield made
    finally:
        await stack.stop()


# -- what must be there before a section's first block ---------------------------------------------------------------


async def a_gate_waits(site: Site) -> None:
    await site.promote("gate")
    await site.until_stage("gate", lambda state: state.current and state.current.waiting)
    await site.until_listed('FreightwayStage="gate" AND WorkflowType="Promotion"')


async def a_metric_waits(site: Site) -> None:
    await site.until_stage("dev", lambda state: state.current is None and not state.queue)
    await site.promote("test")
    await site.until_stage("test", lambda state: state.verifying and state.verifying.waiting)
    await site.until_listed('FreightwayStage="test" AND WorkflowType="Verification"')


async def a_step_polls(site: Site) -> None:
    if (await site.stage("waits")).current is None:
        await site.promote("waits")
    running = 'WorkflowType="Promotion" AND FreightwayStage="waits" AND ExecutionStatus="Running"'
    await site.until_listed(f'{running} AND FreightwayPhase="Running"')


async def a_promotion_is_parked(site: Site) -> None:
    await site.promote("flaky")
    await site.until_listed('FreightwayStage="flaky" AND FreightwayPhase="Parked"')


BEFORE = {
    "Answer an approval": a_gate_waits,
    "Answer a signal metric": a_metric_waits,
    "Refresh": a_step_polls,
    "Abort": a_step_polls,
    "Repair a parked promotion": a_promotion_is_parked,
    "Cancel and terminate": a_step_polls,
}


# -- what must be so after each block ----------------------------------------------------------------------------------


async def promoted(site: Site, output: str) -> None:
    assert "COMPLETED" in output
    state = await site.until_phase("dev", "Succeeded")
    assert state.holding.items[0].alias == "brave-otter"


async def refused(site: Site, output: str) -> None:
    assert "FAILED" in output
    await site.until_listed('WorkflowId="promote-refused" AND FreightwayPhase="Refused"')


async def failed(site: Site, output: str) -> None:
    await site.until_phase("broken", "Failed")
    await site.until_listed('WorkflowType="Promotion" AND FreightwayPhase="Failed"')


async def asked(site: Site, output: str) -> None:
    assert "promotion:dev." in output
    await site.until_phase("dev", "Succeeded")


async def watched(site: Site, output: str) -> None:
    assert "dev ← brave-otter" in output  # the static summary
    assert re.search(r"\| ✓\s* \| say\s* \| compose-output", output)  # the table of the steps
    assert '"phase":"Succeeded"' in output.replace('": "', '":"')
    assert "ActivityTaskCompleted" in output


async def listed(site: Site, output: str) -> None:
    assert "stage/demo/dev" in output
    assert re.search(r"Total: [1-9]", output)


async def described(site: Site, output: str) -> None:
    for expected in ("brave-otter", '"available":true', "PromotionSucceeded", '"warehouses"'):
        assert expected in output


async def approved(site: Site, output: str) -> None:
    verdict = await site.until_stage(
        "gate", lambda state: any("gate" in record.approved_for for record in state.freight.values())
    )
    assert [record.alias for record in verdict.freight.values() if record.approved_for] == ["brave-otter"]


async def answered(site: Site, output: str) -> None:
    await site.until_phase("gate", "Succeeded")


async def verified(site: Site, output: str) -> None:
    state = await site.until_stage("test", lambda state: state.verifying is None)
    assert state.holding.verifications[0].phase.value == "Successful"


async def verifies_again(site: Site, output: str) -> None:
    await site.until_stage("test", lambda state: state.verifying)


async def verification_aborted(site: Site, output: str) -> None:
    state = await site.until_stage("test", lambda state: state.verifying is None)
    assert state.holding.verifications[0].phase.value == "Aborted"


async def refreshed(site: Site, output: str) -> None:
    assert "looking at its subscriptions" in output
    assert "looks again" in output


async def woken(site: Site, output: str) -> None:
    assert "asked again" in output
    assert "Signal" in output


async def aborted(site: Site, output: str) -> None:
    await site.until_phase("waits", "Aborted")


async def repaired(site: Site, output: str) -> None:
    await site.until_phase("flaky", "Succeeded")


async def released(site: Site, output: str) -> None:
    assert "dev is held" in output
    assert not (await site.stage("dev")).holds


async def rolled_back(site: Site, output: str) -> None:
    state = await site.until_phase("dev", "Succeeded")
    assert state.holding.items[0].alias == "calm-heron"
    assert state.finished[0].kind == "rollback"


async def unfrozen(site: Site, output: str) -> None:
    assert "freeze holidays is in force" in output
    assert not (await site.freightway.project("demo")).freezes


async def scheduled(site: Site, output: str) -> None:
    assert "discovery/demo/app" in output
    assert "health/demo" in output
    await site.until_listed('TemporalScheduledById="discovery/demo/app" AND FreightwayPhase="Succeeded"')


async def terminated(site: Site, output: str) -> None:
    state = await site.until_phase("waits", "Aborted")
    assert "terminated" in state.finished[0].message


AFTER = {
    "Promote and wait for the end": (promoted, refused, failed),
    "Promote without waiting": (asked,),
    "Watch": (watched,),
    "List": (listed,),
    "Ask the entities": (described,),
    "Approve Freight for a Stage": (approved,),
    "Answer an approval": (answered,),
    "Answer a signal metric": (verified,),
    "Verify": (verifies_again, verification_aborted),
    "Refresh": (refreshed, woken),
    "Abort": (aborted,),
    "Repair a parked promotion": (repaired,),
    "Hold and release": (released,),
    "Roll back": (rolled_back,),
    "Freeze": (unfrozen,),
    "Schedules": (scheduled,),
    "Cancel and terminate": (terminated,),
}


def test_every_shell_block_of_the_page_is_tested():
    for block in blocks():
        assert "tested" in block.marks, str(block)
    counted = dict.fromkeys(AFTER, 0)
    for block in blocks():
        counted[block.section] += 1
    assert counted == {section: len(checks) for section, checks in AFTER.items()}


@pytest.mark.parametrize("block", blocks(), ids=str)
async def test_block_does_what_the_page_says(site, block):
    if block.number == 0 and block.section in BEFORE:
        await BEFORE[block.section](site)
    done = await asyncio.to_thread(site.run, block.text)
    output = done.stdout + done.stderr
    assert (done.returncode != 0) == ("fails" in block.marks), output
    for line in re.findall(r"^# (.*)$", block.text, flags=re.MULTILINE):
        assert line in output, output
    await AFTER[block.section][block.number](site, output)


async def test_cancelling_a_command_leaves_its_promotion_alone(site):
    given = '{"project": "demo", "stage": "waits", "freight": "brave-otter"}'
    start = (
        f"temporal workflow start --type Promote -t freightway --workflow-id promote-waits --input '{given}'"
    )
    assert site.run(start).returncode == 0
    await site.until_stage("waits", lambda state: state.current)
    assert site.run("temporal workflow cancel -w promote-waits").returncode == 0
    await site.until_listed('WorkflowId="promote-waits" AND ExecutionStatus="Canceled"')
    assert (await site.stage("waits")).current is not None


async def test_cancelling_a_promotion_aborts_it(site):
    current = (await site.until_stage("waits", lambda state: state.current)).current
    cancelled = site.run(f"temporal workflow cancel -w promotion/demo/{current.promotion}")
    assert cancelled.returncode == 0, cancelled.stderr
    await site.until_phase("waits", "Aborted")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ('{"project": "demo", "stage": "prod"}', "Stage 'prod' not found in project 'demo'"),
        ('{"proj": "demo"}', "proj: unknown field"),
        ('"demo"', "give the project and the Stage"),
        ("null", "give the project and the Stage"),
    ],
)
async def test_whatever_is_typed_into_the_form_is_refused_with_a_sentence(site, typed, sentence):
    done = site.run(f"temporal workflow execute --type Promote -t freightway --input '{typed}'")
    message = next(line for line in done.stdout.splitlines() if "Message:" in line)
    assert sentence in message
    assert "https://" not in message
