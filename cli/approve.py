"""freightway approve: make Freight available to a Stage without verification and soak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.session import actor_option, confirm, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.command("approve")
@project_option()
@click.option("--stage", required=True, help="Stage that may take the Freight.")
@click.option(
    "--freight", "--freight-alias", "freight", required=True, help="Name, first seven digits or alias."
)
@click.option("--reason", default="", help="Why; kept in the record.")
@actor_option
def approve_command(project: str, stage: str, freight: str, reason: str, actor: str) -> None:
    """Make Freight available to a Stage without verification and soak.

    To answer a step or a question that waits for a person, see: freightway answer
    """
    from freightway import names

    async def work(freightway: Freightway) -> tuple[Done, str]:
        record = await freightway.find_freight(project, freight)
        if stage not in (await freightway.known(project)).stages:
            raise await freightway.missing(names.stage_id(project, stage))
        done = await freightway.approve(project, stage, record.name, reason)
        return done, names.warehouse_id(project, record.origin)

    done, workflow_id = run(work, actor=actor)
    confirm(done.message, workflow_id)
