"""Rules for Warehouses, and for Freight that people write, beyond what one field tells.

Source: Kargo pkg/webhook/kubernetes/warehouse, pkg/webhook/kubernetes/freight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from freightway.errors import InvalidResource
from freightway.expr.functions_declared import CRITERIA, NO_FUNCTIONS
from freightway.patterns.pattern import PathPattern
from freightway.patterns.regex import compile_regex
from freightway.resources.check_expressions import Finding, check_expression
from freightway.resources.freight import Freight
from freightway.resources.warehouse import GitSubscription, ImageSubscription, Subscription, Warehouse
from freightway.resources.yaml_source import YamlPath
from freightway.semver import parse_constraint
from freightway.urls import normalize_chart, normalize_git, normalize_image

_REPLACED = "no longer filters anything and makes every discovery fail in Kargo; use {} instead"


def check_warehouse(warehouse: Warehouse) -> Iterator[Finding]:
    """Yield what is wrong with a Warehouse's constraints, patterns, expressions and repositories."""
    spec = warehouse.spec
    if spec.freight_creation_criteria is not None:
        path = ("spec", "freightCreationCriteria", "expression")
        yield from check_expression(spec.freight_creation_criteria.expression, path, CRITERIA)
    first: dict[tuple[str, ...], int] = {}
    for index, subscription in enumerate(spec.subscriptions):
        place = ("spec", "subscriptions", index, subscription.type)
        repository = _repository(subscription)
        if repository in first:
            message = f"watches the same repository as subscriptions[{first[repository]}]"
            yield Finding((*place, "repoURL"), message)
        first.setdefault(repository, index)
        yield from _check_subscription(subscription, place)


def check_freight(freight: Freight, warehouse: Warehouse | None) -> Iterator[Finding]:
    """Yield the artifacts that no subscription of the Warehouse gives, and subscriptions without artifact.

    Args:
        warehouse: the origin, None if it is not at hand; then nothing is compared.
    """
    if warehouse is None:
        return
    found: dict[int, YamlPath] = {}
    for path, name, repository in _artifacts(freight):
        matching = [
            index
            for index, subscription in enumerate(warehouse.spec.subscriptions)
            if _repository(subscription) == repository and (not name or name == subscription.name)
        ]
        if not matching:
            yield Finding(path, f"no subscription of Warehouse {warehouse.name!r} watches this repository")
        elif matching[0] in found:
            yield Finding(
                path, f"is a second artifact for subscriptions[{matching[0]}]; Freight holds one of each"
            )
        else:
            found[matching[0]] = path
    for index, subscription in enumerate(warehouse.spec.subscriptions):
        if index not in found:
            yield Finding(
                (),
                f"holds no artifact for subscriptions[{index}] ({subscription.repo_url}) "
                f"of Warehouse {warehouse.name!r}",
            )


def _check_subscription(subscription: Subscription, place: YamlPath) -> Iterator[Finding]:
    if subscription.git is not None:
        yield from _check_git(subscription.git, place)
    elif subscription.image is not None:
        yield from _check_image(subscription.image, place)
    elif subscription.chart is not None:
        yield from _check_constraint(subscription.chart.semver_constraint, (*place, "semverConstraint"))


def _check_git(git: GitSubscription, place: YamlPath) -> Iterator[Finding]:
    yield from _check_constraint(git.semver_constraint, (*place, "semverConstraint"))
    yield from check_expression(git.expression_filter, (*place, "expressionFilter"), NO_FUNCTIONS)
    yield from _check_regexes(git.allow_tags_regexes, (*place, "allowTagsRegexes"))
    yield from _check_regexes(git.ignore_tags_regexes, (*place, "ignoreTagsRegexes"))
    yield from _check_paths(git.include_paths, (*place, "includePaths"))
    yield from _check_paths(git.exclude_paths, (*place, "excludePaths"))
    if git.commit_selection_strategy != "NewestFromBranch":
        yield from _check_replaced(git.allow_tags, git.ignore_tags, place)


def _check_image(image: ImageSubscription, place: YamlPath) -> Iterator[Finding]:
    if image.image_selection_strategy == "SemVer":
        yield from _check_constraint(image.constraint, (*place, "constraint"))
    yield from _check_regexes(image.allow_tags_regexes, (*place, "allowTagsRegexes"))
    yield from _check_regexes(image.ignore_tags_regexes, (*place, "ignoreTagsRegexes"))
    if image.image_selection_strategy != "Digest":
        yield from _check_replaced(image.allow_tags, image.ignore_tags, place)


def _check_replaced(allow: str, ignore: Sequence[str], place: YamlPath) -> Iterator[Finding]:
    if allow:
        yield Finding((*place, "allowTags"), _REPLACED.format("allowTagsRegexes"))
    if ignore:
        yield Finding((*place, "ignoreTags"), _REPLACED.format("ignoreTagsRegexes"))


def _check_constraint(constraint: str, path: YamlPath) -> Iterator[Finding]:
    if not constraint:
        return
    try:
        parse_constraint(constraint)
    except ValueError as error:
        yield Finding(path, str(error))


def _check_regexes(regexes: Sequence[str], path: YamlPath) -> Iterator[Finding]:
    for index, regex in enumerate(regexes):
        try:
            compile_regex(regex)
        except InvalidResource as error:
            yield Finding((*path, index), str(error))


def _check_paths(patterns: Sequence[str], path: YamlPath) -> Iterator[Finding]:
    for index, pattern in enumerate(patterns):
        try:
            PathPattern(pattern)
        except InvalidResource as error:
            yield Finding((*path, index), str(error))


def _repository(subscription: Subscription) -> tuple[str, ...]:
    """Return what two subscriptions of one Warehouse must not have in common."""
    if subscription.git is not None:
        return ("git", normalize_git(subscription.git.repo_url))
    if subscription.image is not None:
        return ("image", normalize_image(subscription.image.repo_url))
    assert subscription.chart is not None
    return ("chart", normalize_chart(subscription.chart.repo_url), subscription.chart.name)


def _artifacts(freight: Freight) -> Iterator[tuple[YamlPath, str, tuple[str, ...]]]:
    for index, commit in enumerate(freight.commits):
        yield ("commits", index), commit.subscription_name, ("git", normalize_git(commit.repo_url))
    for index, image in enumerate(freight.images):
        yield ("images", index), image.subscription_name, ("image", normalize_image(image.repo_url))
    for index, chart in enumerate(freight.charts):
        yield (
            ("charts", index),
            chart.subscription_name,
            ("chart", normalize_chart(chart.repo_url), chart.name),
        )
    for index, artifact in enumerate(freight.artifacts):
        yield ("artifacts", index), artifact.subscription_name, ("other", artifact.artifact_type)
