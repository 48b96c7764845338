"""freightway rollback: go back to what a Stage held before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.promote import announce, finish, report
from freightway.cli.session import actor_option, output_option, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import PromoteAnswer, PromotionEnded


@click.command("rollback")
@project_option()
@click.option("--stage", required=True, help="Stage to roll back.")
@click.option("--to", default="", help="Freight that it held; the last verified one before if left out.")
@click.option("--reason", default="", help="Why; kept in the record.")
@click.option("--wait", is_flag=True, help="Wait for the end; the exit code tells how it ended.")
@click.option("--timeout", type=click.FloatRange(min=0), default=None, help="Seconds to wait at most.")
@output_option("table", "json", "name")
@actor_option
def rollback_command(
    project: str,
    stage: str,
    to: str,
    reason: str,
    wait: bool,
    timeout: float | None,
    output: str,
    actor: str,
) -> None:
    """Go back to what a Stage held before; goes first in the queue and holds the Stage against auto-promotion."""

    async def work(freightway: Freightway) -> list[tuple[PromoteAnswer, PromotionEnded | None]]:
        from freightway.entities.messages import PromoteRequest

        request = PromoteRequest(project=project, stage=stage, freight=to, reason=reason)
        answer = await freightway.rollback(request)
        if output == "table":
            announce(answer)
        return await finish(freightway, project, [answer], wait=wait, timeout=timeout, live=output == "table")

    report(run(work, actor=actor), output)
