"""argocd-update against a server that keeps state, poll by poll, with answers lost on the way."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from freightway.activities.health import check_health
from freightway.activities.steps.argocd_update import ArgoCDUpdateConfig, argocd_update
from freightway.activities.steps.registry import REGISTRY, Result, StepInfo, Waiting
from freightway.adapters.argocd import ArgoCDServers
from freightway.adapters.argocd_app import PROMOTION_INFO
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.http import Http
from freightway.errors import AdapterError, StepErrored
from freightway.promotion.model import FreightReference, HealthCheck, Origin
from tests.servers.argocd_server import TOKEN, ArgoServer, Plan
from tests.servers.http_server import Reply

REPO = "https://git.example.com/team/config.git"
GIT = {"repoURL": REPO, "path": "dev", "targetRevision": "main"}
CHART = {"repoURL": "ghcr.io/team/charts", "chart": "app", "targetRevision": "1.0.0"}


def info(promotion: str = "dev.01.abc", poll: int = 0, actor: str = "") -> StepInfo:
    return StepInfo(
        project="demo",
        stage="dev",
        promotion=promotion,
        alias="sync",
        actor=actor,
        freight=FreightReference(name="f", origin=Origin(name="w")),
        collection=(),
        requested=(),
        warehouses={},
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        poll=poll,
    )


def config(*apps: dict[str, Any]) -> ArgoCDUpdateConfig:
    return ArgoCDUpdateConfig.model_validate({"apps": list(apps)})


@pytest.fixture
async def argo():
    async with ArgoServer() as server:
        yield server


@pytest.fixture
async def servers(argo, tmp_path):
    async with Http() as http:
        environment = {"ARGOCD_SERVER": argo.url, "ARGOCD_AUTH_TOKEN": TOKEN}
        yield ArgoCDServers(http, CredentialStore(tmp_path), environment, pauses=(0.01, 0.01))


async def finish(config: ArgoCDUpdateConfig, servers: ArgoCDServers, **about: Any) -> tuple[Result, int]:
    """Poll until the step is done; returns its result and the number of polls."""
    for poll in range(20):
        result = await argocd_update(config, info(poll=poll, **about), servers)
        if isinstance(result, Result):
            return result, poll + 1
    raise AssertionError("the step did not end")


async def test_application_is_synced_once_and_waited_for(argo, servers):
    argo.add("app", GIT, plan=Plan(ticks=2))
    wanted = config({"name": "app"})
    first = await argocd_update(wanted, info(), servers)
    assert isinstance(first, Waiting)
    assert first.why == "waiting for the sync of argocd/app"
    assert first.after == 2.0
    result, _ = await finish(wanted, servers)
    assert result.output.model_dump() == {"apps": ({"name": "app", "namespace": "argocd"},)}
    assert result.health_check == HealthCheck(
        uses="argocd-update",
        config={"apps": [{"name": "app", "namespace": "argocd", "desiredRevisions": [""]}]},
    )
    assert argo.writes() == ["PATCH /api/v1/applications/app", "POST /api/v1/applications/app/sync"]
    assert argo.content("app")["spec"]["source"] == GIT


async def test_operation_carries_promotion_options_and_actor(argo, servers):
    policy = {"syncOptions": ["CreateNamespace=true"], "retry": {"limit": 3}}
    argo.add("app", GIT, policy=policy)
    await argocd_update(config({"name": "app"}), info(actor="ann"), servers)
    operation = argo.content("app")["operation"]
    assert {one["name"]: one["value"] for one in operation["info"]} == {
        "Reason": "Promotion triggered a sync of this Application resource.",
        PROMOTION_INFO: "dev.01.abc",
        "freightway.dev/actor": "ann",
    }
    assert operation["sync"] == {"revision": "", "syncOptions": ["CreateNamespace=true"]}
    assert operation["retry"] == {"limit": 3}
    assert argo.content("app")["metadata"]["annotations"]["argocd.argoproj.io/refresh"] == "hard"


@pytest.mark.parametrize("lost", ["PATCH", "POST"])
async def test_lost_answer_starts_no_second_sync(argo, servers, lost):
    argo.add("app", GIT, plan=Plan(ticks=2))
    argo.lose_next_answer(lost)
    source = {"repoURL": REPO, "desiredRevision": "abc", "updateTargetRevision": True}
    wanted = config({"name": "app", "sources": [source]})
    with pytest.raises(AdapterError):
        await argocd_update(wanted, info(), servers)
    await finish(wanted, servers)
    assert argo.writes().count("POST /api/v1/applications/app/sync") == 1


async def test_sources_are_changed_and_the_rest_is_kept(argo, servers):
    first = {**GIT, "kustomize": {"namePrefix": "x-", "images": ["old:1"]}}
    second = {
        **CHART,
        "helm": {"parameters": [{"name": "a", "value": "1", "forceString": True}], "valueFiles": ["v"]},
    }
    argo.add("app", first, second)
    images = [{"repoURL": "app", "tag": "v2"}, {"repoURL": "side", "digest": "sha256:1", "newName": "r/side"}]
    sources = [
        {"repoURL": REPO, "desiredRevision": "abc", "kustomize": {"images": images}},
        {
            "repoURL": CHART["repoURL"],
            "chart": "app",
            "desiredRevision": "2.0.0",
            "updateTargetRevision": True,
            "helm": {"images": [{"key": "a", "value": "2"}, {"key": "b", "value": "3"}]},
        },
    ]
    argo.plan("app", Plan(revisions=["abc", "2.0.0"]))
    result, _ = await finish(config({"name": "app", "sources": sources}), servers)
    changed = argo.content("app")["spec"]["sources"]
    assert changed[0] == {
        **GIT,
        "kustomize": {"namePrefix": "x-", "images": ["app:v2", "side=r/side@sha256:1"]},
    }
    parameters = [{"name": "a", "value": "2", "forceString": True}, {"name": "b", "value": "3"}]
    assert changed[1] == {
        **CHART,
        "targetRevision": "2.0.0",
        "helm": {"parameters": parameters, "valueFiles": ["v"]},
    }
    assert result.health_check.config["apps"][0]["desiredRevisions"] == ["abc", "2.0.0"]


async def test_desired_revision_is_found_without_the_ending_git(argo, servers):
    argo.add("app", GIT, plan=Plan(revisions=["abc"]))
    source = {"repoURL": REPO.removesuffix(".git"), "desiredRevision": "abc"}
    result, _ = await finish(config({"name": "app", "sources": [source]}), servers)
    assert result.health_check.config["apps"][0]["desiredRevisions"] == ["abc"]


async def test_sync_that_arrived_elsewhere_is_repeated(argo, servers):
    argo.add("app", GIT, plan=Plan(revisions=["old"]))
    wanted = config({"name": "app", "sources": [{"repoURL": REPO, "desiredRevision": "new"}]})
    while len(argo.writes()) < 3:
        assert isinstance(await argocd_update(wanted, info(), servers), Waiting)
    argo.plan("app", Plan(revisions=["new"]))
    await finish(wanted, servers)
    assert argo.content("app")["status"]["operationState"]["syncResult"] == {"revision": "new"}


async def test_operation_of_somebody_else_is_waited_for_and_then_followed_by_our_own(argo, servers):
    argo.add("app", GIT, plan=Plan(ticks=3))
    argo.begin("app", {PROMOTION_INFO: "dev.00.old"})
    wanted = config({"name": "app"})
    for _ in range(3):
        assert isinstance(await argocd_update(wanted, info(), servers), Waiting)
    assert argo.writes() == []
    await finish(wanted, servers)
    operation = argo.content("app")["status"]["operationState"]["operation"]
    assert {"name": PROMOTION_INFO, "value": "dev.01.abc"} in operation["info"]


async def test_operation_that_begins_between_read_and_sync_is_waited_for(argo, servers):
    argo.add("app", GIT)
    argo.before["POST"] = lambda: argo.begin("app")
    wanted = config({"name": "app"})
    assert isinstance(await argocd_update(wanted, info(), servers), Waiting)
    await finish(wanted, servers)
    assert argo.writes().count("POST /api/v1/applications/app/sync") == 2


async def test_change_by_somebody_else_is_not_overwritten(argo, servers):
    argo.add("app", GIT)
    argo.before["PATCH"] = lambda: argo.content("app")["spec"]["source"].update(path="moved")
    sources = [{"repoURL": REPO, "desiredRevision": "abc", "updateTargetRevision": True}]
    wanted = config({"name": "app", "sources": sources})
    assert isinstance(await argocd_update(wanted, info(), servers), Waiting)
    assert argo.content("app")["spec"]["source"] == {**GIT, "path": "moved"}
    await finish(wanted, servers)
    assert argo.content("app")["spec"]["source"] == {**GIT, "path": "moved", "targetRevision": "abc"}


async def test_failed_operation_is_told_and_not_repeated(argo, servers):
    argo.add("app", GIT, plan=Plan(phase="Failed", message="one resource is invalid"))
    wanted = config({"name": "app"})
    for _ in range(2):
        with pytest.raises(StepErrored) as caught:
            await finish(wanted, servers)
        assert str(caught.value) == (
            'Argo CD Application "app" in namespace "argocd" failed with: one resource is invalid'
        )
    assert argo.writes().count("POST /api/v1/applications/app/sync") == 1


async def test_failure_of_an_earlier_promotion_does_not_matter(argo, servers):
    argo.add("app", GIT, plan=Plan(phase="Failed"))
    with pytest.raises(StepErrored):
        await finish(config({"name": "app"}), servers, promotion="dev.00.old")
    argo.plan("app", Plan())
    await finish(config({"name": "app"}), servers)


@pytest.mark.parametrize("stage", ["", "demo:prod", "demo:dev, *:*", "demo", "demo:dev,other"])
async def test_application_that_does_not_authorize_the_stage_is_left_alone(argo, servers, stage):
    argo.add("app", GIT, stage=stage)
    with pytest.raises(StepErrored, match=r"is not authorized; annotate it with .*: demo:dev"):
        await argocd_update(config({"name": "app"}), info(), servers)
    assert argo.writes() == []


async def test_white_space_around_authorized_stages_is_fine(argo, servers):
    argo.add("app", GIT, stage="demo:prod , demo:dev")
    await finish(config({"name": "app"}), servers)


async def test_missing_application_is_told(argo, servers):
    with pytest.raises(StepErrored, match='unable to find Argo CD Application "none" in namespace "other"'):
        await argocd_update(config({"name": "none", "namespace": "other"}), info(), servers)


async def test_selector_takes_the_authorized_ones(argo, servers):
    for name, stage in (("b", "demo:dev"), ("a", "demo:dev"), ("c", "demo:prod")):
        argo.add(name, GIT, stage=stage, labels={"team": "x"})
    argo.add("d", GIT, labels={"team": "y"})
    result, _ = await finish(config({"selector": {"matchLabels": {"team": "x"}}}), servers)
    assert [app.name for app in result.output.apps] == ["a", "b"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ({"key": "team", "operator": "Exists"}, ["a", "b"]),
        ({"key": "team", "operator": "DoesNotExist"}, ["c"]),
        ({"key": "team", "operator": "In", "values": ["x"]}, ["a"]),
        ({"key": "team", "operator": "NotIn", "values": ["x"]}, ["b", "c"]),
    ],
)
async def test_match_expressions_select(argo, servers, expression, names):
    argo.add("a", GIT, labels={"team": "x"})
    argo.add("b", GIT, labels={"team": "y"})
    argo.add("c", GIT)
    result, _ = await finish(config({"selector": {"matchExpressions": [expression]}}), servers)
    assert [app.name for app in result.output.apps] == names


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (None, 'no Argo CD Applications found matching selector in namespace "argocd"'),
        ("demo:prod", "found 1 Application.s. matching .* but none are authorized for Stage demo:dev"),
    ],
)
async def test_selector_without_a_usable_application_is_told(argo, servers, stage, message):
    if stage:
        argo.add("a", GIT, stage=stage, labels={"team": "x"})
    with pytest.raises(StepErrored, match=message):
        await argocd_update(config({"selector": {"matchLabels": {"team": "x"}}}), info(), servers)


async def test_update_without_a_source_changes_nothing_anywhere(argo, servers):
    for index in range(5):
        argo.add(f"app{index}", GIT if index else CHART, labels={"team": "x"})
    wanted = config({"selector": {"matchLabels": {"team": "x"}}, "sources": [{"repoURL": "https://other/x"}]})
    with pytest.raises(StepErrored, match=r'no source of .*"app0".*app2.*; and 2 more'):
        await argocd_update(wanted, info(), servers)
    assert argo.writes() == []


@pytest.mark.parametrize("second", [{"name": "app"}, {"selector": {"matchLabels": {"team": "x"}}}])
async def test_application_named_twice_is_refused(argo, servers, second):
    argo.add("app", GIT, labels={"team": "x"})
    with pytest.raises(StepErrored, match=r'"app" .* is named by several entries') as caught:
        await argocd_update(config({"name": "app"}, second), info(), servers)
    assert caught.value.terminal
    assert argo.writes() == []


async def test_refused_token_and_busy_server_are_told(argo, servers, tmp_path):
    argo.add("app", GIT)
    for _ in range(2):
        argo.fail_next("GET", Reply(503))
    assert isinstance(await argocd_update(config({"name": "app"}), info(), servers), Waiting)
    for _ in range(6):
        argo.fail_next("GET", Reply(503))
    with pytest.raises(AdapterError) as caught:
        await argocd_update(config({"name": "app"}), info(), servers)
    assert caught.value.retryable
    previous = {"apps": [{"name": "app", "namespace": "argocd"}]}
    waiting = await argocd_update(config({"name": "app"}), replace(info(), previous=previous), servers)
    assert isinstance(waiting, Waiting)
    assert (waiting.why.startswith("Argo CD cannot be asked: "), waiting.output) == (True, previous)
    environment = {"ARGOCD_SERVER": argo.url, "ARGOCD_AUTH_TOKEN": "planted"}
    wrong = ArgoCDServers(servers.http, CredentialStore(tmp_path), environment)
    with pytest.raises(AdapterError, match="its token was refused") as caught:
        await argocd_update(config({"name": "app"}), info(), wrong)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "app",
    [
        {},
        {"name": "a", "selector": {"matchLabels": {"x": "y"}}},
        {"selector": {}},
        {"name": "a", "sources": []},
        {"name": "a", "sources": [{"repoURL": "x", "updateTargetRevision": True}]},
        {"name": "a", "sources": [{"repoURL": "x", "kustomize": {"images": [{"repoURL": "i"}]}}]},
        {"name": "a", "sources": [{"repoURL": "x", "helm": {"images": []}}]},
        {"name": "a", "surprise": 1},
        {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
    ],
)
def test_wrong_configuration_is_refused(app):
    with pytest.raises(ValidationError):
        config(app)


def test_kind_is_registered_with_its_time_limit():
    facts = REGISTRY.facts("argocd-update")
    assert (facts.effect, facts.needs_files, facts.timeout.total_seconds()) == ("outside", False, 300)


async def test_registered_health_check_follows_the_application(argo, servers):
    argo.add("app", GIT, plan=Plan(settle=2, health="Progressing", revisions=["abc"]))
    wanted = config({"name": "app", "sources": [{"repoURL": REPO, "desiredRevision": "abc"}]})
    result, _ = await finish(wanted, servers)
    untrusted = await check_health("demo", [result.health_check], servers)
    assert untrusted.status == "Unknown"
    assert "was not reconciled" in untrusted.issues[0]
    assert argo.content("app")["metadata"]["annotations"]["argocd.argoproj.io/refresh"] == "hard"
    states = [(await check_health("demo", [result.health_check], servers)).status for _ in range(3)]
    assert states[-1] == "Progressing"
    argo.content("app")["status"]["health"]["status"] = "Healthy"
    healthy = await check_health("demo", [result.health_check], servers)
    assert (healthy.status, healthy.issues) == ("Healthy", ())
    status = healthy.output[0]["applicationStatuses"][0]
    assert (status["Name"], status["Namespace"], status["sync"]) == (
        "app",
        "argocd",
        {"status": "Synced", "revision": "abc"},
    )
    argo.content("app")["status"]["sync"]["revision"] = "other"
    moved = await check_health("demo", [result.health_check], servers)
    assert moved.status == "Unhealthy"
    assert f"source 0 with repoURL {REPO} is at revision other instead of abc" in moved.issues[0]
