"""What a Project and the Cluster own: what was applied, and whom they tell about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from pydantic import Field

from freightway.entities.messages import Change
from freightway.entities.state import EntityState
from freightway.errors import InvalidResource, Problem
from freightway.resources.meta import Model, Resource
from freightway.selection.freezes import Freeze
from freightway.selection.windows import PromotionWindow, check_window

_UPLOADS_KNOWN = 20
CLUSTER_KINDS = ("ClusterConfig", "ClusterPromotionTask", "ClusterAnalysisTemplate")
"""Kinds that the Cluster owns; every other kind belongs to a project."""


class ClusterNews(Model):
    """What the Cluster tells the Projects."""

    generation: int = 0
    config: dict[str, Any] = Field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    freezes: tuple[Freeze, ...] = ()


class StageConfiguration(Model):
    """What a Project tells a Stage: everything outside the Stage that its rules need.

    Attributes:
        spec: the Stage's specification in Kargo's JSON form, None if it did not change.
        tasks: the PromotionTasks its template refers to, ``PromotionTask/<name>`` -> spec.
        templates: the AnalysisTemplates it refers to, ``AnalysisTemplate/<name>`` -> spec.
        windows: promotion windows of the project and the cluster.
        downstream: Stages that take Freight from it.
        fed: Warehouses that will send a new Stage by themselves what they have; it need not ask them.
    """

    generation: int = 0
    spec: dict[str, Any] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    policies: tuple[dict[str, Any], ...] = ()
    windows: tuple[dict[str, Any], ...] = ()
    freezes: tuple[Freeze, ...] = ()
    warehouses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    downstream: tuple[str, ...] = ()
    fed: tuple[str, ...] = ()


class WarehouseEntry(Model):
    """A Warehouse in a project's index; its specification is small and Stages need it."""

    spec: dict[str, Any] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class StageEntry(Model):
    """A Stage in a project's index: what others need to know; its specification is with the Stage itself."""

    digest: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    origins: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


class ProjectState(EntityState):
    """What a Project owns.

    Attributes:
        specs: Stage -> specification that was applied and not yet told.
        untold: Stages and Warehouses (``Stage/<name>``) to be told.
        fresh: Stages that were created by what is being told.
        retiring: resources to be told that they were deleted.
        unsure: Stages and Warehouses that were applied without a change: do they run?
        parts: upload -> documents of an ``apply`` that comes in several parts.
        broken_off: uploads whose parts were dropped.
    """

    annotations: dict[str, str] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    warehouses: dict[str, WarehouseEntry] = Field(default_factory=dict)
    stages: dict[str, StageEntry] = Field(default_factory=dict)
    aliases: dict[str, str] = Field(default_factory=dict)
    freezes: list[Freeze] = Field(default_factory=list)
    cluster: ClusterNews = Field(default_factory=ClusterNews)
    specs: dict[str, dict[str, Any]] = Field(default_factory=dict)
    untold: list[str] = Field(default_factory=list)
    fresh: list[str] = Field(default_factory=list)
    unsure: list[str] = Field(default_factory=list)
    retiring: list[str] = Field(default_factory=list)
    parts: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    broken_off: list[str] = Field(default_factory=list)

    def tell(self, *keys: str) -> None:
        """Note that these entities must be told."""
        for key in keys:
            if key not in self.untold:
                self.untold.append(key)

    def next_told(self, most: int) -> list[str]:
        """Return whom to tell next: Stages first, so that what Warehouses send then finds them running."""
        self.untold.sort(key=lambda key: not key.startswith("Stage/"))
        return self.untold[:most]

    def told(self, count: int) -> None:
        """Note that the first ones have been told."""
        self.untold = self.untold[count:]
        if not self.untold:
            self.fresh.clear()

    def break_off_uploads(self) -> None:
        """Drop what came in parts and was not committed; the rest of it will be refused, not half applied."""
        self.broken_off = [*self.broken_off, *self.parts][-_UPLOADS_KNOWN:]
        self.parts.clear()

    def make_sure(self, key: str) -> None:
        """Note that an entity that needs not be told must be looked after: it may have been terminated."""
        if key not in (*self.unsure, *self.untold):
            self.unsure.append(key)

    def tell_stages(self) -> None:
        """Note that every Stage must be told."""
        self.tell(*(f"Stage/{name}" for name in self.stages))


