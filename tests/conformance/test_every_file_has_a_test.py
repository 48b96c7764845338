"""No file of facts is left unanswered: a test module reads it, or ``pending.txt`` names it with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from facts import DATA

HERE = Path(__file__).parent
PENDING = HERE / "pending.txt"
FILES = sorted(path.stem for path in DATA.glob("*.yaml") if not path.stem.endswith("-env"))
READS = re.compile(r"""\b(?:cases|load_facts)\(\s*["']([a-z0-9-]+)["']""")


def answered() -> set[str]:
    modules = (path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    return {name for module in modules for name in READS.findall(module)}


def pending() -> dict[str, str]:
    if not PENDING.exists():
        return {}
    lines = (line.strip() for line in PENDING.read_text(encoding="utf-8").splitlines())
    entries = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name.strip().removesuffix(".yaml"): reason.strip() for name, _, reason in entries}


def test_there_are_files_of_facts() -> None:
    assert FILES


@pytest.mark.parametrize("name", FILES)
def test_file_is_answered_by_a_test_or_named_as_pending(name: str) -> None:
    assert name in answered() | set(pending()), (
        f"{name}.yaml is read by no test module and pending.txt does not name it"
    )


def test_pending_files_have_a_reason_and_no_test() -> None:
    for name, reason in pending().items():
        assert reason, f"{name} needs a reason"
        assert name not in answered(), f"{name} has a test: take it off pending.txt"
