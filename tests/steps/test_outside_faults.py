"""What everything that talks to outside servers says and does when they go wrong, and when they are well again.

One server stands before the real ones and is down, says nothing, is busy (429), broken (500), cuts the connection in
the middle of its answer or has a certificate that nobody trusts. Each step is run through the boundary of all steps.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from step_bench import Bench

from freightway.activities.discovery import DiscoveryServices, discover
from freightway.activities.metrics.registry import MetricContext, take
from freightway.adapters.argocd import ArgoCDServers
from freightway.adapters.charts import Charts
from freightway.adapters.credentials import CredentialStore, write_credentials
from freightway.adapters.git import GitHost
from freightway.adapters.http import MOST_RETRY_AFTER, Http, HttpResponse
from freightway.adapters.oci import Oci
from freightway.adapters.processes import ProcessRunner
from freightway.promotion.completion import error_backoff
from freightway.promotion.model import StepOutcome
from freightway.resources.analysis import Argument, Metric
from freightway.verification.run import MeasurementRequest
from tests.servers.argocd_server import TOKEN, ArgoServer, Plan
from tests.servers.fault_server import FAULTS, RETRY_AFTER, Fault, FaultServer, forward_to, serve_faults
from tests.servers.git_server import serve_git
from tests.servers.http_server import Reply, Request, self_signed

PASSWORD = "planted-passw0rd"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Answer:
    """What came of one look or attempt, whatever it was.

    ``again`` says whether it is tried again by itself, ``pause`` how long before that at least.
    """

    ok: bool
    message: str = ""
    again: bool = False
    pause: float | None = None

    @classmethod
    def of(cls, outcome: StepOutcome) -> Answer:
        ok = outcome.status in ("Succeeded", "Running") and not outcome.error
        # A step that failed without an error is polled again; one with an error as often as its threshold says.
        return cls(ok, outcome.message, not outcome.terminal, outcome.retry_after)


Ask = Callable[[FaultServer], Awaitable[Answer]]


@dataclass
class Outside:
    """One thing that talks to outside, and a server for it to talk to."""

    server: FaultServer
    ask: Ask
    hidden: tuple[str, ...] = ()


@dataclass
class Kit:
    """What the things under test are made of."""

    home: Path
    tls: ssl.SSLContext
    stack: AsyncExitStack
    http: Http = field(default_factory=Http)

    async def faults(self, behind: Any) -> FaultServer:
        return await self.stack.enter_async_context(serve_faults(behind, self.tls))

    def credentials(self, kind: str, url: str) -> None:
        write_credentials(
            self.home, project="demo", name=kind, kind=kind, repo_url=url, username="robot", password=PASSWORD,
            replace=True,
        )  # fmt: skip

    def secret(self, name: str, data: dict[str, str]) -> None:
        folder = self.home / "secrets" / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        (folder / f"{name}.yaml").write_text(json.dumps(head))

    async def bench(self) -> Bench:
        bench = await Bench.make(self.home)
        git = GitHost(self.home)
        bench.services = bench.services.provide(GitHost, lambda _: git).provide(Http, lambda _: self.http)
        return bench

    async def git(self) -> tuple[Any, FaultServer]:
        server = self.stack.enter_context(serve_git(self.home / "served"))
        server.password, server.user = PASSWORD, "robot"
        server.create("env.git", {"a": "1"})
        return server, await self.faults(forward_to(f"http://{server.host}"))

    def discovery(self, server: FaultServer) -> DiscoveryServices:
        store = CredentialStore(self.home, self.http)
        # Named, so that it is not found out by asking the server that is about to go wrong.
        plain = frozenset() if server.fault == "certificate" else frozenset({server.host})
        oci = Oci(self.http, rate=0, plain_http=plain)
        return DiscoveryServices(store, oci, Charts(self.http, oci), GitHost(self.home), ProcessRunner())

    async def look(self, subscription: dict[str, Any], server: FaultServer) -> Answer:
        # A registry that is busy is asked again within one look; one that says nothing is waited for.
        seconds = 6 if server.fault == "silent" else 120
        found = await discover(
            {"subscriptions": [subscription]}, "demo", self.discovery(server), seconds=seconds
        )
        if found["errors"]:
            # The Warehouse looks again at its next interval, whatever was wrong.
            return Answer(False, found["errors"][0]["message"], again=True)
        return Answer(True)


async def git_clone(kit: Kit) -> Outside:
    _, faults = await kit.git()

    async def ask(server: FaultServer) -> Answer:
        url = f"{server.url}/env.git"
        kit.credentials("git", url)
        bench = await kit.bench()
        config = {"repoURL": url, "checkout": [{"path": "src", "branch": "main"}]}
        return Answer.of(await bench.run("git-clone", config))

    return Outside(faults, ask)


async def git_push(kit: Kit) -> Outside:
    """The push goes to the address that was cloned, so the clone's server goes wrong later."""
    _, faults = await kit.git()
    url = f"{faults.url}/env.git"
    kit.credentials("git", url)
    bench = await kit.bench()
    clone = {"repoURL": url, "checkout": [{"path": "src", "branch": "main"}]}
    assert (await bench.run("git-clone", clone, step_alias="clone")).status == "Succeeded"
    (bench.root / "src/a").write_text("2")
    commit = {"path": "src", "message": "two"}
    assert (await bench.run("git-commit", commit, step_alias="commit")).status == "Succeeded"

    async def ask(server: FaultServer) -> Answer:
        return Answer.of(await bench.run("git-push", {"path": "src"}, step_alias="push"))

    return Outside(faults, ask)


