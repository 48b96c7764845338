"""The drill as people run it, short: a few promotions, and nothing lost or done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.freightway_stack import Stack


def test_a_short_drill_loses_and_repeats_nothing(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "FREIGHTWAY_"))}
    done = subprocess.run(
        [
            sys.executable, "-m", "freightway.cli.main", "drill",
            "--promotions", "6", "--kills", "6", "--stages", "3", "--folder", str(tmp_path / "drill"),
        ],
        env=kept,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = dict(line.rsplit("  ", 1) for line in done.stdout.splitlines() if "  " in line.strip())
    values = {name.strip(): value.strip() for name, value in rows.items()}
    assert values["promotions succeeded"] == "6"
    assert int(values["workers killed"]) >= 3
    for name in (
        "promotions lost",
        "steps repeated after they had succeeded",
        "duplicate commits",
        "branches wrong",
        "workspaces left",
    ):
        assert values[name] == "0"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("--address", "127.0.0.1:1"), "no Temporal server at 127.0.0.1:1 (nobody listens there)"),
        (
            ("--address", "THERE", "--namespace", "nowhere"),
            "namespace 'nowhere' not found; create it: temporal",
        ),
    ],
)
def test_a_drill_on_a_server_that_is_not_there_says_so_at_once(
    stack: Stack, where: tuple[str, ...], said: str
) -> None:
    given = [stack.server.address if part == "THERE" else part for part in where]
    done = stack.cli("drill", *given, "--promotions", "1")
    assert done.returncode == 69
    assert said in done.stderr
    assert "Traceback" not in done.stderr
