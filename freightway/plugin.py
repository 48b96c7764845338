"""Freightway as a Temporal plugin: our workers beside those of a program that is there already.

    client = await Client.connect("localhost:7233", plugins=[FreightwayPlugin()])

Nothing of ours is registered on the program's own workers, so no name can clash: while one of its workers runs,
ours run beside it in the same process, on Freightway's task queues. For a Replayer the same plugin brings the
workflows and the converter that our histories need.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio.plugin import SimplePlugin

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.worker import ReplayerConfig, Worker

    from freightway.activities.catalogue import Catalogue
    from freightway.worker import WorkerSettings


class FreightwayPlugin(SimplePlugin):
    """Runs Freightway's workers beside those of the program that mounts it, on a client or on a worker.

    Args:
        home: Freightway's folder on this host; ``FREIGHTWAY_HOME`` or ``~/.freightway`` by default.
        settings: everything a worker can be told, in place of ``home``.
    """

    def __init__(self, home: Path | str | None = None, *, settings: WorkerSettings | None = None) -> None:
        super().__init__("freightway.FreightwayPlugin")
        self._home = Path(home) if home is not None else None
        self._settings = settings
        self._running = 0
        self._ours: AbstractAsyncContextManager[Catalogue] | None = None
        self._turn = asyncio.Lock()

    @property
    def settings(self) -> WorkerSettings:
        """What our workers are told."""
        from freightway.worker import WorkerSettings

        if self._settings is not None:
            return self._settings
        return replace(WorkerSettings(), home=self._home) if self._home else WorkerSettings()

    @asynccontextmanager
    async def workers(self, client: Client) -> AsyncIterator[Catalogue]:
        """Serve Freightway's task queues over a client's connection while the context lasts."""
        from freightway.worker import workers

        async with workers(client, self.settings) as catalogue:
            yield catalogue

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002
        """Run a worker of the program with ours beside it; ours run once, however many it has."""
        async with self._beside(worker.client):
            await super().run_worker(worker, next)

    @asynccontextmanager
    async def _beside(self, client: Client) -> AsyncIterator[None]:
        async with self._turn:
            if self._running == 0:
                self._ours = self.workers(client)
                await self._ours.__aenter__()
            self._running += 1
        try:
            yield
        finally:
            async with self._turn:
                self._running -= 1
                if self._running == 0 and self._ours is not None:
                    ours, self._ours = self._ours, None
                    await ours.__aexit__(None, None, None)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """Bring our workflows, their sandbox and their converter to a Replayer.

        A codec of the Replayer's own converter is kept; without one, the keys that are configured for Freightway
        are used, so that encrypted histories replay where their keys are.

        Raises:
            FreightwayError: if keys are configured that cannot be used.
        """
        from freightway.encryption import converter_beside
        from freightway.worker import WORKFLOWS, workflow_runner

        config = super().configure_replayer(config)
        config["workflows"] = [*(config.get("workflows") or ()), *WORKFLOWS]
        config["data_converter"] = converter_beside(config.get("data_converter"))
        config["workflow_runner"] = workflow_runner()
        return config
