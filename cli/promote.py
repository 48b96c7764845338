"""freightway promote: ask for a promotion, and wait for its end if so wished."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from freightway.cli.output import print_data
from freightway.cli.session import (
    ENDS,
    TIMED_OUT,
    Failure,
    actor_option,
    confirm,
    output_option,
    project_option,
    run,
)

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import PromoteAnswer, PromotionEnded


_LOOK_SECONDS = 0.3


@click.command("promote")
@project_option()
@click.option("--stage", default="", help="Stage to promote into.")
@click.option(
    "--downstream-from", default="", help="Promote into every Stage that takes Freight from this one."
)
@click.option(
    "--freight",
    "--alias",
    "freight",
    default="",
    help="Name, first seven digits or alias; the newest available if left out.",
)
@click.option("--warehouse", default="", help="With no --freight: the newest available of this Warehouse.")
@click.option("--hotfix", is_flag=True, help="Go before what waits in the queue.")
@click.option("--break-glass", is_flag=True, help="Start in spite of windows and freezes; needs --reason.")
@click.option("--reason", default="", help="Why; kept in the record.")
@click.option(
    "--wait", is_flag=True, help="Wait for the end and show the steps; the exit code tells how it ended."
)
@click.option("--timeout", type=click.FloatRange(min=0), default=None, help="Seconds to wait at most.")
@output_option("table", "json", "name")
@actor_option
def promote_command(
    project: str,
    stage: str,
    downstream_from: str,
    freight: str,
    warehouse: str,
    hotfix: bool,
    break_glass: bool,
    reason: str,
    wait: bool,
    timeout: float | None,
    output: str,
    actor: str,
) -> None:
    """Promote Freight into a Stage, or into all Stages downstream of one."""
    if bool(stage) == bool(downstream_from):
        raise click.UsageError("give either --stage or --downstream-from")
    if downstream_from and not freight:
        raise click.UsageError("--downstream-from needs --freight")
    if freight and warehouse:
        raise click.UsageError("give either --freight or --warehouse")

    async def work(freightway: Freightway) -> list[tuple[PromoteAnswer, PromotionEnded | None]]:
        from freightway.entities.messages import PromoteRequest

        stages = [stage] if stage else await _downstream(freightway, project, downstream_from, freight)
        asked = []
        for target in stages:
            request = PromoteRequest(
                project=project,
                stage=target,
                freight=freight,
                origin=warehouse,
                hotfix=hotfix,
                break_glass=break_glass,
                reason=reason,
            )
            asked.append(await freightway.promote(request))
            if output == "table":
                announce(asked[-1])
        return await finish(freightway, project, asked, wait=wait, timeout=timeout, live=output == "table")

    report(run(work, actor=actor), output)


async def _downstream(freightway: Freightway, project: str, stage: str, freight: str) -> list[str]:
    """Return the Stages downstream of one, if the Freight may come to all of them."""
    known = await freightway.known(project)
    if stage not in known.stages:
        raise Failure(f"Stage {stage!r} not found in project {project!r}")
    record = await freightway.find_freight(project, freight)
    targets = []
    refused = []
    for name, upstream in known.stages.items():
        if stage not in upstream:
            continue
        state = await freightway.stage(project, name)
        if record.origin not in state.origins or state.is_control_flow:
            continue
        verdict = (await freightway.explain(project, name, record.name))[0]
        targets.append(name)
        if not verdict.available:
            refused.append(f"{name}: {verdict.needs}")
    if not targets:
        raise Failure(f"no Stage takes Freight of Warehouse {record.origin!r} from Stage {stage!r}")
    if refused:
        raise Failure("nothing was promoted, since not all Stages may take it\n  " + "\n  ".join(refused))
    return targets


async def finish(
    freightway: Freightway,
    project: str,
    asked: list[PromoteAnswer],
    *,
    wait: bool,
    timeout: float | None,
    live: bool,
) -> list[tuple[PromoteAnswer, PromotionEnded | None]]:
    """Wait for the ends of promotions, if so wished; ``live`` prints each step as it changes."""
    if not wait:
        return [(answer, None) for answer in asked]
    watching = asyncio.create_task(_show_steps(freightway, project, asked)) if live else None
    try:
        ends = await asyncio.gather(
            *(
                freightway.wait_for_promotion(project, answer.promotion, stage=answer.stage, timeout=timeout)
                for answer in asked
            )
        )
    except TimeoutError:
        raise Failure(f"not over within {timeout:g} s; it goes on", TIMED_OUT) from None
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
    if live:
        await _print_steps(freightway, project, asked)
    return list(zip(asked, ends, strict=True))


async def _show_steps(freightway: Freightway, project: str, asked: list[PromoteAnswer]) -> None:
    """Print each step when its state changes; what is printed at the end is the whole table."""
    seen: dict[str, str] = {}
    while True:
        await _print_changes(freightway, project, asked, seen)
        await asyncio.sleep(_LOOK_SECONDS)


async def _print_changes(
    freightway: Freightway, project: str, asked: list[PromoteAnswer], seen: dict[str, str]
) -> None:
    from freightway.errors import FreightwayError

    for answer in asked:
        try:
            progress = await freightway.progress(project, answer.promotion)
        except FreightwayError:
            continue  # it waits in the queue, or is just over
        if progress is None:
            continue
        for meta in progress.metas:
            status = meta.status.value if meta.status else "Running"
            key = f"{answer.stage}/{meta.alias}"
            text = f"{status} {meta.message}".strip()
            if seen.get(key) != text:
                seen[key] = text
                click.echo(f"  {answer.stage}  {meta.alias}  {text}")


async def _print_steps(freightway: Freightway, project: str, asked: list[PromoteAnswer]) -> None:
    """Print the table of all steps."""
    from freightway.cli.output import print_table
    from freightway.errors import FreightwayError

    rows = []
    for answer in asked:
        try:
            progress = await freightway.progress(project, answer.promotion)
        except FreightwayError:
            continue
        for meta in progress.metas if progress else ():
            took = (meta.finished_at - meta.started_at) if meta.finished_at and meta.started_at else None
            rows.append(
                (
                    answer.stage,
                    meta.alias,
                    meta.uses,
                    meta.status.value if meta.status else "",
                    f"{took.total_seconds():.1f}s" if took else "",
                    " ".join(meta.message.split())[:80],
                )
            )
    if rows:
        print_table(("STAGE", "STEP", "KIND", "STATUS", "TOOK", "MESSAGE"), rows, empty="")


def announce(answer: PromoteAnswer) -> None:
    """Print what was asked for, and where to look at it."""
    from freightway import names

    confirm(_sentence(answer), names.promotion_id(answer.project, answer.promotion))


def _sentence(answer: PromoteAnswer) -> str:
    freight = answer.alias or answer.freight[:7]
    text = f"promotion {answer.promotion}: {freight} into {answer.stage}, {len(answer.plan)} steps"
    if answer.waits_for:
        text += f"; place {answer.place + 1} in the queue, waits for {answer.waits_for}"
    return text


def report(results: list[tuple[PromoteAnswer, PromotionEnded | None]], output: str) -> None:
    """Print what came of promotions; the worst end of those that were waited for is the exit code."""
    if output == "name":
        for answer, _ in results:
            click.echo(answer.promotion)
    elif output == "json":
        data = [
            {
                **answer.model_dump(mode="json", by_alias=True),
                **({"ended": ended.model_dump(mode="json", by_alias=True)} if ended else {}),
            }
            for answer, ended in results
        ]
        print_data(data[0] if len(data) == 1 else data, "json")
    codes = [0]
    for answer, ended in results:
        if ended is None:
            continue
        if output == "table":
            text = f": {ended.message}" if ended.message else ""
            click.echo(f"promotion {answer.promotion} {ended.phase}{text}")
        codes.append(ENDS.get(ended.phase, 1))
    worst = min((code for code in codes if code), default=0)
    if worst:
        raise SystemExit(worst)
