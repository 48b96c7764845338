"""git-clear and git-commit in a clone of a real Git server."""

from __future__ import annotations

from pathlib import Path

import pytest

from freightway.errors import AdapterError, StepErrored, StepFailed
from freightway.promotion.model import StepStatus
from tests.servers.git_bench import WHEN, Bench, bench
from tests.servers.git_server import run_git

__all__ = ["bench"]


async def test_clear_removes_files_and_keeps_ignored_ones(bench: Bench) -> None:
    bench.server.commit("env.git", {".gitignore": "*.log\n"})
    await bench.clone()
    (bench.root / "src/new").write_text("x")
    (bench.root / "src/kept.log").write_text("x")
    await bench.clear()
    assert sorted(path.name for path in (bench.root / "src").iterdir()) == [".git", "kept.log"]
    await bench.clear()
    assert (await bench.commit()).status is StepStatus.SUCCEEDED


async def test_commit_is_dated_and_signed_by_the_default_identity(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("app/values.yaml", "tag: 2\n", message="deploy\n\nall of it")
    form = "%an|%ae|%at|%cn|%ce|%ct|%B"
    assert run_git(bench.root / "src", "log", "-1", f"--format={form}", sha) == (
        f"Freightway|no-reply@freightway.dev|{int(WHEN.timestamp())}|"
        f"Freightway|no-reply@freightway.dev|{int(WHEN.timestamp())}|deploy\n\nall of it"
    )


async def test_same_change_gives_the_same_commit_id_on_another_host(bench: Bench, tmp_path: Path) -> None:
    await bench.clone()
    other = bench.elsewhere("second", home=tmp_path / "home2")
    await other.clone()
    assert await bench.commit_file("n", "x") == await other.commit_file("n", "x")


async def test_author_of_the_step_wins_over_the_author_of_the_clone(bench: Bench) -> None:
    await bench.clone(author={"name": "Ann", "email": "ann@example.com"})
    await bench.commit_file("a", "1")
    await bench.commit_file("a", "2", author={"name": "Bob", "email": "bob@example.com"})
    assert (
        run_git(bench.root / "src", "log", "-2", "--format=%an %ce")
        == "Bob bob@example.com\nAnn ann@example.com"
    )


async def test_commit_of_a_folder_leaves_other_changes_out(bench: Bench) -> None:
    await bench.clone()
    (bench.root / "src/README.md").write_text("changed")
    (bench.root / "src/app/new").write_text("1")
    await bench.commit("src/app")
    assert run_git(bench.root / "src", "show", "--format=", "--name-only", "HEAD") == "app/new"
    assert (await bench.commit("src/base")).status is StepStatus.SKIPPED


async def test_commit_of_nothing_is_skipped_with_the_current_commit(bench: Bench) -> None:
    commits = await bench.clone()
    result = await bench.commit()
    assert (result.status, result.output.commit) == (StepStatus.SKIPPED, commits["src"])


async def test_commit_made_by_an_attempt_whose_worker_was_killed_is_known_again(bench: Bench) -> None:
    await bench.clone()
    first = await bench.commit_file("a", "1")
    again = await bench.commit()
    assert (again.status, again.output.commit) == (StepStatus.SUCCEEDED, first)
    await bench.clone()
    assert (await bench.commit()).status is StepStatus.SKIPPED


async def test_tag_is_annotated_and_may_be_made_again_but_not_changed(bench: Bench) -> None:
    await bench.clone()
    sha = await bench.commit_file("a", "1")
    for _ in range(2):
        assert await bench.tag("v1.0.0", unknown="ignored") == sha
    form = "%(objecttype) %(*objectname) %(taggername) %(taggerdate:unix) %(contents)"
    shown = run_git(bench.root / "src", "for-each-ref", f"--format={form}", "refs/tags/v1.0.0")
    assert shown == f"tag {sha} Freightway {int(WHEN.timestamp())} release"
    with pytest.raises(StepErrored, match=r'tag "v1\.0\.0" already exists'):
        await bench.tag("v1.0.0", "another")
    assert await bench.tag("v1.0.0", "another", force=True) == sha
    assert (await bench.push(tag="v1.0.0"))["commit"] == sha


@pytest.mark.parametrize("tag", ["--delete", "a b", "x..y"])
async def test_tag_name_that_git_does_not_know_is_refused(bench: Bench, tag: str) -> None:
    await bench.clone()
    with pytest.raises((StepFailed, AdapterError)):
        await bench.tag(tag)