class Known(Model):
    """What a project has, for checks before something is applied.

    Attributes:
        pending: entities that have not been told yet of what was applied or deleted.
    """

    exists: bool = False
    pending: int = 0
    warehouses: tuple[str, ...] = ()
    stages: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    templates: tuple[str, ...] = ()
    cluster_tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cluster_templates: tuple[str, ...] = ()


def known(state: ProjectState) -> Known:
    """Return what a project has."""
    return Known(
        exists=state.generation > 0 and not state.retired,
        pending=len(state.untold) + len(state.retiring),
        warehouses=tuple(sorted(state.warehouses)),
        stages={name: entry.upstream for name, entry in sorted(state.stages.items())},
        tasks=state.tasks,
        templates=tuple(sorted(state.templates)),
        cluster_tasks=state.cluster.tasks,
        cluster_templates=tuple(sorted(state.cluster.templates)),
    )


def parse_all(documents: Iterable[Mapping[str, Any]]) -> list[Resource]:
    """Return the resources of documents.

    Raises:
        InvalidResource: with the problems of all documents.
    """
    # Late: commands import this module and parse nothing.
    from freightway.resources.load import parse_resource

    resources, problems = [], []
    for document in documents:
        try:
            resources.append(parse_resource(document))
        except InvalidResource as error:
            problems += error.problems
    problems += window_problems(resources)
    if problems:
        raise InvalidResource(problems)
    return resources


def window_problems(resources: Iterable[Resource]) -> list[Problem]:
    """Return what is wrong with promotion windows: a rule, a time or a zone that cannot be read."""
    problems = []
    for resource in resources:
        for index, window in enumerate(plain(resource).get("promotionWindows") or ()):
            try:
                check_window(PromotionWindow.model_validate(window))
            except InvalidResource as error:
                path = f"spec.promotionWindows[{index}]"
                label = f"{resource.kind}/{resource.name}"
                problems += [Problem(found.message, path=path, resource=label) for found in error.problems]
    return problems


def plain(resource: Resource) -> dict[str, Any]:
    """Return a resource's specification in Kargo's JSON form, without what was not given."""
    dumped = resource.model_dump(mode="json", by_alias=True, exclude_unset=True)
    spec: dict[str, Any] = dumped.get("spec") or {}
    return spec


def digest(value: Any) -> str:
    """Return a short digest of plain JSON, to tell whether something changed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage_entry(resource: Resource, spec: Mapping[str, Any]) -> StageEntry:
    """Return a Stage's entry in the index."""
    requests = spec.get("requestedFreight") or ()
    template = ((spec.get("promotionTemplate") or {}).get("spec") or {}).get("steps") or ()
    tasks = [step["task"] for step in template if step.get("task")]
    analyses = (spec.get("verification") or {}).get("analysisTemplates") or ()
    upstream = [stage for request in requests for stage in (request.get("sources") or {}).get("stages") or ()]
    return StageEntry(
        digest=digest([spec, resource.metadata.labels, resource.metadata.annotations]),
        labels=resource.metadata.labels,
        annotations=resource.metadata.annotations,
        origins=tuple(request["origin"]["name"] for request in requests),
        upstream=tuple(dict.fromkeys(upstream)),
        tasks=tuple(f"{task.get('kind') or 'PromotionTask'}/{task['name']}" for task in tasks),
        templates=tuple(f"{item.get('kind') or 'AnalysisTemplate'}/{item['name']}" for item in analyses),
    )


def apply_resources(
    state: ProjectState, resources: Iterable[Resource], *, dry_run: bool = False
) -> list[Change]:
    """Apply resources to a project's state and say what changed; nothing is told yet."""
    target = _sketch(state) if dry_run else state
    changes = [_apply_one(target, resource) for resource in resources]
    if not dry_run:
        state.generation += 1
    return changes


def _sketch(state: ProjectState) -> ProjectState:
    """Return a state to try a change on: what an application adds to or takes from is copied, and nothing below."""
    changing = ("tasks", "templates", "warehouses", "stages", "specs", "untold", "fresh", "unsure")
    return state.model_copy(update={name: copy(getattr(state, name)) for name in changing})


