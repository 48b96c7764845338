"""Workspaces: claimed, held by one writer at a time, and cleared of orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from freightway.activities.ghosts import Ledger, Process
from freightway.activities.tree_hash import HashCache, head_of, tree_hash
from freightway.activities.workspace import WorkspaceLost, WorkspaceManager
from freightway.errors import StepErrored
from freightway.promotion.model import WorkspaceRef

WORKER = """
import asyncio, sys
from pathlib import Path
from freightway.activities.workspace import WorkspaceManager
from freightway.promotion.model import WorkspaceRef

async def main():
    manager = WorkspaceManager(Path(sys.argv[1]))
    async with manager.open(WorkspaceRef.model_validate_json(sys.argv[2])) as held:
        script = "echo $$ > child; while :; do date +%N > heartbeat; sleep 0.05; done"
        await held.processes.run(["/bin/sh", "-c", script], cwd=held.workspace.root)

asyncio.run(main())
"""


@pytest.fixture
def manager(tmp_path: Path) -> WorkspaceManager:
    return WorkspaceManager(tmp_path / "home", wait_seconds=0.3)


def wait_for(path: Path) -> str:
    for _ in range(600):
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        time.sleep(0.05)
    raise AssertionError(f"{path.name} did not appear")


def ends(process: Process) -> bool:
    """Whether the process ends; a killed one lets go of its files a moment before it is gone."""
    for _ in range(100):
        if not process.is_alive:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def orphan(manager: WorkspaceManager) -> Iterator[tuple[WorkspaceRef, int]]:
    """A claimed workspace in which the child of a killed worker still writes."""
    ref = asyncio.run(manager.claim("demo", "test.01.abc"))
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(manager.home), ref.model_dump_json()])
    child = int(wait_for(manager.home / "workspaces" / ref.folder / "work" / "child"))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    yield ref, child
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


async def test_a_claim_is_found_again(manager: WorkspaceManager) -> None:
    first = await manager.claim("demo", "test.01.abc")
    async with manager.open(first) as held:
        (held.workspace.root / "kept").write_text("yes")
    again = await manager.claim("demo", "test.01.abc")
    assert again == first
    assert first.queue == f"freightway.host.{manager.host}"
    async with manager.open(again) as held:
        assert (held.workspace.root / "kept").read_text() == "yes"
        assert held.workspace.root.stat().st_mode & 0o777 == 0o700


async def test_a_second_workspace_replaces_the_first(manager: WorkspaceManager) -> None:
    first = await manager.claim("demo", "test.01.abc")
    second = await manager.claim("demo", "test.01.abc", attempt=1)
    assert second.folder != first.folder
    with pytest.raises(WorkspaceLost):
        async with manager.open(first):
            pass


async def test_projects_with_equal_promotion_names_do_not_share_files(manager: WorkspaceManager) -> None:
    assert (await manager.claim("a", "p")).folder != (await manager.claim("b", "p")).folder


@pytest.mark.parametrize("promotion", ["../../escape", "a/b", "", "x" * 400])
async def test_odd_names_stay_inside_the_home(manager: WorkspaceManager, promotion: str) -> None:
    ref = await manager.claim("..", promotion)
    assert (manager.home / "workspaces" / ref.folder / "work").is_dir()
    assert "/" not in ref.folder
    assert [path.name for path in manager.home.parent.iterdir()] == [manager.home.name]


def test_the_host_id_is_stable_and_agreed_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = "import sys; from pathlib import Path; from freightway.activities.workspace import WorkspaceManager; print(WorkspaceManager(Path(sys.argv[1])).host)"
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ids = {process.communicate()[0].strip() for process in started}
    assert len(ids) == 1
    assert ids == {WorkspaceManager(home).host}


async def test_a_folder_that_is_gone_is_reported_as_lost(manager: WorkspaceManager) -> None:
    ref = await manager.claim("demo", "p")
    await manager.remove(ref)
    with pytest.raises(WorkspaceLost):
        async with manager.open(ref):
            pass
    await manager.remove(ref)


async def test_a_folder_of_another_host_is_reported_as_lost(manager: WorkspaceManager) -> None:
    ref = (await manager.claim("demo", "p")).model_copy(update={"host": "elsewhere"})
    with pytest.raises(WorkspaceLost, match="belongs to host elsewhere"):
        async with manager.open(ref):
            pass


async def test_two_attempts_never_hold_one_workspace(manager: WorkspaceManager) -> None:
    ref = await manager.claim("demo", "p")
    manager.wait_seconds = 5
    order: list[str] = []

    async def attempt(name: str) -> None:
        async with manager.open(ref):
            order.append(f"{name} in")
            await asyncio.sleep(0.1)
            order.append(f"{name} out")

    await asyncio.gather(attempt("a"), attempt("b"))
    assert [line.split()[1] for line in order] == ["in", "out", "in", "out"]


async def test_a_living_holder_is_waited_for_but_not_for_ever(manager: WorkspaceManager) -> None:
    ref = await manager.claim("demo", "p")
    async with manager.open(ref):
        with pytest.raises(StepErrored, match="another process still writes"):
            async with manager.open(ref):
                pass


def test_the_child_of_a_killed_worker_keeps_the_lock_and_is_ended(
    manager: WorkspaceManager, orphan: tuple[WorkspaceRef, int]
) -> None:
    ref, child = orphan
    work = manager.home / "workspaces" / ref.folder / "work"
    before = wait_for(work / "heartbeat")
    time.sleep(0.2)
    assert wait_for(work / "heartbeat") != before, "the orphan should still write"

    writer = Process.of(child)

    async def take_over() -> str:
        async with manager.open(ref) as held:
            assert ends(writer)
            last = (held.workspace.root / "heartbeat").read_text()
            await asyncio.sleep(0.2)
            assert (held.workspace.root / "heartbeat").read_text() == last
            return last

    started = time.monotonic()
    asyncio.run(take_over())
    assert time.monotonic() - started < 10


def test_an_orphan_is_ended_before_its_workspace_is_removed(
    manager: WorkspaceManager, orphan: tuple[WorkspaceRef, int]
) -> None:
    ref, child = orphan
    writer = Process.of(child)
    asyncio.run(manager.remove(ref))
    assert ends(writer)
    assert list((manager.home / "workspaces").iterdir()) == []


def test_a_process_that_took_over_a_number_is_not_killed(tmp_path: Path) -> None:
    innocent = subprocess.Popen(["sleep", "60"], start_new_session=True)
    ledger = Ledger(tmp_path / "group")
    try:
        ledger.begin()
        real = Process.of(innocent.pid)
        with (tmp_path / "group").open("a") as file:
            file.write(f'["group", {innocent.pid}, {real.started - 5}]\n')
        assert ledger.end_groups() == 0
        assert innocent.poll() is None
        ledger.add_group(innocent.pid)
        assert ledger.end_groups() == 1
        assert innocent.wait(5) == -signal.SIGKILL
    finally:
        innocent.kill()
        innocent.wait()


def test_a_group_is_ended_also_when_its_leader_is_gone(tmp_path: Path) -> None:
    leader = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 60 & echo $!; sleep 0.3"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    ledger = Ledger(tmp_path / "group")
    ledger.begin()
    ledger.add_group(leader.pid)
    assert leader.stdout is not None
    member = Process.of(int(leader.stdout.readline()))
    leader.wait()
    assert member.is_alive
    assert ledger.end_groups() == 1
    assert ends(member)
    leader.stdout.close()


async def test_folders_that_nobody_owns_are_swept(manager: WorkspaceManager) -> None:
    kept, gone = await manager.claim("demo", "kept"), await manager.claim("demo", "gone")

    async def is_owned(project: str, promotion: str) -> bool:
        return (project, promotion) == ("demo", "kept")

    half_removed = manager.home / "workspaces" / ".gone.0123"
    (half_removed / "work").mkdir(parents=True)
    assert await manager.sweep(is_owned) == [gone.folder]
    assert [path.name for path in (manager.home / "workspaces").iterdir()] == [kept.folder]


async def test_read_only_folders_are_removed_too(manager: WorkspaceManager) -> None:
    ref = await manager.claim("demo", "p")
    async with manager.open(ref) as held:
        deep = held.workspace.root / "a" / "b"
        deep.mkdir(parents=True)
        (deep / "file").write_text("x")
        deep.chmod(0o500)
        (held.workspace.root / "a").chmod(0o500)
    await manager.remove(ref)
    assert list((manager.home / "workspaces").iterdir()) == []


async def test_too_many_bytes_are_refused_with_the_way_out(manager: WorkspaceManager) -> None:
    ref = await manager.claim("demo", "p")
    manager.limit = 1000
    async with manager.open(ref) as held:
        (held.workspace.root / "file").write_text("x" * 900)
        await manager.check_size(ref)
        (held.workspace.root / "other").write_text("x" * 900)
        with pytest.raises(StepErrored, match=r"1\.8 KiB.*raise FREIGHTWAY_WORKSPACE_LIMIT") as caught:
            await manager.check_size(ref)
    assert caught.value.terminal


def tree(root: Path) -> Path:
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "file").write_text("content")
    (root / "link").symlink_to("dir/file")
    (root / "absolute").symlink_to(root / "dir")
    return root


def test_equal_trees_have_equal_hashes_wherever_they_are(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert tree_hash(first) == tree_hash(second)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "dir" / "file").write_text("CONTENT"),
        lambda root: (root / "dir" / "file").chmod(0o755),
        lambda root: (root / "dir" / "file").rename(root / "dir" / "other"),
        lambda root: (root / "empty").mkdir(),
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("dir")),
    ],
)
def test_every_kind_of_change_changes_the_hash(tmp_path: Path, change: Callable[[Path], object]) -> None:
    root = tree(tmp_path / "root")
    cache: HashCache = {}
    before = tree_hash(root, cache)
    assert tree_hash(root, cache) == before
    change(root)
    assert tree_hash(root, cache) != before


def git(*argv: str, cwd: Path) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "a"), ("EMAIL", "a@b"), ("DATE", "2026-01-01T00:00:00Z"))
        },
    }
    return subprocess.run(
        ["git", *argv], cwd=cwd, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_repository_counts_by_what_it_has_checked_out(tmp_path: Path) -> None:
    repository = tmp_path / "source"
    repository.mkdir()
    git("init", "-q", "-b", "main", cwd=repository)
    assert head_of(repository / ".git") == "refs/heads/main unborn"
    (repository / "file").write_text("x")
    git("add", ".", cwd=repository)
    git("commit", "-q", "-m", "one", cwd=repository)
    commit = git("rev-parse", "HEAD", cwd=repository)
    assert head_of(repository / ".git") == f"refs/heads/main {commit}"
    git("pack-refs", "--all", cwd=repository)
    assert head_of(repository / ".git") == f"refs/heads/main {commit}"
    git("worktree", "add", "-q", "--detach", str(tmp_path / "ws" / "out"), cwd=repository)
    assert head_of(tmp_path / "ws" / "out" / ".git") == commit
    before = tree_hash(tmp_path / "ws")
    git("commit", "-q", "--allow-empty", "-m", "two", cwd=tmp_path / "ws" / "out")
    assert tree_hash(tmp_path / "ws") != before
