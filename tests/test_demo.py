"""The demo as a person runs it, once from start to end; and what it does when it cannot."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from freightway.cli.demo_pipeline.parts import ENVIRONMENTS

COMMAND = [sys.executable, "-m", "freightway.cli.main", "demo"]
SECONDS = 170


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A person's environment with settings that must not reach the demo, and a home folder to look into."""
    (tmp_path / "person").mkdir()
    (tmp_path / "temporary").mkdir()
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("TEMPORAL_", "FREIGHTWAY_"))
    }
    return kept | {
        "HOME": str(tmp_path / "person"),
        "TMPDIR": str(tmp_path / "temporary"),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "TEMPORAL_NAMESPACE": "nowhere",
        "FREIGHTWAY_PROJECT": "someone-elses",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ARGOCD_SERVER": "http://127.0.0.1:1",
        "PYTHONIOENCODING": "utf-8",
    }


def processes_of(marker: Path) -> list[str]:
    """Command lines of the processes that name a folder, or have their working files in it."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                surroundings = (folder / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(marker) in line or f"FREIGHTWAY_HOME={marker}" in surroundings:
                found.append(line)
    return found


def test_the_demo_runs_to_its_end_and_leaves_nothing_behind(environment, tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    out = done.stdout
    assert done.returncode == 0, out[-4000:] + done.stderr[-4000:]
    assert "✗" not in out
    picture = out[out.index("Where everything is now") :]
    boxes = [cell.strip() for line in picture.splitlines() for cell in re.findall(r"│([^│]+)│?", line)]
    for name in ("guestbook", "prod", *ENVIRONMENTS):
        assert name in boxes
    assert sum(cell == "1.2.0 ✓" for cell in boxes) == len(ENVIRONMENTS)
    assert len({cell for cell in boxes if cell.startswith("●")}) == 1
    for tag in ("1.1.0", "1.2.0"):
        for stage in ENVIRONMENTS:
            assert re.search(rf"stage/{stage} +[0-9a-f]{{7}}  {stage}: guestbook {tag}", out)
    for line in (
        "✓ ab-test-a (the control group) passes",
        "✓ ab-test-b fails: ",
        "✓ ab-test-b passes now",
        "promote --downstream-from prod ",
        "✓ all Stages took the new version by themselves",
        "✓ the Git password is nowhere in Temporal's database",
        "python3 -m webbrowser http://127.0.0.1:",
    ):
        assert line in out
    assert list((tmp_path / "temporary").glob("freightway-*")) == []
    assert list((tmp_path / "person").glob(".freightway")) == []
    assert processes_of(tmp_path) == []


async def started(environment: dict[str, str], *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *options,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything(environment, tmp_path: Path, number: signal.Signals) -> None:
    process = await started(environment, "--own-registry")
    assert process.stdout
    async with asyncio.timeout(90):
        while b"The pipeline is applied" not in (line := await process.stdout.readline()):
            assert line, "it ended before it began"
        assert processes_of(tmp_path) != []
        process.send_signal(number)
        rest = (await process.communicate())[0].decode()
    assert process.returncode == 130, rest
    assert "everything was stopped" in rest
    assert "Traceback" not in rest
    assert list((tmp_path / "temporary").iterdir()) == []
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("option", ["--port", "--ui-port"])
async def test_a_port_that_is_taken_is_named(environment, tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await started(environment, option, str(port))
        out = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert f"error: port {port} is taken" in out
    assert "Traceback" not in out
    assert list((tmp_path / "temporary").iterdir()) == []
    assert processes_of(tmp_path) == []


async def test_a_folder_that_holds_something_is_left_alone(environment, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    process = await started(environment, "--home", str(tmp_path))
    out = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert f"{tmp_path} is not empty" in out
    assert (tmp_path / "mine").read_text() == "precious"


async def test_a_missing_git_is_said_at_once(environment, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    process = await started(environment | {"PATH": str(tmp_path / "bin")})
    out = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert "git is not installed" in out


@pytest.mark.parametrize("options", [["--port", "0"], ["--port", "70000"], ["--keepp"], ["extra"]])
async def test_wrong_options_are_wrong_use(environment, options: list[str]) -> None:
    process = await started(environment, *options)
    out = (await process.communicate())[0].decode()
    assert process.returncode == 2, out
    assert "Usage: freightway demo" in out
