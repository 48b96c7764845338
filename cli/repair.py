"""freightway repair: retry, skip or abort the failed step of a parked promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from freightway.cli.session import actor_option, confirm, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.command("repair")
@click.argument("promotion")
@project_option()
@click.option("--retry", "retry", is_flag=True, help="Try the failed step again.")
@click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="With --retry: another variable.")
@click.option("--skip", "skip", is_flag=True, help="Go on after the failed step; needs --reason.")
@click.option("--abort", "abort", is_flag=True, help="End the promotion.")
@click.option("--reason", default="", help="Why; kept in the record.")
@actor_option
def repair_command(
    promotion: str,
    project: str,
    retry: bool,
    values: tuple[str, ...],
    skip: bool,
    abort: bool,
    reason: str,
    actor: str,
) -> None:
    """Retry, skip or abort the failed step of a parked PROMOTION."""
    from freightway import names

    if retry + skip + abort != 1:
        raise click.UsageError("give one of --retry, --skip and --abort")
    if values and not retry:
        raise click.UsageError("--set goes with --retry")
    if skip and not reason:
        raise click.UsageError("--skip needs --reason")
    pairs = [value.partition("=") for value in values]
    if not all(name and equals for name, equals, _ in pairs):
        raise click.UsageError("--set takes NAME=VALUE")
    action: Literal["retry", "skip", "abort"] = "retry" if retry else "skip" if skip else "abort"

    async def work(freightway: Freightway) -> Done:
        from freightway.entities.messages import RepairRequest

        variables = {name: value for name, _, value in pairs}
        request = RepairRequest(action=action, vars=variables, reason=reason)
        return await freightway.repair(project, promotion, request)

    confirm(run(work, actor=actor).message, names.promotion_id(project, promotion))
