"""freightway update freight: give Freight another alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.session import actor_option, confirm, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.group("update")
def update_group() -> None:
    """Change the alias of Freight."""


@update_group.command("freight")
@click.argument("freight", default="")
@project_option()
@click.option("--name", "--old-alias", "old", default="", help="The Freight, as Kargo's command names it.")
@click.option("--alias", "--new-alias", "alias", required=True, help="The new alias.")
@actor_option
def update_freight(freight: str, project: str, old: str, alias: str, actor: str) -> None:
    """Give FREIGHT (name, first seven digits or alias) another alias."""
    from freightway import names

    if bool(freight) == bool(old):
        raise click.UsageError("name one Freight")

    async def work(freightway: Freightway) -> Done:
        return await freightway.set_alias(project, freight or old, alias)

    confirm(run(work, actor=actor).message, names.project_id(project))
