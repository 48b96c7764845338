"""freightway refresh: have a Warehouse, a Stage or a promotion look again now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from freightway.cli.session import TIMED_OUT, Failure, actor_option, confirm, project_option, run
from freightway.errors import FreightwayError

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done


@click.command("refresh")
@click.argument("kind", type=click.Choice(["warehouse", "stage", "promotion"]), metavar="KIND")
@click.argument("name")
@project_option()
@click.option("--wait", is_flag=True, help="Wait until it has looked, and say what came of it.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    help="Seconds to wait at most.",
)
@actor_option
def refresh_command(kind: str, name: str, project: str, wait: bool, timeout: float, actor: str) -> None:
    """Have a Warehouse, a Stage or a promotion look again now.

    KIND is warehouse (looks at its subscriptions), stage (looks at its health and fetches the facts about its
    Freight) or promotion (asks the step that waits again; there is nothing more to wait for).
    """

    async def work(freightway: Freightway) -> None:
        from freightway import names

        ids = {"warehouse": names.warehouse_id, "stage": names.stage_id, "promotion": names.promotion_id}
        before = await _state(freightway, project, kind, name) if wait else None
        done: Done = await freightway.refresh(project, kind, name)
        confirm(done.message, ids[kind](project, name))
        if before is not None:
            try:
                after = await freightway.wait_for_refresh(project, kind, name, before, timeout=timeout)
            except TimeoutError:
                raise Failure(f"{kind} {name} has not looked within {timeout:g} s", TIMED_OUT) from None
            _report(
                kind, name, after, await _label(freightway, project, after) if kind == "warehouse" else ""
            )

    run(work, actor=actor)


async def _state(freightway: Freightway, project: str, kind: str, name: str) -> Any:
    if kind == "warehouse":
        return await freightway.warehouse(project, name)
    return await freightway.stage(project, name) if kind == "stage" else None


async def _label(freightway: Freightway, project: str, warehouse: Any) -> str:
    """Return how people see the last Freight of a Warehouse."""
    name: str = warehouse.last_freight
    try:
        return (await freightway.find_freight(project, name)).label if name else ""
    except FreightwayError:
        return name[:7]


def _report(kind: str, name: str, state: Any, freight: str) -> None:
    """Print what came of looking; a subscription that cannot be looked at is a failure."""
    if kind == "stage":
        issues = state.health.issues if state.health else ()
        click.echo(f"Stage {name} is {state.health_status}" + (f": {'; '.join(issues)}" if issues else ""))
        return
    if state.problems:
        lines = "\n".join(f"  {problem.name}: {problem.message}" for problem in state.problems)
        raise Failure(f"Warehouse {name} could not look at everything\n{lines}")
    newest = f"; its last Freight is {freight}" if freight else "; it has no Freight"
    click.echo(f"Warehouse {name} has looked at its subscriptions{newest}")
