"""Secret and ConfigMap manifests in a folder: ``<home>/secrets/<project>/*.yaml`` and ``<home>/secrets/shared/``.

The folder decides whose a manifest is; ``metadata.namespace`` is not looked at. Files are read again when they
change. A file that does not parse hides nothing but itself and is listed in :meth:`SecretFiles.problems`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from freightway.errors import Problem

SHARED = "shared"
"""Name of the folder that every project may read; no project can have this name."""

CRED_TYPE = "kargo.akuity.io/cred-type"
REPLICATE_TO = "kargo.akuity.io/replicate-to"

_PROJECT = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_MOST_BYTES = 4 * 1024 * 1024
# Every scalar stays the text it was written as: a password 0123 is not a number.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Secret or ConfigMap; its values never show in its ``repr``.

    Attributes:
        data: the decoded values by key.
        file: name of the file it was read from.
    """

    kind: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    data: dict[str, str] = field(repr=False)
    file: str = ""

    @property
    def cred_type(self) -> str:
        """The value of the label ``kargo.akuity.io/cred-type``, empty if it has none."""
        return self.labels.get(CRED_TYPE, "")


@dataclass(frozen=True, slots=True)
class _Read:
    signature: tuple[int, int, int]
    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class SecretFiles:
    """The manifests below one home folder."""

    home: Path
    _read: dict[Path, _Read] = field(default_factory=dict)

    def shared(self, kind: str) -> list[Manifest]:
        """Return the shared manifests of a kind (``Secret`` or ``ConfigMap``), sorted by name."""
        return _sorted(one for one in self._folder(SHARED) if one.kind == kind)

    def of_project(self, project: str, kind: str) -> list[Manifest]:
        """Return a project's manifests of a kind, sorted by name.

        Shared ones with the annotation ``kargo.akuity.io/replicate-to: "*"`` count as the project's own, unless
        it has one of that name: every ConfigMap, and each Secret with a ``cred-type`` label.
        """
        if project == SHARED or not _PROJECT.fullmatch(project):
            return []
        own = [one for one in self._folder(project) if one.kind == kind]
        taken = {one.name for one in own}
        copies = [
            one
            for one in self.shared(kind)
            if one.annotations.get(REPLICATE_TO) == "*"
            and one.name not in taken
            and (kind == "ConfigMap" or one.cred_type)
        ]
        return _sorted([*own, *copies])

    def problems(self) -> list[Problem]:
        """Return what is wrong in the files read so far; no problem quotes a value."""
        return [problem for read in self._read.values() for problem in read.problems]

    def _folder(self, name: str) -> list[Manifest]:
        folder = self.home / "secrets" / name
        found: list[Manifest] = []
        present: set[Path] = set()
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
        except OSError:
            files = []
        for path in files:
            try:
                stat = path.stat()
            except OSError:
                continue
            present.add(path)
            signature = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            read = self._read.get(path)
            if read is None or read.signature != signature:
                read = self._read[path] = _read_file(path, signature)
            found.extend(read.manifests)
        for gone in [path for path in self._read if path.parent == folder and path not in present]:
            del self._read[gone]
        return found


def _sorted(manifests: Iterator[Manifest] | list[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda one: one.name)


def _read_file(path: Path, signature: tuple[int, int, int]) -> _Read:
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    try:
        if signature[1] > _MOST_BYTES:
            raise ValueError(f"the file is larger than {_MOST_BYTES} bytes")
        # _Loader is PyYAML's base loader: it builds only text, lists and maps.
        documents = list(yaml.load_all(path.read_text(encoding="utf-8"), _Loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return _Read(signature, (), (Problem("the file is not valid YAML", file=path.name, line=line),))
    except (OSError, ValueError, yaml.YAMLError) as error:
        text = (
            "the file cannot be read" if not isinstance(error, ValueError) else "the file is not valid text"
        )
        return _Read(signature, (), (Problem(text, file=path.name),))
    for document in documents:
        if not document:
            continue
        try:
            manifests.extend(_parse(document, path.name))
        except ValueError as error:
            problems.append(Problem(str(error), file=path.name))
    return _Read(signature, tuple(manifests), tuple(problems))


def _parse(document: Any, file: str) -> list[Manifest]:
    if not isinstance(document, dict):
        raise ValueError("a document is not a map; write a Secret or ConfigMap manifest")
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        return [one for item in document["items"] for one in _parse(item, file)]
    kind = document.get("kind")
    if kind not in ("Secret", "ConfigMap"):
        raise ValueError(f"kind {kind!r} is not read from this folder; it takes Secret and ConfigMap")
    metadata = _map(document, "metadata")
    name = metadata.get("name", "")
    if not isinstance(name, str) or not name:
        raise ValueError(f"a {kind} has no metadata.name")
    data: dict[str, str] = {}
    for key, value in _texts(document, "data").items():
        data[key] = _decode(name, key, value) if kind == "Secret" else value
    if kind == "Secret":
        data.update(_texts(document, "stringData"))
    return [
        Manifest(kind, name, _texts(metadata, "labels"), _texts(metadata, "annotations"), data, file),
    ]


def _map(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{key} is not a map")
    return value


def _texts(document: dict[str, Any], key: str) -> dict[str, str]:
    found = _map(document, key)
    for name, value in found.items():
        if not isinstance(value, str):
            raise ValueError(f"{key}.{name} is not a text")
    return dict(found)


def _decode(name: str, key: str, value: str) -> str:
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode("utf-8")
    except UnicodeDecodeError:
        # Not text (a keystore, say): Latin-1 keeps each byte as one character.
        return base64.b64decode("".join(value.split())).decode("latin-1")
    except (binascii.Error, ValueError):
        raise ValueError(
            f"data.{key} of Secret {name!r} is not base64; encode it, or write it as it is under stringData"
        ) from None
