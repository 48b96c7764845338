"""What is installed: one wheel, one top-level name, every module, and a plugin that gets in nobody's way."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from freightway import FreightwayPlugin, names
from freightway.client import Freightway
from freightway.entities.messages import PromoteRequest
from tests.servers.manifests import PROJECT, stage, warehouse
from tests.servers.temporal import Pipeline, World, dev_server

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of what is committed or would be."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        origin, copy = ROOT / name, source / name
        if not (origin.exists() or origin.is_symlink()):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_symlink():
            copy.symlink_to(origin.readlink())
        else:
            copy.write_bytes(origin.read_bytes())
    readme = source / "README.md"
    if not readme.exists():
        readme.write_text("# Freightway\n")
    # An old setuptools does not know the form of the licence; pip then fetches what pyproject.toml asks for.
    is_new = int(metadata.version("setuptools").partition(".")[0]) >= 77
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "-q", "-w", str(target)]
    command += ["--no-build-isolation"] if is_new else []
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(target.glob("*.whl")))


def installed(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_one_name_is_installed(wheel: zipfile.ZipFile) -> None:
    assert {name.partition("/")[0] for name in installed(wheel)} == {"freightway"}


def test_every_module_and_the_type_marker_are_installed(wheel: zipfile.ZipFile) -> None:
    rooms = ("freightway", "workflows", "activities", "adapters", "cli")
    expected = {"freightway/worker.py", "freightway/py.typed"}
    for room in rooms:
        for path in (ROOT / room).rglob("*.py"):
            relative = path.relative_to(ROOT)
            if any(part.startswith((".", "__pycache__")) for part in relative.parts):
                continue
            inside = relative.as_posix()
            expected.add(inside if room == "freightway" else f"freightway/{inside}")
    assert expected - installed(wheel) == set()


def test_links_became_files(wheel: zipfile.ZipFile) -> None:
    for link in ("workflows", "activities", "adapters", "cli", "worker.py"):
        assert (ROOT / "freightway" / link).is_symlink()
        assert not (ROOT / "freightway" / link).readlink().is_absolute()
    worker = next(item for item in wheel.infolist() if item.filename == "freightway/worker.py")
    assert worker.external_attr >> 28 != 0o12
    assert b"def main" in wheel.read("freightway/worker.py")


def test_the_command_and_the_license_are_there(wheel: zipfile.ZipFile) -> None:
    points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "freightway = freightway.cli.main:main" in wheel.read(points).decode()
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


@workflow.defn(name="Promotion", sandboxed=False)
class TheirPromotion:
    """A workflow of somebody else that happens to have a name of ours."""

    @workflow.run
    async def run(self, who: str) -> str:
        return f"{who} is promoted"


@workflow.defn(name="Stage", sandboxed=False)
class TheirStage:
    @workflow.run
    async def run(self, play: str) -> str:
        return f"{play} is on stage"


@pytest.mark.parametrize("mounted_on", ["client", "worker"])
async def test_the_plugin_runs_our_workers_beside_those_of_a_program_with_the_same_names(
    tmp_path: Path, mounted_on: str
) -> None:
    plugin = FreightwayPlugin(home=tmp_path)
    async with dev_server() as server:
        plain = await Client.connect(
            server.service_client.config.target_host, plugins=[plugin] if mounted_on == "client" else []
        )
        async with Worker(
            plain,
            task_queue="theirs",
            workflows=[TheirPromotion, TheirStage],
            plugins=[plugin] if mounted_on == "worker" else [],
        ):
            for workflow_type, argument, result in (
                (TheirPromotion, "ann", "ann is promoted"),
                (TheirStage, "hamlet", "hamlet is on stage"),
            ):
                found = await plain.execute_workflow(
                    workflow_type.run, argument, id=f"theirs-{argument}", task_queue="theirs"
                )
                assert found == result
            project = Pipeline(World(server, tmp_path), "ours")
            await project.apply(PROJECT, warehouse(), stage("dev"))
            freight = await project.freight("a" * 40)
            api = Freightway(server, actor="ann")
            await project.stage_is("dev", lambda state: freight.name in state.freight)
            answer = await api.promote(PromoteRequest(project="ours", stage="dev"))
            assert (await project.ended(answer)).phase == "Succeeded"
            ours = server.get_workflow_handle(names.promotion_id("ours", answer.promotion))
            assert (await ours.describe()).task_queue == names.TASK_QUEUE
