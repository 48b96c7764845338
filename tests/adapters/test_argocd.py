"""Where the Argo CD of a project is, and the health of its Applications."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from freightway.activities.health import Health, check_health
from freightway.adapters.argocd import ArgoCDServers
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.http import Http
from freightway.errors import FreightwayError
from freightway.promotion.model import HealthCheck
from tests.servers.argocd_server import TOKEN, ArgoServer

GIT = {"repoURL": "https://git.example.com/r", "targetRevision": "main"}


def put(home: Path, folder: str, name: str, **data: str) -> None:
    metadata = {"name": name, "labels": {"freightway.dev/type": "argocd"}}
    path = home / "secrets" / folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"kind": "Secret", "metadata": metadata, "stringData": data}))


@pytest.fixture
async def http():
    async with Http() as client:
        yield client


@pytest.fixture
async def argo():
    async with ArgoServer() as server:
        yield server


@pytest.fixture
def servers(http, argo, tmp_path):
    put(tmp_path, "shared", "argo", server=argo.url, token=TOKEN)
    return ArgoCDServers(http, CredentialStore(tmp_path), {}, pauses=(0.01,))


def check(*apps: dict[str, Any]) -> list[HealthCheck]:
    return [HealthCheck(uses="argocd-update", config={"apps": list(apps)})]


def test_project_comes_before_shared_before_environment(http, tmp_path):
    environment = {"ARGOCD_SERVER": "cd.example.com", "ARGOCD_AUTH_TOKEN": "e", "ARGOCD_OPTS": "--insecure"}
    store = CredentialStore(tmp_path)
    servers = ArgoCDServers(http, store, environment)
    assert (servers.server("demo").url, servers.server("demo").verify) == ("https://cd.example.com", False)
    put(tmp_path, "shared", "argo", server="shared.example.com/", token="s")
    assert servers.server("demo").url == "https://shared.example.com"
    put(tmp_path, "demo", "argo", server="http://own.example.com", token="p", insecure="true")
    own = servers.server("demo")
    assert (own.url, own.verify) == ("http://own.example.com", False)
    assert set(store.secrets()) == {"e", "s", "p"}
    assert "'p'" not in repr(own)


def test_plaintext_option_speaks_http(http, tmp_path):
    environment = {
        "ARGOCD_SERVER": "cd:80",
        "ARGOCD_AUTH_TOKEN": "e",
        "ARGOCD_OPTS": "--grpc-web --plaintext",
    }
    assert ArgoCDServers(http, CredentialStore(tmp_path), environment).server("demo").url == "http://cd:80"


def test_missing_configuration_says_what_to_do(http, tmp_path):
    servers = ArgoCDServers(http, CredentialStore(tmp_path), {})
    with pytest.raises(
        FreightwayError, match=r"no Argo CD is configured; write a Secret .* or set ARGOCD_SERVER"
    ):
        servers.server("demo")
    put(tmp_path, "demo", "argo", server="x")
    with pytest.raises(FreightwayError, match="Secret 'argo' for Argo CD needs server and token"):
        servers.server("demo")


async def test_nothing_to_check_is_healthy(servers):
    assert await check_health("demo", [], servers) == Health()


async def test_unknown_kind_is_unknown(servers):
    health = await check_health("demo", [HealthCheck(uses="other")], servers)
    assert health.status == "Unknown"
    assert health.issues == ('no health checker registered for health check kind "other"',)


async def test_no_argo_cd_is_unknown(http, tmp_path):
    servers = ArgoCDServers(http, CredentialStore(tmp_path / "none"), {})
    assert (await check_health("demo", check({"name": "a"}), servers)).status == "Unknown"


async def test_missing_application_is_unknown(servers):
    health = await check_health("demo", check({"name": "a"}), servers)
    assert health.status == "Unknown"
    assert health.issues == ('unable to find Argo CD Application "a" in namespace "argocd"',)


async def test_server_that_does_not_answer_is_unknown(servers, argo):
    argo.add("a", GIT)
    await argo.server.__aexit__()
    health = await check_health("demo", check({"name": "a"}), servers)
    assert health.status == "Unknown"
    assert "refused the connection" in health.issues[0]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Healthy", "Healthy"),
        ("Progressing", "Progressing"),
        ("Suspended", "Progressing"),
        ("", "Progressing"),
        ("Degraded", "Unhealthy"),
        ("Missing", "Unhealthy"),
        ("Unknown", "Unhealthy"),
    ],
)
async def test_health_of_the_application_decides(servers, argo, state, status):
    argo.add("a", GIT)["status"]["health"]["status"] = state
    assert (await check_health("demo", check({"name": "a"}), servers)).status == status


async def test_worst_application_decides_and_every_issue_is_kept(servers, argo):
    for name, state in (("a", "Healthy"), ("b", "Degraded"), ("c", "Progressing")):
        argo.add(name, GIT)["status"]["health"]["status"] = state
    health = await check_health("demo", check({"name": "a"}, {"name": "b"}, {"name": "c"}), servers)
    assert health.status == "Unhealthy"
    assert len(health.issues) == 2
    assert [one["Name"] for one in health.output[0]["applicationStatuses"]] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["ComparisonError", "InvalidSpecError"])
async def test_bad_condition_is_unhealthy_and_its_time_is_left_out(servers, argo, kind):
    condition = {"type": kind, "message": "no such path", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    argo.add("a", GIT)["status"]["conditions"] = [condition, {"type": "OrphanedResourceWarning"}]
    health = await check_health("demo", check({"name": "a"}), servers)
    assert health.status == "Unhealthy"
    assert health.issues == (
        f'Argo CD Application "a" in namespace "argocd" has "{kind}" condition: no such path',
    )
    shown = health.output[0]["applicationStatuses"][0]["conditions"]
    assert shown == [{"type": kind, "message": "no such path"}, {"type": "OrphanedResourceWarning"}]


@pytest.mark.parametrize(
    ("status", "desired", "result"),
    [
        ({}, ["abc"], "Unknown"),
        ({"operationState": {"phase": "Running"}}, ["abc"], "Unknown"),
        ({"operationState": {"phase": "Running"}}, [""], "Healthy"),
        ({"sync": {"revision": "abc"}}, ["abc", "def"], "Unknown"),
        ({"sync": {"revisions": ["abc", "def"]}}, ["abc"], "Unknown"),
        ({"sync": {"revision": "abc"}}, ["abc"], "Healthy"),
        ({"sync": {"revision": "abcdef"}}, ["abc"], "Unhealthy"),
    ],
)
async def test_desired_revisions_must_be_there(servers, argo, status, desired, result):
    ended = {"phase": "Succeeded", "finishedAt": "2026-01-01T00:00:00Z"}
    content = argo.add("a", GIT)["status"]
    if "sync" in status:
        content.update(operationState=ended, reconciledAt="2026-01-01T00:00:00Z")
    content.update(status)
    argo.apps[("argocd", "a")].left = 99
    health = await check_health("demo", check({"name": "a", "desiredRevisions": desired}), servers)
    assert health.status == result
