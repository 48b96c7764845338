"""Steps that edit or render files, through the boundary of every step: files before, configuration, files after.

A folder ``<kind>/<case>`` holds ``before``, ``config.yaml``, ``after`` and ``output.json``, and perhaps
``request.yaml`` with further fields of the request. ``after`` holds only the files that are new or changed; a file
``removed`` lists what is gone.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_engines import engines

from freightway.activities.catalogue import load_steps
from freightway.activities.run_step import run_step
from freightway.activities.services import make_services
from freightway.promotion.model import FreightReference, Origin, PlannedStep, StepRequest

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/config.yaml"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
async def test_step_gives_these_files_and_this_output(case: Path, tmp_path: Path) -> None:
    if case.parent.name == "helm-template" and not engines():
        pytest.skip("neither helm nor helm-python-sdk is installed")
    load_steps()
    services = make_services(tmp_path / "home")
    ref = await services.workspaces.claim("demo", "test.01.abc")
    kind = services.registry.get(case.parent.name)
    assert kind is not None
    async with services.workspaces.open(ref) as held:
        root = held.workspace.root
    if (case / "before").exists():
        shutil.copytree(case / "before", root, dirs_exist_ok=True)
    extra: dict[str, Any] = {}
    if (case / "request.yaml").exists():
        extra = yaml.safe_load((case / "request.yaml").read_text())
    request = StepRequest.model_validate(
        {
            "project": "demo",
            "stage": "test",
            "promotion": "test.01.abc",
            "freight": FreightReference(name="f00dfeed", origin=Origin(name="wh")),
            "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "step": PlannedStep(
                alias="a",
                uses=kind.name,
                config=yaml.safe_load((case / "config.yaml").read_text()),
                facts=kind.facts,
            ),
            "workspace": ref,
            **extra,
        }
    )
    outcome = await run_step(request, services)
    expected = json.loads((case / "output.json").read_text())
    assert {"status": outcome.status, "message": outcome.message, "output": outcome.output} == expected

    before = files(case / "before")
    after = files(root)
    changed = {name: content for name, content in after.items() if before.get(name) != content}
    removed = sorted(name for name in before if name not in after)
    assert changed == files(case / "after")
    assert removed == ((case / "removed").read_text().splitlines() if (case / "removed").exists() else [])
    assert str(tmp_path) not in outcome.model_dump_json()
