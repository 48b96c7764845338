"""One look at real repositories: git over HTTP, a registry, a chart index."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from freightway.activities.discovery import DiscoveryServices, discover
from freightway.adapters.charts import Charts
from freightway.adapters.credentials import CredentialStore, write_credentials
from freightway.adapters.git import GitHost
from freightway.adapters.http import Http
from freightway.adapters.oci import Oci
from freightway.adapters.processes import ProcessRunner
from tests.servers.git_server import serve_git
from tests.servers.http_server import HttpServer, Reply
from tests.servers.registry import PASSWORD, USERNAME, TokenFront, run_registry

INDEX = "entries:\n  app: [{version: 1.0.0}, {version: 2.0.0}, {version: 1.5.0}]\n"


@pytest.fixture(scope="module")
async def registry(tmp_path_factory):
    async with Http() as client, run_registry(tmp_path_factory.mktemp("registry"), client) as running:
        yield running


@pytest.fixture
async def services(tmp_path: Path):
    async with Http() as http:
        oci = Oci(http, rate=0)
        store = CredentialStore(tmp_path / "home", http)
        host = GitHost(tmp_path / "home")
        yield DiscoveryServices(store, oci, Charts(http, oci), host, ProcessRunner())


@pytest.fixture
def git(tmp_path: Path):
    with serve_git(tmp_path / "git") as server:
        yield server


def image(repository: str, **more: Any) -> dict[str, Any]:
    return {"image": {"repoURL": repository, **more}}


async def tags(services: DiscoveryServices, repository: str, **more: Any) -> list[str]:
    found = await discover({"subscriptions": [image(repository, **more)]}, "demo", services)
    assert found["errors"] == []
    return [reference["tag"] for reference in found["images"][0]["references"]]


async def test_every_kind_is_found_in_the_form_of_kargo(registry, services, git):
    git.create("app.git")
    first = git.commit("app.git", {"a": "1"}, message="first")
    second = git.commit("app.git", {"a": "2"}, message="second")
    digest = await registry.push.image(
        "team/all", "v1.0.0", annotations={"org.opencontainers.image.created": "2024-05-06T07:08:09+02:00"}
    )
    async with HttpServer(lambda _: Reply(body=INDEX)) as charts:
        spec = {
            "subscriptions": [
                image(f"{registry.host}/team/all"),
                {"name": "source", "git": {"repoURL": git.url("app.git")}},
                {"chart": {"repoURL": charts.url, "name": "app", "semverConstraint": "^1.0.0"}},
            ]
        }
        found = await discover(spec, "demo", services)
    assert found["errors"] == []
    assert found["images"] == [
        {
            "repoURL": f"{registry.host}/team/all",
            "references": [
                {
                    "tag": "v1.0.0",
                    "digest": digest,
                    "annotations": {"org.opencontainers.image.created": "2024-05-06T07:08:09+02:00"},
                    "createdAt": "2024-05-06T05:08:09Z",
                }
            ],
        }
    ]
    [commits] = found["git"]
    assert [commit["id"] for commit in commits["commits"]] == [second, first]
    assert (commits["subscriptionName"], commits["observedRefs"]) == ("source", {"branchHead": second})
    assert found["charts"] == [
        {"repoURL": charts.url, "name": "app", "semverConstraint": "^1.0.0", "versions": ["1.5.0", "1.0.0"]}
    ]
    assert found["discoveredAt"].endswith("Z")


async def test_strategies_choose_and_order_tags(registry, services):
    repository = f"{registry.host}/team/order"
    for tag, day in (("v1.9.0", 3), ("v1.10.0", 1), ("2.0.0-rc.1", 2), ("nightly", 5), ("v1", 4)):
        await registry.push.image("team/order", tag, created=f"2024-01-0{day}T00:00:00Z")
    assert await tags(services, repository) == ["2.0.0-rc.1", "v1.10.0", "v1.9.0"]
    assert await tags(services, repository, constraint="^1.0.0", strictSemvers=False) == [
        "v1.10.0",
        "v1.9.0",
        "v1",
    ]
    assert await tags(services, repository, imageSelectionStrategy="Lexical", discoveryLimit=2) == [
        "v1.9.0",
        "v1.10.0",
    ]
    newest = {"imageSelectionStrategy": "NewestBuild", "ignoreTagsRegexes": ["^nightly$"]}
    assert await tags(services, repository, **newest) == ["v1", "v1.9.0", "2.0.0-rc.1", "v1.10.0"]
    digest = {"imageSelectionStrategy": "Digest", "constraint": "nightly"}
    assert await tags(services, repository, **digest) == ["nightly"]
    assert await tags(services, repository, **{**digest, "constraint": "gone"}) == []


async def test_platform_passes_over_what_does_not_fit(registry, services):
    for minor in range(6):
        platform = "linux/arm64" if minor % 2 else "linux/amd64"
        await registry.push.index("team/plat", f"1.{minor}.0", {platform: {"descriptor": {"p": platform}}})
    await registry.push.image("team/plat", "1.9.0")
    repository = f"{registry.host}/team/plat"
    spec = {"subscriptions": [image(repository, platform="linux/arm64", discoveryLimit=2)]}
    [found] = (await discover(spec, "demo", services))["images"]
    assert found["platform"] == "linux/arm64"
    assert [one["tag"] for one in found["references"]] == ["1.5.0", "1.3.0"]
    assert found["references"][0]["annotations"] == {"p": "linux/arm64"}


async def test_only_as_many_manifests_are_read_as_are_wanted(registry, services):
    for minor in range(6):
        await registry.push.image("team/few", f"1.{minor}.0")
    front = TokenFront(registry.url, services.oci.http)
    async with front.server as server:
        assert await tags(services, f"{server.host}/team/few", discoveryLimit=2) == ["1.5.0", "1.4.0"]
        manifests = [line for line in server.paths() if line.startswith("GET") and "/manifests/" in line]
    assert len(manifests) == 2


async def test_failing_subscription_is_reported_and_the_others_go_on(registry, services, git):
    await registry.push.image("team/fine", "v1.0.0")
    spec = {
        "subscriptions": [
            {"git": {"repoURL": git.url("missing.git")}},
            image(f"{registry.host}/team/fine"),
            image(f"{registry.host}/team/none"),
        ]
    }
    found = await discover(spec, "demo", services)
    assert [len(entry["references"]) for entry in found["images"]] == [1, 0]
    assert found["git"] == [{"repoURL": git.url("missing.git"), "commits": []}]
    assert [error["subscription"] for error in found["errors"]] == [0, 2]
    assert "team/none" in found["errors"][1]["message"]
    assert found["errors"][1]["retryable"] is False


async def test_failing_subscription_keeps_what_was_seen_before(services):
    before = {"images": [{"repoURL": "127.0.0.1:1/team/app", "references": [{"tag": "v1", "digest": "d"}]}]}
    spec = {"subscriptions": [image("127.0.0.1:1/team/app")]}
    found = await discover(spec, "demo", services, before)
    assert found["images"] == before["images"]
    assert found["errors"][0]["retryable"] is True
    other = await discover({"subscriptions": [image("127.0.0.1:1/team/other")]}, "demo", services, before)
    assert other["images"] == [{"repoURL": "127.0.0.1:1/team/other", "references": []}]


async def test_unchanged_repository_is_not_fetched_again(services, git):
    git.create("same.git", {"a": "1"})
    spec = {"subscriptions": [{"git": {"repoURL": git.url("same.git")}}]}
    first = await discover(spec, "demo", services)
    fetches = git.requests["git-upload-pack"]
    second = await discover(spec, "demo", services, first)
    assert second["git"] == first["git"]
    assert git.requests["git-upload-pack"] - fetches <= 1


async def test_expression_filter_decides_on_commits(services, git):
    git.create("filtered.git")
    kept = git.commit("filtered.git", {"a": "1"}, message="feat: one")
    git.commit("filtered.git", {"a": "2"}, message="chore: two")
    subscription = {"repoURL": git.url("filtered.git"), "expressionFilter": "subject startsWith 'feat:'"}
    found = await discover({"subscriptions": [{"git": subscription}]}, "demo", services)
    assert [commit["id"] for commit in found["git"][0]["commits"]] == [kept]
    broken = {**subscription, "expressionFilter": "subject +"}
    failed = await discover({"subscriptions": [{"git": broken}]}, "demo", services)
    assert failed["errors"][0]["subscription"] == 0


async def test_credentials_of_the_project_are_used(services, tmp_path):
    async with run_registry(tmp_path / "private", services.oci.http, password=True) as registry:
        await registry.push.image("team/private", "v1.0.0")
        repository = f"{registry.host}/team/private"
        write_credentials(
            tmp_path / "home",
            project="demo",
            name="registry",
            kind="image",
            repo_url=repository,
            username=USERNAME,
            password=PASSWORD,
        )
        assert await tags(services, repository) == ["v1.0.0"]
        stranger = await discover({"subscriptions": [image(repository)]}, "other", services)
    assert "there are no credentials for it" in stranger["errors"][0]["message"]
    assert set(services.credentials.secrets()) == {PASSWORD}


async def test_slow_subscription_ends_at_its_limit(services):
    import asyncio

    never = asyncio.Event()
    async with HttpServer(lambda _: Reply(wait_for=never)) as server:
        spec = {"subscriptions": [{"chart": {"repoURL": server.url, "name": "app"}}]}
        found = await discover(spec, "demo", services, seconds=0.2)
    assert found["errors"] == [{"subscription": 0, "message": "it took longer than 0.2 s", "retryable": True}]


async def test_specification_that_is_not_valid_is_refused(services):
    with pytest.raises(ValidationError):
        await discover({"subscriptions": []}, "demo", services)