async def http(kit: Kit) -> Outside:
    faults = await kit.faults(lambda _: Reply(json={"ok": True}))

    async def ask(server: FaultServer) -> Answer:
        kit.secret("web", {"token": PASSWORD})
        bench = await kit.bench()
        config = {
            "url": f"{server.url}/hook?token=${{{{ secret('web').token }}}}",
            "headers": [{"name": "Authorization", "value": "Bearer ${{ secret('web').token }}"}],
            "timeout": "1s",
        }
        return Answer.of(await bench.run("http", config))

    return Outside(faults, ask)


async def argocd_update(kit: Kit) -> Outside:
    argo = await kit.stack.enter_async_context(ArgoServer())
    source = {"repoURL": "https://git.example.com/x.git", "path": "."}
    argo.add("app", source, stage="demo:test", plan=Plan(ticks=10**6))
    faults = await kit.faults(argo.server.handler)

    async def ask(server: FaultServer) -> Answer:
        bench = await kit.bench()
        store = CredentialStore(kit.home, kit.http)
        environment = {"ARGOCD_SERVER": server.url, "ARGOCD_AUTH_TOKEN": TOKEN}
        servers = ArgoCDServers(kit.http, store, environment, pauses=(0.01,), seconds=1)
        bench.services = replace(
            bench.services.provide(ArgoCDServers, lambda _: servers), secrets=store.secrets
        )
        return Answer.of(await bench.run("argocd-update", {"apps": [{"name": "app"}]}))

    return Outside(faults, ask, (TOKEN,))


async def git_discovery(kit: Kit) -> Outside:
    _, faults = await kit.git()

    async def ask(server: FaultServer) -> Answer:
        url = f"{server.url}/env.git"
        kit.credentials("git", url)
        return await kit.look({"git": {"repoURL": url, "branch": "main"}}, server)

    return Outside(faults, ask)


