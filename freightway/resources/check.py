"""Checks a set of resources against each other, before anything of it is applied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from freightway.errors import Problem
from freightway.resources.analysis import AnalysisTemplate, AnalysisTemplateSpec, ClusterAnalysisTemplate
from freightway.resources.check_expressions import Finding, check_expression, check_template
from freightway.resources.check_stages import (
    Edge,
    check_verification,
    find_circles,
    upstream_edges,
    warn_about_sources,
)
from freightway.resources.check_steps import (
    check_steps,
    check_task_variables,
    check_variables,
    warn_about_kinds,
)
from freightway.resources.check_warehouses import check_freight, check_warehouse
from freightway.resources.cluster_config import ClusterConfig
from freightway.resources.freight import Freight
from freightway.resources.load import CLUSTER_KINDS, Loaded, ResourceKey, key_of
from freightway.resources.meta import Resource
from freightway.resources.plain_words import suggestion
from freightway.resources.project_config import DeepLink, ProjectConfig
from freightway.resources.promotion import Promotion
from freightway.resources.promotion_task import ClusterPromotionTask, PromotionTask, PromotionTaskSpec
from freightway.resources.stage import Stage
from freightway.resources.step import Step, TaskReference
from freightway.resources.warehouse import Warehouse
from freightway.resources.webhook_receiver import WebhookReceiver
from freightway.resources.yaml_source import YamlPath

_STEPS: YamlPath = ("spec", "promotionTemplate", "spec", "steps")


@dataclass
class CheckResult:
    """What a check found.

    Attributes:
        problems: what keeps the set from being applied.
        warnings: what works otherwise than the person may think.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def check(
    resources: Iterable[Loaded | Resource],
    known: Iterable[Resource | ResourceKey] = (),
    *,
    step_kinds: Collection[str] | None = None,
) -> CheckResult:
    """Return what is wrong among resources: references, circles, names, variables, patterns, expressions.

    Args:
        resources: what is to be applied.
        known: what exists besides, or is known to be named; a resource of ``resources`` replaces it.
        step_kinds: kinds of steps that workers run; None leaves them unchecked.
    """
    loaded = [one if isinstance(one, Loaded) else Loaded(one) for one in resources]
    return _Checker(loaded, known, step_kinds).run()


