"""What git is given to run with: addresses, environment, credentials and the sentences made of its errors."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from freightway.adapters.git import Git, GitHost, check_user_value
from freightway.adapters.git_environment import (
    Access,
    RemoteURL,
    clean_environment,
    remote_environment,
    write_access,
)
from freightway.adapters.git_errors import PushRejected, RefMissing, translate
from freightway.adapters.git_mirror import Mirror
from freightway.adapters.processes import ProcessFailed, ProcessRunner
from freightway.errors import AdapterError, FreightwayError, StepFailed
from tests.servers.git_server import GitServer, run_git, serve_git


@pytest.mark.parametrize(
    ("url", "text", "scheme", "host", "user"),
    [
        ("https://example.com/a/b.git", "https://example.com/a/b.git", "https", "example.com", ""),
        ("https://me:pw@example.com:8443/a", "https://example.com:8443/a", "https", "example.com:8443", "me"),
        ("https://me%40x:pw@[::1]:80/a", "https://[::1]:80/a", "https", "[::1]:80", "me@x"),
        ("git@example.com:a/b.git", "git@example.com:a/b.git", "ssh", "example.com", "git"),
        ("ssh://git@example.com:22/a", "ssh://git@example.com:22/a", "ssh", "example.com:22", "git"),
        ("file:///srv/a.git", "file:///srv/a.git", "file", "", ""),
        ("/srv/a.git", "/srv/a.git", "file", "", ""),
    ],
)
def test_address_is_taken_apart(url: str, text: str, scheme: str, host: str, user: str) -> None:
    parsed = RemoteURL.parse(url)
    assert (parsed.text, parsed.scheme, parsed.host, parsed.username) == (text, scheme, host, user)
    assert "pw" not in repr(parsed)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-x",
        "ext::sh -c id",
        "ext://sh",
        "a::b",
        "git://h/x",
        "./x",
        "https:///x",
        "http://h:x/y",
        "https://h/\ny",
    ],
)
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(StepFailed):
        RemoteURL.parse(url)


@pytest.mark.parametrize("value", ["--upload-pack=x", "-c", "--force", "a\nb"])
def test_value_that_git_could_take_for_an_option_is_refused(value: str) -> None:
    with pytest.raises(StepFailed):
        check_user_value("branch", value)


def access(url: str = "https://example.com/r", **more: object) -> Access:
    return Access(RemoteURL.parse(url), **more)  # type: ignore[arg-type]


def ask(home: Path, prompt: str, of: Access) -> subprocess.CompletedProcess[str]:
    env = remote_environment(home, of)
    return subprocess.run([env["GIT_ASKPASS"], prompt], env=env, capture_output=True, text=True, check=False)


def test_password_is_told_only_to_its_own_host(tmp_path: Path) -> None:
    mine = access(username="me", password="p$`w 'x")
    write_access(tmp_path, mine)
    assert stat.S_IMODE((tmp_path / "askpass").stat().st_mode) == 0o700
    assert "p$`w" not in (tmp_path / "askpass").read_text()
    assert ask(tmp_path, "Username for 'https://example.com': ", mine).stdout == "me\n"
    assert ask(tmp_path, "Password for 'https://me@example.com': ", mine).stdout == "p$`w 'x\n"
    for prompt in (
        "Username for 'https://evil.com': ",
        "Password for 'https://me@evil.com': ",
        "Password for 'http://me@example.com': ",
        "Password for 'https://me@example.com.evil.com': ",
        "Password for 'https://me@notexample.com': ",
    ):
        done = ask(tmp_path, prompt, mine)
        assert (done.returncode, done.stdout) == (1, "")


def test_environment_holds_nothing_of_the_worker() -> None:
    env = clean_environment(Path("/home-of-git"))
    assert env["GIT_CONFIG_NOSYSTEM"] == "1"
    assert env["GIT_CONFIG_GLOBAL"] == os.devnull
    assert env["GIT_TERMINAL_PROMPT"] == "0"
    assert env["GIT_ALLOW_PROTOCOL"] == ""
    assert not any(name in env for name in ("SSH_AUTH_SOCK", "GIT_DIR", "USER", "VIRTUAL_ENV"))


def test_file_protocol_is_open_only_for_a_repository_of_this_machine(tmp_path: Path) -> None:
    assert remote_environment(tmp_path, access("/srv/r"))["GIT_ALLOW_PROTOCOL"] == "file"
    assert remote_environment(tmp_path, access())["GIT_ALLOW_PROTOCOL"] == "https:http:ssh"


def test_host_keys_are_checked_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    key = access("git@h:r", ssh_key="KEY", known_hosts=(tmp_path / "known",))
    write_access(tmp_path, key)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    command = remote_environment(tmp_path, key)["GIT_SSH_COMMAND"]
    assert "StrictHostKeyChecking=yes" in command
    assert f"UserKnownHostsFile={tmp_path / 'known'}" in command
    assert f"IdentityFile={tmp_path / 'key'}" in command
    open_host = remote_environment(tmp_path, access("git@h:r", insecure=True))["GIT_SSH_COMMAND"]
    assert "StrictHostKeyChecking=no" in open_host
    assert "IdentityFile=none" in open_host


def test_tls_is_checked_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    assert "http.https://example.com/.sslVerify" not in remote_environment(tmp_path, access()).values()
    assert (
        "http.https://example.com/.sslVerify" in remote_environment(tmp_path, access(insecure=True)).values()
    )


@pytest.mark.parametrize(
    ("verb", "said", "words", "retryable"),
    [
        ("fetch", "fatal: Authentication failed for 'https://example.com/r/'", "refused access", False),
        ("fetch", "fatal: could not read Username for 'https://example.com': terminal prompts disabled", "refused", False),
        ("fetch", "git@example.com: Permission denied (publickey).", "refused access", False),
        ("fetch", "fatal: repository 'https://example.com/r/' not found", "was not found", False),
        ("fetch", "fatal: unable to access 'x': Could not resolve host: example.com", "cannot be reached", True),
        ("fetch", "ssh: connect to host example.com port 22: Connection refused", "cannot be reached", True),
        ("fetch", "Host key verification failed.", "host key of example.com is not known", False),
        ("fetch", "fatal: unable to access: SSL certificate problem: self-signed certificate", "not trusted", False),
        ("fetch", "error: RPC failed; curl 18 transfer closed with outstanding read data", "broke off", True),
        ("fetch", "fatal: unable to access 'x': The requested URL returned error: 502", "broke off", True),
        ("fetch", "fatal: unable to access 'x': The requested URL returned error: 403", "refused access", False),
        ("push", "remote: protected branch\n ! [remote rejected] main -> main (pre-receive hook declined)", "declined the push: protected branch", False),
        ("fetch", "fatal: something else in /secret/place/x p4ssw0rd", "git fetch of https://example.com/r failed: something else in x \\*\\*\\*", False),
    ],
)  # fmt: skip
def test_what_git_says_becomes_a_sentence(verb: str, said: str, words: str, retryable: bool) -> None:
    error = translate(
        ProcessFailed("git", 128, "", said), verb, access(password="p4ssw0rd"), ["/secret/place"]
    )
    with pytest.raises(AdapterError, match=words):
        raise error
    assert (error.host, error.retryable) == ("example.com", retryable)


def test_rejected_push_and_missing_ref_are_told_apart() -> None:
    rejected = ProcessFailed(
        "git", 1, "", " ! [rejected] HEAD -> main (fetch first)\nerror: failed to push some refs"
    )
    assert isinstance(translate(rejected, "push", access(), ()), PushRejected)
    missing = ProcessFailed("git", 128, "", "fatal: couldn't find remote ref refs/heads/x")
    assert isinstance(translate(missing, "fetch", access(), ()), RefMissing)


def test_operator_chooses_identity_and_policy(tmp_path: Path) -> None:
    environ = {
        "GITCLIENT_NAME": "Bot",
        "GITCLIENT_EMAIL": "b@x",
        "GIT_PUSH_INTEGRATION_POLICY": "RebaseOrMerge",
    }
    host = GitHost.from_environment(tmp_path, environ)
    assert (host.identity.name, host.identity.email, host.policy) == ("Bot", "b@x", "RebaseOrMerge")
    with pytest.raises(FreightwayError, match="use one of AlwaysRebase"):
        GitHost.from_environment(tmp_path, {"GIT_PUSH_INTEGRATION_POLICY": "Never"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serve_git(tmp_path / "served") as running:
        running.create("app.git", {"a": "1"})
        yield running


async def open_mirror(server: GitServer, host: GitHost) -> tuple[Mirror, Access]:
    url = server.url("app.git")
    return Mirror(host, url), host.access(url, None)


async def test_submodule_of_another_server_gets_no_password(server: GitServer, tmp_path: Path) -> None:
    with serve_git(tmp_path / "evil") as evil:
        evil.create("sub.git", {"x": "1"})
        evil.password = "whatever"
        host = GitHost(tmp_path / "home")
        mine = Access(RemoteURL.parse(server.url("app.git")), "me", "my-password")
        async with host.session(ProcessRunner(), mine) as git:
            with pytest.raises(AdapterError):
                await git.remote("ls-remote", evil.url("sub.git"))
        assert evil.requests["refs"] == 1
        assert evil.users == set()


async def test_session_leaves_no_secret_behind(server: GitServer, tmp_path: Path) -> None:
    host = GitHost(tmp_path / "home")
    mine = Access(RemoteURL.parse(server.url("app.git")), "me", "pw", "KEY")
    async with host.session(ProcessRunner(), mine) as git:
        assert stat.S_IMODE(git.home.stat().st_mode) == 0o700
        assert (git.home / "key").is_file()
    assert list((tmp_path / "home/sessions").iterdir()) == []


async def test_session_of_a_killed_worker_is_removed_and_a_living_one_stays(
    server: GitServer, tmp_path: Path
) -> None:
    host = GitHost(tmp_path / "home")
    abandoned = tmp_path / "home/sessions/abandoned"
    abandoned.mkdir(parents=True)
    (abandoned / "key").write_text("KEY")
    os.utime(abandoned, (1, 1))
    to = host.access(server.url("app.git"), None)
    async with host.session(ProcessRunner(), to) as living:
        assert not abandoned.exists()
        os.utime(living.home, (1, 1))
        async with host.session(ProcessRunner(), to):
            assert living.home.is_dir()


async def test_mirror_goes_on_after_a_git_that_was_killed(server: GitServer, tmp_path: Path) -> None:
    host = GitHost(tmp_path / "home")
    mirror, to = await open_mirror(server, host)
    async with host.session(ProcessRunner(), to) as git:
        await mirror.update(git)
        for name in ("packed-refs.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_x"):
            (mirror.path / name).touch()
        newer = server.commit("app.git", {"a": "2"})
        assert (await mirror.update(git)).branches == {"main": newer}


async def test_mirror_keeps_commits_that_the_server_dropped(server: GitServer, tmp_path: Path) -> None:
    host = GitHost(tmp_path / "home")
    mirror, to = await open_mirror(server, host)
    async with host.session(ProcessRunner(), to) as git:
        await mirror.update(git)
        bare = server.root / "app.git"
        run_git(bare, "branch", "gone", server.commit("app.git", {"a": "2"}))
        dropped = server.head("app.git")
        await mirror.update(git)
        run_git(bare, "update-ref", "refs/heads/main", f"{dropped}~1")
        run_git(bare, "branch", "-D", "gone")
        assert set((await mirror.update(git)).branches) == {"main"}
        await mirror.read(git, "repack", "-a", "-d", "-k", "--quiet")
        assert await mirror.has(git, dropped)


async def test_mirror_follows_branches_and_tags_that_come_go_and_move(
    server: GitServer, tmp_path: Path
) -> None:
    host = GitHost(tmp_path / "home")
    mirror, to = await open_mirror(server, host)
    bare, head = server.root / "app.git", server.head("app.git")
    async with host.session(ProcessRunner(), to) as git:
        for change in (
            ["create refs/heads/a", "create refs/tags/t"],
            ["delete refs/heads/a"],
            ["create refs/heads/a/b", *(f"create refs/tags/n{number}" for number in range(150))],
            ["delete refs/tags/t", *(f"delete refs/tags/n{number}" for number in range(149))],
        ):
            lines = (f"{line} {head}" if line.startswith("create") else line for line in change)
            run_git(bare, "update-ref", "--stdin", stdin="\n".join(lines) + "\n")
            moved = server.commit("app.git", {"a": change[0]})
            run_git(bare, "tag", "-f", "-a", "-m", change[0], "annotated", moved)
            refs = await mirror.update(git)
            assert refs == await mirror.look(git)
            assert refs.tag_commit("annotated") == moved
    assert set(refs.branches) == {"main", "a/b"}


async def test_commit_that_no_branch_holds_is_fetched_by_its_id(server: GitServer, tmp_path: Path) -> None:
    host = GitHost(tmp_path / "home")
    mirror, to = await open_mirror(server, host)
    first = server.head("app.git")
    lost = server.commit("app.git", {"a": "2"})
    run_git(server.root / "app.git", "update-ref", "refs/heads/main", first)
    async with host.session(ProcessRunner(), to) as git:
        await mirror.update(git)
        assert await mirror.ensure(git, lost)
        assert not await mirror.ensure(git, "1" * 40)


async def test_many_look_at_a_new_repository_at_once(server: GitServer, tmp_path: Path) -> None:
    host = GitHost(tmp_path / "home")
    mirror, to = await open_mirror(server, host)

    async def update(git: Git) -> str:
        return (await mirror.update(git)).branches["main"]

    async with host.session(ProcessRunner(), to) as git:
        heads = await asyncio.gather(*(update(git) for _ in range(6)))
    assert set(heads) == {server.head("app.git")}
    # Six looks, each of one request for the refs; one transfer, which asks once more.
    assert server.requests["refs"] == 7
