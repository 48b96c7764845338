"""Every command that speaks to a server, with no server, no worker, a wrong name, in a wrong state.

A sentence on standard error, nothing on standard output, an exit code, and never a hang. The commands are found by
walking the command tree: a new one fails here until it is told what to do in each case.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from freightway.adapters.dev_server import free_port
from freightway.cli.main import cli
from tests.servers.freightway_stack import Stack, environment

PIPELINE = Path(__file__).with_name("pipeline.yaml")
LIMIT = 120
"""Seconds after which a command counts as hanging."""
SHORT = {"FREIGHTWAY_ANSWER_WITHIN": "0.5"}

LOCAL = {
    "codec",
    "create cm",
    "create configmap",
    "create credentials",
    "create generic-credentials",
    "create repo-credentials",
    "create repo-creds",
    "demo",
    "dev",
    "eval",
    "render",
    "validate",
    "version",
}
"""Commands that speak to no server, or start one of their own."""


@dataclass(frozen=True)
class Uses:
    """A right use of a command, and wrong ones with the words that the answer must have."""

    right: str
    wrong: dict[str, str] = field(default_factory=dict)
    """Uses with a name that there is not."""
    early: dict[str, str] = field(default_factory=dict)
    """Uses at a time, or in a state, that does not allow them."""
    is_worker: bool = False
    """It is a worker, or brings workers of its own."""


P = "-p {project}"
NOBODY = "-p nobody"
PROJECT_WORDS = "project 'nobody' not found"
TALKING = {
    "abort": Uses(
        f"{{waiting}} {P}",
        {
            f"dev.nope.x {P}": "'dev.nope.x' not found|no promotion 'dev.nope.x'",
            f"dev.x.y {NOBODY}": PROJECT_WORDS,
        },
        {f"{{done}} {P}": "is over: Succeeded"},
    ),
    "answer": Uses(
        f"--promotion {{waiting}} --approve {P}",
        {
            f"--promotion dev.nope.x --approve {P}": "'dev.nope.x' not found",
            f"--stage nope --approve {P}": "Stage 'nope' not found",
            f"--stage dev --approve {NOBODY}": PROJECT_WORDS,
            f"--promotion {{waiting}} --target nope --approve {P}": "nope",
        },
        {
            f"--promotion {{done}} --approve {P}": "is over",
            f"--promotion {{parked}} --approve {P}": "no step of this promotion waits",
            f"--stage dev --approve {P}": "nothing waits for an answer",
        },
    ),
    "apply": Uses("-f {folder}/pipeline.yaml", {"-f {folder}/unknown.yaml": "nope"}),
    "approve": Uses(
        f"--stage prod --freight first {P}",
        {
            f"--stage nope --freight first {P}": "'nope'",
            f"--stage prod --freight nope {P}": "'nope' not found",
            f"--stage prod --freight first {NOBODY}": PROJECT_WORDS,
        },
    ),
    "create freight": Uses(
        f"-f {{folder}}/freight.yaml {P}",
        {
            f"--warehouse nope {P}": "Warehouse 'nope' not found",
            f"--warehouse app {NOBODY}": PROJECT_WORDS,
            f"--warehouse app --commit nope {P}": "nope|nothing|discovered",
        },
        {f"-f {{folder}}/freight.yaml {P}": "exists"},
    ),
    "create project": Uses("{project}", {"No_Good": "No_Good"}),
    "delete": Uses(
        f"stage/fan {P}",
        {
            f"stage nope {P}": "nope",
            f"freight nope {P}": "'nope' not found",
            "project nobody": PROJECT_WORDS,
            f"stage dev {NOBODY}": PROJECT_WORDS,
        },
        {f"freight first {P}": "is in dev"},
    ),
    "describe": Uses(
        f"stage dev {P}",
        {
            "project nobody": PROJECT_WORDS,
            f"stage dev {NOBODY}": PROJECT_WORDS,
            f"stage nope {P}": "Stage 'nope' not found",
            f"warehouse nope {P}": "Warehouse 'nope' not found",
            f"freight nope {P}": "'nope' not found",
            f"promotion dev.nope.x {P}": "'dev.nope.x' not found",
        },
    ),
    "drill": Uses("--address {address} --promotions 1 --kills 0 --folder {folder}/drill", is_worker=True),
    "events": Uses(P, {NOBODY: PROJECT_WORDS, f"--stage nope {P}": "nope"}),
    "explain": Uses(
        f"--stage dev {P}",
        {
            f"--stage nope {P}": "Stage 'nope' not found",
            f"--stage dev --freight nope {P}": "'nope' not found",
            f"--stage dev {NOBODY}": PROJECT_WORDS,
        },
    ),
    "freeze": Uses(
        f"sale --reason r {P}",
        {f"sale --reason r {NOBODY}": PROJECT_WORDS},
        {
            f"thaw --reason r {P}": "thaw",
            f"sale --reason r --until 2001-01-01 {P}": "past",
        },
    ),
    "get": Uses(
        f"freight {P}",
        {
            f"freight {NOBODY}": PROJECT_WORDS,
            f"stages {NOBODY}": PROJECT_WORDS,
            f"stages nope {P}": "nope not found",
            f"warehouses nope {P}": "nope not found",
            f"freight nope {P}": "nope not found",
            f"freight --warehouse nope {P}": "Warehouse 'nope' not found",
            f"promotions nope {P}": "nope not found",
            f"promotions --stage nope {P}": "nope",
            f"verifications nope {P}": "nope not found",
            "projects nobody": "nobody not found",
        },
    ),
    "hold": Uses(
        f"--stage dev --reason r {P}",
        {
            f"--stage nope --reason r {P}": "Stage 'nope' not found",
            f"--stage dev --warehouse nope --reason r {P}": "'nope'",
            f"--stage dev --reason r {NOBODY}": PROJECT_WORDS,
        },
        {f"--stage dev --reason r --until 2001-01-01 {P}": "past"},
    ),
    "promote": Uses(
        f"--stage dev {P}",
        {
            f"--stage nope {P}": "Stage 'nope' not found",
            f"--stage dev {NOBODY}": PROJECT_WORDS,
            f"--stage dev --freight nope {P}": "'nope' not found",
            f"--stage dev --warehouse nope {P}": "'nope'",
            f"--downstream-from nope --freight first {P}": "'nope'",
        },
        {
            f"--stage fan {P}": "no promotion steps",
            f"--stage prod --freight first {P}": "not available",
            f"--stage dev --break-glass {P}": "reason",
        },
    ),
    "refresh": Uses(
        f"stage dev {P}",
        {
            f"stage nope {P}": "Stage 'nope' not found",
            f"warehouse nope {P}": "Warehouse 'nope' not found",
            f"promotion dev.nope.x {P}": "'dev.nope.x' not found",
            f"stage dev {NOBODY}": PROJECT_WORDS,
        },
        {f"promotion {{done}} {P}": "is over"},
    ),
    "release": Uses(
        f"--stage dev {P}",
        {
            f"--stage nope {P}": "Stage 'nope' not found",
            f"hold-nope --stage dev {P}": "hold-nope",
            f"--stage dev {NOBODY}": PROJECT_WORDS,
        },
        {f"--stage dev {P}": "no hold"},
    ),
    "repair": Uses(
        f"{{parked}} --retry {P}",
        {f"dev.nope.x --retry {P}": "'dev.nope.x' not found", f"dev.x.y --retry {NOBODY}": PROJECT_WORDS},
        {f"{{done}} --retry {P}": "is over", f"{{waiting}} --retry {P}": "only a Parked promotion"},
    ),
    "rollback": Uses(
        f"--stage dev {P}",
        {
            f"--stage nope {P}": "Stage 'nope' not found",
            f"--stage dev --to nope {P}": "'nope'",
            f"--stage dev {NOBODY}": PROJECT_WORDS,
        },
        {f"--stage dev {P}": "held nothing before", f"--stage fan {P}": "no promotion steps"},
    ),
    "unfreeze": Uses(f"thaw {P}", {f"nope {P}": "nope", f"thaw {NOBODY}": PROJECT_WORDS}),
    "update freight": Uses(
        f"first --alias other {P}",
        {f"nope --alias other {P}": "'nope' not found", f"first --alias other {NOBODY}": PROJECT_WORDS},
        {f"first --alias second {P}": "second"},
    ),
    "verify": Uses(
        f"stage dev {P}",
        {f"stage nope {P}": "Stage 'nope' not found", f"stage dev {NOBODY}": PROJECT_WORDS},
        {
            f"stage prod {P}": "holds no Freight",
            f"stage fan {P}": "only passes Freight on",
            f"stage dev --abort {P}": "no verification is running",
        },
    ),
    "worker": Uses("--home {folder}/home", is_worker=True),
}


def commands(found: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The words of every command below one."""
    if not isinstance(found, click.Group):
        yield " ".join(path)
        return
    context = click.Context(found)
    for name in found.list_commands(context):
        below = found.get_command(context, name)
        assert below is not None
        yield from commands(below, (*path, name))


