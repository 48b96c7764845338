"""freightway demo: the whole pipeline on this machine, on servers of its own, from nothing to three regions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from freightway.cli.session import Failure
from freightway.errors import FreightwayError

if TYPE_CHECKING:
    from freightway.cli.demo_pipeline.narrator import Narrator
    from freightway.cli.demo_pipeline.parts import Parts, Settings

_PORT = click.IntRange(1, 65535)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOWN = ("TEMPORAL_ADDRESS", "FREIGHTWAY_HOME", "FREIGHTWAY_PROJECT", "FREIGHTWAY_TEMPORAL_UI")
INTERRUPTED = 130


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave all running to play with, until Ctrl-C.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Empty folder for everything that is written, kept at the end; a temporary one if left out.",
)
@click.option("--port", type=_PORT, default=None, help="Port of the Temporal server; a free one if left out.")
@click.option("--ui-port", type=_PORT, default=None, help="Port of its Web UI; a free one if left out.")
@click.option("--own-registry", is_flag=True, help="Do without docker-registry, even if it is installed.")
def demo_command(
    keep: bool, home: Path | None, port: int | None, ui_port: int | None, own_registry: bool
) -> None:
    """Run a whole pipeline on this machine, and check all of it.

    Starts a Temporal server, a worker, a Git server, an image registry, an Argo CD stand-in and a metrics API on
    the loopback; promotes one version by hand through dev, staging, an A/B test and three regions, and the next
    one automatically. Stops everything at the end. Exit code 0 means that every check held.
    """
    from freightway.cli.demo_pipeline.parts import Settings

    place = home.resolve() if home else Path(tempfile.mkdtemp(prefix="freightway-demo-"))
    settings = Settings(home=place, port=port or 0, ui_port=ui_port or 0, own_registry=own_registry)
    throw_away = home is None
    try:
        ended_well = asyncio.run(_run(settings, keep=keep))
    except (FreightwayError, OSError) as error:
        throw_away = throw_away and not any(file.stat().st_size for file in place.rglob("*.log"))
        where = "" if throw_away else f"\nlogs: {place}"
        raise Failure(f"{error}{where}") from error
    finally:
        if throw_away:
            shutil.rmtree(place, ignore_errors=True)
    if not ended_well:
        click.echo("interrupted; everything was stopped", err=True)
        raise SystemExit(INTERRUPTED)


async def _run(settings: Settings, *, keep: bool) -> bool:
    """Run the demo; returns False if a signal ended it before its end."""
    task = asyncio.ensure_future(_demonstrate(settings, keep=keep))
    loop = asyncio.get_running_loop()
    asked: list[int] = []

    def end(number: int) -> None:
        # Once: a second signal must not break off the clean-up.
        if not asked:
            asked.append(number)
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


async def _demonstrate(settings: Settings, *, keep: bool) -> None:
    from freightway.cli.demo_pipeline.narrator import Narrator
    from freightway.cli.demo_pipeline.parts import own_environment, started
    from freightway.cli.demo_pipeline.story import FIRST, OLD, Story
    from freightway.client import Freightway
    from freightway.connection import connect

    narrator = Narrator()
    click.echo("Freightway's demo: a pipeline from a new image to three regions, on servers of its own.")
    click.echo("Starting a Temporal server, a worker and what they work with; this takes a few seconds.")
    with _environment(own_environment()):
        async with started(settings) as parts:
            os.environ.update(parts.environment)
            await parts.push(OLD, "2026-01-01T00:00:00Z")
            await parts.push(FIRST, "2026-01-15T00:00:00Z")
            freightway = Freightway(await connect())
            await Story(parts, freightway, narrator).tell()
            _close(parts, narrator, keep=keep)
            if keep:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                click.echo("\nstopping")


def _close(parts: Parts, narrator: Narrator, *, keep: bool) -> None:
    """Say how it ended, and how to look at it."""
    from freightway.cli.demo_pipeline.story import ui_command

    click.echo(f"\nDone in {narrator.seconds:.0f} s: {len(narrator.checks)} checks, and all of them held.")
    click.echo(
        "\nEvery promotion and verification is a workflow in the Temporal Web UI. While the demo runs, this opens it:"
    )
    click.echo(f"\n  {ui_command(parts.temporal.ui_address)}")
    if not keep:
        click.echo(
            "\nEverything is being stopped now. To keep it running and look around: make demo DEMO_ARGS=--keep"
        )
        return
    click.echo("\nEverything keeps running until you press Ctrl-C. In another terminal:\n")
    for name in _SHOWN:
        click.echo(f"  export {name}={shlex.quote(parts.environment[name])}")
    click.echo(f"  {shlex.quote(_program())} get stages")
    click.echo(f"\nThe YAML is in {parts.manifests}.")


def _program() -> str:
    """Return how a person calls this program: `make demo` runs one that is not on the PATH."""
    beside = Path(sys.executable).with_name("freightway")
    return "freightway" if shutil.which("freightway") or not beside.exists() else str(beside)


@contextlib.contextmanager
def _environment(environment: dict[str, str]) -> Iterator[None]:
    """Have this process see what the worker sees, so that the commands it runs find the demo's servers."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
