"""freightway verify: verify again what a Stage holds, or end the verification that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.session import TIMED_OUT, Failure, actor_option, confirm, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.verification import VerificationResult

ENDS = {"Successful": 0, "Aborted": 4}
"""Exit code by the phase of a verification that was waited for; 3 for every other."""


@click.command("verify")
@click.argument("kind", type=click.Choice(["stage"]), metavar="stage")
@click.argument("name")
@project_option()
@click.option("--abort", is_flag=True, help="End the verification that runs; it is recorded as Aborted.")
@click.option("--wait", is_flag=True, help="Wait for the end; the exit code tells how it ended.")
@click.option("--timeout", type=click.FloatRange(min=0), default=None, help="Seconds to wait at most.")
@actor_option
def verify_command(
    kind: str,  # noqa: ARG001 - the word `stage`, as in Kargo's command
    name: str,
    project: str,
    abort: bool,
    wait: bool,
    timeout: float | None,
    actor: str,
) -> None:
    """Verify again what a Stage holds, or end the verification that runs."""
    from freightway import names

    async def work(freightway: Freightway) -> VerificationResult | None:
        before = await freightway.stage(project, name)
        done = await (
            freightway.abort_verification(project, name) if abort else freightway.verify(project, name)
        )
        confirm(done.message, names.stage_id(project, name))
        if not wait:
            return None
        try:
            return await freightway.wait_for_verification(project, name, before, timeout=timeout)
        except TimeoutError:
            raise Failure(f"not over within {timeout:g} s; it goes on", TIMED_OUT) from None

    result = run(work, actor=actor)
    if result is None:
        return
    text = f": {result.message}" if result.message else ""
    click.echo(f"verification {result.id} {result.phase.value}{text}")
    if abort and result.phase.value == "Aborted":
        return
    code = ENDS.get(result.phase.value, 3)
    if code:
        raise SystemExit(code)