def test_every_command_is_in_one_of_the_two_lists() -> None:
    assert sorted(commands(cli)) == sorted([*LOCAL, *TALKING])


@dataclass
class Place:
    """A server and a folder of files, and the names that the uses above have in braces."""

    address: str
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, use: str, **more: str) -> Result:
        words = use.format(**self.names, address=self.address, folder=self.folder).split()
        env: dict[str, str | None] = dict(environment(self.address, self.folder / "home", **more))
        return CliRunner().invoke(cli, [*command.split(), *words], env=env)

    def ok(self, command: str, use: str) -> str:
        done = self.run(command, use)
        assert done.exit_code == 0, f"{command} {use}: {done.stdout}{done.stderr}"
        return done.stdout

    def furnish(self, project: str) -> None:
        """Apply the pipeline; one promotion is done, one waits for a person, one is parked."""
        self.names = {"project": project}
        write_manifests(self.folder, project)
        self.ok("apply", "-f {folder}/pipeline.yaml")
        self.ok("create freight", f"-f {{folder}}/freight.yaml --alias first {P}")
        self.ok("create freight", f"-f {{folder}}/freight2.yaml --alias second {P}")
        self.until("explain", f"--stage dev --freight first {P}", "first")
        self.until("explain", f"--stage gate --freight first {P}", "first")
        self.until("explain", f"--stage flaky --freight first {P}", "first")
        self.names["done"] = self.ok("promote", f"--stage dev --freight first --wait -o name {P}").strip()
        self.names["waiting"] = self.ok("promote", f"--stage gate --freight first -o name {P}").strip()
        self.names["parked"] = self.ok("promote", f"--stage flaky --freight first -o name {P}").strip()
        self.ok("freeze", f"thaw --reason r --stages nobody {P}")
        self.until("describe", f"promotion {{waiting}} {P}", "approval")
        self.until("describe", f"promotion {{parked}} {P}", "Parked")

    def until(self, command: str, use: str, words: str) -> None:
        """Ask until the answer has certain words."""
        for _ in range(400):
            done = self.run(command, use)
            if done.exit_code == 0 and re.search(words, done.stdout):
                return
            time.sleep(0.05)
        raise AssertionError(f"{command} {use}: {done.stdout}{done.stderr}")


