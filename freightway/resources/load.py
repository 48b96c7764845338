"""Manifests into resources: every problem of every document at once, with file, line and YAML path.

Pure: texts come in, `freightway.cli.manifests` reads the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from freightway.errors import InvalidResource, Problem
from freightway.resources.analysis import AnalysisTemplate, ClusterAnalysisTemplate
from freightway.resources.cluster_config import ClusterConfig
from freightway.resources.enterprise import ENTERPRISE_KINDS, enterprise_fields_in
from freightway.resources.freight import Freight
from freightway.resources.meta import KARGO_API, ROLLOUTS_API, Resource
from freightway.resources.plain_words import describe, explain, suggestion
from freightway.resources.project import Project
from freightway.resources.project_config import ProjectConfig
from freightway.resources.promotion import Promotion
from freightway.resources.promotion_task import ClusterPromotionTask, PromotionTask
from freightway.resources.stage import Stage
from freightway.resources.warehouse import Warehouse
from freightway.resources.yaml_source import Document, YamlPath, drop_nulls, format_path, read_documents

CREDENTIAL_LABEL = "kargo.akuity.io/cred-type"
_KARGO_GROUP = KARGO_API.split("/", maxsplit=1)[0] + "/"
_ROLLOUTS_GROUP = ROLLOUTS_API.split("/", maxsplit=1)[0] + "/"
_MODELS: tuple[type[Resource], ...] = (
    Project,
    ProjectConfig,
    ClusterConfig,
    Warehouse,
    Freight,
    Stage,
    Promotion,
    PromotionTask,
    ClusterPromotionTask,
    AnalysisTemplate,
    ClusterAnalysisTemplate,
)
_KINDS: Mapping[str, type[Resource]] = {model.__name__: model for model in _MODELS}
_FREE_FORM = frozenset({"config", "jsonBody", "plugin"})
CLUSTER_KINDS = frozenset({"Project", "ClusterConfig", "ClusterPromotionTask", "ClusterAnalysisTemplate"})
"""Kinds that live outside of projects; Project names one."""


class ResourceKey(NamedTuple):
    """What tells resources apart: kind, project (empty for cluster-wide kinds) and name."""

    kind: str
    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.project}/{self.name}" if self.project else f"{self.kind} {self.name}"


class Skipped(NamedTuple):
    """A document that is not one of Freightway's kinds."""

    kind: str
    name: str
    file: str
    line: int


@dataclass(frozen=True)
class Loaded:
    """A resource and where it was written.

    Attributes:
        file: the file as the person named it, ``-`` for standard input, empty if it was not read from text.
        line: 1-based line on which the document begins, 0 if unknown.
        document: the text's lines, None if it was not read from text.
    """

    resource: Resource
    file: str = ""
    line: int = 0
    document: Document | None = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> ResourceKey:
        """Kind, project and name."""
        return key_of(self.resource)

    def problem(self, path: YamlPath, message: str, text_line: int = 1) -> Problem:
        """Return a problem at a path of the resource.

        Args:
            text_line: 1-based line within the text at that path.
        """
        line = self.line
        if self.document is not None:
            line = self.document.line_of(path)
            if text_line > 1:
                line = self.document.text_line_of(path, text_line)
        return Problem(
            message, self.file, line, format_path(path), _label(self.resource.kind, self.resource.name)
        )


@dataclass
class LoadResult:
    """What a set of texts holds.

    Attributes:
        resources: valid resources in the order they were read.
        problems: what must be repaired before anything is applied.
        warnings: what works otherwise than the person may think.
        skipped: documents of other kinds.
        broken: resources that were named but are not valid, so that references to them are not unknown.
    """

    resources: list[Loaded] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    broken: set[ResourceKey] = field(default_factory=set)


def key_of(resource: Resource) -> ResourceKey:
    """Return kind, project and name of a resource."""
    project = "" if resource.kind in CLUSTER_KINDS else resource.project
    return ResourceKey(resource.kind, project, resource.name)


def resource_kinds() -> Mapping[str, type[Resource]]:
    """Return the model of every kind that Freightway knows."""
    return _KINDS


def api_version_of(kind: str) -> str:
    """Return the ``apiVersion`` of one of Freightway's kinds."""
    return ROLLOUTS_API if kind.endswith("AnalysisTemplate") else KARGO_API


def load_text(text: str, file: str = "") -> LoadResult:
    """Return what one YAML or JSON text holds; see `load_texts`."""
    return load_texts([(file, text)])


def load_texts(sources: Iterable[tuple[str, str]]) -> LoadResult:
    """Return what a set of YAML or JSON texts holds, with every problem in it.

    Args:
        sources: pairs of file name and text.
    """
    result = LoadResult()
    for file, text in sources:
        documents, issues = read_documents(text)
        for issue in issues:
            result.problems.append(Problem(issue.message, file, issue.line, format_path(issue.path)))
        for document in documents:
            for one in _unlisted(document):
                _load_document(one, file, result)
    result.problems.extend(_duplicates(result.resources))
    return result