class _Checker:
    """One check: the set, what is known besides it, and what was found so far."""

    def __init__(
        self,
        loaded: list[Loaded],
        known: Iterable[Resource | ResourceKey],
        step_kinds: Collection[str] | None,
    ) -> None:
        self._loaded = loaded
        self._step_kinds = step_kinds
        self._result = CheckResult()
        self._index: dict[ResourceKey, Resource | None] = {}
        for one in known:
            if isinstance(one, Resource):
                self._index[key_of(one)] = one
            else:
                self._index.setdefault(one, None)
        self._index.update((one.key, one.resource) for one in loaded)

    def run(self) -> CheckResult:
        """Check every resource by its kind, then what concerns several."""
        for loaded in self._loaded:
            for finding in self._findings(loaded):
                self._result.problems.append(loaded.problem(*finding))
            for finding in self._doubts(loaded):
                self._result.warnings.append(loaded.problem(*finding))
        self._check_circles()
        self._check_aliases()
        self._warn_about_projects()
        return self._result

    def _findings(self, loaded: Loaded) -> Iterator[Finding]:
        resource = loaded.resource
        if not resource.project and resource.kind not in CLUSTER_KINDS:
            yield Finding(
                ("metadata", "namespace"), "is missing; it names the project that the resource belongs to"
            )
        match resource:
            case Stage():
                yield from self._stage(resource)
            case Warehouse():
                yield from check_warehouse(resource)
            case Freight():
                yield from self._freight(resource)
            case PromotionTask() | ClusterPromotionTask():
                yield from check_variables(resource.spec.vars, ("spec", "vars"))
                yield from check_steps(resource.spec.steps, ("spec", "steps"))
            case Promotion():
                yield from self._promotion(resource)
            case ProjectConfig() | ClusterConfig():
                yield from _links(resource.spec.freight_links, ("spec", "freightLinks"))
                yield from _links(resource.spec.stage_links, ("spec", "stageLinks"))
                yield from _receivers(resource.spec.webhook_receivers, ("spec", "webhookReceivers"))
            case AnalysisTemplate() | ClusterAnalysisTemplate():
                yield from _conditions(resource.spec)
            case _:
                return

    def _doubts(self, loaded: Loaded) -> Iterator[Finding]:
        resource = loaded.resource
        if isinstance(resource, Stage):
            yield from warn_about_sources(resource, self._stages_of(resource.project))
            yield from self._unknown_kinds(resource.spec.steps, _STEPS)
        elif isinstance(resource, (PromotionTask, ClusterPromotionTask)):
            yield from self._unknown_kinds(resource.spec.steps, ("spec", "steps"))
        elif isinstance(resource, ProjectConfig):
            for index, policy in enumerate(resource.spec.promotion_policies):
                stage = policy.exact_stage
                if stage and not self._has("Stage", resource.project, stage):
                    place = ("stage",) if policy.stage else ("stageSelector", "name")
                    message = self._unknown("Stage", resource.project, stage)
                    yield Finding(("spec", "promotionPolicies", index, *place), message)

    def _stage(self, stage: Stage) -> Iterator[Finding]:
        project = stage.project
        for index, request in enumerate(stage.spec.requested_freight):
            path: YamlPath = ("spec", "requestedFreight", index)
            if not self._has("Warehouse", project, request.origin.name):
                yield Finding(
                    (*path, "origin", "name"), self._unknown("Warehouse", project, request.origin.name)
                )
        for _, (name, path) in upstream_edges(stage):
            if name == stage.name:
                yield Finding(path, f"Stage {name!r} cannot take Freight from itself")
            elif not self._has("Stage", project, name):
                yield Finding(path, self._unknown("Stage", project, name))
        yield from check_variables(stage.spec.vars, ("spec", "vars"))
        if stage.spec.promotion_template is not None:
            yield from check_variables(stage.spec.promotion_template.spec.vars, (*_STEPS[:-1], "vars"))
        yield from self._tasks_exist(stage.spec.steps, project)
        yield from check_steps(stage.spec.steps, _STEPS)
        yield from check_task_variables(
            stage.spec.steps, stage.spec.promotion_vars, lambda task: self._task(task, project), _STEPS
        )
        yield from self._verification(stage)

    def _tasks_exist(self, steps: Iterable[Step], project: str) -> Iterator[Finding]:
        for index, step in enumerate(steps):
            if step.task is not None:
                home = _home(step.task.kind, project)
                if not self._has(step.task.kind, home, step.task.name):
                    message = self._unknown(step.task.kind, home, step.task.name)
                    yield Finding((*_STEPS, index, "task", "name"), message)

    def _task(self, task: TaskReference, project: str) -> PromotionTaskSpec | None:
        found = self._index.get(ResourceKey(task.kind, _home(task.kind, project), task.name))
        return found.spec if isinstance(found, (PromotionTask, ClusterPromotionTask)) else None

    def _verification(self, stage: Stage) -> Iterator[Finding]:
        verification = stage.spec.verification
        if verification is None:
            return
        templates: list[tuple[int, AnalysisTemplateSpec]] = []
        for index, reference in enumerate(verification.analysis_templates):
            key = ResourceKey(reference.kind, _home(reference.kind, stage.project), reference.name)
            template = self._index.get(key)
            if key not in self._index:
                path = ("spec", "verification", "analysisTemplates", index, "name")
                yield Finding(path, self._unknown(*key))
            elif isinstance(template, (AnalysisTemplate, ClusterAnalysisTemplate)):
                templates.append((index, template.spec))
        yield from check_verification(verification, templates)

    def _freight(self, freight: Freight) -> Iterator[Finding]:
        origin = freight.origin.name
        if not self._has("Warehouse", freight.project, origin):
            yield Finding(("origin", "name"), self._unknown("Warehouse", freight.project, origin))
        warehouse = self._index.get(ResourceKey("Warehouse", freight.project, origin))
        yield from check_freight(freight, warehouse if isinstance(warehouse, Warehouse) else None)

    def _promotion(self, promotion: Promotion) -> Iterator[Finding]:
        project, name = promotion.project, promotion.spec.stage
        stage = self._index.get(ResourceKey("Stage", project, name))
        if not self._has("Stage", project, name):
            yield Finding(("spec", "stage"), self._unknown("Stage", project, name))
        if not isinstance(stage, Stage):
            return
        if stage.is_control_flow:
            yield Finding(
                ("spec", "stage"), f"Stage {name!r} defines no promotion steps, so nothing is promoted to it"
            )
        origin = promotion.spec.origin
        if origin is not None and origin not in {one.origin for one in stage.spec.requested_freight}:
            yield Finding(("spec", "origin"), f"Stage {name!r} takes no Freight from {origin}")

    def _check_circles(self) -> None:
        graphs: dict[tuple[str, str], dict[str, list[Edge]]] = {}
        for resource in self._index.values():
            if isinstance(resource, Stage):
                for origin, edge in upstream_edges(resource):
                    graph = graphs.setdefault((resource.project, origin), {})
                    graph.setdefault(resource.name, []).append(edge)
        mine = {one.key: one for one in self._loaded}
        for (project, origin), graph in graphs.items():
            for circle in find_circles(graph):
                keys = [ResourceKey("Stage", project, name) for name in circle]
                start = next((index for index, key in enumerate(keys) if key in mine), None)
                if start is None:
                    continue
                turned = [*circle[start:], *circle[:start]]
                following = turned[1]
                path = next(path for name, path in graph[turned[0]] if name == following)
                text = " <- ".join([*turned, turned[0]])
                message = f"Stages take Freight of {origin} from each other in a circle: {text}"
                self._result.problems.append(mine[keys[start]].problem(path, message))

    def _check_aliases(self) -> None:
        first: dict[tuple[str, str], str] = {}
        mine = {id(one.resource): one for one in self._loaded}
        others = [one for one in self._index.values() if isinstance(one, Freight) and id(one) not in mine]
        freight = [one.resource for one in self._loaded if isinstance(one.resource, Freight)]
        for one in [*others, *freight]:
            key = (one.project, one.alias)
            if one.alias and key in first and id(one) in mine:
                message = f"alias {one.alias!r} is already that of {first[key] or 'another Freight'}"
                self._result.problems.append(mine[id(one)].problem(("alias",), message))
            first.setdefault(key, f"Freight {one.name!r}" if one.name else "")

    def _warn_about_projects(self) -> None:
        warned: set[str] = set()
        for one in self._loaded:
            project = one.resource.project
            if one.resource.kind in CLUSTER_KINDS or not project or project in warned:
                continue
            if not self._has("Project", "", project):
                warned.add(project)
                message = self._unknown("Project", "", project) + "; apply it first or add it here"
                self._result.warnings.append(one.problem(("metadata", "namespace"), message))

    def _unknown_kinds(self, steps: Iterable[Step], path: YamlPath) -> Iterator[Finding]:
        if self._step_kinds is not None:
            yield from warn_about_kinds(list(steps), self._step_kinds, path)

    def _stages_of(self, project: str) -> dict[str, Stage]:
        return {
            key.name: resource
            for key, resource in self._index.items()
            if key.kind == "Stage" and key.project == project and isinstance(resource, Stage)
        }

    def _has(self, kind: str, project: str, name: str) -> bool:
        return ResourceKey(kind, project, name) in self._index

    def _unknown(self, kind: str, project: str, name: str) -> str:
        names = [key.name for key in self._index if key.kind == kind and key.project == project]
        place = f" in project {project!r}" if project else ""
        return f"unknown {kind} {name!r}{place}" + suggestion(name, names)


