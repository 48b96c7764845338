"""git-clone against a real Git server over HTTP: what is checked out, and what git is never allowed to do."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from freightway.activities.steps.git_clone import GitCloneConfig, git_clone
from freightway.activities.steps.registry import Recorder, Workspace
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.processes import ProcessRunner
from freightway.errors import AdapterError, StepErrored, StepFailed
from tests.servers.git_bench import FILES, Bench, alive_in, bench
from tests.servers.git_server import run_git, serve_git

__all__ = ["bench"]


async def test_clone_checks_out_a_branch_and_gives_its_commit(bench: Bench) -> None:
    recorder = Recorder()
    commits = await bench.clone(recorder=recorder)
    assert commits == {"src": bench.server.head("env.git")} == recorder.resolved
    assert (bench.root / "src/app/values.yaml").read_text() == "tag: 1\n"


async def test_clone_makes_several_working_trees_of_branch_commit_and_tag(bench: Bench) -> None:
    first = bench.server.head("env.git")
    run_git(bench.server.root / "env.git", "tag", "-a", "v1", "-m", "one", first)
    second = bench.server.commit("env.git", {"app/values.yaml": "tag: 2\n"})
    commits = await bench.clone(
        {"path": "new", "branch": "main"},
        {"path": "old", "tag": "v1", "as": "v"},
        {"path": "x/y", "commit": first[:12]},
    )
    assert commits == {"new": second, "v": first, "x/y": first}
    assert (bench.root / "new/app/values.yaml").read_text() == "tag: 2\n"
    assert (bench.root / "old/app/values.yaml").read_text() == "tag: 1\n"


async def test_clone_without_reference_takes_the_default_branch(tmp_path: Path) -> None:
    with serve_git(tmp_path / "served") as server:
        server.create("env.git", FILES, branch="trunk")
        bench = Bench(server, tmp_path / "home", tmp_path / "work")
        recorder = Recorder()
        assert await bench.clone({"path": "src"}, recorder=recorder) == {
            "src": server.head("env.git", "trunk")
        }
        assert recorder.resolved["src#branch"] == "trunk"


async def test_sparse_clone_has_only_the_named_folders(bench: Bench) -> None:
    await bench.clone({"path": "src", "branch": "main", "sparse": ["app"]})
    assert sorted(path.name for path in (bench.root / "src").iterdir()) == [".git", "README.md", "app"]
    await bench.commit_file("app/values.yaml", "tag: 9\n")
    await bench.push()
    assert bench.server.show("env.git", "base/kustomization.yaml") == "x: 1"


async def test_blobless_clone_fetches_content_when_it_is_needed(bench: Bench) -> None:
    run_git(bench.server.root / "env.git", "config", "uploadpack.allowFilter", "true")
    bench.server.commit("env.git", {"app/values.yaml": "tag: 2\n"})
    await bench.clone(blobless=True)
    assert (bench.root / "src/app/values.yaml").read_text() == "tag: 2\n"
    mirror = next((bench.home / "mirrors").glob("*-blobless.git"))
    missing = run_git(mirror, "rev-list", "--objects", "--all", "--missing=print")
    assert sum(line.startswith("?") for line in missing.splitlines()) == 4
    sha = await bench.commit_file("app/values.yaml", "tag: 3\n")
    assert (await bench.push())["commit"] == sha == bench.server.head("env.git")


async def test_private_blobless_clone_takes_in_what_others_pushed(bench: Bench) -> None:
    run_git(bench.server.root / "env.git", "config", "uploadpack.allowFilter", "true")
    bench.server.commit("env.git", {"long": "".join(f"line {number}\n" for number in range(30))})
    bench.server.password = "s3cret-pass-word"
    bench.store("s3cret-pass-word")
    await bench.clone({"path": "src", "branch": "main", "sparse": ["app"]}, blobless=True)
    text = (bench.root / "src/long").read_text()
    await bench.commit_file("long", text.replace("line 3\n", "ours\n"))
    bench.server.commit("env.git", {"long": text.replace("line 25\n", "theirs\n"), "base/new": "1"})
    await bench.push()
    merged = text.replace("line 3\n", "ours\n").replace("line 25\n", "theirs\n")
    assert bench.server.show("env.git", "long") == merged.strip()
    assert not (bench.root / "src/base").exists()


async def test_missing_branch_is_an_error_that_tells_of_create(bench: Bench) -> None:
    with pytest.raises(
        StepErrored, match=r'remote branch "env/dev" of repo .* does not exist; set create=true'
    ):
        await bench.clone({"path": "src", "branch": "env/dev"})


async def test_create_pushes_an_empty_branch_once(bench: Bench) -> None:
    first = await bench.clone({"path": "out", "branch": "env/dev", "create": True})
    again = await bench.clone({"path": "out", "branch": "env/dev", "create": True})
    assert first == again == {"out": bench.server.head("env.git", "env/dev")}
    assert bench.server.log("env.git", branch="env/dev") == ["Initial commit"]
    assert sorted(path.name for path in (bench.root / "out").iterdir()) == [".git"]


async def test_empty_repository_gets_its_first_branch(bench: Bench) -> None:
    bench.server.create("new.git")
    with pytest.raises(StepErrored, match=r"name a branch|does not exist"):
        await bench.clone({"path": "src"}, repo="new.git")
    await bench.clone({"path": "src", "branch": "main", "create": True}, repo="new.git")
    sha = await bench.commit_file("a", "1")
    assert (await bench.push())["commit"] == sha == bench.server.head("new.git")


async def test_second_clone_of_an_unchanged_repository_transfers_nothing(bench: Bench) -> None:
    await bench.clone()
    bench.server.requests.clear()
    await bench.elsewhere("second").clone()
    assert bench.server.requests == {"refs": 1, "git-upload-pack": 1}


async def test_repeated_clone_replaces_its_own_working_tree(bench: Bench) -> None:
    await bench.clone()
    (bench.root / "src/left-over").write_text("x")
    await bench.clone()
    assert not (bench.root / "src/left-over").exists()


async def test_clone_does_not_touch_a_folder_that_is_in_use(bench: Bench) -> None:
    (bench.root / "src").mkdir()
    (bench.root / "src/mine").write_text("x")
    with pytest.raises(AdapterError, match="already exists") as caught:
        await bench.clone()
    assert str(bench.root) not in str(caught.value)
    assert (bench.root / "src/mine").read_text() == "x"


async def test_same_key_twice_is_refused(bench: Bench) -> None:
    with pytest.raises(StepFailed, match=r'duplicate checkout alias "a" at checkout\[1\]'):
        await bench.clone({"path": "x", "as": "a"}, {"path": "y", "as": "a"})


@pytest.mark.parametrize(
    "checkout",
    [
        {"path": ""},
        {"path": "x", "branch": "a", "tag": "b"},
        {"path": "x", "sparse": []},
        {"path": "x", "sparse": ["../up"]},
        {"path": "x", "sparse": ["/abs"]},
        {"path": "x", "sparse": ["a*"]},
        {"path": "x", "depth": 1},
    ],
)
def test_checkout_that_is_not_valid_is_refused(checkout: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GitCloneConfig.model_validate({"repoURL": "https://example.com/r", "checkout": [checkout]})


async def test_path_above_the_workspace_is_clamped(bench: Bench) -> None:
    (bench.root / "link").symlink_to("/etc")
    await bench.clone({"path": "../../up", "branch": "main"}, {"path": "link/x", "tag": "", "commit": "main"})
    assert (bench.root / "up/README.md").is_file()
    assert (bench.root / "etc/x/README.md").is_file()


async def test_symbolic_link_of_a_repository_is_not_followed_out_of_the_workspace(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    bench.server.commit("env.git", {"app/out": f"-> {tmp_path / 'outside'}"})
    await bench.clone()
    with pytest.raises(StepErrored, match="not a working tree"):
        await bench.clear("src/app/out")
    assert (tmp_path / "outside").is_dir()


async def test_credentials_are_sent_and_nowhere_written(bench: Bench) -> None:
    bench.server.password = "s3cret-pass-word"
    bench.store("s3cret-pass-word")
    await bench.clone()
    await bench.commit_file("app/values.yaml", "tag: 2\n")
    await bench.push()
    assert bench.server.users == {"robot"}
    for folder in (bench.root, bench.home / "mirrors", bench.home / "sessions"):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"s3cret-pass-word" not in path.read_bytes(), path


async def test_wrong_password_is_told_without_the_password(bench: Bench) -> None:
    bench.server.password = "right"
    bench.store("wrong-pass-word")
    with pytest.raises(AdapterError, match="refused access") as caught:
        await bench.clone()
    assert not caught.value.retryable
    assert caught.value.host == bench.server.host
    assert "wrong-pass-word" not in str(caught.value)


async def test_missing_credentials_are_told(bench: Bench) -> None:
    bench.server.password = "right"
    with pytest.raises(AdapterError, match="no git credentials are stored"):
        await bench.clone()


async def test_password_in_the_address_is_used_and_never_shown(bench: Bench) -> None:
    bench.server.password = "in-the-url"
    url = f"http://robot:in-the-url@{bench.server.host}/env.git"
    assert await bench.clone(repo=url)
    with pytest.raises(AdapterError) as caught:
        await bench.clone(repo=url.replace("in-the-url", "not-right"))
    assert "not-right" not in str(caught.value)


async def test_mirror_shows_nothing_to_whom_the_server_refuses(bench: Bench) -> None:
    await bench.clone()
    bench.server.password = "now-closed"
    with pytest.raises(AdapterError, match="refused access"):
        await bench.elsewhere("second").clone()


async def test_repository_that_does_not_exist_is_told(bench: Bench) -> None:
    with pytest.raises(AdapterError, match=r"nothing.git was not found") as caught:
        await bench.clone(repo="nothing.git")
    assert not caught.value.retryable


async def test_server_that_is_down_may_be_tried_again(bench: Bench) -> None:
    bench.server.close()
    with pytest.raises(AdapterError, match="cannot be reached") as caught:
        await bench.clone()
    assert caught.value.retryable


async def test_server_that_answers_503_may_be_tried_again(bench: Bench) -> None:
    bench.server.status = 503
    with pytest.raises(AdapterError) as caught:
        await bench.clone()
    assert (caught.value.retryable, caught.value.status) == (True, 503)


async def test_cut_transfer_may_be_tried_again_and_then_works(bench: Bench) -> None:
    await bench.clone()
    bench.server.commit("env.git", {"big": os.urandom(200_000).hex()})
    bench.server.cut_after = 20_000
    with pytest.raises(AdapterError) as caught:
        await bench.clone()
    assert caught.value.retryable
    bench.server.cut_after = None
    assert await bench.clone() == {"src": bench.server.head("env.git")}


async def test_cancelled_clone_ends_git_within_two_seconds(bench: Bench) -> None:
    groups: list[int] = []
    bench.processes = ProcessRunner(on_start=groups.append)
    bench.server.delay = gate = threading.Event()
    task = asyncio.create_task(bench.clone())
    await asyncio.to_thread(bench.server.reached.wait, 10)
    start = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while alive := alive_in(groups):
        assert time.monotonic() - start < 2, alive
    gate.set()
    bench.server.delay = None
    assert await bench.clone()


async def test_hook_of_a_repository_is_never_run(bench: Bench, tmp_path: Path) -> None:
    bench.server.commit("env.git", {"hooks/pre-commit": "#!/bin/sh\ntouch ran\n"})
    await bench.clone()
    ran = tmp_path / "ran"
    for repository in (bench.root / ".git/clones").iterdir():
        for name in ("pre-commit", "post-commit", "pre-push", "post-checkout"):
            hook = repository / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
            hook.chmod(0o755)
        with (repository / "config").open("a") as config:
            config.write(
                f"[core]\n\tfsmonitor = touch {ran}\n\thooksPath = hooks\n\tsshCommand = touch {ran}\n"
            )
    await bench.commit_file("app/values.yaml", "tag: 2\n")
    await bench.push()
    assert not ran.exists()


async def test_program_that_a_file_step_put_into_the_configuration_is_never_run(
    bench: Bench, tmp_path: Path
) -> None:
    bench.server.commit("env.git", {".gitattributes": "* filter=evil\n"})
    await bench.clone()
    ran, clone = tmp_path / "ran", next((bench.root / ".git/clones").iterdir())
    evil = f'[filter "evil"]\n\tclean = touch {ran}\n\tsmudge = touch {ran}\n'
    outside = tmp_path / "outside"
    outside.write_text("kept")
    for name in ("config", "worktrees/src/config.worktree"):
        (clone / name).write_text((clone / name).read_text() + evil if (clone / name).exists() else evil)
    (clone / "config.worktree").unlink()
    (clone / "config.worktree").symlink_to(outside)
    (bench.root / "fake").mkdir()
    (bench.root / "fake/config").write_text(evil)
    (clone / "worktrees/src/commondir").write_text(str(bench.root / "fake"))
    await bench.commit_file("app/values.yaml", "tag: 2\n")
    await bench.push()
    assert not ran.exists()
    assert outside.read_text() == "kept"


async def test_facts_of_a_clone_that_were_changed_are_not_believed(bench: Bench) -> None:
    await bench.clone()
    facts = next((bench.root / ".git/clones").glob("*/freightway.json"))
    facts.write_text(facts.read_text().replace("env.git", "other.git"))
    with pytest.raises(StepErrored, match="not a working tree"):
        await bench.commit()


async def test_folder_that_only_claims_to_be_a_repository_is_not_believed(bench: Bench) -> None:
    run_git(bench.root, "init", "-q", "fake")
    with pytest.raises(StepErrored, match="'fake' is not a working tree"):
        await bench.commit("fake")
    (bench.root / "link").mkdir()
    (bench.root / "link/.git").write_text(f"gitdir: {bench.root / 'fake/.git'}\n")
    with pytest.raises(StepErrored, match="'link' is not a working tree"):
        await bench.commit("link")


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% /tmp/x", "fd::3", "ftp://h/r", "--upload-pack=x", "../repo", "git://h/r"]
)
async def test_address_that_git_must_not_get_is_refused(bench: Bench, url: str) -> None:
    config = {"repoURL": url, "checkout": [{"path": "src"}]}
    with pytest.raises(StepFailed):
        await git_clone(
            GitCloneConfig.model_validate(config),
            bench.info("clone"),
            Workspace(bench.root),
            Recorder(),
            bench.processes,
            CredentialStore(bench.home),
            bench.host,
        )


async def test_repository_of_this_machine_works_when_it_is_what_the_user_named(bench: Bench) -> None:
    path = bench.server.root / "env.git"
    assert await bench.clone(repo=f"file://{path}") == {"src": bench.server.head("env.git")}
    sha = await bench.commit_file("app/values.yaml", "tag: 2\n")
    assert (await bench.push())["commit"] == sha == bench.server.head("env.git")


async def test_submodule_of_this_machine_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.server.create("sub.git", {"secret": "x"})
    work = tmp_path / "author"
    run_git(tmp_path, "clone", "-q", str(bench.server.root / "env.git"), "author")
    run_git(
        work,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(bench.server.root / "sub.git"),
        "sub",
    )
    run_git(work, "commit", "-q", "-m", "sub")
    run_git(work, "push", "-q", "origin", "HEAD:main")
    with pytest.raises(AdapterError, match="may not use the protocol 'file'"):
        await bench.clone(recurseSubmodules=True)


async def test_submodule_of_the_same_server_is_checked_out(bench: Bench, tmp_path: Path) -> None:
    bench.server.create("sub.git", {"lib": "x"})
    work = tmp_path / "author"
    run_git(tmp_path, "clone", "-q", str(bench.server.root / "env.git"), "author")
    run_git(work, "submodule", "add", "-q", bench.server.url("sub.git"), "sub")
    run_git(work, "commit", "-q", "-m", "sub")
    run_git(work, "push", "-q", "origin", "HEAD:main")
    await bench.clone(recurseSubmodules=True)
    assert (bench.root / "src/sub/lib").read_text() == "x"