def write_manifests(folder: Path, project: str) -> None:
    repository = "http://127.0.0.1:9/app.git"
    text = PIPELINE.read_text().replace("PROJECT", project).replace("REPOSITORY", repository)
    (folder / "pipeline.yaml").write_text(text)
    (folder / "unknown.yaml").write_text(
        re.sub(r"name: app, namespace", "name: other, namespace", text).replace("name: app}", "name: nope}")
    )
    for number, name in enumerate(("freight", "freight2")):
        (folder / f"{name}.yaml").write_text(
            "apiVersion: kargo.akuity.io/v1alpha1\nkind: Freight\n"
            f"metadata: {{namespace: {project}}}\norigin: {{kind: Warehouse, name: app}}\n"
            f'commits: [{{repoURL: "{repository}", id: "{number:040x}", branch: main}}]\n'
        )


def check(done: Result, code: int, words: str) -> None:
    """A sentence, an exit code, nothing else."""
    said = f"{done.exit_code}\n{done.stdout}\n{done.stderr}"
    assert isinstance(done.exception, SystemExit | None), repr(done.exception)
    assert done.exit_code == code, said
    assert re.search(words, done.stderr), said
    assert "Traceback" not in done.stderr
    assert done.stdout == "", said
    if code != 2:
        assert done.stderr.startswith("error: "), said


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("nowhere")
    write_manifests(folder, "demo")
    names = {"project": "demo", "waiting": "dev.x.y", "parked": "dev.x.y", "done": "dev.x.y"}
    return Place(f"127.0.0.1:{free_port()}", folder, names)


@pytest.fixture(scope="module")
def served(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(stack.server.address, tmp_path_factory.mktemp("served"))
    place.furnish("every-command")
    return place


@pytest.fixture(scope="module")
async def stopped(tmp_path_factory: pytest.TempPathFactory):
    """A server with a pipeline whose worker has left."""
    import asyncio

    folder = tmp_path_factory.mktemp("stopped")
    running = Stack(folder / "home")
    await running.start()
    place = Place(running.server.address, folder)
    await asyncio.to_thread(place.furnish, "demo")
    await asyncio.to_thread(running.stop_worker)
    yield place
    await running.stop()


def cases(kind: str) -> list[tuple[str, str, str]]:
    return [
        (command, use, words)
        for command, uses in TALKING.items()
        for use, words in getattr(uses, kind).items()
    ]


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("command", TALKING)
def test_without_a_server(nowhere: Place, command: str) -> None:
    done = nowhere.run(command, TALKING[command].right)
    check(done, 69, rf"no Temporal server at {nowhere.address} .*start one with `freightway dev`")


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("command", [name for name, uses in TALKING.items() if not uses.is_worker])
def test_without_a_worker(stopped: Place, command: str) -> None:
    done = stopped.run(command, TALKING[command].right, **SHORT)
    check(done, 69, r"did not answer within 0\.5 s; is a worker running\? start one with `freightway worker`")


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize(("command", "use", "words"), cases("wrong"))
def test_with_a_wrong_name(served: Place, command: str, use: str, words: str) -> None:
    check(served.run(command, use), 1, words)


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize(("command", "use", "words"), cases("early"))
def test_in_a_wrong_state(served: Place, command: str, use: str, words: str) -> None:
    check(served.run(command, use), 1, words)


def test_the_time_to_wait_for_a_worker_must_be_a_time(nowhere: Place) -> None:
    done = nowhere.run("get", f"stages {P}", FREIGHTWAY_ANSWER_WITHIN="soon")
    check(done, 2, "FREIGHTWAY_ANSWER_WITHIN is a number of seconds")
