"""No server, no worker, wrong use: a sentence that says what to do, an exit code, and never a hang."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from freightway.adapters.dev_server import free_port
from freightway.cli.main import COMMANDS
from tests.servers.freightway_stack import Stack

P = ("-p", "demo")
TALKING = {
    "delete": ("delete", "stage", "dev", *P),
    "describe": ("describe", "stage", "dev", *P),
    "promote": ("promote", "--stage", "dev", *P),
}
"""As processes of their own; test_every_command.py has them all, in one process."""


@pytest.mark.parametrize("command", sorted(TALKING))
def test_without_a_server_it_is_said_what_to_start(command, tmp_path):
    nowhere = Stack(tmp_path)
    nowhere.server.port = free_port()
    started = time.monotonic()
    done = nowhere.cli(*TALKING[command])
    assert done.returncode == 69, done.stderr
    assert done.stdout == ""
    assert f"no Temporal server at {nowhere.server.address}" in done.stderr
    assert "freightway dev" in done.stderr
    assert time.monotonic() - started < 25


@pytest.fixture(scope="module")
async def orphan(tmp_path_factory):
    """A server whose worker has left: a Project runs there, and nobody answers for it."""
    running = Stack(tmp_path_factory.mktemp("orphan") / "home")
    await running.start()
    running.ok("create", "project", "demo")
    for _ in range(50):
        if json.loads(running.ok("get", "projects", "-o", "json")):
            break
    running.stop_worker()
    yield running
    await running.stop()


@pytest.mark.parametrize(
    "arguments",
    [("unfreeze", "n", *P), ("describe", "project", "demo"), ("events", *P), ("create", "project", "demo")],
    ids=lambda arguments: arguments[0],
)
def test_without_a_worker_it_is_said_what_to_start(orphan, arguments):
    started = time.monotonic()
    done = orphan.cli(*arguments)
    assert done.returncode == 69, done.stderr
    assert "start one with `freightway worker`" in done.stderr
    assert time.monotonic() - started < 30


def test_lists_need_no_worker(orphan):
    assert [row["name"] for row in json.loads(orphan.ok("get", "projects", "-o", "json"))] == ["demo"]
    assert "no Stages found in project demo" in orphan.cli("get", "stages", *P).stderr


async def test_server_that_no_worker_has_prepared_is_recognised(tmp_path):
    bare = Stack(tmp_path)
    await bare.start(worker=False)
    try:
        done = bare.cli("get", "stages", *P)
        assert done.returncode == 69
        assert "start one with `freightway worker`" in done.stderr
        assert "no projects found" in bare.cli("get", "projects").stderr
    finally:
        await bare.stop()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nope",), "no command 'nope'"),
        (("aply",), "did you mean 'apply'?"),
        (("answer", "--stage", "s", *P), "give either --approve or --reject"),
        (("answer", "--approve", *P), "give either --promotion or --stage"),
        (("repair", "x", *P), "give one of --retry, --skip and --abort"),
        (("repair", "x", "--retry", "--set", "novalue", *P), "--set takes NAME=VALUE"),
        (("freeze", "n", "--reason", "r"), "name the project with -p"),
        (("freeze", "n", "--reason", "r", "--selector", "x", *P), "--selector takes KEY=VALUE"),
        (("freeze", "n", "--reason", "r", "--stages", "regex:(", *P), "--stages:"),
        (("hold", "--stage", "s", "--until", "tomorrow", *P), "is not a time"),
        (("hold", "--stage", "s", "--until", "2199-01-01", "--for", "1h", *P), "either --until or --for"),
        (("delete", "stage", *P), "name what to delete"),
        (("delete", "stage", "dev"), "belongs to a project"),
        (("delete", "-f", "/nope"), "path '/nope' not found"),
        (("create", "freight", *P), "give either -f or --warehouse"),
        (("create", "credentials", "git", "n", "--repo-url", "u", *P), "give --username with a password"),
        (("events", "--follow", "-o", "yaml", *P), "--follow goes with"),
        (("update", "freight", "--alias", "a", *P), "name one Freight"),
        (("describe", "pod", "x"), "'pod' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_use_is_exit_code_two(arguments, sentence, tmp_path):
    done = Stack(tmp_path).cli(*arguments)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_version_asks_no_server(tmp_path):
    assert Stack(tmp_path).ok("version").startswith("freightway ")
    assert set(Stack(tmp_path).data("version")) == {"freightway", "python", "temporalio"}


def test_each_command_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    missing = [command for command in COMMANDS if f"\n## {command}\n" not in page]
    assert missing == []
