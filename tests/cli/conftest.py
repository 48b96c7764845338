"""A pipeline of real Stages in a project of its own for each test file, fed by a real Git server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from freightway.client import Freightway
from freightway.connection import connect
from freightway.errors import NotFound
from tests.servers.freightway_stack import Stack
from tests.servers.git_server import GitServer, serve_git

MANIFEST = Path(__file__).with_name("pipeline.yaml")


@dataclass
class Pipeline:
    """A project with Stages, a Warehouse that has discovered two commits, and the Freight ``first``."""

    stack: Stack
    git: GitServer
    project: str
    manifest: Path
    head: str

    def cli(self, *arguments, **options):
        return self.stack.cli(*arguments, "-p", self.project, **options)

    def ok(self, *arguments, **options):
        return self.stack.ok(*arguments, "-p", self.project, **options)

    def data(self, *arguments, **options):
        return self.stack.data(*arguments, "-p", self.project, **options)

    def refused(self, *arguments, code=1, **options):
        """Run a command that must not succeed; returns its one sentence."""
        done = self.cli(*arguments, **options)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr

    def promote(self, stage, *arguments):
        """Ask for a promotion and return its name."""
        return self.ok("promote", "--stage", stage, "-o", "name", *arguments).strip()

    def until(self, kind, name, wanted, *, seconds=60.0):
        """Look, in this process since that is faster, until something is as wanted; returns it as JSON."""
        return asyncio.run(self._until(kind, name, wanted, seconds))

    async def _until(self, kind, name, wanted, seconds):
        freightway = Freightway(await connect(self.stack.server.address))
        look = {
            "project": lambda: freightway.project(name),
            "stage": lambda: freightway.stage(self.project, name),
            "freight": lambda: freightway.find_freight(self.project, name),
            "promotion": lambda: freightway.progress(self.project, name),
        }[kind]
        seen = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    # Not there yet: a promotion before its turn, Freight before its new alias.
                    with suppress(NotFound):
                        found = await look()
                        seen = found.model_dump(mode="json", by_alias=True) if found else {}
                        if wanted(seen):
                            return seen
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{kind} {name} did not become as wanted: {seen}") from None


@pytest.fixture(scope="module")
def pipeline(stack, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("pipeline")
    project = request.module.__name__.rpartition(".")[2].replace("_", "-")
    with serve_git(folder / "git") as git:
        git.create("app.git", {"version": "1"})
        head = git.commit("app.git", {"version": "2"}, message="second")
        text = MANIFEST.read_text().replace("PROJECT", project).replace("REPOSITORY", git.url("app.git"))
        manifest = folder / "pipeline.yaml"
        manifest.write_text(text)
        stack.ok("apply", "-f", manifest)
        made = Pipeline(stack, git, project, manifest, head)
        made.ok("refresh", "warehouse", "app", "--wait")
        made.ok("create", "freight", "--warehouse", "app", "--alias", "first")
        yield made
        stack.cli("delete", "project", project)
