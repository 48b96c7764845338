"""freightway describe: everything about one project, Warehouse, Stage, Freight or promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from freightway.cli import describe_text
from freightway.cli.output import print_data
from freightway.cli.session import output_option, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.stage import Queued, Summary

KINDS = {
    "project": "project",
    "warehouse": "warehouse",
    "stage": "stage",
    "freight": "freight",
    "promotion": "promotion",
    "promo": "promotion",
}


@click.command("describe")
@click.argument("kind", type=click.Choice(sorted(KINDS)), metavar="KIND")
@click.argument("name")
@project_option(required=False)
@output_option("table", "json", "yaml")
def describe_command(kind: str, name: str, project: str, output: str) -> None:
    """Show everything about one thing; -o json and -o yaml print what Freightway knows as it is kept.

    KIND is one of project, warehouse, stage, freight, promotion.
    """
    wanted = KINDS[kind]
    if wanted != "project" and not project:
        raise click.UsageError(f"a {wanted} belongs to a project: name it with -p")

    async def work(freightway: Freightway) -> tuple[dict[str, Any], list[str]]:
        look = {
            "project": _project,
            "warehouse": _warehouse,
            "stage": _stage,
            "freight": _freight,
            "promotion": _promotion,
        }[wanted]
        return await look(freightway, project, name)

    data, lines = run(work)
    if output == "table":
        click.echo("\n".join(lines))
    else:
        print_data(data, output)


def _plain(model: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude={"seen", "log"})
    return dumped


async def _project(freightway: Freightway, _: str, name: str) -> tuple[dict[str, Any], list[str]]:
    state = await freightway.project(name)
    return _plain(state), describe_text.project_lines(state)


async def _warehouse(freightway: Freightway, project: str, name: str) -> tuple[dict[str, Any], list[str]]:
    state = await freightway.warehouse(project, name)
    freight = await freightway.freight(project, name)
    return _plain(state), describe_text.warehouse_lines(state, freight)


async def _stage(freightway: Freightway, project: str, name: str) -> tuple[dict[str, Any], list[str]]:
    state = await freightway.stage(project, name)
    return _plain(state), describe_text.stage_lines(state)


async def _freight(freightway: Freightway, project: str, name: str) -> tuple[dict[str, Any], list[str]]:
    record = await freightway.find_freight(project, name)
    return _plain(record), describe_text.freight_lines(record)


async def _promotion(freightway: Freightway, project: str, name: str) -> tuple[dict[str, Any], list[str]]:
    from freightway import names
    from freightway.errors import NotFound

    try:
        progress = await freightway.progress(project, name)
    except NotFound:
        queued = await _queued(freightway, project, names.stage_of_promotion(name), name)
        if queued is None:
            raise
        return queued
    if progress is None:
        return {"promotion": name, "phase": "Pending"}, [f"Promotion {name}", "  phase  Pending"]
    return _plain(progress), describe_text.promotion_lines(progress)


async def _queued(
    freightway: Freightway, project: str, stage: str, name: str
) -> tuple[dict[str, Any], list[str]] | None:
    """Return a promotion that waits in its Stage's queue or ended there, None if the Stage does not know it."""
    from freightway import names

    if not await freightway.running(names.stage_id(project, stage)):
        return None
    state = await freightway.stage(project, stage)
    items: list[Queued | Summary] = [*state.queue, *state.finished]
    for item in items:
        if item.promotion == name:
            return _plain(item), describe_text.queued_lines(item)
    return None