def _apply_one(state: ProjectState, resource: Resource) -> Change:
    kind, name, spec = resource.kind, resource.name, plain(resource)
    if kind == "Project":
        before: Any = (state.annotations, True) if state.generation else None
        state.annotations = resource.metadata.annotations
        after: Any = (state.annotations, True)
    elif kind == "ProjectConfig":
        before, after = state.config or None, spec
        state.config = spec
        if before != after:
            state.tell_stages()
    elif kind == "PromotionTask":
        before, after = state.tasks.get(name), spec
        state.tasks[name] = spec
        _tell_users(state, f"PromotionTask/{name}", before != after)
    elif kind == "AnalysisTemplate":
        before, after = state.templates.get(name), spec
        state.templates[name] = spec
        _tell_users(state, f"AnalysisTemplate/{name}", before != after)
    elif kind == "Warehouse":
        before = state.warehouses.get(name)
        after = WarehouseEntry(
            spec=spec, labels=resource.metadata.labels, annotations=resource.metadata.annotations
        )
        state.warehouses[name] = after
        if before != after:
            state.tell(f"Warehouse/{name}")
            state.tell(*(f"Stage/{stage}" for stage, entry in state.stages.items() if name in entry.origins))
        else:
            state.make_sure(f"Warehouse/{name}")
    elif kind == "Stage":
        before, after = state.stages.get(name), stage_entry(resource, spec)
        state.stages[name] = after
        if before != after:
            state.specs[name] = spec
            if before is None:
                state.fresh.append(name)
            neighbours = {*after.upstream, *(before.upstream if before else ())}
            state.tell(*(f"Warehouse/{origin}" for origin in after.origins), f"Stage/{name}")
            state.tell(*(f"Stage/{other}" for other in sorted(neighbours) if other in state.stages))
        else:
            state.specs.setdefault(name, spec)
            state.make_sure(f"Stage/{name}")
    else:
        raise InvalidResource(f"{kind} {name!r} is not a resource that a project keeps")
    return Change(kind=kind, name=name, action=_action(before, after))


def _tell_users(state: ProjectState, key: str, changed: bool) -> None:
    if changed:
        users = (name for name, entry in state.stages.items() if key in (*entry.tasks, *entry.templates))
        state.tell(*(f"Stage/{name}" for name in users))


def _action(before: Any, after: Any) -> Any:
    if before is None:
        return "created"
    return "unchanged" if before == after else "configured"


def downstream(state: ProjectState) -> dict[str, tuple[str, ...]]:
    """Return, for each Stage that others take Freight from, those others."""
    found: dict[str, list[str]] = {}
    for name in sorted(state.stages):
        for upstream in state.stages[name].upstream:
            found.setdefault(upstream, []).append(name)
    return {name: tuple(others) for name, others in found.items()}


def configuration(
    state: ProjectState, stage: str, below: Mapping[str, tuple[str, ...]]
) -> StageConfiguration:
    """Return what a Stage must be told; ``below`` is what ``downstream`` gave."""
    entry = state.stages[stage]
    tasks = {f"PromotionTask/{name}": spec for name, spec in state.tasks.items()}
    tasks |= {f"ClusterPromotionTask/{name}": spec for name, spec in state.cluster.tasks.items()}
    templates = {f"AnalysisTemplate/{name}": spec for name, spec in state.templates.items()}
    templates |= {f"ClusterAnalysisTemplate/{name}": spec for name, spec in state.cluster.templates.items()}
    windows = [*(state.config.get("promotionWindows") or ())]
    windows += state.cluster.config.get("promotionWindows") or ()
    return StageConfiguration(
        generation=state.told_generation,
        spec=state.specs.get(stage),
        labels=entry.labels,
        annotations=entry.annotations,
        tasks={key: tasks[key] for key in entry.tasks if key in tasks},
        templates={key: templates[key] for key in entry.templates if key in templates},
        policies=tuple(state.config.get("promotionPolicies") or ()),
        windows=tuple(windows),
        freezes=(*state.freezes, *state.cluster.freezes),
        warehouses={name: state.warehouses[name].spec for name in entry.origins if name in state.warehouses},
        downstream=below.get(stage, ()),
        fed=tuple(
            name for name in entry.origins if stage in state.fresh and f"Warehouse/{name}" in state.untold
        ),
    )


def subscribers(state: ProjectState, warehouse: str) -> tuple[str, ...]:
    """Return the Stages that take Freight of a Warehouse."""
    return tuple(sorted(name for name, entry in state.stages.items() if warehouse in entry.origins))


