"""Rules for Stages that concern other resources: where Freight comes from, and how it is verified.

Source: what Kargo's controllers refuse at run time; its admission webhooks do not look at these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from freightway.expr.functions_declared import VERIFICATIONS
from freightway.resources.analysis import AnalysisTemplateSpec
from freightway.resources.check_expressions import Finding, check_template
from freightway.resources.stage import Stage, Verification
from freightway.resources.yaml_source import YamlPath

Edge = tuple[str, YamlPath]
"""An upstream Stage, and where it is named."""


def find_circles(graph: Mapping[str, Sequence[Edge]]) -> list[list[str]]:
    """Return circles in a graph of Stages and their upstream Stages, each Stage in at most one.

    A circle lists its Stages so that each takes Freight from the next one and the last from the first.
    Stages that name themselves are left out.
    """
    waiting = {
        stage: {name for name, _ in edges if name != stage and name in graph}
        for stage, edges in graph.items()
    }
    downstream: dict[str, list[str]] = {stage: [] for stage in graph}
    for stage, names in waiting.items():
        for name in names:
            downstream[name].append(stage)
    circles: list[list[str]] = []
    gone = [stage for stage, names in waiting.items() if not names]
    while True:
        _release(gone, waiting, downstream)
        if not waiting:
            return circles
        gone = _walk(waiting, graph)
        circles.append(list(gone))


def _release(gone: list[str], waiting: dict[str, set[str]], downstream: Mapping[str, Sequence[str]]) -> None:
    """Take Stages out of those that wait, and then every Stage that waits for nothing any more."""
    while gone:
        stage = gone.pop()
        if waiting.pop(stage, None) is None:
            continue
        for name in downstream[stage]:
            if name in waiting:
                waiting[name].discard(stage)
                if not waiting[name]:
                    gone.append(name)


def _walk(waiting: Mapping[str, set[str]], graph: Mapping[str, Sequence[Edge]]) -> list[str]:
    """Follow upstream Stages from the first one until one comes up again; each has one."""
    seen: dict[str, int] = {}
    stage = next(iter(waiting))
    while stage not in seen:
        seen[stage] = len(seen)
        stage = next(name for name, _ in graph[stage] if name in waiting[stage])
    return list(seen)[seen[stage] :]


def upstream_edges(stage: Stage) -> Iterator[tuple[str, Edge]]:
    """Yield the origin and the edge of every upstream Stage that a Stage names."""
    for index, request in enumerate(stage.spec.requested_freight):
        for position, name in enumerate(request.sources.stages):
            path = ("spec", "requestedFreight", index, "sources", "stages", position)
            yield str(request.origin), (name, path)


def warn_about_sources(stage: Stage, upstream: Mapping[str, Stage]) -> Iterator[Finding]:
    """Yield requests that no Freight can fulfil unless a person approves it.

    Args:
        upstream: Stages of the same project by name.
    """
    for index, request in enumerate(stage.spec.requested_freight):
        path: YamlPath = ("spec", "requestedFreight", index, "sources")
        if not request.sources.direct and not request.sources.stages:
            message = "has neither direct: true nor stages, so only Freight that a person approves can come"
            yield Finding(path, message)
        for position, name in enumerate(request.sources.stages):
            origins = (
                {one.origin for one in upstream[name].spec.requested_freight} if name in upstream else None
            )
            if origins is not None and request.origin not in origins:
                message = (
                    f"Stage {name!r} takes no Freight from {request.origin}, so none can come from there"
                )
                yield Finding((*path, "stages", position), message)


def check_verification(
    verification: Verification, templates: Sequence[tuple[int, AnalysisTemplateSpec]]
) -> Iterator[Finding]:
    """Yield arguments that do not compile or get no value, and metrics that two templates share.

    Args:
        templates: the templates at hand, each with its position in ``analysisTemplates``.
    Source: Argo Rollouts utils/analysis/helpers.go, as Kargo flattens templates into one run.
    """
    path: YamlPath = ("spec", "verification")
    for index, argument in enumerate(verification.args):
        yield from check_template(argument.value, (*path, "args", index, "value"), VERIFICATIONS)
    given = {argument.name for argument in verification.args if argument.value}
    with_value = {
        argument.name
        for _, template in templates
        for argument in template.args
        if argument.value is not None or argument.value_from is not None
    }
    metrics: dict[str, int] = {}
    complete = len(templates) == len(verification.analysis_templates)
    for position, template in templates:
        place = (*path, "analysisTemplates", position)
        for metric in template.metrics:
            if metrics.setdefault(metric.name, position) != position:
                yield Finding(
                    place, f"metric {metric.name!r} is also one of analysisTemplates[{metrics[metric.name]}]"
                )
        for wanted in template.args:
            if complete and wanted.name not in given | with_value:
                yield Finding(
                    place, f"argument {wanted.name!r} of the template has no value; give it in args"
                )
