"""freightway delete: resources by kind and name or by manifest, Freight, or a project with all that belongs to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from freightway.cli.session import Failure, actor_option, project_option, run
from freightway.errors import NotFound

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Change

KINDS = {
    "stage": "Stage",
    "warehouse": "Warehouse",
    "task": "PromotionTask",
    "promotiontask": "PromotionTask",
    "template": "AnalysisTemplate",
    "analysistemplate": "AnalysisTemplate",
    "projectconfig": "ProjectConfig",
    "project": "Project",
    "freight": "Freight",
    "clusterconfig": "ClusterConfig",
    "clusterpromotiontask": "ClusterPromotionTask",
    "clusteranalysistemplate": "ClusterAnalysisTemplate",
}
"""What may be deleted, as people write it; a final ``s`` is left out."""

Targets = dict[str, list[str]]
"""Project, empty for the cluster -> ``Kind/name`` of each resource."""


@click.command("delete")
@click.argument("what", nargs=-1, metavar="[KIND NAME... | KIND/NAME...]")
@project_option(required=False)
@click.option(
    "-f", "--filename", "paths", metavar="PATH", multiple=True, help="Delete what these manifests name."
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted and delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@actor_option
def delete_command(
    what: tuple[str, ...], project: str, paths: tuple[str, ...], dry_run: bool, yes: bool, actor: str
) -> None:
    """Delete resources: `delete stage dev -p demo`, `delete stage/dev freight/brave-otter -p demo`, `delete -f FILE`.

    `delete project NAME` deletes the project with everything in it. On a terminal it is asked first.
    """
    if bool(what) == bool(paths):
        raise click.UsageError("name what to delete: KIND NAME, KIND/NAME or -f PATH")
    targets = _from_files(paths) if paths else _from_words(what, project)

    async def work(freightway: Freightway) -> None:
        asks = sys.stdin.isatty() and not yes and not dry_run
        if dry_run or asks:
            for line in await _delete(freightway, targets, dry_run=True):
                click.echo(f"{line} would be deleted")
        if dry_run:
            return
        if asks and not click.confirm("Delete this?", err=True):
            raise Failure("nothing was deleted")
        for line in await _delete(freightway, targets, dry_run=False):
            click.echo(f"{line} deleted")

    run(work, actor=actor)


async def _delete(freightway: Freightway, targets: Targets, *, dry_run: bool) -> list[str]:
    """Delete, project by project; returns a line for each resource."""
    lines = []
    for project, given in targets.items():
        for freight in (target.partition("/")[2] for target in given if target.startswith("Freight/")):
            record = await freightway.find_freight(project, freight)
            if not dry_run:
                await freightway.delete_freight(project, record.name)
            lines.append(f"Freight/{record.alias or record.name} in {project}")
        everything = f"Project/{project}" in given
        others = [target for target in given if not target.startswith(("Freight/", "Project/"))]
        if everything or others:
            answer = await freightway.delete(
                project, () if everything else others, everything=everything, dry_run=dry_run
            )
            lines += [_line(change, project) for change in answer.changes]
    return lines


def _line(change: Change, project: str) -> str:
    where = f" in {project}" if project and change.kind != "Project" else ""
    return f"{change.kind}/{change.name}{where}"


def _from_words(what: tuple[str, ...], project: str) -> Targets:
    if all("/" in word for word in what):
        pairs = [(kind, name) for kind, _, name in (word.partition("/") for word in what)]
    elif "/" in what[0] or len(what) < 2:
        raise click.UsageError("name what to delete: KIND NAME, or KIND/NAME for each")
    else:
        pairs = [(what[0], name) for name in what[1:]]
    targets: Targets = {}
    for word, name in pairs:
        kind = KINDS.get(word.lower()) or KINDS.get(word.lower().removesuffix("s"))
        if kind is None:
            raise click.UsageError(f"no kind {word!r}; it is one of {', '.join(sorted(KINDS))}")
        owner = name if kind == "Project" else "" if kind.startswith("Cluster") else project
        if not owner and not kind.startswith("Cluster"):
            raise click.UsageError(f"a {kind} belongs to a project: name it with -p")
        targets.setdefault(owner, []).append(f"{kind}/{name}")
    return targets


def _from_files(paths: tuple[str, ...]) -> Targets:
    from freightway.cli.manifests import read_manifests

    try:
        loaded = read_manifests(paths)
    except NotFound as error:
        raise Failure(str(error), 2) from None
    if loaded.problems:
        raise Failure("nothing was deleted\n" + "\n".join(f"  {problem}" for problem in loaded.problems))
    targets: Targets = {}
    for item in loaded.resources:
        resource = item.resource
        if resource.kind not in KINDS.values():
            click.echo(f"{resource.kind}/{resource.name}: left out, it is not deleted by name", err=True)
            continue
        owner = resource.name if resource.kind == "Project" else resource.project
        targets.setdefault(owner, []).append(f"{resource.kind}/{resource.name}")
    if not targets:
        raise Failure(f"nothing to delete in {', '.join(paths)}")
    return targets