def upstream_of(state: ProjectState, warehouse: str) -> dict[str, tuple[str, ...]]:
    """Return, for each Stage that takes Freight of a Warehouse, the Stages whose facts matter to it."""
    return {name: state.stages[name].upstream for name in subscribers(state, warehouse)}


def delete_targets(state: ProjectState, targets: Iterable[str], *, everything: bool) -> list[str]:
    """Return the resources that a deletion removes, dependants first, as ``Kind/name``.

    Raises:
        InvalidResource: if one of them does not exist.
    """
    have = [f"Stage/{name}" for name in sorted(state.stages)]
    have += [f"Warehouse/{name}" for name in sorted(state.warehouses)]
    have += [f"PromotionTask/{name}" for name in sorted(state.tasks)]
    have += [f"AnalysisTemplate/{name}" for name in sorted(state.templates)]
    have += [f"ProjectConfig/{state.name}"] if state.config else []
    if everything:
        return [*have, f"Project/{state.name}"]
    wanted = list(dict.fromkeys(targets))
    missing = [target for target in wanted if target not in have]
    if missing:
        known = f"it has {', '.join(have)}" if have else "it has nothing"
        raise InvalidResource(f"{', '.join(missing)} not found in project {state.name!r}: {known}")
    return [target for target in have if target in wanted]


def delete(state: ProjectState, targets: Iterable[str]) -> None:
    """Remove resources from a project's state and note whom to tell."""
    for target in targets:
        kind, _, name = target.partition("/")
        if kind == "Stage":
            entry = state.stages.pop(name)
            state.specs.pop(name, None)
            state.tell(*(f"Warehouse/{origin}" for origin in entry.origins if origin in state.warehouses))
            state.retiring.append(target)
        elif kind == "Warehouse":
            del state.warehouses[name]
            state.aliases = {
                alias: owner for alias, owner in state.aliases.items() if owner.partition("@")[2] != name
            }
            state.retiring.append(target)
            state.tell(*(f"Stage/{stage}" for stage, entry in state.stages.items() if name in entry.origins))
        elif kind == "PromotionTask":
            del state.tasks[name]
            _tell_users(state, target, True)
        elif kind == "AnalysisTemplate":
            del state.templates[name]
            _tell_users(state, target, True)
        elif kind == "ProjectConfig":
            state.config = {}
            state.tell_stages()
        elif kind == "Project":
            state.retired = True
    gone = {target for target in state.untold if target in state.retiring}
    state.untold = [key for key in state.untold if key not in gone]
    state.unsure = [key for key in state.unsure if key not in state.retiring]
    state.generation += 1


class ClusterState(EntityState):
    """What the Cluster owns, and the Projects it tells."""

    config: dict[str, Any] = Field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    freezes: list[Freeze] = Field(default_factory=list)
    projects: list[str] = Field(default_factory=list)
    untold: list[str] = Field(default_factory=list)

    def tell(self, *projects: str) -> None:
        """Note that these Projects must be told."""
        for project in projects:
            if project not in self.untold:
                self.untold.append(project)

    @property
    def news(self) -> ClusterNews:
        """What a Project must be told."""
        return ClusterNews(
            generation=self.told_generation,
            config=self.config,
            tasks=self.tasks,
            templates=self.templates,
            freezes=tuple(self.freezes),
        )


def apply_to_cluster(state: ClusterState, resources: Iterable[Resource], *, dry_run: bool) -> list[Change]:
    """Apply cluster-wide resources and say what changed."""
    target = state.model_copy(deep=True) if dry_run else state
    changes = []
    for resource in resources:
        spec, name = plain(resource), resource.name
        if resource.kind == "ClusterConfig":
            before: Any = target.config or None
            target.config = spec
        elif resource.kind == "ClusterPromotionTask":
            before = target.tasks.get(name)
            target.tasks[name] = spec
        elif resource.kind == "ClusterAnalysisTemplate":
            before = target.templates.get(name)
            target.templates[name] = spec
        else:
            raise InvalidResource(f"{resource.kind} {name!r} belongs to a project, not to the cluster")
        changes.append(Change(kind=resource.kind, name=name, action=_action(before, spec)))
    if not dry_run:
        state.generation += 1
        if any(change.action != "unchanged" for change in changes):
            state.tell(*state.projects)
    return changes
