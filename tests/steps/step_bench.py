"""A bench for one step: a workspace with files, and an attempt through the boundary of every step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freightway.activities.catalogue import load_steps
from freightway.activities.run_step import run_step
from freightway.activities.services import Services, make_services
from freightway.promotion.model import (
    FreightReference,
    Origin,
    PlannedStep,
    StepOutcome,
    StepRecord,
    StepRequest,
    WorkspaceRef,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Bench:
    services: Services
    ref: WorkspaceRef
    root: Path

    @classmethod
    async def make(cls, home: Path) -> Bench:
        load_steps()
        services = make_services(home)
        ref = await services.workspaces.claim("demo", "test.01.abc")
        async with services.workspaces.open(ref) as held:
            return cls(services, ref, held.workspace.root)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def files(self) -> dict[str, str]:
        return {
            path.relative_to(self.root).as_posix(): path.read_text()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }

    async def run(
        self,
        uses: str,
        config: dict[str, Any],
        replay: StepRecord | None = None,
        *,
        step_alias: str = "a",
        **fields: Any,
    ) -> StepOutcome:
        kind = self.services.registry.get(uses)
        assert kind is not None
        request = StepRequest.model_validate(
            {
                "project": "demo",
                "stage": "test",
                "promotion": "test.01.abc",
                "freight": FreightReference(name="f00dfeed", origin=Origin(name="wh")),
                "created_at": NOW,
                "step": PlannedStep(alias=step_alias, uses=uses, config=config, facts=kind.facts),
                "workspace": self.ref,
                "replay": replay,
                **fields,
            }
        )
        return await run_step(request, self.services)
