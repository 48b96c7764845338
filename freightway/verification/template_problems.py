"""What can be told of a template before its arguments are known, all problems at once.

A run is checked again when it starts, with its arguments put in.
"""

from __future__ import annotations

from collections.abc import Iterator

from freightway.errors import InvalidResource, Problem
from freightway.expr.failure import Failure
from freightway.expr.parser import parse
from freightway.resources.analysis import AnalysisTemplateSpec, Metric
from freightway.verification.arguments import substitute
from freightway.verification.jsonpath import JSONPath
from freightway.verification.validate import metric_problem


def template_problems(spec: AnalysisTemplateSpec) -> list[Problem]:
    """Return what is wrong with a template whatever its arguments are; paths start at ``spec``."""
    found: list[Problem] = []
    if not spec.metrics and not spec.templates:
        found.append(Problem("no metrics specified", path="spec.metrics"))
    names: set[str] = set()
    for index, metric in enumerate(spec.metrics):
        path = f"spec.metrics[{index}]"
        if metric.name in names:
            found.append(Problem(f"duplicate name '{metric.name}'", path=f"{path}.name"))
        names.add(metric.name)
        found.extend(_metric_problems(metric, path))
    return found


def _metric_problems(metric: Metric, path: str) -> Iterator[Problem]:
    try:
        substitute(metric, _AnyArgument())
    except InvalidResource as error:
        yield Problem(f"{error}; only {{{{ args.<name> }}}} may stand in double braces", path=path)
    if not _has_placeholder(metric) and (problem := metric_problem(metric)):
        yield Problem(problem, path=path)
    for field, text in (
        ("successCondition", metric.success_condition),
        ("failureCondition", metric.failure_condition),
    ):
        if text and "{{" not in text and (problem := _syntax_problem(text)):
            yield Problem(problem, path=f"{path}.{field}")
    web = metric.provider.web
    if web is not None and web.json_path and "{{" not in web.json_path:
        try:
            JSONPath(web.json_path)
        except InvalidResource as error:
            yield Problem(str(error), path=f"{path}.provider.web.jsonPath")


class _AnyArgument(dict[str, str]):
    """A value for every argument: another template of the Stage may declare it."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return ""


def _has_placeholder(metric: Metric) -> bool:
    """Whether a field that the rules of a metric look at still waits for an argument."""
    fields = (
        metric.name,
        metric.interval,
        metric.initial_delay,
        metric.count,
        metric.failure_limit,
        metric.inconclusive_limit,
        metric.consecutive_error_limit,
        metric.consecutive_success_limit,
    )
    return any(isinstance(field, str) and "{{" in field for field in fields)


def _syntax_problem(source: str) -> str:
    try:
        parse(source)
    except Failure as failure:
        return failure.message
    return ""
