"""What every built-in step must do: begin again where a killed attempt began, and not again what was done.

The worker dies after the step had its effect, in the middle of its changes, or after all of it: what the next attempt
of the same poll answers, leaves in the workspace and does outside is what one undisturbed attempt does. The cases are
held against the registry, so a new step without one fails here.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from helm_engines import engines
from step_bench import Bench

from freightway.activities.catalogue import load_steps
from freightway.activities.journal import Journal
from freightway.activities.services import Services
from freightway.activities.steps.registry import REGISTRY, StepKind, StepRegistry, Workspace
from freightway.adapters.argocd import ArgoCDServers
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.git import GitHost
from freightway.adapters.http import Http
from freightway.promotion.model import StepOutcome
from tests.servers.argocd_server import TOKEN, ArgoServer, Plan
from tests.servers.git_server import GitServer, serve_git
from tests.servers.http_server import HttpServer, Reply

load_steps()
BUILT_IN = [
    name for name in REGISTRY.names() if (REGISTRY.get(name) or StepKind).module.startswith("freightway.")
]


class Killed(BaseException):
    """What SIGKILL is to a step: nothing that it or the engine catches."""


@dataclass(frozen=True)
class Case:
    """A step with its configuration, the files it finds and the steps before it.

    ``GIT`` and ``HTTP`` in the configuration stand for the addresses of the servers.
    """

    config: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    before: tuple[tuple[str, dict[str, Any]], ...] = ()


CLONE = ("git-clone", {"repoURL": "GIT", "checkout": [{"path": "src", "branch": "main"}]})
COMMIT = ("git-commit", {"path": "src", "message": "all"})
EDIT = ("json-update", {"path": "src/a.json", "updates": [{"key": "list.-1", "value": "new"}]})
CHART = {
    "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "c/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n",
}
KUSTOMIZATION = {
    "k/kustomization.yaml": "resources: [cm.yaml]\nnameSuffix: -x\n",
    "k/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
}
TREE = {"a/one": "1", "a/b/two": "2", "a/b/c/three": "3", "other": "o"}

CASES: dict[str, dict[str, Case]] = {
    "argocd-update": {"sync": Case({"apps": [{"name": "app"}]})},
    "compose-output": {"values": Case({"a": 1})},
    "copy": {
        "into-itself": Case({"inPath": "a", "outPath": "a/b"}, TREE),
        "over-others": Case({"inPath": "a", "outPath": "d"}, {**TREE, "d/one": "old", "d/b/kept": "k"}),
        "file": Case({"inPath": "other", "outPath": "new/folder/file"}, TREE),
    },
    "delete": {
        "strict-file": Case({"path": "a/one", "strict": True}, TREE),
        "strict-several": Case({"paths": ["a/b", "other", "a/one"], "strict": True}, TREE),
        "strict-glob": Case({"paths": ["**/t*", "other"], "pathsAreGlobs": True, "strict": True}, TREE),
    },
    "fail": {"message": Case({"message": "no"})},
    "git-clear": {"all": Case({"path": "src"}, before=(CLONE,))},
    "git-clone": {
        "branch": Case(CLONE[1]),
        "created": Case({"repoURL": "GIT", "checkout": [{"path": "src", "branch": "new", "create": True}]}),
    },
    "git-commit": {"change": Case(COMMIT[1], before=(CLONE, EDIT)), "nothing": Case(COMMIT[1], before=(CLONE,))},
    "git-push": {
        "branch": Case({"path": "src"}, before=(CLONE, EDIT, COMMIT)),
        "generated": Case({"path": "src", "generateTargetBranch": True}, before=(CLONE, EDIT, COMMIT)),
    },
    "git-tag": {"tag": Case({"path": "src", "tag": "v1", "message": "one"}, before=(CLONE,))},
    "helm-template": {
        "into-the-chart": Case({"path": "c", "outPath": "c/templates", "outLayout": "flat", "releaseName": "r"}, CHART)
    },
    "http": {
        "post": Case({"url": "HTTP", "method": "POST", "body": "x"}),
        "poll": Case({"url": "HTTP", "method": "POST", "successExpression": "false", "failureExpression": "false"}),
    },
    "json-parse": {"one": Case({"path": "a.json", "outputs": [{"name": "n", "fromExpression": "a"}]}, {"a.json": '{"a": 1}'})},
    "json-update": {"append": Case({"path": "a.json", "updates": [{"key": "list.-1", "value": "new"}]}, {"a.json": '{"list": []}'})},
    "kustomize-build": {
        "into-itself": Case({"path": "k", "outPath": "k/cm.yaml"}, KUSTOMIZATION),
        "folder": Case({"path": "k", "outPath": "out/deep"}, KUSTOMIZATION),
    },
    "kustomize-set-image": {
        "image": Case({"path": "k", "images": [{"image": "nginx", "tag": "1.2"}]}, KUSTOMIZATION)
    },
    "set-metadata": {"stage": Case({"updates": [{"kind": "Stage", "name": "test", "values": {"a": 1}}]})},
    "toml-parse": {"one": Case({"path": "a.toml", "outputs": [{"name": "n", "fromExpression": "a"}]}, {"a.toml": "a = 1\n"})},
    "toml-update": {"set": Case({"path": "a.toml", "updates": [{"key": "a", "value": 2}]}, {"a.toml": "a = 1\n"})},
    "wait-for-approval": {"waits": Case({})},
    "yaml-merge": {
        "into-its-input": Case(
            {"inFiles": ["a.yaml", "b.yaml"], "outFile": "a.yaml"},
            {"a.yaml": "l: [1]\nm: {x: 1}\n", "b.yaml": "m: {y: 2}\nl: [2]\n"},
        )
    },
    "yaml-parse": {"one": Case({"path": "a.yaml", "outputs": [{"name": "n", "fromExpression": "a"}]}, {"a.yaml": "a: 1\n"})},
    "yaml-update": {"set": Case({"path": "a.yaml", "updates": [{"key": "a", "value": 2}]}, {"a.yaml": "a: 1\n"})},
}  # fmt: skip
EACH = [(kind, name) for kind, cases in CASES.items() for name in cases]


def test_every_built_in_step_has_a_case() -> None:
    assert sorted(CASES) == sorted(BUILT_IN)


class World:
    """The outside servers, with the same state and addresses for every run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git: GitServer
        self.http: HttpServer
        self.argo: ArgoServer
        self.client: Http

    async def start(self, stack: AsyncExitStack) -> None:
        self.git = stack.enter_context(serve_git(self.folder / "served"))
        self.http = await stack.enter_async_context(HttpServer(lambda _: Reply(json={"ok": True})))
        self.argo = await stack.enter_async_context(ArgoServer())
        self.client = await stack.enter_async_context(Http())

    def reset(self) -> None:
        shutil.rmtree(self.git.root, ignore_errors=True)
        self.git.create("env.git", {"a.json": '{"list": []}', "app/values.yaml": "tag: 1\n"})
        self.http.requests.clear()
        self.argo.server.requests.clear()
        self.argo.apps.clear()
        self.argo.add(
            "app",
            {"repoURL": "https://git.example.com/x.git", "path": "."},
            stage="demo:test",
            plan=Plan(ticks=10**6),
        )

    def fill(self, value: Any) -> Any:
        """Put the addresses in."""
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill(item) for item in value]
        return (
            {"GIT": self.git.url("env.git"), "HTTP": self.http.url}.get(value, value)
            if isinstance(value, str)
            else value
        )

    def effects(self) -> dict[str, Any]:
        """What outside servers saw, repetitions that they can recognise by their key aside."""
        refs = (self.git.root / "env.git").joinpath("refs")
        heads = {
            path.relative_to(refs).as_posix(): path.read_text() for path in refs.rglob("*") if path.is_file()
        }
        return {
            "heads": heads,
            "requests": {request.headers.get("idempotency-key") for request in self.http.requests},
            "syncs": [line for line in self.argo.writes() if line.endswith("/sync")],
        }


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World(tmp_path_factory.mktemp("outside"))
        await made.start(stack)
        yield made


