"""freightway validate: check manifests without a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from freightway.errors import NotFound, Problem

if TYPE_CHECKING:
    from freightway.resources.load import LoadResult

EXIT_PROBLEMS = 1
EXIT_USAGE = 2


@click.command("validate")
@click.option(
    "-f",
    "--filename",
    "paths",
    metavar="PATH",
    multiple=True,
    required=True,
    help="File, folder (read with all that is below it) or - for standard input. May be given more than once.",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Also name the documents that are not Freightway's and were skipped.",
)
def validate_command(paths: tuple[str, ...], verbose: bool) -> None:
    """Check manifests: fields, references, circles of Stages, expressions. Needs no server.

    Every problem is shown with its file, line and YAML path. The exit code is 0 if all is well, 1 if there
    are problems and 2 if a path does not exist.
    """
    from freightway.cli.manifests import known_step_kinds, read_manifests
    from freightway.resources.check import check

    try:
        loaded = read_manifests(paths)
    except NotFound as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(EXIT_USAGE) from None
    checked = check(loaded.resources, loaded.broken, step_kinds=known_step_kinds())
    problems = [*loaded.problems, *checked.problems]
    warnings = [*loaded.warnings, *checked.warnings]
    for text in _lines(problems, warnings):
        click.echo(text)
    if verbose:
        for kind, name, file, line in loaded.skipped:
            click.echo(f"{file}:{line}: {kind}/{name}: skipped, not one of Freightway's kinds")
    click.echo(_closing(loaded, len(problems), len(warnings)))
    elsewhere = _elsewhere(loaded)
    if elsewhere and any(problem.message.startswith("unknown ") for problem in checked.problems):
        click.echo(
            f"note: only these files were looked at; what project {' and '.join(elsewhere)} has on the server already is "
            "known to: freightway apply --dry-run"
        )
    if problems:
        raise SystemExit(EXIT_PROBLEMS)


def _elsewhere(loaded: LoadResult) -> list[str]:
    """Return the projects that resources of the files belong to and that are not among the files."""
    here = {item.resource.name for item in loaded.resources if item.resource.kind == "Project"}
    return sorted({item.resource.project for item in loaded.resources} - here - {""})


def _lines(problems: Iterable[Problem], warnings: Iterable[Problem]) -> list[str]:
    marked = [(problem, False) for problem in problems] + [(warning, True) for warning in warnings]
    marked.sort(key=lambda pair: (pair[0].file, pair[0].line, pair[0].path))
    return [_line(problem, is_warning=is_warning) for problem, is_warning in marked]


def _line(problem: Problem, *, is_warning: bool) -> str:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    parts = [place, problem.resource, problem.path, "warning" if is_warning else "", problem.message]
    return ": ".join(part for part in parts if part)


def _closing(loaded: LoadResult, problems: int, warnings: int) -> str:
    kinds = Counter(one.resource.kind for one in loaded.resources)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    parts = [
        f"{_count(len(loaded.resources), 'resource')} valid in form" + (f" ({listed})" if listed else "")
    ]
    parts.append(_count(problems, "problem"))
    parts.append(_count(warnings, "warning"))
    if loaded.skipped:
        parts.append(f"{_count(len(loaded.skipped), 'document')} skipped")
    return ", ".join(parts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
