"""freightway answer: approve or reject where a promotion or a verification waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from freightway.cli.session import actor_option, confirm, project_option, run
from freightway.errors import Refused

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import AnswerRequest, Done


@click.command("answer")
@project_option()
@click.option("--promotion", default="", help="Promotion whose step waits for an approval.")
@click.option("--stage", default="", help="Stage whose promotion or verification waits.")
@click.option("--approve/--reject", "approve", default=None, help="The answer.")
@click.option("--reason", default="", help="Why; needed for a rejection.")
@click.option("--target", default="", help="Alias of the step or name of the metric, if several wait.")
@click.option("--group", "groups", multiple=True, help="Group you belong to. May be given more than once.")
@actor_option
def answer_command(
    project: str,
    promotion: str,
    stage: str,
    approve: bool | None,
    reason: str,
    target: str,
    groups: tuple[str, ...],
    actor: str,
) -> None:
    """Approve or reject where a promotion or verification waits for a person."""
    from freightway import names

    if bool(promotion) == bool(stage):
        raise click.UsageError("give either --promotion or --stage")
    if approve is None:
        raise click.UsageError("give either --approve or --reject")
    if not approve and not reason:
        raise click.UsageError("--reject needs --reason")

    async def work(freightway: Freightway) -> tuple[Done, str]:
        from freightway.entities.messages import AnswerRequest

        request = AnswerRequest(target=target, approve=approve, reason=reason, groups=groups)
        if promotion:
            done = await freightway.answer_promotion(project, promotion, request)
            return done, names.promotion_id(project, promotion)
        return await _answer_stage(freightway, project, stage, request)

    done, workflow_id = run(work, actor=actor)
    confirm(done.message, workflow_id)


async def _answer_stage(
    freightway: Freightway, project: str, stage: str, request: AnswerRequest
) -> tuple[Done, str]:
    """Answer whatever waits in a Stage."""
    from freightway import names

    state = await freightway.stage(project, stage)
    if state.verifying is not None:
        done = await freightway.answer_verification(project, stage, request)
        return done, names.verification_id(project, stage, state.verifying.id)
    if state.current is None:
        raise Refused(
            f"nothing waits for an answer in Stage {stage!r}: no promotion or verification runs there"
        )
    done = await freightway.answer_promotion(project, state.current.promotion, request)
    return done, names.promotion_id(project, state.current.promotion)
