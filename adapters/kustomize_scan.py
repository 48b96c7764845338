"""What a kustomization refers to: every path must stay in the workspace, and nothing may be fetched.

Kustomize itself reads any path and any address it is given; so all files that it will follow are read before it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from freightway.errors import StepErrored

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
FOLLOWED = ("resources", "components", "bases")
"""Fields whose folders are kustomizations themselves."""
CONFIGURED = ("generators", "transformers", "validators")
"""Fields whose files configure plugins, and may name further files."""
PLAIN = ("crds", "configurations", "patchesStrategicMerge")
PATH_KEYS = frozenset({
    "path", "paths", "file", "files", "env", "envs", "valuesFile", "additionalValuesFiles", "chartHome",
    "configHome", "resources", "patches", "crds", "bases", "components", "configurations", "generators",
    "transformers", "validators", "patchesStrategicMerge",
})  # fmt: skip
REMOTE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*://|[a-z0-9_.-]+@[^/\s]+:|git::|gh:)", re.IGNORECASE)
KNOWN_HOSTS = re.compile(r"^\s*(?:github\.com|gitlab\.com|bitbucket\.org|dev\.azure\.com)[/:]", re.IGNORECASE)
MOST_FILES = 5_000
MOST_BYTES = 32 * 1024 * 1024
MOST_DEPTH = 200
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_FIELDS = {
    name.lower(): name
    for name in (
        *PATH_KEYS, "patchesJson6902", "replacements", "openapi", "configMapGenerator", "secretGenerator",
        "helmCharts", "helmChartInflationGenerator", "helmGlobals", "repo", "chartRepoUrl", "chartName", "name",
        "values", "kind",
    )
}  # fmt: skip


@dataclass(slots=True)
class Found:
    """What was found.

    Attributes:
        charts: a kustomization that inflates Helm charts, empty if none does.
        fetches: whether a chart is to be fetched.
    """

    charts: str = ""
    fetches: bool = False


def scan(folder: Path, root: Path) -> Found:
    """Read a kustomization and all that it builds on.

    Args:
        folder: its folder, links resolved.
        root: the workspace, links resolved.
    Raises:
        StepErrored: if something is outside the workspace, remote, or no YAML.
    """
    if not folder.is_relative_to(root):
        raise StepErrored("the path of the kustomization leads out of the workspace")
    walk = _Scan(root)
    walk.kustomization(folder)
    return walk.found


@dataclass(slots=True)
class _Scan:
    root: Path
    found: Found = field(default_factory=Found)
    _seen: set[Path] = field(default_factory=set)

    def kustomization(self, folder: Path) -> None:
        """Look at the kustomization of a folder, once; kustomize reports a folder without one."""
        if folder in self._seen:
            return
        self._enter(folder)
        for name in FILE_NAMES:
            file = folder / name
            if not _is_there(file):
                continue
            place = self._inside(file, folder, name, name)
            for document in self._documents(place):
                if isinstance(document, dict):
                    self._content(document, folder, self._show(file))

    def _content(self, content: dict[str, Any], folder: Path, shown: str) -> None:
        for key in FOLLOWED:
            for entry in _texts(content.get(key)):
                place = self._path(entry, folder, shown)
                if place is not None and place.is_dir():
                    self.kustomization(place)
        for key in CONFIGURED:
            for entry in _texts(content.get(key)):
                self._plugin(entry, folder, shown)
        for key in PLAIN:
            for entry in _texts(content.get(key)):
                if "\n" not in entry:
                    self._path(entry, folder, shown)
        for key in ("patches", "patchesJson6902", "replacements", "openapi"):
            entries = content.get(key)
            for item in entries if isinstance(entries, list) else [entries]:
                if isinstance(item, dict) and isinstance(item.get("path"), str):
                    self._path(item["path"], folder, shown)
        for key in ("configMapGenerator", "secretGenerator"):
            for item in _mappings(content.get(key)):
                self._sources(item, folder, shown)
        self._charts(content, folder, shown)

    def _sources(self, item: dict[str, Any], folder: Path, shown: str) -> None:
        for key in ("files", "envs", "env"):
            for entry in _texts(item.get(key)):
                self._path(entry.partition("=")[2] or entry, folder, shown)

    def _charts(self, content: dict[str, Any], folder: Path, shown: str) -> None:
        charts = [
            *_mappings(content.get("helmCharts")),
            *_mappings(content.get("helmChartInflationGenerator")),
        ]
        if not charts:
            return
        self.found.charts = shown
        settings = content.get("helmGlobals")
        home = settings.get("chartHome") if isinstance(settings, dict) else None
        place = self._path(home or "charts", folder, shown)
        for chart in charts:
            for entry in _texts([chart.get("valuesFile"), chart.get("values"), chart.get("chartHome")]):
                self._path(entry, folder, shown)
            for entry in _texts(chart.get("additionalValuesFiles")):
                self._path(entry, folder, shown)
            name = str(chart.get("name") or chart.get("chartName") or "")
            local = place / name if place is not None and name else None
            if local is not None and local.exists():
                refuse_outside_links(self._inside(local, folder, name, shown), self.root)
            elif chart.get("repo") or chart.get("chartRepoUrl"):
                self.found.fetches = True

    def _plugin(self, entry: str, folder: Path, shown: str) -> None:
        """A plugin's configuration, inline or a file.

        A folder would be built first, and its patches could write any path into the configuration.
        """
        if "\n" in entry:
            self._named_in(list(_load(entry, shown)), folder, shown)
            return
        place = self._path(entry, folder, shown)
        if place is None or place in self._seen:
            return
        if place.is_dir():
            raise StepErrored(
                f"{shown}: {entry!r} is a folder; name the files that configure plugins one by one"
            )
        if place.is_file():
            self._enter(place)
            # Paths in it are looked up from the folder of the kustomization.
            self._named_in(self._documents(place), folder, self._show(place))

    def _named_in(self, value: Any, folder: Path, shown: str, key: str = "") -> None:
        """Look at every path that a plugin's configuration names, however deep."""
        if isinstance(value, dict):
            if value.get("kind") == "HelmChartInflationGenerator":
                self._charts({"helmCharts": [value], "helmGlobals": value}, folder, shown)
            for name, item in value.items():
                self._named_in(item, folder, shown, str(name))
        elif isinstance(value, list):
            for item in value:
                self._named_in(item, folder, shown, key)
        elif isinstance(value, str) and key in PATH_KEYS and "\n" not in value and value:
            # A path in a manifest (a JSON pointer, a mount) is no file: only what is there, or remote, matters.
            if REMOTE.match(value):
                raise _remote(value, shown)
            for path in {value, value.partition("=")[2] or value}:
                if _is_there(folder / path):
                    self._path(path, folder, shown)

    def _path(self, text: str, folder: Path, shown: str) -> Path | None:
        """The place of a path, None if nothing is there; kustomize says so better."""
        if REMOTE.match(text):
            raise _remote(text, shown)
        place = self._inside(folder / text, folder, text, shown)
        if _is_there(place):
            return place
        if KNOWN_HOSTS.match(text) or "?ref=" in text:
            raise _remote(text, shown)
        return None

    def _inside(self, path: Path, folder: Path, text: str, shown: str) -> Path:
        try:
            place = (folder / path).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise StepErrored(f"{shown}: path {text!r} cannot be followed") from error
        if not place.is_relative_to(self.root):
            raise StepErrored(f"{shown}: path {text!r} leads out of the workspace")
        return place

    def _documents(self, file: Path) -> list[Any]:
        try:
            if file.stat().st_size > MOST_BYTES:
                raise StepErrored(f"{self._show(file)} is larger than {MOST_BYTES} bytes")
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise StepErrored(f"{self._show(file)} is not UTF-8 text") from error
        except OSError as error:
            raise StepErrored(f"{self._show(file)} cannot be read: {error.strerror}") from error
        return list(_load(text, self._show(file)))

    def _enter(self, place: Path) -> None:
        self._seen.add(place)
        if len(self._seen) > MOST_FILES:
            raise StepErrored(f"the kustomization builds on more than {MOST_FILES} others")

    def _show(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def refuse_outside_links(folder: Path, root: Path) -> None:
    """Raise StepErrored if a link anywhere below a folder leads out of the workspace; links are followed."""
    todo, seen = [folder], set()
    while todo:
        current = todo.pop()
        if current in seen or not current.is_dir():
            continue
        seen.add(current)
        for entry in current.iterdir():
            if entry.is_symlink():
                try:
                    place = entry.resolve()
                except (OSError, RuntimeError) as error:
                    raise StepErrored(f"link {entry.name!r} cannot be followed") from error
                if not place.is_relative_to(root):
                    shown = entry.relative_to(root).as_posix()
                    raise StepErrored(f"link {shown!r} leads out of the workspace")
                todo.append(place)
            elif entry.is_dir():
                todo.append(entry)


def _load(text: str, shown: str) -> Iterator[Any]:
    try:
        for document in yaml.load_all(text, _Loader):
            yield _as_read(document, shown, frozenset())
    except (yaml.YAMLError, RecursionError) as error:
        raise StepErrored(f"{shown} is not YAML: {error}") from error


def _as_read(value: Any, shown: str, above: frozenset[int]) -> Any:
    """The document as kustomize reads it: ``<<`` merged, names of fields in any case."""
    if not isinstance(value, (dict, list)):
        return value
    if id(value) in above or len(above) > MOST_DEPTH:
        raise StepErrored(f"{shown} holds an anchor inside itself, or is nested too deeply")
    inside = above | {id(value)}
    if isinstance(value, list):
        return [_as_read(item, shown, inside) for item in value]
    read: dict[str, Any] = {}
    for key, item in value.items():
        content = _as_read(item, shown, inside)
        if key == "<<":
            for merged in content if isinstance(content, list) else [content]:
                for name, one in merged.items() if isinstance(merged, dict) else ():
                    _add(read, name, one)
        else:
            _add(read, _FIELDS.get(str(key).lower(), str(key)), content)
    return read


def _add(read: dict[str, Any], key: str, value: Any) -> None:
    """Keep every value of a field: which of them kustomize takes does not matter."""
    if key in read:
        before = read[key]
        value = [
            *(before if isinstance(before, list) else [before]),
            *(value if isinstance(value, list) else [value]),
        ]
    read[key] = value


def _is_there(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item]


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _remote(text: str, shown: str) -> StepErrored:
    return StepErrored(
        f"{shown}: {text!r} is remote, and a build fetches nothing; clone the repository with git-clone and "
        "refer to the folder"
    )
