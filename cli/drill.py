"""freightway drill: run promotions while workers are killed, and count what was lost or repeated."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from freightway.cli.session import NO_ANSWER, Failure
from freightway.errors import FreightwayError

if TYPE_CHECKING:
    from freightway.cli.drill_run.run import Report

ENOUGH = 3
"""Kills inside each kind of step that a drill must make to say anything about it."""

_SHOWN = 5


@click.command("drill")
@click.option("--promotions", default=20, show_default=True, type=click.IntRange(1, 5000))
@click.option("--kills", default=0, type=click.IntRange(0, 5000), help="Workers to kill; 22 if left out.")
@click.option(
    "--stages", default=4, show_default=True, type=click.IntRange(2, 20), help="Promoting side by side."
)
@click.option("--hosts", default=2, show_default=True, type=click.IntRange(2, 8), help="Worker hosts.")
@click.option("--address", default="", help="A Temporal server; an embedded one if left out.")
@click.option("--namespace", default="", help="Namespace on that server.")
@click.option("--seed", default=1, show_default=True, type=int, help="Of the random choices.")
@click.option(
    "--limit",
    default=600.0,
    show_default=True,
    type=float,
    help="Most seconds in which promotions are asked for.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where it writes, kept afterwards; a temporary folder if left out, kept only if something is wrong.",
)
def drill_command(
    promotions: int,
    kills: int,
    stages: int,
    hosts: int,
    address: str,
    namespace: str,
    seed: int,
    limit: float,
    folder: Path | None,
) -> None:
    """Kill workers while promotions run, then count what was lost or done twice; exit 0 only if nothing was.

    Everything is made for the drill: a Git server over HTTP, an Argo CD stand-in, an HTTP receiver, two worker hosts
    and, without --address, a Temporal server. Workers die by SIGKILL inside each kind of step and at random; one host
    loses its folder, and an embedded server is restarted. On a server that --address names the drill's project is deleted
    when nothing was wrong.
    """
    import asyncio

    from freightway.cli.drill_run.run import Drill, Settings

    place = folder.resolve() if folder else Path(tempfile.mkdtemp(prefix="freightway-drill-"))
    settings = Settings(
        folder=place,
        promotions=promotions,
        kills=kills or 22,
        stages=min(stages, promotions),
        hosts=hosts,
        address=address,
        namespace=namespace,
        seed=seed,
        limit=limit,
    )
    if address:
        _check_server(address, namespace)
    try:
        report = asyncio.run(Drill(settings, lambda line: click.echo(line, err=True)).run())
    except asyncio.CancelledError:
        raise click.Abort from None
    except FreightwayError as error:
        raise Failure(f"{error}\nwhat it wrote is kept in {place}") from error
    click.echo("\n".join(table(report)))
    good = report.findings.total == 0
    if good and folder is None:
        shutil.rmtree(place, ignore_errors=True)
    else:
        click.echo(f"what it wrote is kept in {place}", err=True)
    sys.stdout.flush()
    if not good:
        raise click.exceptions.Exit(1)


def _check_server(address: str, namespace: str) -> None:
    """Find out before anything is made whether there is a server with this namespace."""
    import asyncio

    from freightway.connection import connect, missing_search_attributes

    async def look() -> None:
        await missing_search_attributes(await connect(address, namespace))

    try:
        asyncio.run(look())
    except FreightwayError as error:
        raise Failure(str(error), NO_ANSWER) from error


def table(report: Report) -> list[str]:
    """Return the lines of the report."""
    succeeded = sum(1 for phase in report.ended.values() if phase == "Succeeded")
    hits = ", ".join(f"{kind} {number}" for kind, number in report.by_kind.items())
    few = [kind for kind, number in report.by_kind.items() if number < ENOUGH]
    times = report.delays
    rows = [
        ("promotions asked for", str(len(report.ended))),
        ("promotions succeeded", str(succeeded)),
        ("time", f"{report.seconds:.0f} s"),
        ("workers killed", str(len(report.kills))),
        ("  inside steps", hits),
        ("  between steps", str(sum(1 for kill in report.kills if not kill.victims))),
        ("requests recognised by their key", str(report.recognised)),
        ("from a kill to the next step, median", f"{times.middle:.1f} s of {len(times.same_host)}"),
    ]
    if times.same_host:
        rows.append(("  longest", f"{times.same_host[-1]:.1f} s"))
    if times.other_host:
        rows.append(("  rebuilt on another host", ", ".join(f"{one:.1f} s" for one in times.other_host)))
    lines = [f"{name:<42} {value}" for name, value in rows]
    lines.append("")
    for name, faults in report.findings.rows():
        lines.append(f"{name:<42} {len(faults)}")
        lines += [f"  {fault}" for fault in faults[:_SHOWN]]
        if len(faults) > _SHOWN:
            lines.append(f"  and {len(faults) - _SHOWN} more")
    lines += [f"note: {note}" for note in report.notes]
    if len(report.ended) < report.settings.promotions:
        lines.append(
            f"note: the time was over after {len(report.ended)} of {report.settings.promotions} promotions"
        )
    if few:
        lines.append(
            f"note: fewer than {ENOUGH} kills inside {', '.join(few)}; give more --promotions or --kills"
        )
    return lines
