"""How a command ends its process: by its exit code alone, never through the interpreter's own shutdown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.freightway_stack import environment

RUN = """
import atexit, sys
atexit.register(lambda: print("the interpreter was shut down"))
from freightway.cli import main
sys.argv = ["freightway", *sys.argv[1:]]
main.main()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("version",), 0, ""),
        (("--help",), 0, ""),
        (("validate", "-f", "bad.yaml"), 1, "bad.yaml"),
        (("validate", "-f", "missing.yaml"), 2, "missing.yaml"),
        (("nonsense",), 2, "no command"),
        (("get", "stages"), 69, "no Temporal server"),
    ],
)
def test_the_interpreter_is_not_shut_down(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    """Threads of the SDK may crash it there, which turned exit code 3 of `promote --wait` into 134 now and then."""
    (tmp_path / "bad.yaml").write_text("apiVersion: kargo.akuity.io/v1alpha1\nkind: Stage\n")
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=environment("127.0.0.1:1", tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert "shut down" not in done.stdout