def parse_resource(data: Mapping[str, Any]) -> Resource:
    """Return the resource that plain data stands for, such as the JSON of a request.

    Raises:
        InvalidResource: with every problem found.
    """
    problem = _header_problem(data)
    if problem:
        raise InvalidResource([Problem(problem[1], path=format_path(problem[0]))])
    resource, found = _validate(data)
    if resource is None:
        label = _label(str(data["kind"]), _name(data))
        raise InvalidResource([Problem(text, path=format_path(path), resource=label) for path, text in found])
    return resource


def _unlisted(document: Document) -> Sequence[Document]:
    value = document.value
    if isinstance(value, dict) and value.get("apiVersion") == "v1" and value.get("kind") == "List":
        return document.items()
    return [document]


def _load_document(document: Document, file: str, result: LoadResult) -> None:
    data = document.value
    label = _label(str(data.get("kind", "")), _name(data)) if isinstance(data, dict) else ""
    if isinstance(data, dict) and _is_foreign(data):
        result.skipped.append(Skipped(str(data.get("kind", "")), _name(data), file, document.line))
        result.warnings.extend(_skip_warnings(data, document, file, label))
        return
    header = _header_problem(data)
    if header is not None:
        path, message = header
        result.problems.append(Problem(message, file, document.line_of(path), format_path(path), label))
        return
    resource, found = _validate(data)
    for path, message in found:
        result.problems.append(Problem(message, file, document.line_of(path), format_path(path), label))
    for path, message in enterprise_fields_in(data["kind"], data):
        result.warnings.append(Problem(message, file, document.line_of(path), format_path(path), label))
    if resource is not None:
        result.resources.append(Loaded(resource, file, document.line, document))
    else:
        result.broken.add(_raw_key(data))


def _validate(data: Mapping[str, Any]) -> tuple[Resource | None, list[tuple[YamlPath, str]]]:
    model = resource_kinds()[str(data["kind"])]
    cleaned = drop_nulls({key: value for key, value in data.items() if key != "status"}, _FREE_FORM)
    try:
        return model.model_validate(cleaned, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, explain(error, model, cleaned)


def _is_foreign(data: Mapping[str, Any]) -> bool:
    """Tell whether a document is of a kind that others handle; only its own kind's name is not enough."""
    api, kind = data.get("apiVersion"), data.get("kind")
    if not isinstance(api, str) or not isinstance(kind, str):
        return False
    if api.startswith(_KARGO_GROUP):
        return kind in ENTERPRISE_KINDS
    if api.startswith(_ROLLOUTS_GROUP):
        return not kind.endswith("AnalysisTemplate")
    return True


def _header_problem(data: Any) -> tuple[YamlPath, str] | None:
    """Return what keeps a document from being one of Freightway's kinds, None if nothing does."""
    if not isinstance(data, Mapping):
        return (), f"must be a map with apiVersion, kind and metadata, not {describe(data)}"
    for key in ("apiVersion", "kind"):
        if data.get(key) is None:
            return (key,), f"{key} is missing; every document needs apiVersion and kind"
        if not isinstance(data[key], str):
            return (key,), f"must be text, not {describe(data[key])}"
    api, kind = data["apiVersion"], data["kind"]
    kinds = [name for name in resource_kinds() if api_version_of(name).split("/")[0] == api.split("/")[0]]
    if kind not in kinds:
        return ("kind",), f"unknown kind {kind!r} in {api}" + suggestion(kind, kinds)
    if api != api_version_of(kind):
        return ("apiVersion",), f"{api!r} is not supported; use {api_version_of(kind)}"
    return None


def _skip_warnings(data: Mapping[str, Any], document: Document, file: str, label: str) -> list[Problem]:
    kind = data["kind"]
    if kind in ENTERPRISE_KINDS and data["apiVersion"].startswith(_KARGO_GROUP):
        message = f"is skipped: {kind} exists only in Kargo's enterprise edition"
        return [Problem(message, file, document.line, "", label)]
    metadata = data.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if kind in ("Secret", "ConfigMap") and isinstance(labels, dict) and CREDENTIAL_LABEL in labels:
        project = str(metadata.get("namespace") or "<project>") if isinstance(metadata, dict) else "<project>"
        message = (
            "is skipped: credentials are never sent to the server; put this file into "
            f"<home>/secrets/{project}/ (or <home>/secrets/shared/ for every project) where the worker runs, "
            "or use: freightway create credentials"
        )
        return [Problem(message, file, document.line, "", label)]
    return []


def _duplicates(resources: Sequence[Loaded]) -> list[Problem]:
    first: dict[ResourceKey, Loaded] = {}
    found: list[Problem] = []
    for loaded in resources:
        key = loaded.key
        if not key.name:
            continue
        earlier = first.setdefault(key, loaded)
        if earlier is not loaded:
            place = f"{earlier.file}:{earlier.line}" if earlier.file else f"line {earlier.line}"
            found.append(
                loaded.problem(("metadata", "name"), f"{key} is defined twice; the other one is at {place}")
            )
    return found


def _name(data: Any) -> str:
    metadata = data.get("metadata") if isinstance(data, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""


def _raw_key(data: Mapping[str, Any]) -> ResourceKey:
    metadata = data.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    project = "" if data["kind"] in CLUSTER_KINDS else str(namespace or "")
    return ResourceKey(str(data["kind"]), project, _name(data))


def _label(kind: str, name: str) -> str:
    return f"{kind}/{name}" if name else kind
