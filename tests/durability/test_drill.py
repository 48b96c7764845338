"""The drill as people run it, short: a few promotions, and nothing lost or done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


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
