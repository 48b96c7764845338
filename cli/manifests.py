"""Reads manifests from files, folders and standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from freightway.errors import NotFound, Problem
from freightway.resources.load import LoadResult, load_texts

STANDARD_INPUT = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def read_manifests(paths: Iterable[str]) -> LoadResult:
    """Return what files, folders (with all that is below them) and standard input (``-``) hold.

    In folders every ``*.yaml``, ``*.yml`` and ``*.json`` counts, in the order of their names; what begins
    with a dot is left out. A file that is reached twice is read once.

    Raises:
        NotFound: if a path does not exist.
    """
    sources: list[tuple[str, str]] = []
    unreadable: list[Problem] = []
    for file in _files(paths):
        try:
            sources.append((file, _read(file)))
        except UnicodeDecodeError:
            unreadable.append(Problem("is not UTF-8 text", file, 1))
        except OSError as error:
            unreadable.append(Problem(f"cannot be read: {error.strerror}", file))
    result = load_texts(sources)
    result.problems[:0] = unreadable
    return result


def known_step_kinds() -> frozenset[str]:
    """Return the kinds of steps there are: ours, and those of packages that are installed here."""
    from importlib.metadata import entry_points

    from freightway.resources.step import BUILT_IN_KINDS

    return BUILT_IN_KINDS | {point.name for point in entry_points(group="freightway.steps")}


def _read(file: str) -> str:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    return Path(file).read_bytes().decode("utf-8-sig")


def _files(paths: Iterable[str]) -> Iterator[str]:
    seen: set[Path | str] = set()
    for given in paths:
        for file in [given] if given == STANDARD_INPUT else _files_at(Path(given)):
            identity = file if isinstance(file, str) else file.resolve()
            if identity not in seen:
                seen.add(identity)
                yield str(file)


def _files_at(path: Path) -> list[Path]:
    if not path.exists():
        raise NotFound("path", str(path), "give a file, a folder or - for standard input")
    if not path.is_dir():
        return [path]
    found = (file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    return sorted(file for file in found if not _is_hidden(file.relative_to(path)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
