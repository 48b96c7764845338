"""What git subscriptions see of a real repository over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freightway.adapters.git import GitHost
from freightway.adapters.git_discovery import discover_commits
from freightway.adapters.processes import ProcessRunner
from freightway.errors import InvalidResource, NotFound
from freightway.resources.warehouse import GitSubscription
from freightway.selection.commits import Predicate
from tests.servers.git_server import GitServer, run_git, serve_git


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serve_git(tmp_path / "served") as running:
        running.create("app.git", {"a/1": "1"})
        yield running


@pytest.fixture
def host(tmp_path: Path) -> GitHost:
    return GitHost(tmp_path / "home")


async def discover(
    server: GitServer,
    host: GitHost,
    expression: Predicate | None = None,
    previous: dict[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    # Addresses of test servers are not in the form that manifests are checked for.
    url = server.url("app.git")
    subscription = GitSubscription.model_validate({"repoURL": "https://example.com/app.git"} | fields)
    access = host.access(url, None)
    return await discover_commits(
        subscription,
        host=host,
        processes=ProcessRunner(),
        access=access,
        expression=expression,
        previous=previous,
    )


def ids(found: dict[str, Any]) -> list[str]:
    return [commit["id"] for commit in found["commits"]]


def tag(server: GitServer, name: str, commit: str, date: str = "", message: str = "") -> None:
    options = ["-a", "-m", message] if message else []
    run_git(server.root / "app.git", "tag", *options, name, commit, date=date)


async def test_branch_gives_its_commits_newest_first_in_kargos_form(server: GitServer, host: GitHost) -> None:
    first = server.head("app.git")
    second = server.commit("app.git", {"a/1": "2"}, message="s" * 90 + "\n\nbody", date="@1700000100 +0200")
    found = await discover(server, host, branch="main")
    assert found["commits"] == [
        {
            "id": second,
            "branch": "main",
            "subject": "s" * 77 + "...",
            "author": "Test <test@example.com>",
            "committer": "Test <test@example.com>",
            "creatorDate": "2023-11-14T22:15:00Z",
        },
        {
            "id": first,
            "branch": "main",
            "subject": "change",
            "author": "Test <test@example.com>",
            "committer": "Test <test@example.com>",
            "creatorDate": "2023-11-14T22:13:20Z",
        },
    ]
    assert found["observedRefs"] == {"branchHead": second}


async def test_default_branch_is_not_named_in_the_result(server: GitServer, host: GitHost) -> None:
    found = await discover(server, host)
    assert ids(found) == [server.head("app.git")]
    assert "branch" not in found["commits"][0]


async def test_unchanged_repository_is_only_looked_at(server: GitServer, host: GitHost) -> None:
    found = await discover(server, host)
    server.requests.clear()
    assert await discover(server, host, previous=found) == found
    assert server.requests == {"refs": 1, "git-upload-pack": 1}
    newer = server.commit("app.git", {"a/1": "2"})
    assert ids(await discover(server, host, previous=found))[0] == newer


async def test_limit_cuts_the_list(server: GitServer, host: GitHost) -> None:
    newest = [server.commit("app.git", {"a/1": str(number)}) for number in range(5)][::-1]
    assert ids(await discover(server, host, discoveryLimit=2)) == newest[:2]


async def test_paths_decide_and_a_move_counts_at_both_ends(server: GitServer, host: GitHost) -> None:
    first = server.head("app.git")
    for number in range(7):
        server.commit("app.git", {"b/1": str(number)})
    moved = server.commit("app.git", {"a/1": None, "b/2": "1"})
    server.commit("app.git", {"c/1": "1"})
    assert ids(await discover(server, host, includePaths=["a"], discoveryLimit=2)) == [moved, first]
    assert ids(await discover(server, host, includePaths=["a"], excludePaths=["glob:a/*"])) == []


async def test_merge_is_compared_with_its_first_parent(
    server: GitServer, host: GitHost, tmp_path: Path
) -> None:
    run_git(tmp_path, "clone", "-q", server.url("app.git"), "work")
    work = tmp_path / "work"
    run_git(work, "checkout", "-q", "-b", "side")
    (work / "side").write_text("x")
    run_git(work, "add", ".")
    run_git(work, "commit", "-q", "-m", "side")
    run_git(work, "checkout", "-q", "main")
    (work / "main").write_text("x")
    run_git(work, "add", ".")
    run_git(work, "commit", "-q", "-m", "main")
    run_git(work, "merge", "-q", "--no-ff", "-m", "merged", "side")
    run_git(work, "push", "-q", "origin", "main")
    found = await discover(server, host, includePaths=["side"])
    assert [commit["subject"] for commit in found["commits"]] == ["merged"]


async def test_expression_sees_the_commit(server: GitServer, host: GitHost) -> None:
    wanted = server.commit("app.git", {"a/1": "2"}, message="feat: x")
    server.commit("app.git", {"a/1": "3"}, message="docs: x")
    found = await discover(server, host, lambda env: str(env["subject"]).startswith("feat"))
    assert ids(found) == [wanted]


async def test_since_leaves_out_older_commits(server: GitServer, host: GitHost) -> None:
    newer = server.commit("app.git", {"a/1": "2"}, date="@1710000000 +0000")
    assert ids(await discover(server, host, since="2024-01-01T00:00:00Z")) == [newer]


async def test_head_that_stands_for_no_branch_is_followed(server: GitServer, host: GitHost) -> None:
    bare = server.root / "app.git"
    first = server.head("app.git")
    lost = server.commit("app.git", {"a/1": "2"})
    run_git(bare, "update-ref", "refs/heads/main", first)
    run_git(bare, "update-ref", "--no-deref", "HEAD", lost)
    assert ids(await discover(server, host)) == [lost, first]


async def test_branch_that_does_not_exist_is_told(server: GitServer, host: GitHost) -> None:
    with pytest.raises(NotFound, match="branch 'nowhere' not found"):
        await discover(server, host, branch="nowhere")


async def test_tags_by_version_name_and_age(server: GitServer, host: GitHost) -> None:
    one = server.head("app.git")
    two = server.commit("app.git", {"a/1": "2"}, date="@1700000200 +0000")
    tag(server, "v1.10.0", one, "@1700000900 +0000", "ten")
    tag(server, "v1.9.0", two)
    tag(server, "other", two, "@1700000500 +0000", "other")
    run_git(server.root / "app.git", "tag", "of-a-tree", f"{one}^{{tree}}")

    async def names(**fields: Any) -> list[str]:
        return [commit["tag"] for commit in (await discover(server, host, **fields))["commits"]]

    assert await names(commitSelectionStrategy="SemVer") == ["v1.10.0", "v1.9.0"]
    assert await names(commitSelectionStrategy="SemVer", semverConstraint="<1.10.0") == ["v1.9.0"]
    assert await names(commitSelectionStrategy="Lexical") == ["v1.9.0", "v1.10.0", "other"]
    assert await names(commitSelectionStrategy="NewestTag") == ["v1.10.0", "other", "v1.9.0"]
    assert await names(commitSelectionStrategy="Lexical", ignoreTagsRegexes=["^v"]) == ["other"]


async def test_annotated_tag_stands_for_its_commit(server: GitServer, host: GitHost) -> None:
    one = server.head("app.git")
    tag(server, "v1.0.0", one, "@1700000900 +0000", "release\n\nnotes")
    envs: list[dict[str, object]] = []
    found = await discover(
        server, host, lambda env: envs.append(dict(env)) is None, commitSelectionStrategy="NewestTag"
    )
    assert found["commits"][0] | {"author": ""} == {
        "id": one,
        "tag": "v1.0.0",
        "subject": "change",
        "author": "",
        "committer": "Test <test@example.com>",
        "creatorDate": "2023-11-14T22:28:20Z",
    }
    assert envs[0]["annotation"] == "release"
    assert envs[0]["tagger"] == "Test <test@example.com>"
    tag_object = run_git(server.root / "app.git", "rev-parse", "refs/tags/v1.0.0")
    assert found["observedRefs"] == {"tags": [{"name": "v1.0.0", "id": tag_object}]}


async def test_tag_whose_commit_changed_no_wanted_path_is_left_out(server: GitServer, host: GitHost) -> None:
    tag(server, "v1.0.0", server.head("app.git"))
    tag(server, "v1.1.0", server.commit("app.git", {"b/1": "2"}), "@1700000900 +0000", "b")
    found = await discover(server, host, commitSelectionStrategy="SemVer", includePaths=["a"])
    assert [commit["tag"] for commit in found["commits"]] == ["v1.0.0"]


async def test_tag_filters_that_no_longer_work_are_refused(server: GitServer, host: GitHost) -> None:
    with pytest.raises(InvalidResource, match="use allowTagsRegexes"):
        await discover(server, host, commitSelectionStrategy="Lexical", allowTags="v.*")