def _home(kind: str, project: str) -> str:
    return "" if kind in CLUSTER_KINDS else project


def _links(links: Iterable[DeepLink], path: YamlPath) -> Iterator[Finding]:
    for index, link in enumerate(links):
        yield from check_expression(link.if_, (*path, index, "if"))


def _receivers(receivers: Iterable[WebhookReceiver], path: YamlPath) -> Iterator[Finding]:
    for index, receiver in enumerate(receivers):
        for number, action in enumerate(receiver.generic.actions if receiver.generic else ()):
            place = (*path, index, "generic", "actions", number)
            yield from check_expression(action.when_expression, (*place, "whenExpression"))
            for position, selection in enumerate(action.target_selection_criteria):
                values = selection.model_dump(mode="json", exclude_defaults=True)
                yield from check_template(values, (*place, "targetSelectionCriteria", position))


def _conditions(spec: AnalysisTemplateSpec) -> Iterator[Finding]:
    for index, metric in enumerate(spec.metrics):
        conditions = {
            "successCondition": metric.success_condition,
            "failureCondition": metric.failure_condition,
        }
        for key, condition in conditions.items():
            # A placeholder such as {{ args.limit }} is replaced before the condition is compiled.
            if "{{" not in condition:
                yield from check_expression(condition, ("spec", "metrics", index, key))
