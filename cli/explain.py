"""freightway explain: whether Freight may come to a Stage, each condition, and when it may at the earliest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from freightway.cli.output import print_data
from freightway.cli.session import output_option, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.stage import StageState
    from freightway.selection.availability import Condition, Verdict


@click.command("explain")
@project_option()
@click.option("--stage", required=True, help="Stage that the Freight is to come to.")
@click.option(
    "--freight",
    "--freight-alias",
    "freight",
    default="",
    help="Name, first digits or alias; all if left out.",
)
@click.option("--limit", default=5, show_default=True, type=click.IntRange(min=1), help="Most Freight shown.")
@output_option("table", "json", "yaml")
def explain_command(project: str, stage: str, freight: str, limit: int, output: str) -> None:
    """Say whether Freight may come to a Stage, and if not, why not and when."""

    async def work(freightway: Freightway) -> tuple[list[Verdict], StageState]:
        return await freightway.explain(project, stage, freight), await freightway.stage(project, stage)

    verdicts, state = run(work)
    if output != "table":
        print_data([verdict.model_dump(mode="json", by_alias=True) for verdict in verdicts], output)
        return
    if not verdicts:
        click.echo(
            f"Stage {stage} knows no Freight yet; its Warehouses are {', '.join(state.origins) or 'none'}"
        )
    now = datetime.now(UTC)
    for verdict in verdicts[:limit]:
        click.echo(f"Freight {state.label(verdict.freight)} {_sentence(verdict, now)}")
        for condition in verdict.conditions:
            for line in _lines(condition, now, 1):
                click.echo(line)
    if len(verdicts) > limit:
        click.echo(f"and {len(verdicts) - limit} older Freight; see --limit")


def _sentence(verdict: Verdict, now: datetime) -> str:
    starts = ""
    if verdict.earliest is not None and verdict.earliest > now:
        starts = f", at the earliest {_clock(verdict.earliest)}"
    unmet = [condition for condition in verdict.conditions if not condition.holds]
    if verdict.available and not unmet:
        return f"may be promoted into Stage {verdict.stage} now"
    if verdict.available:
        return f"may be promoted into Stage {verdict.stage}; the promotion waits{starts}"
    return f"may not come to Stage {verdict.stage}{starts}"


def _lines(condition: Condition, now: datetime, depth: int, *, needed: bool = True) -> Iterator[str]:
    """Yield a line for a condition and each of its parts; what must happen stands with the parts alone."""
    mark = "✓" if condition.holds else "✗"
    line = f"{'  ' * depth}{mark} {condition.text}"
    if needed and not condition.holds:
        if condition.needs and not condition.parts:
            line += f" ({condition.needs})"
        elif condition.earliest is not None and condition.earliest > now:
            line += f" (at the earliest {_clock(condition.earliest)})"
    yield line
    for part in condition.parts:
        yield from _lines(part, now, depth + 1, needed=needed and not condition.holds)


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