def registry(request: Request) -> Reply:
    """A registry with one image."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z"}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest,
                "size": len(config),
            },
            "layers": [],
        }
    ).encode()
    if request.path.endswith("/tags/list"):
        return Reply(json={"name": "team/app", "tags": ["1.0.0"]})
    if "/manifests/" in request.path:
        found = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        return Reply(200, manifest, {"Content-Type": kind, "Docker-Content-Digest": found})
    if "/blobs/" in request.path:
        return Reply(200, config)
    return Reply(json={})


async def image_discovery(kit: Kit) -> Outside:
    faults = await kit.faults(registry)

    async def ask(server: FaultServer) -> Answer:
        url = f"{server.host}/team/app"
        kit.credentials("image", url)
        return await kit.look({"image": {"repoURL": url}}, server)

    return Outside(faults, ask)


async def chart_discovery(kit: Kit) -> Outside:
    faults = await kit.faults(lambda _: Reply(body="entries:\n  app: [{version: 1.0.0}]\n"))

    async def ask(server: FaultServer) -> Answer:
        kit.credentials("helm", server.url)
        return await kit.look({"chart": {"repoURL": server.url, "name": "app"}}, server)

    return Outside(faults, ask)


async def measurement(kit: Kit, provider: Callable[[str], dict[str, Any]], behind: Any) -> Outside:
    faults = await kit.faults(behind)
    token = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}}

    async def read_secret(_project: str, _reference: Any) -> str:
        return PASSWORD

    async def ask(server: FaultServer) -> Answer:
        metric = Metric.model_validate(
            {"name": "m", "provider": provider(server.url), "successCondition": "true"}
        )
        request = MeasurementRequest(
            project="demo", metric=metric, arguments=(Argument.model_validate(token),)
        )
        result = await take(request, MetricContext(http=kit.http, now=NOW), read_secret)
        # An Error measurement is taken again after the metric's pause, as often as its limit of errors says.
        return Answer(result.phase.value == "Successful", result.message, again=not result.run_error)

    return Outside(faults, ask)


async def web_metric(kit: Kit) -> Outside:
    def provider(url: str) -> dict[str, Any]:
        headers = [{"key": "Authorization", "value": "Bearer {{args.token}}"}]
        return {"web": {"url": f"{url}/?t={{{{args.token}}}}", "timeoutSeconds": 1, "headers": headers}}

    return await measurement(kit, provider, lambda _: Reply(json={"n": 1}))


async def prometheus_metric(kit: Kit) -> Outside:
    def provider(url: str) -> dict[str, Any]:
        headers = [{"key": "Authorization", "value": "Bearer {{args.token}}"}]
        return {"prometheus": {"address": url, "query": "up", "timeout": 1, "headers": headers}}

    data = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}
    return await measurement(kit, provider, lambda _: Reply(json={"status": "success", "data": data}))


KINDS: dict[str, Callable[[Kit], Awaitable[Outside]]] = {
    "git-clone": git_clone,
    "git-push": git_push,
    "http": http,
    "argocd-update": argocd_update,
    "git discovery": git_discovery,
    "image discovery": image_discovery,
    "chart discovery": chart_discovery,
    "web metric": web_metric,
    "prometheus metric": prometheus_metric,
}

SAYS: dict[Fault, tuple[str, ...]] = {
    "down": ("refused the connection", "cannot be reached"),
    "silent": ("did not answer", "took longer than", "broke off"),
    "429": ("429",),
    "500": ("500",),
    "cut": ("cut the connection", "broke off"),
    "certificate": ("certificate",),
}
"""What the message must say, in one of these ways."""

PUSH_STAYS_AT_ITS_ADDRESS = ("down", "certificate")
SILENT_GIT_TAKES_30_S = ("git-push",)


@asynccontextmanager
async def prepared(kind: str, home: Path) -> AsyncIterator[Outside]:
    home.mkdir(exist_ok=True)
    tls, _ = self_signed(home)
    async with AsyncExitStack() as stack:
        kit = Kit(home, tls, stack)
        stack.push_async_callback(kit.http.aclose)
        yield await KINDS[kind](kit)


CASES = [
    (kind, fault)
    for kind in KINDS
    for fault in FAULTS
    if not (kind == "git-push" and fault in PUSH_STAYS_AT_ITS_ADDRESS)
    and not (kind in SILENT_GIT_TAKES_30_S and fault == "silent")
]


@pytest.mark.parametrize(("kind", "fault"), CASES)
async def test_a_fault_is_told_in_a_sentence_and_tried_again(kind: str, fault: Fault, tmp_path: Path) -> None:
    async with prepared(kind, tmp_path / "home") as outside:
        server = outside.server
        server.fault = fault
        answer = await outside.ask(server)
        assert not answer.ok, "nothing went wrong"
        assert any(text in answer.message for text in SAYS[fault]), answer.message
        assert answer.again
        for hidden in (PASSWORD, str(tmp_path), "Traceback", *outside.hidden):
            assert hidden not in answer.message
        assert len(answer.message) < 400
        assert "\n" not in answer.message.strip()
        if fault == "429" and kind in ("http", "argocd-update"):
            assert answer.pause == RETRY_AFTER
        server.fault = ""
        healed = await outside.ask(server)
        assert healed.ok, healed.message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_that_goes_away_is_got_over(kind: str, tmp_path: Path) -> None:
    async with prepared(kind, tmp_path / "home") as outside:
        outside.server.fault, outside.server.left = "429", 1
        answers = [await outside.ask(outside.server)]
        # What asks again by itself within one attempt is through already; the others are asked once more.
        while not answers[-1].ok and len(answers) < 2:
            answers.append(await outside.ask(outside.server))
        assert outside.server.met == 1
        assert answers[-1].ok, answers[-1].message


@pytest.mark.parametrize("text", ["99999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_server_cannot_make_a_step_wait_for_longer_than_an_hour(text: str) -> None:
    asked = HttpResponse(429, {"retry-after": (text,)}, b"").retry_after()
    assert asked == MOST_RETRY_AFTER
    assert error_backoff(1, NOW, None, at_least=asked) == timedelta(hours=1)
