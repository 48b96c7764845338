"""freightway create: a project, credentials and other values for the worker of this host, or Freight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.create_freight import create_freight
from freightway.cli.create_secrets import create_configmap, create_credentials, create_generic
from freightway.cli.session import actor_option, confirm, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import ApplyAnswer


@click.group("create")
def create_group() -> None:
    """Create a project, credentials, other Secrets, ConfigMaps or Freight."""


@click.command("project")
@click.argument("name")
@actor_option
def create_project(name: str, actor: str) -> None:
    """Create the project NAME; everything else comes with `freightway apply`."""
    from freightway import names

    document = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project", "metadata": {"name": name}}

    async def work(freightway: Freightway) -> dict[str, ApplyAnswer]:
        from freightway.resources.load import parse_resource

        parse_resource(document)
        return await freightway.apply([document])

    answer = run(work, actor=actor)[name]
    was_there = answer.changes[0].action == "unchanged"
    confirm(f"Project/{name} {'is there already' if was_there else 'created'}", names.project_id(name))


create_group.add_command(create_project)
create_group.add_command(create_credentials)
create_group.add_command(create_generic)
create_group.add_command(create_configmap)
create_group.add_command(create_freight)
for _alias in ("repo-credentials", "repo-creds"):
    create_group.add_command(create_credentials, _alias)
create_group.add_command(create_configmap, "cm")
