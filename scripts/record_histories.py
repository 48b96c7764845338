"""Record the histories of every workflow type from a scripted run, for the replay tests.

    python scripts/record_histories.py            # into tests/replay/histories/<version>
    python scripts/record_histories.py 0.2.0

A folder that exists is not changed: histories of earlier versions are kept as they were recorded.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from temporalio.client import WorkflowFailureError  # noqa: E402

import freightway  # noqa: E402
from freightway import names  # noqa: E402
from freightway.entities.messages import (  # noqa: E402
    AnswerRequest,
    FreezeRequest,
    HoldRequest,
    PromoteRequest,
    RepairRequest,
)
from freightway.errors import NotFound  # noqa: E402
from tests.servers.git_server import GitServer, serve_git  # noqa: E402
from tests.servers.manifests import (  # noqa: E402
    KARGO,
    PROJECT,
    REPOSITORY,
    analysis,
    auto,
    project_config,
    question,
    say,
    stage,
    verified_by,
    warehouse,
)
from tests.servers.temporal import TEST_FLAGS, World, until, world  # noqa: E402

HISTORIES = ROOT / "tests" / "replay" / "histories"
OFTEN = {**TEST_FLAGS, "limit.historyCount.suggestContinueAsNew": "120"}
MOST_OF_A_TYPE = 8
LARGEST = 400_000
HOME = "/var/lib/freightway"
GATE = {"uses": "wait-for-approval", "as": "gate", "config": {}}


async def main(version: str) -> None:
    """Run the script of actions, and write what Temporal recorded of it."""
    target = HISTORIES / version
    if target.exists():
        raise SystemExit(f"{target.relative_to(ROOT)} exists; histories are never rewritten")
    with tempfile.TemporaryDirectory() as folder, serve_git(Path(folder) / "git") as git:
        home = Path(folder) / "home"
        async with world(home, OFTEN) as found:
            await discovers_and_commits(found, git)
            await waits_for_people(found)
            await is_ended_in_every_way(found)
            await continues_as_new(found)
            await is_deleted(found)
            replacements = {str(home): HOME, folder: "/srv", _host(home): "host"}
            written = await write(found, target, replacements)
    for kind, count in sorted(written.items()):
        print(f"{kind}: {count}")


def _host(home: Path) -> str:
    found = list(home.rglob("host-id")) or list(home.rglob("host_id"))
    return found[0].read_text().strip() if found else "no-host-id"


async def discovers_and_commits(found: World, git: GitServer) -> None:
    """New commits become Freight, are cloned, changed, committed and pushed, verified and passed on."""
    git.root.mkdir(parents=True, exist_ok=True)
    git.create("app", {"version.yaml": "version: 1\n"})
    git.create("deploy", {"dev.yaml": "commit: none\n"})
    project = found.project()
    url = git.url("deploy")
    checkout = [{"branch": "main", "path": "./out"}]
    steps = [
        {"uses": "git-clone", "as": "clone", "config": {"repoURL": url, "checkout": checkout}},
        {
            "uses": "yaml-update",
            "as": "update",
            "config": {
                "path": "./out/dev.yaml",
                "updates": [{"key": "commit", "value": "${{ ctx.targetFreight.name }}"}],
            },
        },
        {"uses": "git-commit", "as": "commit", "config": {"path": "./out", "message": "new freight"}},
        {"uses": "git-push", "as": "push", "config": {"path": "./out"}},
    ]
    task = {"apiVersion": KARGO, "kind": "ClusterPromotionTask", "metadata": {"name": "notes"}}
    await found.api.apply([{**task, "spec": {"steps": [say()]}}])
    await project.apply(
        PROJECT,
        project_config(*auto("dev", "west")),
        warehouse(repository=git.url("app"), freightCreationPolicy="Automatic"),
        stage("dev", steps=steps),
        stage("fan", upstream=["dev"], steps=()),
        stage("west", upstream=["fan"]),
        stage("later", upstream=["dev"], sources={"requiredSoakTime": "48h"}),
    )
    await project.stage_is("west", lambda state: state.holding is not None, 60)
    git.commit("app", {"version.yaml": "version: 2\n"})
    await project.api.refresh(project.name, "warehouse", "app")
    await project.stage_is("west", lambda state: len(state.history) == 2, 60)
    git.status = 500
    await project.api.refresh(project.name, "warehouse", "app")
    await project.warehouse_is("app", lambda state: bool(state.problems), 60)
    git.status = 0
    await project.forward(names.stage_id(project.name, "later"), timedelta(hours=49))
    await project.ended(await project.promote("later"))
    await found.client.get_schedule_handle(names.health_schedule_id(project.name)).trigger()
    await until(lambda: _count(found, "HealthCheck"), bool)


async def waits_for_people(found: World) -> None:
    """Approvals, questions, parked promotions, holds and freezes."""
    project = found.project()
    fails = {"uses": "fail", "as": "fails", "if": "${{ vars.works != 'yes' }}"}
    await project.apply(
        PROJECT,
        warehouse(),
        analysis("asks", question()),
        stage("gated", steps=[GATE], verification=verified_by("asks")),
        stage(
            "parks",
            steps=[say("first"), fails, say("last")],
            variables={"works": "no"},
            annotations={"freightway.dev/on-failure": "park"},
        ),
    )
    freight = await project.freight("a" * 40)
    gated, parked = await project.promote("gated", freight), await project.promote("parks", freight)
    for name in ("gated", "parks"):
        await project.stage_is(name, lambda state: bool(state.current and state.current.waiting))
    await project.api.answer_promotion(project.name, gated.promotion, AnswerRequest(actor="ben"))
    await project.ended(gated)
    await project.stage_is("gated", lambda state: bool(state.verifying and state.verifying.waiting))
    await project.api.answer_verification(project.name, "gated", AnswerRequest(approve=True))
    await project.stage_is("gated", lambda state: bool(state.holding and state.holding.is_verified))
    await project.api.verify(project.name, "gated")
    await project.stage_is("gated", lambda state: bool(state.verifying and state.verifying.waiting))
    await project.api.abort_verification(project.name, "gated")
    await project.stage_is("gated", lambda state: state.verifying is None)
    await project.api.repair(project.name, parked.promotion, RepairRequest(vars={"works": "yes"}))
    await project.ended(parked)
    later = datetime.now(UTC) + timedelta(days=1)
    await project.api.freeze(project.name, FreezeRequest(name="week", reason="audit", until=later))
    await project.stage_is("parks", lambda state: bool(state.configuration.freezes))
    waiting = await project.promote("parks", freight, reason="again")
    await project.api.abort(project.name, waiting.promotion)
    await project.api.unfreeze(project.name, "week")
    await project.api.hold(project.name, "parks", HoldRequest(reason="we look"))
    await project.api.release(project.name, "parks")
    await project.api.rollback(PromoteRequest(project=project.name, stage="parks", freight=freight.name))


async def is_ended_in_every_way(found: World) -> None:
    """Promotions that fail, are aborted, cancelled and terminated, and the workflow Promote."""
    project = found.project()
    broken = {"uses": "fail", "as": "breaks", "config": {"message": "no"}}
    await project.apply(
        PROJECT, warehouse(), stage("gated", steps=[GATE]), stage("broken", steps=[broken]), stage("good")
    )
    freight = await project.freight("a" * 40, stages=["gated", "broken", "good"])
    for end in ("abort", "cancel", "terminate"):
        answer = await project.promote("gated", freight)
        await project.stage_is("gated", lambda state: bool(state.current and state.current.waiting))
        handle = project.handle(names.promotion_id(project.name, answer.promotion))
        if end == "abort":
            await project.api.abort(project.name, answer.promotion)
        else:
            await getattr(handle, end)()
        await project.ended(answer)
    for name in ("broken", "good", "none"):
        handle = await found.client.start_workflow(
            "Promote",
            {"project": project.name, "stage": name, "freight": freight.alias},
            id=f"promote-{name}",
            task_queue=names.TASK_QUEUE,
        )
        try:
            await handle.result()
        except WorkflowFailureError:
            assert name != "good"


async def continues_as_new(found: World) -> None:
    """A Stage, a Warehouse and a Project with more messages than fit into one run."""
    project = found.project()
    await project.apply(PROJECT, warehouse(), stage("dev"))
    for number in range(25):
        freight = await project.freight(f"{number:040x}")
        if number % 8 == 0:
            await project.brought("dev", freight)
        await until(lambda: project.api.running(names.warehouse_id(project.name, "app")), bool)
        try:
            await project.api.set_alias(project.name, freight.name, f"number-{number}")
        except NotFound:
            # The query for the Freight met the Warehouse between two runs.
            continue


async def is_deleted(found: World) -> None:
    """A project is deleted while a promotion runs."""
    project = found.project()
    await project.apply(PROJECT, warehouse(repository=REPOSITORY), stage("gated", steps=[GATE]))
    await project.promote("gated", await project.freight("a" * 40))
    await project.stage_is("gated", lambda state: bool(state.current and state.current.waiting))
    await project.api.delete(project.name, everything=True)
    await project.gone(names.stage_id(project.name, "gated"))
    await project.gone(names.project_id(project.name))


async def _count(found: World, kind: str) -> int:
    query = f'WorkflowType = "{kind}" AND ExecutionStatus = "Completed"'
    return (await found.client.count_workflows(query)).count


async def write(found: World, target: Path, replacements: dict[str, str]) -> dict[str, int]:
    """Write the histories that differ in shape, the short ones first, and count them by workflow type."""
    shapes: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    async for run in found.client.list_workflows(""):
        history = await found.client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        text = json.dumps(clean(json.loads(history.to_json()), replacements), indent=1, ensure_ascii=False)
        shape = tuple(str(event.event_type) for event in history.events)
        if len(text) <= LARGEST:
            shapes[run.workflow_type].setdefault(shape, text)
    target.mkdir(parents=True)  # noqa: ASYNC240 - nothing else runs any more
    for kind, found_shapes in shapes.items():
        ordered = [
            found_shapes[shape] for shape in sorted(found_shapes, key=lambda shape: (len(shape), shape))
        ]
        for number, text in enumerate(spread(ordered), start=1):
            (target / f"{kind}-{number}.json").write_text(text + "\n")
    return {kind: min(len(texts), MOST_OF_A_TYPE) for kind, texts in shapes.items()}


def spread(ordered: list[str]) -> list[str]:
    """Choose evenly from the shortest to the longest."""
    if len(ordered) <= MOST_OF_A_TYPE:
        return ordered
    return [ordered[round(i * (len(ordered) - 1) / (MOST_OF_A_TYPE - 1))] for i in range(MOST_OF_A_TYPE)]


def clean(value: Any, replacements: dict[str, str]) -> Any:
    """Take out what belongs to the machine that recorded: its paths, its processes, its stack traces.

    Addresses stay: the names of Freight are made from them, and workflows look Freight up by name.
    """
    if isinstance(value, list):
        return [clean(item, replacements) for item in value]
    if isinstance(value, str):
        return _replaced(value, replacements)
    if not isinstance(value, dict):
        return value
    cleaned = {
        key: clean(item, replacements)
        for key, item in value.items()
        if key not in ("sdkMetadata", "stackTrace")
    }
    if isinstance(value.get("identity"), str):
        cleaned["identity"] = "recorder"
    if isinstance(value.get("data"), str) and "metadata" in value:
        plain = base64.b64decode(value["data"]).decode("utf-8", "surrogateescape")
        replaced = _replaced(plain, replacements).encode("utf-8", "surrogateescape")
        cleaned["data"] = base64.b64encode(replaced).decode()
    return cleaned


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else freightway.__version__))
    sys.stdout.flush()
    os._exit(0)
