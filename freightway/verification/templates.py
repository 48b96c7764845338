"""Several templates become the metrics, arguments and rules of one run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from freightway.errors import InvalidResource
from freightway.resources.analysis import (
    AnalysisTemplate,
    AnalysisTemplateSpec,
    Argument,
    ClusterAnalysisTemplate,
    TemplateRef,
)

AnyTemplate = AnalysisTemplate | ClusterAnalysisTemplate
TemplateLookup = Callable[[TemplateRef], AnyTemplate]
"""Returns the template that a reference names, and raises NotFound if there is none."""

_Item = TypeVar("_Item")


def collect_templates(roots: Sequence[AnyTemplate], lookup: TemplateLookup) -> tuple[AnyTemplate, ...]:
    """Return the templates and all that they refer to, depth first, each once.

    A cycle of references ends where it closes.

    Raises:
        NotFound: if a reference names no template.
    Source: Argo Rollouts ``utils/rollout`` for nested templates; differs: Kargo ignores nested references and refuses
        a template that is named twice.
    """
    found: dict[tuple[str, str], AnyTemplate] = {}

    def visit(template: AnyTemplate) -> None:
        key = (template.kind, template.name)
        if key in found:
            return
        found[key] = template
        for reference in template.spec.templates:
            visit(lookup(reference))

    for root in roots:
        visit(root)
    return tuple(found.values())


def flatten_templates(templates: Sequence[AnyTemplate]) -> AnalysisTemplateSpec:
    """Return one spec of all templates: those of the project first, then the cluster-wide ones.

    Raises:
        InvalidResource: if two templates have a metric or a rule of the same name, or give one argument two values.
    """
    ordered = [template for template in templates if isinstance(template, AnalysisTemplate)]
    specs = [template.spec for template in ordered]
    specs += [template.spec for template in templates if isinstance(template, ClusterAnalysisTemplate)]
    return flatten_specs(specs)


def flatten_specs(specs: Sequence[AnalysisTemplateSpec]) -> AnalysisTemplateSpec:
    """Return one spec of several, in their order.

    Raises:
        InvalidResource: if two have a metric or a rule of the same name, or give one argument two values.
    Source: Argo Rollouts ``utils/analysis`` FlattenTemplates.
    """
    return AnalysisTemplateSpec(
        metrics=_unique(
            (metric for spec in specs for metric in spec.metrics),
            lambda metric: metric.name,
            "two metrics have the same name '{}'",
        ),
        args=_flatten_arguments(argument for spec in specs for argument in spec.args),
        dry_run=_unique(
            (rule for spec in specs for rule in spec.dry_run),
            lambda rule: rule.metric_name,
            "two Dry-Run metric rules have the same name '{}'",
        ),
        measurement_retention=_unique(
            (rule for spec in specs for rule in spec.measurement_retention),
            lambda rule: rule.metric_name,
            "two Measurement Retention metric rules have the same name '{}'",
        ),
    )


def _unique(items: Iterable[_Item], key: Callable[[_Item], Hashable], message: str) -> tuple[_Item, ...]:
    found: dict[Hashable, _Item] = {}
    for item in items:
        name = key(item)
        if name in found:
            raise InvalidResource(message.format(name))
        found[name] = item
    return tuple(found.values())


def _flatten_arguments(arguments: Iterable[Argument]) -> tuple[Argument, ...]:
    """One argument per name: the first with a value; one without a value gives way to a later one that says more."""
    found: dict[str, Argument] = {}
    for argument in arguments:
        earlier = found.get(argument.name)
        if earlier is None:
            found[argument.name] = argument
        elif earlier.value is not None and argument.value is not None:
            if earlier.value != argument.value:
                raise InvalidResource(
                    f"Argument `{argument.name}` specified multiple times with different values: "
                    f"'{earlier.value}', '{argument.value}'"
                )
        elif earlier.value is None and (argument.value is not None or argument.value_from is not None):
            found[argument.name] = argument
    return tuple(found.values())
