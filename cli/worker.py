"""freightway worker: serve Freightway's task queues until told to stop."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import ModuleType

import click

from freightway.cli.session import NO_ANSWER, Failure
from freightway.errors import FreightwayError


@click.command("worker")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Freightway's folder on this host; FREIGHTWAY_HOME or ~/.freightway if left out.",
)
@click.option("--shard", "shards", multiple=True, envvar="FREIGHTWAY_SHARDS", help="Serve this shard too.")
@click.option("--shards-only", is_flag=True, help="Serve nothing but the shards and this host.")
@click.option("--build-id", envvar="FREIGHTWAY_BUILD_ID", default="", help="Turn worker versioning on.")
@click.option(
    "--activities", default=50, type=click.IntRange(1, 1000), help="Most activities at once a queue."
)
@click.option(
    "--grace",
    default=None,
    type=click.IntRange(0),
    help="Seconds that steps may take to end when told to stop; FREIGHTWAY_GRACE or 10 if left out.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def worker_command(
    home: Path | None,
    shards: tuple[str, ...],
    shards_only: bool,
    build_id: str,
    activities: int,
    grace: int | None,
    log_level: str,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; steps that run may end, longer ones are handed over."""
    import asyncio
    import logging

    if shards_only and not shards:
        raise click.UsageError("--shards-only needs --shard")
    worker = _load()
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = worker.WorkerSettings(
            home=home.resolve() if home else worker.default_home(),
            shards=shards,
            workflows=not shards_only,
            activities_at_once=activities,
            build_id=build_id,
            grace=timedelta(seconds=grace) if grace is not None else worker.default_grace(),
        )
        asyncio.run(worker.serve(settings))
    except FreightwayError as error:
        raise Failure(str(error), NO_ANSWER) from error


def _load() -> ModuleType:
    """Import the worker with all its models; nothing of that is garbage, and to look for some takes a sixth longer."""
    import gc

    gc.disable()
    from freightway import worker
    from freightway.resources.meta import build_models

    build_models()
    gc.freeze()
    gc.enable()
    return worker
