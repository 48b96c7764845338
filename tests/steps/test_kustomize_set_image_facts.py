"""The facts of kustomize-set-image hold through the whole step, files and output included."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from step_bench import Bench

sys.path.append(str(Path(__file__).parent.parent / "conformance"))

from facts import Loader, case_id, cases


@pytest.mark.parametrize("case", cases("kustomize-set-image"), ids=case_id)
async def test_the_step_does_what_kargo_does(case: dict[str, Any], tmp_path: Path) -> None:
    bench = await Bench.make(tmp_path / "home")
    bench.write(case["files"])
    outcome = await bench.run(
        "kustomize-set-image",
        case["config"],
        collection=case.get("freight", []),
        requested=case.get("freightRequests", []),
        warehouses=case.get("warehouses", {}),
    )
    expect = case["expect"]
    if expect.get("error"):
        assert (outcome.status, outcome.terminal) == (expect["status"], expect["terminal"])
        assert bench.files() == case["files"]
        return
    assert outcome.status == "Succeeded"
    assert (outcome.output or {}).get("commitMessage", "") == expect.get("commitMessage", "")
    expected = {**case["files"], **expect["value"]}
    for name, text in bench.files().items():
        assert next(yaml.load_all(text, Loader)) == next(yaml.load_all(expected[name], Loader))
