"""git-push to a real Git server over HTTP: what others pushed, lost answers, repetitions and rebuilds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from freightway.activities.steps.git_push import GitPushConfig
from freightway.activities.steps.registry import Recorder
from freightway.errors import AdapterError, StepErrored, StepFailed
from tests.servers.git_bench import WHEN, Bench, bench
from tests.servers.git_server import run_git

__all__ = ["bench"]


async def test_push_brings_the_commit_to_the_branch_that_is_checked_out(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("app/values.yaml", "tag: 2\n")
    assert await bench.push() == {"commit": sha, "branch": "main"}
    assert bench.server.head("env.git") == sha


async def test_push_gives_the_address_of_the_commit_on_a_known_server(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("a", "1")
    output = await bench.push(provider="gitlab")
    assert output["commitURL"] == f"http://{bench.server.host}/env/-/commit/{sha}"


async def test_push_makes_the_branch_of_the_promotion(bench: Bench) -> None:
    await bench.clone({"path": "src", "commit": bench.server.head("env.git")})
    sha = await bench.commit_file("a", "1")
    for _ in range(2):
        assert await bench.push(generateTargetBranch=True) == {
            "commit": sha,
            "branch": "kargo/promotion/dev.01.abc",
        }
    assert bench.server.head("env.git", "kargo/promotion/dev.01.abc") == sha


async def test_push_by_force_replaces_the_branch(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("a", "1")
    bench.server.commit("env.git", {"b": "2"})
    await bench.push(force=True)
    assert bench.server.log("env.git", "%H")[0] == sha
    assert len(bench.server.log("env.git")) == 2


async def test_push_follows_a_branch_that_moved_with_nothing_of_ours(bench: Bench) -> None:
    await bench.clone()
    await bench.commit()
    tip = bench.server.commit("env.git", {"b": "2"})
    assert (await bench.push())["commit"] == tip
    assert (bench.root / "src/b").read_text() == "2"


async def test_push_rebases_onto_what_others_pushed_and_keeps_the_dates(bench: Bench) -> None:
    await bench.clone()
    before = await bench.commit_file("app/values.yaml", "tag: 2\n")
    theirs = bench.server.commit("env.git", {"b": "2"})
    output = await bench.push()
    assert output["commit"] == bench.server.head("env.git") != before
    stamp = str(int(WHEN.timestamp()))
    assert bench.server.log("env.git", "%at %ct %P")[0] == f"{stamp} {stamp} {theirs}"


async def test_push_merges_when_the_operator_says_so(bench: Bench) -> None:
    bench.host = replace(bench.host, policy="AlwaysMerge")
    await bench.clone()
    ours = await bench.commit_file("a", "1")
    theirs = bench.server.commit("env.git", {"b": "2"})
    await bench.push()
    assert bench.server.log("env.git", "%P")[0] == f"{ours} {theirs}"
    merged = bench.server.head("env.git")
    assert (await bench.push())["commit"] == merged


async def sign(bench: Bench) -> str:
    """Put a signature into the commit that is checked out."""
    tree = bench.root / "src"
    headers, _, message = run_git(tree, "cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----"
    signed = run_git(
        tree, "hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{headers}\n{signature}\n\n{message}\n"
    )
    run_git(tree, "reset", "-q", "--hard", signed)
    return signed


async def test_signed_commits_are_merged_or_refused_where_a_rebase_would_lose_the_signature(
    bench: Bench,
) -> None:
    await bench.clone()
    await bench.commit_file("a", "1")
    signed = await sign(bench)
    theirs = bench.server.commit("env.git", {"b": "2"})
    bench.host = replace(bench.host, policy="RebaseOrFail")
    with pytest.raises(StepFailed, match="rebase is unsafe and policy prohibits merge fallback"):
        await bench.push()
    bench.host = replace(bench.host, policy="RebaseOrMerge")
    await bench.push()
    assert bench.server.log("env.git", "%P")[0] == f"{signed} {theirs}"


async def test_unsigned_commits_are_rebased_where_the_operator_prefers_it(bench: Bench) -> None:
    bench.host = replace(bench.host, policy="RebaseOrMerge")
    await bench.clone()
    await bench.commit_file("a", "1")
    theirs = bench.server.commit("env.git", {"b": "2"})
    await bench.push()
    assert bench.server.log("env.git", "%P")[0] == theirs


async def test_push_goes_on_after_a_rebase_that_was_killed_halfway(bench: Bench) -> None:
    await bench.clone()
    await bench.commit_file("app/values.yaml", "tag: 2\n")
    theirs = bench.server.commit("env.git", {"app/values.yaml": "tag: 3\n"})
    tree = bench.root / "src"
    run_git(tree, "fetch", "-q", "origin")
    with pytest.raises(AssertionError):
        run_git(tree, "rebase", "-q", theirs)
    bench.server.commit("env.git", {"app/values.yaml": "tag: 1\n"})
    await bench.push()
    assert bench.server.show("env.git", "app/values.yaml") == "tag: 2"


async def test_push_that_conflicts_fails_and_leaves_a_clean_tree(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("app/values.yaml", "tag: 2\n")
    bench.server.commit("env.git", {"app/values.yaml": "tag: 3\n"})
    with pytest.raises(StepFailed, match=r"merge conflict .* in app/values.yaml"):
        await bench.push()
    assert run_git(bench.root / "src", "status", "--porcelain") == ""
    assert run_git(bench.root / "src", "rev-parse", "main") == sha


async def test_push_tries_again_when_the_branch_moves_under_it(bench: Bench) -> None:
    await bench.clone()
    await bench.commit_file("a", "1")
    move_before_pushes(bench, 3)
    await bench.push()
    assert bench.server.log("env.git")[:4] == ["promote", "change", "change", "change"]


async def test_push_gives_up_after_the_last_attempt(bench: Bench) -> None:
    await bench.clone()
    await bench.commit_file("a", "1")
    move_before_pushes(bench, 2)
    with pytest.raises(StepErrored, match="error pushing commits to remote"):
        await bench.push(maxAttempts=1)
    assert bench.server.log("env.git")[:2] == ["change", "change"]


def move_before_pushes(bench: Bench, times: int) -> None:
    """Have somebody else push first, each time that we are about to."""

    def move(left: int) -> None:
        bench.server.commit("env.git", {"b": str(left)})
        bench.server.before_push = (lambda: move(left - 1)) if left > 1 else None

    bench.server.before_push = lambda: move(times)


async def test_push_onto_what_is_there_asks_the_server_once(bench: Bench) -> None:
    await bench.clone()
    await bench.commit_file("a", "1")
    before = bench.server.requests["git-upload-pack"]
    await bench.push()
    assert bench.server.requests["git-upload-pack"] == before
    assert bench.server.log("env.git")[:1] == ["promote"]


async def test_many_promotions_push_to_one_branch_at_once(bench: Bench, tmp_path: Path) -> None:
    homes = [tmp_path / f"home{number % 2}" for number in range(6)]
    benches = [bench.elsewhere(f"w{number}", home=home) for number, home in enumerate(homes)]
    for number, one in enumerate(benches):
        await one.clone()
        await one.commit_file(f"stage{number}", "1", message=f"stage {number}")
    await asyncio.gather(*(one.push() for one in benches))
    assert sorted(bench.server.log("env.git"))[1:] == [f"stage {number}" for number in range(6)]


async def test_push_whose_answer_was_lost_is_recognised(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("a", "1")
    bench.server.drop_push_answers = 1
    assert await bench.push() == {"commit": sha, "branch": "main"}
    assert bench.server.log("env.git") == ["promote", "change"]


async def test_repeated_push_makes_no_second_commit_after_others_went_on(bench: Bench) -> None:
    await bench.clone()
    await bench.commit_file("a", "1")
    first = await bench.push()
    bench.server.commit("env.git", {"b": "2"})
    assert await bench.push() == first
    assert bench.server.log("env.git") == ["change", "promote", "change"]


async def test_push_repeated_on_another_host_knows_its_rebased_commit(bench: Bench, tmp_path: Path) -> None:
    await bench.clone()
    start = bench.server.head("env.git")
    await bench.commit_file("a", "1")
    bench.server.commit("env.git", {"b": "2"})
    first = await bench.push()
    bench.server.commit("env.git", {"c": "3"})
    other = bench.elsewhere("second", home=tmp_path / "home2")
    await other.clone(recorder=Recorder(pinned={"src": start}, rebuilding=True))
    await other.commit_file("a", "1")
    assert await other.push() == first
    assert bench.server.log("env.git") == ["change", "promote", "change", "change"]


async def test_rebuilding_restores_what_was_pushed_and_pushes_nothing(bench: Bench, tmp_path: Path) -> None:
    records = [Recorder(), Recorder(), Recorder()]
    await bench.clone(recorder=records[0])
    (bench.root / "src/a").write_text("1")
    await bench.commit(recorder=records[1])
    bench.server.commit("env.git", {"b": "2"})
    first = await bench.push(recorder=records[2])
    bench.server.commit("env.git", {"c": "3"})
    bench.server.requests.clear()
    other = bench.elsewhere("second", home=tmp_path / "home2")
    again = [Recorder(pinned=record.resolved, rebuilding=True) for record in records]
    await other.clone(recorder=again[0])
    assert not (other.root / "src/b").exists()
    (other.root / "src/a").write_text("1")
    result = await other.commit(recorder=again[1])
    assert result.output.commit == records[1].resolved["commit"]
    assert await other.push(recorder=again[2]) == first
    assert run_git(other.root / "src", "rev-parse", "main") == first["commit"]
    assert bench.server.requests["git-receive-pack"] == 0


async def test_rebuilding_fetches_a_commit_that_cannot_be_made_again(bench: Bench, tmp_path: Path) -> None:
    await bench.clone()
    start = bench.server.head("env.git")
    sha = await bench.commit_file("a", "random")
    await bench.push()
    other = bench.elsewhere("second", home=tmp_path / "home2")
    await other.clone(recorder=Recorder(pinned={"src": start}, rebuilding=True))
    (other.root / "src/a").write_text("other")
    await other.commit(recorder=Recorder(pinned={"commit": sha}, rebuilding=True))
    assert (other.root / "src/a").read_text() == "random"
    with pytest.raises(StepErrored, match="could neither be made again nor fetched"):
        await other.commit(recorder=Recorder(pinned={"commit": "1" * 40}, rebuilding=True))


async def test_push_with_uncommitted_changes_is_refused_when_others_pushed(bench: Bench) -> None:
    await bench.clone()
    await bench.commit_file("a", "1")
    (bench.root / "src/a").write_text("2")
    bench.server.commit("env.git", {"b": "2"})
    with pytest.raises(StepErrored, match="not committed"):
        await bench.push()


async def test_tag_is_pushed_once_and_another_of_its_name_refused(bench: Bench) -> None:
    await bench.clone()
    run_git(bench.root / "src", "tag", "-a", "v1", "-m", "one")
    sha = run_git(bench.root / "src", "rev-parse", "HEAD")
    for _ in range(2):
        assert await bench.push(tag="v1") == {"commit": sha, "branch": "main"}
    run_git(bench.root / "src", "tag", "-f", "-a", "v1", "-m", "two")
    with pytest.raises(StepErrored, match="tag 'v1' already exists there"):
        await bench.push(tag="v1")
    with pytest.raises(StepErrored, match="'v2' does not exist"):
        await bench.push(tag="v2")


@pytest.mark.parametrize(
    "config",
    [
        {"targetBranch": "a", "tag": "b"},
        {"targetBranch": "a", "generateTargetBranch": True},
        {"tag": "a", "force": True},
        {"maxAttempts": 0},
        {"provider": "cvs"},
    ],
)
def test_push_that_is_not_valid_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GitPushConfig.model_validate({"path": "src"} | config)


@pytest.mark.parametrize("branch", ["--force", "a..b", "a b", "x.lock"])
async def test_branch_name_that_git_does_not_know_is_refused(bench: Bench, branch: str) -> None:
    await bench.clone()
    with pytest.raises((StepFailed, AdapterError)):
        await bench.push(targetBranch=branch)
    with pytest.raises((StepFailed, StepErrored, AdapterError)):
        await bench.clone({"path": "src", "branch": branch, "create": True})
