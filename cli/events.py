"""freightway events: what happened in a project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from freightway.cli.output import print_data
from freightway.cli.session import output_option, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.events import Event


@click.command("events")
@project_option()
@click.option("--stage", default="", help="Only of this Stage.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now, until Ctrl-C.")
@click.option("--limit", default=0, type=click.IntRange(min=0), help="Most events, the newest; 0 for all.")
@output_option("table", "json", "yaml")
def events_command(project: str, stage: str, follow: bool, limit: int, output: str) -> None:
    """Show what happened in a project, oldest first; each entity keeps its last hundred events.

    With --follow, -o json prints one object a line.
    """
    if follow and output == "yaml":
        raise click.UsageError("--follow goes with -o table or -o json")

    async def work(freightway: Freightway) -> list[Event]:
        from freightway import names

        if stage and not await freightway.running(names.stage_id(project, stage)):
            raise await freightway.missing(names.stage_id(project, stage))
        known = [event for event in await freightway.events(project) if stage in ("", event.stage)]
        known = known[-limit:] if limit else known
        if follow:
            shown = {(event.entity, event.sequence) for event in known}
            for event in known:
                _print(event, output)
            first = min((event.at for event in known), default=None)
            async for event in freightway.follow_events(project):
                is_old = first is not None and event.at < first
                if (event.entity, event.sequence) not in shown and not is_old and stage in ("", event.stage):
                    _print(event, output)
        return known

    events = run(work)
    if output != "table":
        print_data([event.model_dump(mode="json", by_alias=True) for event in events], output)
        return
    for event in events:
        _print(event, output)
    if not events:
        click.echo(f"nothing has happened in project {project}", err=True)


def _print(event: Event, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(event.model_dump(mode="json", by_alias=True), ensure_ascii=False))
        return
    by = f" (by {event.actor})" if event.actor else ""
    at = event.at.strftime("%Y-%m-%d %H:%M:%S")
    where = event.entity.rpartition("/")[2]
    click.echo(f"{at}  {where:<12}  {event.reason.value:<28}  {' '.join(event.message.split())}{by}")
