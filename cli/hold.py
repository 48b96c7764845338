"""freightway hold and release: keep auto-promotion from changing what a Stage holds, or let it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.moments import end_of, end_options
from freightway.cli.session import actor_option, confirm, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.command("hold")
@project_option()
@click.option("--stage", required=True, help="Stage to hold.")
@click.option("--warehouse", default="", help="Only Freight of this Warehouse; of all if left out.")
@click.option("--reason", default="", help="Why; kept in the record.")
@end_options
@actor_option
def hold_command(
    project: str, stage: str, warehouse: str, reason: str, until: str, length: str, actor: str
) -> None:
    """Keep auto-promotion from changing what a Stage holds. What people ask for is not held."""
    from freightway import names

    end = end_of(until, length)

    async def work(freightway: Freightway) -> Done:
        from freightway.entities.messages import HoldRequest

        return await freightway.hold(project, stage, HoldRequest(origin=warehouse, until=end, reason=reason))

    confirm(run(work, actor=actor).message, names.stage_id(project, stage))


@click.command("release")
@click.argument("hold", default="")
@project_option()
@click.option("--stage", required=True, help="Stage that is held.")
@actor_option
def release_command(hold: str, project: str, stage: str, actor: str) -> None:
    """Release a hold of a Stage, or with no HOLD all of them."""
    from freightway import names

    async def work(freightway: Freightway) -> Done:
        return await freightway.release(project, stage, hold)

    confirm(run(work, actor=actor).message, names.stage_id(project, stage))
