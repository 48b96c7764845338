"""The git steps through the one boundary of steps: a lost workspace is rebuilt on another host, file for file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from freightway.activities.run_step import run_step
from freightway.activities.services import Services, make_services
from freightway.activities.steps import git_clear, git_clone, git_commit, git_push, git_tag
from freightway.adapters.git import GitHost
from freightway.promotion.model import (
    FreightReference,
    Origin,
    PlannedStep,
    StepOutcome,
    StepRequest,
    StepStatus,
    WorkspaceRef,
)
from tests.servers.git_server import GitServer, serve_git

STEPS = (git_clear, git_clone, git_commit, git_push, git_tag)
FREIGHT = FreightReference(name="f", origin=Origin(name="w"))


class Worker:
    """A host that runs the steps of one promotion."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        git = GitHost(home)
        self.services: Services = make_services(home).provide(GitHost, lambda _: git)
        self.workspace: WorkspaceRef | None = None

    async def run(self, uses: str, config: dict[str, Any], before: StepOutcome | None = None) -> StepOutcome:
        """Run a step; with the outcome it had ``before``, repeat it for its files only."""
        if self.workspace is None:
            self.workspace = await self.services.workspaces.claim("demo", "dev.01")
        facts = self.services.registry.facts(uses)
        request = StepRequest(
            project="demo",
            stage="dev",
            promotion="dev.01",
            freight=FREIGHT,
            collection=(FREIGHT,),
            created_at=datetime(2026, 3, 4, tzinfo=UTC),
            step=PlannedStep(alias=uses, uses=uses, config=config, facts=facts),
            workspace=self.workspace,
            replay=before.record if before else None,
        )
        return await run_step(request, self.services)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serve_git(tmp_path / "served") as running:
        running.create("env.git", {"app/values.yaml": "tag: 1\n"})
        yield running


async def test_promotion_is_rebuilt_on_another_host_with_the_same_files(
    server: GitServer, tmp_path: Path
) -> None:
    url = server.url("env.git")
    checkout = [{"path": "src", "branch": "main"}, {"path": "out", "branch": "env/dev", "create": True}]
    steps: list[tuple[str, dict[str, Any]]] = [
        ("git-clone", {"repoURL": url, "checkout": checkout}),
        ("git-clear", {"path": "src"}),
        ("git-commit", {"path": "src", "message": "remove everything"}),
        ("git-tag", {"path": "src", "tag": "v1", "message": "one"}),
        ("git-push", {"path": "src"}),
    ]
    first, second = Worker(tmp_path / "home1"), Worker(tmp_path / "home2")
    outcomes = []
    for uses, config in steps:
        if uses == "git-push":
            # The push has to rebase, so its commit is not the one that git-commit made.
            server.commit("env.git", {"other": "1"})
        outcomes.append(await first.run(uses, config))
    assert [(one.status, one.message) for one in outcomes] == [(StepStatus.SUCCEEDED, "")] * len(steps)
    pushed = server.commit("env.git", {"later": "1"})
    server.requests.clear()
    for (uses, config), before in zip(steps, outcomes, strict=True):
        again = await second.run(uses, config, before)
        assert (again.status, again.message) == (StepStatus.SUCCEEDED, "rebuilt"), uses
    assert server.requests["git-receive-pack"] == 0
    assert server.head("env.git") == pushed


async def test_error_of_git_names_no_folder_of_the_worker(server: GitServer, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "home1")
    outcome = await worker.run(
        "git-clone", {"repoURL": server.url("none.git"), "checkout": [{"path": "src"}]}
    )
    assert outcome.status is StepStatus.ERRORED
    assert "was not found" in outcome.message
    assert str(tmp_path) not in outcome.message


@pytest.mark.parametrize("module", STEPS)
def test_every_git_step_is_registered(module: Any, tmp_path: Path) -> None:
    name = module.__name__.rsplit(".", 1)[-1].replace("_", "-")
    assert Worker(tmp_path / "home").services.registry.facts(name).needs_files
