"""freightway abort: end a promotion that waits or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.session import actor_option, confirm, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.command("abort")
@click.argument("promotion")
@project_option()
@actor_option
def abort_command(promotion: str, project: str, actor: str) -> None:
    """End a promotion: out of the queue if it waits; its running step is cancelled if it runs."""
    from freightway import names

    async def work(freightway: Freightway) -> Done:
        return await freightway.abort(project, promotion)

    done = run(work, actor=actor)
    confirm(done.message, names.promotion_id(project, promotion))
