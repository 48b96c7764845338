"""Discovery: one look at all subscriptions of a Warehouse, in the form of Kargo's ``status.discoveredArtifacts``.

Source: Kargo pkg/controller/warehouses, pkg/subscription, pkg/image, pkg/helm/chart; differs: subscriptions are
looked at side by side, and one that fails is reported while the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from freightway import expr
from freightway.adapters.charts import Charts
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.git import GitHost
from freightway.adapters.git_discovery import discover_commits
from freightway.adapters.oci import Oci, OciRepository
from freightway.adapters.oci_images import read_images
from freightway.adapters.processes import ProcessRunner
from freightway.errors import FreightwayError, InvalidResource
from freightway.resources.warehouse import (
    ChartSubscription,
    GitSubscription,
    ImageSubscription,
    Subscription,
    WarehouseSpec,
)
from freightway.selection.charts import select_http_charts, select_oci_charts
from freightway.selection.commits import Predicate
from freightway.selection.digest import digest_tag, select_digest
from freightway.selection.expression_filter import Env, read_verdict
from freightway.selection.images import Image, ImagePick, Platform, parse_platform
from freightway.selection.lexical import order_lexical
from freightway.selection.newest_build import select_newest_build
from freightway.selection.semver_tags import order_semver
from freightway.selection.tag_filter import TagFilter

SUBSCRIPTION_SECONDS = 900.0
"""Longest look at one subscription."""

_LISTS = {"git": "git", "image": "images", "chart": "charts"}
_ITEMS = {"git": "commits", "image": "references", "chart": "versions"}


@dataclass(frozen=True, slots=True)
class DiscoveryServices:
    """What discovery needs of a worker."""

    credentials: CredentialStore
    oci: Oci
    charts: Charts
    git: GitHost
    processes: ProcessRunner


async def discover(
    spec: Mapping[str, Any],
    project: str,
    services: DiscoveryServices,
    previous: Mapping[str, Any] | None = None,
    *,
    seconds: float = SUBSCRIPTION_SECONDS,
) -> dict[str, Any]:
    """Return what the subscriptions of a Warehouse see now: ``{discoveredAt, git, images, charts, errors}``.

    In each list the first item is the best candidate. ``errors`` holds ``{subscription, message, retryable}`` for
    each subscription (by index) that failed; its entry keeps the items of ``previous``, or has none. No Freight
    should be made of a result with errors.

    Args:
        spec: the Warehouse's specification in Kargo's JSON form.
        previous: the last result for this very specification, None after a change of it.
        seconds: longest look at one subscription.
    Raises:
        ValidationError: if the specification is not valid.
    """
    subscriptions = WarehouseSpec.model_validate(dict(spec)).subscriptions
    before = _previous_entries(subscriptions, previous or {})
    looks = (
        _look(subscription, project, services, old, seconds)
        for subscription, old in zip(subscriptions, before, strict=True)
    )
    found: dict[str, Any] = {
        "discoveredAt": _timestamp(datetime.now(UTC)),
        "git": [],
        "images": [],
        "charts": [],
    }
    errors = []
    for index, (subscription, (entry, error)) in enumerate(
        zip(subscriptions, await asyncio.gather(*looks), strict=True)
    ):
        named = {"subscriptionName": subscription.name} if subscription.name else {}
        found[_LISTS[subscription.type]].append({**entry, **named})
        if error is not None:
            retryable = getattr(error, "retryable", False) or isinstance(error, TimeoutError)
            message = str(error) or f"it took longer than {seconds:g} s"
            errors.append({"subscription": index, "message": message, "retryable": retryable})
    return {**found, "errors": errors}


def _previous_entries(
    subscriptions: Sequence[Subscription], previous: Mapping[str, Any]
) -> list[Mapping[str, Any] | None]:
    """The last entry of each subscription: the one at its place in its list, if it is of the same repository."""
    seen = dict.fromkeys(_LISTS.values(), 0)
    entries: list[Mapping[str, Any] | None] = []
    for subscription in subscriptions:
        key = _LISTS[subscription.type]
        listed = previous.get(key) or []
        entry = listed[seen[key]] if seen[key] < len(listed) else None
        seen[key] += 1
        same = entry is not None and entry.get("repoURL") == subscription.repo_url
        entries.append(entry if same else None)
    return entries


async def _look(
    subscription: Subscription,
    project: str,
    services: DiscoveryServices,
    previous: Mapping[str, Any] | None,
    seconds: float,
) -> tuple[dict[str, Any], Exception | None]:
    try:
        async with asyncio.timeout(seconds):
            if subscription.git is not None:
                return await _commits(subscription.git, project, services, previous), None
            if subscription.image is not None:
                return await _images(subscription.image, project, services), None
            assert subscription.chart is not None
            return await _charts(subscription.chart, project, services), None
    except (FreightwayError, TimeoutError) as error:
        empty = {"repoURL": subscription.repo_url, _ITEMS[subscription.type]: []}
        return dict(previous) if previous else empty, error


async def _commits(
    subscription: GitSubscription,
    project: str,
    services: DiscoveryServices,
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    login = await services.credentials.get(project, "git", subscription.repo_url)
    insecure = subscription.insecure_skip_tls_verify
    access = services.git.access(subscription.repo_url, login, insecure=insecure)
    return await discover_commits(
        subscription,
        host=services.git,
        processes=services.processes,
        access=access,
        expression=_predicate(subscription.expression_filter),
        previous=previous,
    )


def _predicate(source: str) -> Predicate | None:
    if not source:
        return None

    program = expr.compile(source)

    def passes(env: Env) -> bool:
        return read_verdict(program.run(env))

    return passes


async def _images(
    subscription: ImageSubscription, project: str, services: DiscoveryServices
) -> dict[str, Any]:
    credentials = await services.credentials.get(project, "image", subscription.repo_url)
    verify = not subscription.insecure_skip_tls_verify
    repository = services.oci.repository(subscription.repo_url, credentials, verify=verify)
    images = await _select_images(subscription, repository, parse_platform(subscription.platform))
    entry: dict[str, Any] = {"repoURL": subscription.repo_url}
    if subscription.platform:
        entry["platform"] = subscription.platform
    return {**entry, "references": [_reference(image) for image in images]}


async def _select_images(
    subscription: ImageSubscription, repository: OciRepository, platform: Platform | None
) -> list[Image]:
    by_tag, limit = subscription.cache_by_tag, subscription.discovery_limit
    strategy = subscription.image_selection_strategy
    if strategy == "Digest":
        tag = digest_tag(subscription.constraint)
        [image] = await read_images(repository, [tag], platform, cache_by_tag=by_tag)
        return select_digest(image, platform)
    if subscription.allow_tags or subscription.ignore_tags:
        raise InvalidResource(
            "allowTags and ignoreTags no longer work: use allowTagsRegexes and ignoreTagsRegexes"
        )
    tag_filter = TagFilter.parse(subscription.allow_tags_regexes, subscription.ignore_tags_regexes)
    tags = await repository.tags()
    if strategy == "NewestBuild":
        read = await read_images(repository, tag_filter.keep(tags), platform, cache_by_tag=by_tag)
        return select_newest_build((image for image in read if image is not None), limit, platform)
    if strategy == "Lexical":
        ordered = order_lexical(tags, tag_filter)
    else:
        ordered = order_semver(
            tags, subscription.constraint, strict=subscription.strict_semvers, tag_filter=tag_filter
        )
    pick = ImagePick(ordered, limit, platform)
    while True:
        # As many as are missing: one by one they would all be read as well, only slower.
        missing = limit - len(pick.chosen)
        batch = [tag for tag in (pick.next_tag() for _ in range(missing)) if tag is not None]
        if not batch:
            return pick.chosen
        for image in await read_images(repository, batch, platform, cache_by_tag=by_tag):
            pick.offer(image)


def _reference(image: Image) -> dict[str, Any]:
    reference: dict[str, Any] = {"tag": image.tag, "digest": image.digest}
    if image.annotations:
        reference["annotations"] = dict(image.annotations)
    if image.created_at is not None:
        reference["createdAt"] = _timestamp(image.created_at)
    return reference


async def _charts(
    subscription: ChartSubscription, project: str, services: DiscoveryServices
) -> dict[str, Any]:
    credentials = await services.credentials.get(project, "helm", subscription.repo_url)
    listed = await services.charts.versions(
        subscription.repo_url,
        subscription.name,
        credentials,
        verify=not subscription.insecure_skip_tls_verify,
    )
    is_oci = subscription.repo_url.startswith("oci://")
    select = select_oci_charts if is_oci else select_http_charts
    versions = select(listed, subscription.semver_constraint, subscription.discovery_limit)
    entry = {"repoURL": subscription.repo_url}
    if subscription.name:
        entry["name"] = subscription.name
    if subscription.semver_constraint:
        entry["semverConstraint"] = subscription.semver_constraint
    return {**entry, "versions": versions}


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