@dataclass
class Run:
    """One workspace, in which a case's step is run once or more."""

    bench: Bench
    world: World
    uses: str
    case: Case

    @classmethod
    async def make(cls, world: World, home: Path, uses: str, case: Case) -> Run:
        world.reset()
        bench = await Bench.make(home)
        git = GitHost(home)
        store = CredentialStore(home, world.client)
        servers = ArgoCDServers(
            world.client,
            store,
            {"ARGOCD_SERVER": world.argo.url, "ARGOCD_AUTH_TOKEN": TOKEN},
            pauses=(0.01, 0.01),
        )
        bench.services = bench.services.provide(GitHost, lambda _: git).provide(
            ArgoCDServers, lambda _: servers
        )
        bench.write(case.files)
        run = cls(bench, world, uses, case)
        for number, (kind, config) in enumerate(case.before):
            outcome = await bench.run(kind, world.fill(config), step_alias=f"before-{number}")
            assert outcome.status in ("Succeeded", "Skipped"), outcome.message
        return run

    async def attempt(self, services: Services | None = None) -> StepOutcome:
        bench = replace(self.bench, services=services) if services else self.bench
        return await bench.run(self.uses, self.world.fill(self.case.config))

    async def result(self, outcome: StepOutcome) -> dict[str, Any]:
        """All that counts: the answer, the files, and what was done outside."""
        known = outcome.model_dump(mode="json")
        if known["record"]:
            del known["record"]["evaluatedAt"]
        tree = await self.bench.services.workspaces.tree(self.bench.ref)
        return {"outcome": known, "tree": tree, "outside": self.world.effects()}

    def that_die_after(self) -> Services:
        """Services with which the step is killed when it has done all it does."""
        registry = StepRegistry()
        kind = self.bench.services.registry.get(self.uses)
        assert kind is not None

        async def run(*args: Any, **capabilities: Any) -> Any:
            with suppress(Exception):
                await kind.run(*args, **capabilities)
            raise Killed

        registry.add(replace(kind, run=run))
        return replace(self.bench.services, registry=registry)

    def that_die_in(self, change: int) -> Services:
        """Services with which the step is killed when it was about to make a change, counted from 0."""
        seen = iter(range(10**6))

        def count(_change: str) -> None:
            if next(seen) == change:
                raise Killed

        def workspace(attempt: Any) -> Workspace:
            given: Workspace = attempt.workspace
            return replace(
                given, journal=Journal(given.root.with_name("journal"), given.root, on_change=count)
            )

        return self.bench.services.provide(Workspace, workspace)


