"""freightway create freight: from a file, or from chosen artifacts that a Warehouse has discovered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from freightway.cli.session import Failure, actor_option, confirm, project_option, run
from freightway.errors import NotFound, Refused

if TYPE_CHECKING:
    from freightway.client import Freightway
    from freightway.entities.messages import Done
    from freightway.entities.warehouse import WarehouseState

_LISTS = {"git": "commits", "images": "references", "charts": "versions"}
_WORDS = {"git": "commit", "images": "image", "charts": "chart"}
_DIGITS = 7
_SHOWN = 8


@click.command("freight")
@project_option()
@click.option(
    "-f", "--filename", default="", metavar="PATH", help="A Freight manifest, or - for standard input."
)
@click.option("--warehouse", default="", help="Warehouse whose discovered artifacts are chosen from.")
@click.option(
    "--commit", "commits", multiple=True, metavar="[REPO@]ID", help="Commit: id, first digits or tag."
)
@click.option("--image", "images", multiple=True, metavar="[REPO:]TAG", help="Image: tag or digest.")
@click.option("--chart", "charts", multiple=True, metavar="[NAME@]VERSION", help="Version of a chart.")
@click.option("--alias", default="", help="Name for people; made up if left out.")
@actor_option
def create_freight(
    project: str,
    filename: str,
    warehouse: str,
    commits: tuple[str, ...],
    images: tuple[str, ...],
    charts: tuple[str, ...],
    alias: str,
    actor: str,
) -> None:
    """Make Freight from a manifest, or from what a Warehouse has discovered.

    Of a subscription for which nothing is chosen the newest artifact is taken. See: freightway describe warehouse
    """
    if bool(filename) == bool(warehouse):
        raise click.UsageError("give either -f or --warehouse")
    if filename and (commits or images or charts):
        raise click.UsageError("--commit, --image and --chart go with --warehouse")
    choices = {"git": commits, "images": images, "charts": charts}

    async def work(freightway: Freightway) -> tuple[Done, str]:
        from freightway import names

        given = _from_file(filename) if filename else {}
        origin = given["origin"]["name"] if filename else warehouse
        state = await freightway.warehouse(project, origin)
        freight = given or chosen_freight(state, choices)
        if alias:
            freight["alias"] = alias
        done = await freightway.create_freight(project, origin, freight)
        return done, names.warehouse_id(project, origin)

    done, workflow_id = run(work, actor=actor)
    confirm(done.message, workflow_id)


def _from_file(path: str) -> dict[str, Any]:
    from freightway.cli.manifests import read_manifests

    try:
        loaded = read_manifests([path])
    except NotFound as error:
        raise Failure(str(error), 2) from None
    if loaded.problems:
        raise Failure("no Freight was made\n" + "\n".join(f"  {problem}" for problem in loaded.problems))
    found = [item.resource for item in loaded.resources if item.resource.kind == "Freight"]
    if len(found) != 1:
        raise Failure(f"{path} must hold one Freight; it holds {len(found)}")
    return found[0].model_dump(mode="json", by_alias=True, exclude_unset=True)


def chosen_freight(state: WarehouseState, choices: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Return Freight made of the chosen artifacts of what was discovered, and of the newest of the others.

    Args:
        choices: ``git``, ``images`` and ``charts`` -> what the person wrote.
    Raises:
        Refused: if a choice is not among what was discovered, or could mean several, or nothing was discovered.
    """
    from freightway.entities.warehouse import newest_combination

    discovered = {kind: [dict(result) for result in state.discovered.get(kind, ())] for kind in _LISTS}
    for kind, texts in choices.items():
        taken: set[int] = set()
        for text in texts:
            place, entry = _find(discovered[kind], kind, text, state.name)
            if place in taken:
                raise Refused(f"two {_WORDS[kind]}s are chosen of {_repository(discovered[kind][place])}")
            taken.add(place)
            key = _LISTS[kind]
            others = [other for other in discovered[kind][place][key] if other is not entry]
            discovered[kind][place][key] = [entry, *others]
    reference = newest_combination(state.model_copy(update={"discovered": discovered}))
    if reference is None:
        raise Refused(
            f"Warehouse {state.name!r} has not discovered an artifact of every subscription; see: freightway describe "
            f"warehouse {state.name}"
        )
    dumped = reference.model_dump(mode="json", by_alias=True)
    return {key: dumped[key] for key in ("origin", "commits", "images", "charts") if dumped.get(key)}


def _find(results: list[dict[str, Any]], kind: str, text: str, warehouse: str) -> tuple[int, Any]:
    found = [
        (place, entry)
        for place, result in enumerate(results)
        for entry in result.get(_LISTS[kind]) or ()
        if _means(text, result, entry)
    ]
    if len(found) == 1:
        return found[0]
    word = _WORDS[kind]
    if found:
        repositories = " and ".join(_repository(results[place]) for place, _ in found)
        raise Refused(f"{word} {text!r} may be of {repositories}; name the repository too")
    known = [_versions(entry)[0][:40] for result in results for entry in result.get(_LISTS[kind]) or ()]
    shown = ", ".join(known[:_SHOWN]) or "none"
    raise Refused(f"{word} {text!r} is not among what Warehouse {warehouse!r} has discovered: {shown}")


def _means(text: str, result: dict[str, Any], entry: Any) -> bool:
    """Whether a person's words mean an artifact: its version, alone or behind its repository's name."""
    repository = _repository(result)
    prefixes = [""]
    for name in {repository, repository.rpartition("/")[2], str(result.get("name") or repository)}:
        prefixes += [f"{name}@", f"{name}:"]
    for prefix in prefixes:
        if text.startswith(prefix):
            rest = text[len(prefix) :]
            if rest in _versions(entry):
                return True
            commit = entry.get("id", "") if isinstance(entry, dict) else ""
            if commit and len(rest) >= _DIGITS and commit.startswith(rest):
                return True
    return False


def _versions(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [str(entry)]
    return [str(entry[key]) for key in ("tag", "id", "digest") if entry.get(key)]


def _repository(result: dict[str, Any]) -> str:
    return str(result.get("repoURL", "")).rstrip("/").removesuffix(".git")
