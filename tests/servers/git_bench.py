"""A worker's host, a workspace and a real Git server, for tests of the git steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from freightway.activities.steps.git_clear import GitClearConfig, git_clear
from freightway.activities.steps.git_clone import GitCloneConfig, git_clone
from freightway.activities.steps.git_commit import GitCommitConfig, git_commit
from freightway.activities.steps.git_push import GitPushConfig, git_push
from freightway.activities.steps.git_tag import GitTagConfig, git_tag
from freightway.activities.steps.registry import Recorder, Result, StepInfo, Workspace
from freightway.adapters.credentials import CredentialStore, write_credentials
from freightway.adapters.git import GitHost
from freightway.adapters.processes import ProcessRunner
from freightway.promotion.model import FreightReference, Origin
from tests.servers.git_server import GitServer, serve_git

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FILES = {"app/values.yaml": "tag: 1\n", "base/kustomization.yaml": "x: 1\n", "README.md": "hello\n"}


@dataclass
class Bench:
    """A worker's host with one promotion's workspace."""

    server: GitServer
    home: Path
    root: Path
    promotion: str = "dev.01.abc"
    processes: ProcessRunner = field(default_factory=ProcessRunner)
    host: GitHost = field(init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        self.host = GitHost(self.home)

    def info(self, alias: str) -> StepInfo:
        freight = FreightReference(name="f", origin=Origin(name="w"))
        return StepInfo("demo", "dev", self.promotion, alias, "", freight, (freight,), (), {}, WHEN)

    def elsewhere(self, name: str, **changes: Any) -> Bench:
        """Another promotion; on this host unless another home is given."""
        return Bench(self.server, changes.pop("home", self.home), self.root.parent / name, **changes)

    async def clone(
        self, *checkout: dict[str, Any], repo: str = "env.git", recorder: Recorder | None = None, **more: Any
    ) -> dict[str, str]:
        url = repo if "/" in repo else self.server.url(repo)
        config = GitCloneConfig.model_validate(
            {"repoURL": url, "checkout": checkout or [{"path": "src", "branch": "main"}]} | more
        )
        store = CredentialStore(self.home)
        output = await git_clone(
            config,
            self.info("clone"),
            Workspace(self.root),
            recorder or Recorder(),
            self.processes,
            store,
            self.host,
        )
        return output.commits

    async def commit(self, path: str = "src", recorder: Recorder | None = None, **more: Any) -> Result:
        config = GitCommitConfig.model_validate({"path": path, "message": "promote"} | more)
        store = CredentialStore(self.home)
        return await git_commit(
            config,
            self.info("commit"),
            Workspace(self.root),
            recorder or Recorder(),
            self.processes,
            store,
            self.host,
        )

    async def commit_file(self, name: str, text: str, **more: Any) -> str:
        (self.root / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / "src" / name).write_text(text)
        return (await self.commit(**more)).output.commit

    async def push(self, path: str = "src", recorder: Recorder | None = None, **more: Any) -> dict[str, Any]:
        config = GitPushConfig.model_validate({"path": path} | more)
        store = CredentialStore(self.home)
        return await git_push(
            config,
            self.info("push"),
            Workspace(self.root),
            recorder or Recorder(),
            self.processes,
            store,
            self.host,
        )

    async def tag(self, tag: str, message: str = "release", **more: Any) -> str:
        config = GitTagConfig.model_validate({"path": "src", "tag": tag, "message": message} | more)
        workspace = Workspace(self.root)
        output = await git_tag(config, self.info("tag"), workspace, Recorder(), self.processes, self.host)
        return output.commit

    def store(self, password: str) -> None:
        url = self.server.url("env.git")
        write_credentials(
            self.home,
            project="demo",
            name="env",
            kind="git",
            repo_url=url,
            username="robot",
            password=password,
        )

    async def clear(self, path: str = "src") -> None:
        await git_clear(GitClearConfig(path=path), Workspace(self.root), self.processes, self.host)


def alive_in(groups: list[int]) -> list[str]:
    """Processes of these groups that still run; those that only wait to be reaped have ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().rpartition(")")
            state, _, group = rest.split()[:3]
            if int(group) in groups and state != "Z":
                found.append(name)
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with serve_git(tmp_path / "served") as server:
        server.create("env.git", FILES)
        yield Bench(server, tmp_path / "home", tmp_path / "work")