def skip_without_tools(uses: str) -> None:
    if uses == "helm-template" and not engines():
        pytest.skip("there is no helm")
    if uses == "kustomize-build" and not (shutil.which("kubectl") or shutil.which("kustomize")):
        pytest.skip("there is no kustomize")


async def undisturbed(world: World, home: Path, uses: str, name: str) -> dict[str, Any]:
    run = await Run.make(world, home, uses, CASES[uses][name])
    return await run.result(await run.attempt())


@pytest.mark.parametrize(("uses", "name"), EACH)
async def test_an_attempt_after_one_that_died_after_its_effect_gives_the_same(
    world: World, tmp_path: Path, uses: str, name: str
) -> None:
    skip_without_tools(uses)
    expected = await undisturbed(world, tmp_path / "one", uses, name)
    run = await Run.make(world, tmp_path / "two", uses, CASES[uses][name])
    for _ in range(2):
        with pytest.raises(Killed):
            await run.attempt(run.that_die_after())
    assert await run.result(await run.attempt()) == expected


@pytest.mark.parametrize(("uses", "name"), EACH)
async def test_an_attempt_after_one_whose_answer_was_lost_gives_the_same(
    world: World, tmp_path: Path, uses: str, name: str
) -> None:
    skip_without_tools(uses)
    expected = await undisturbed(world, tmp_path / "one", uses, name)
    run = await Run.make(world, tmp_path / "two", uses, CASES[uses][name])
    await run.attempt()
    assert await run.result(await run.attempt()) == expected


@pytest.mark.parametrize(("uses", "name"), [one for one in EACH if CASES[one[0]][one[1]].files])
async def test_an_attempt_after_one_that_died_between_two_changes_gives_the_same(
    world: World, tmp_path: Path, uses: str, name: str
) -> None:
    skip_without_tools(uses)
    expected = await undisturbed(world, tmp_path / "one", uses, name)
    for change in range(12):
        run = await Run.make(world, tmp_path / f"two-{change}", uses, CASES[uses][name])
        try:
            await run.attempt(run.that_die_in(change))
        except Killed:
            assert await run.result(await run.attempt()) == expected
        else:
            return
    raise AssertionError("more changes than were thought of")
