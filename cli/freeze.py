"""freightway freeze and unfreeze: keep promotions of Stages from starting, or let them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from freightway.cli.moments import end_of, end_options
from freightway.cli.session import actor_option, confirm, project_option, run
from freightway.errors import InvalidResource

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.command("freeze")
@click.argument("name")
@project_option(required=False)
@click.option("--cluster", is_flag=True, help="Freeze Stages of every project.")
@click.option(
    "--stages", default="", help="Which Stages: a name, 'glob:eu-*' or 'regex:^eu-'; all if left out."
)
@click.option("--selector", "labels", multiple=True, metavar="KEY=VALUE", help="Only Stages with this label.")
@click.option("--soft", is_flag=True, help="What runs waits before its next step with an effect outside.")
@click.option("--reason", required=True, help="Why; shown to everyone who is held up.")
@end_options
@actor_option
def freeze_command(
    name: str,
    project: str,
    cluster: bool,
    stages: str,
    labels: tuple[str, ...],
    soft: bool,
    reason: str,
    until: str,
    length: str,
    actor: str,
) -> None:
    """Keep promotions of Stages from starting until NAME is lifted or over. What runs goes on."""
    _one_scope(project, cluster)
    end, selector = end_of(until, length), _selector(stages, labels)

    async def work(freightway: Freightway) -> Done:
        from freightway.entities.messages import FreezeRequest

        request = FreezeRequest(name=name, selector=selector, until=end, soft=soft, reason=reason)
        return await freightway.freeze("" if cluster else project, request)

    confirm(run(work, actor=actor).message, _owner(project, cluster))


@click.command("unfreeze")
@click.argument("name")
@project_option(required=False)
@click.option("--cluster", is_flag=True, help="Lift a freeze of every project.")
@actor_option
def unfreeze_command(name: str, project: str, cluster: bool, actor: str) -> None:
    """Lift the freeze NAME."""
    _one_scope(project, cluster)

    async def work(freightway: Freightway) -> Done:
        return await freightway.unfreeze("" if cluster else project, name)

    confirm(run(work, actor=actor).message, _owner(project, cluster))


def _one_scope(project: str, cluster: bool) -> None:
    if not project and not cluster:
        raise click.UsageError("name the project with -p, or give --cluster for every project")


def _owner(project: str, cluster: bool) -> str:
    from freightway import names

    return names.CLUSTER_ID if cluster else names.project_id(project)


def _selector(stages: str, labels: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the selector of a freeze, None for every Stage."""
    if not (stages or labels):
        return None
    pairs = [label.partition("=") for label in labels]
    if not all(key and equals for key, equals, _ in pairs):
        raise click.UsageError("--selector takes KEY=VALUE")
    selector: dict[str, Any] = {"name": stages} if stages else {}
    if pairs:
        selector["matchLabels"] = {key: value for key, _, value in pairs}
    from freightway.selection.stage_selector import StageSelector

    try:
        StageSelector.model_validate(selector)
    except (InvalidResource, ValueError) as error:
        raise click.UsageError(f"--stages: {error}") from None
    return selector
