"""A step of another package registers through its entry point, as the documentation shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent.parent / "docs" / "steps" / "README.md"

RUN = """
import asyncio, sys
from pathlib import Path
from step_bench import Bench

async def main():
    bench = await Bench.make(Path(sys.argv[1]))
    done = await bench.run("acme-greet", {"path": "../hello.txt", "who": "team"})
    print(done.status.value, done.output, bench.files())
    print((await bench.run("acme-greet", {"path": "x", "who": "nobody"})).message)
    print((await bench.run("acme-greet", {"who": 5})).message)

asyncio.run(main())
"""


def install(site: Path, module: str, text: str, name: str = "acme-steps") -> None:
    """Lay a package out as an installer would."""
    (site / f"{module}.py").write_text(text)
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[freightway.steps]\nacme = {module}\n")


def run(site: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(Path(__file__).parent)])
    return subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "home")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def example() -> str:
    found = re.search(r"<!-- example: acme_steps.py -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_documented_example_runs(site: Path, tmp_path: Path) -> None:
    install(site, "acme_steps", example())
    done = run(site, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    greeting = "Hello team, from test"
    assert lines[0] == f"Succeeded {{'greeting': '{greeting}'}} {{'hello.txt': '{greeting}'}}"
    assert lines[1] == 'step "a": nobody is not greeted'
    assert "invalid acme-greet config: " in lines[2]


def test_a_package_cannot_take_the_name_of_a_built_in_step(site: Path, tmp_path: Path) -> None:
    install(site, "acme_steps", example().replace('"acme-greet"', '"copy"'))
    done = run(site, tmp_path)
    assert done.returncode != 0
    assert (
        "step kind 'copy' of acme_steps is already registered by freightway.activities.steps.copy"
        in done.stderr
    )
