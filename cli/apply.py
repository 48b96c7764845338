"""freightway apply: check the whole set, then apply it, project by project, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from freightway.cli.session import Failure, actor_option, run
from freightway.errors import NotFound

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import ApplyAnswer
    from freightway.resources.load import LoadResult, ResourceKey

_ENTITY_KINDS = frozenset(
    {
        "Project",
        "ProjectConfig",
        "ClusterConfig",
        "Warehouse",
        "Stage",
        "PromotionTask",
        "ClusterPromotionTask",
        "AnalysisTemplate",
        "ClusterAnalysisTemplate",
    }
)


@click.command("apply")
@click.option(
    "-f",
    "--filename",
    "paths",
    metavar="PATH",
    multiple=True,
    required=True,
    help="File, folder or - for standard input. May be given more than once.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change and change nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Also name what did not change and what was skipped.")
@actor_option
def apply_command(paths: tuple[str, ...], dry_run: bool, verbose: bool, actor: str) -> None:
    """Apply resources. Nothing is applied unless all of it is valid.

    Projects, Warehouses, Stages, tasks, templates and configurations are applied; Freight is created in its
    Warehouse; a Promotion is asked for. Secrets are refused: they belong into the worker's folder.
    """
    from freightway.cli.manifests import read_manifests

    try:
        loaded = read_manifests(paths)
    except NotFound as error:
        raise Failure(str(error), 2) from None
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    if loaded.problems:
        raise Failure("nothing was applied\n" + "\n".join(f"  {problem}" for problem in loaded.problems))
    if not loaded.resources:
        kinds = ", ".join(sorted({kind for kind, *_ in loaded.skipped}))
        skipped = f": it has no kind of Freightway's, only {kinds}" if kinds else ""
        raise Failure(f"nothing to apply in {', '.join(paths)}{skipped}")

    async def work(freightway: Freightway) -> dict[str, ApplyAnswer]:
        await _check(freightway, loaded)
        return await _apply(freightway, loaded, dry_run=dry_run)

    answers = run(work, actor=actor)
    suffix = " (dry run)" if dry_run else ""
    for project, answer in answers.items():
        for change in answer.changes:
            if change.action != "unchanged" or verbose:
                where = f" in {project}" if project and change.kind != "Project" else ""
                click.echo(f"{change.kind}/{change.name}{where} {change.action}{suffix}")
        unchanged = sum(change.action == "unchanged" for change in answer.changes)
        if unchanged and not verbose:
            click.echo(f"{unchanged} unchanged" + (f" in {project}" if project else ""))
    if verbose:
        for kind, name, file, line in loaded.skipped:
            click.echo(f"{file}:{line}: {kind}/{name}: skipped, not one of Freightway's kinds")


async def _check(freightway: Freightway, loaded: LoadResult) -> None:
    """Check references against what the projects have already."""
    from freightway.cli.manifests import known_step_kinds
    from freightway.resources.check import check

    known: list[ResourceKey] = []
    for project in {item.resource.project or item.resource.name for item in loaded.resources}:
        known += await known_keys(freightway, project)
    checked = check(loaded.resources, known, step_kinds=known_step_kinds())
    for warning in checked.warnings:
        click.echo(f"warning: {warning}", err=True)
    if checked.problems:
        raise Failure("nothing was applied\n" + "\n".join(f"  {problem}" for problem in checked.problems))


async def known_keys(freightway: Freightway, project: str) -> list[ResourceKey]:
    """Return what a project has, for checks of references."""
    from freightway.resources.load import ResourceKey

    has = await freightway.known(project)
    keys = [ResourceKey("Project", "", project)] if has.exists else []
    keys += [ResourceKey("Warehouse", project, name) for name in has.warehouses]
    keys += [ResourceKey("Stage", project, name) for name in has.stages]
    keys += [ResourceKey("PromotionTask", project, name) for name in has.tasks]
    keys += [ResourceKey("AnalysisTemplate", project, name) for name in has.templates]
    keys += [ResourceKey("ClusterPromotionTask", "", name) for name in has.cluster_tasks]
    keys += [ResourceKey("ClusterAnalysisTemplate", "", name) for name in has.cluster_templates]
    return keys


async def _apply(freightway: Freightway, loaded: LoadResult, *, dry_run: bool) -> dict[str, ApplyAnswer]:
    documents: list[dict[str, Any]] = []
    others = []
    for item in loaded.resources:
        if item.resource.kind in _ENTITY_KINDS:
            documents.append(item.resource.model_dump(mode="json", by_alias=True, exclude_unset=True))
        else:
            others.append(item.resource)
    answers = await freightway.apply(documents, dry_run=dry_run) if documents else {}
    for resource in others:
        if dry_run:
            click.echo(f"{resource.kind}/{resource.name} would be created")
        elif resource.kind == "Freight":
            dumped = resource.model_dump(mode="json", by_alias=True, exclude_unset=True)
            done = await freightway.create_freight(resource.project, dumped["origin"]["name"], dumped)
            click.echo(done.message)
        elif resource.kind == "Promotion":
            from freightway.entities.messages import PromoteRequest

            spec = resource.model_dump(mode="json", by_alias=True, exclude_unset=True)["spec"]
            asked = await freightway.promote(
                PromoteRequest(
                    project=resource.project,
                    stage=spec["stage"],
                    freight=spec.get("freight", ""),
                    origin=(spec.get("origin") or {}).get("name", ""),
                )
            )
            click.echo(f"promotion {asked.promotion} asked for")
    return answers
