"""argocd-update: change the sources of Argo CD Applications, sync them and wait for the operation.

It reads before it writes: the operation that this promotion started carries the promotion's name, so that an
attempt whose answer was lost is recognised and no second sync is started.

Source: Kargo pkg/promotion/runner/builtin/argocd_updater.go; differs: works through Argo CD's API with a token, so
the operation is started by the token's user; a missing ``.git`` does not drop the desired revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from freightway.activities.steps.registry import Result, StepConfig, StepInfo, StepOutput, Waiting, step
from freightway.adapters.argocd import ArgoCD, ArgoCDServers, Conflict
from freightway.adapters.argocd_app import (
    PROMOTION_INFO,
    Application,
    SourceUpdate,
    decide,
    describe,
    desired_revisions,
    is_authorized,
    source_patch,
    updated_sources,
)
from freightway.errors import AdapterError, FreightwayError, StepErrored
from freightway.promotion.model import HealthCheck

_REASON = "Promotion triggered a sync of this Application resource."
_FIRST_POLL_SECONDS = 2.0
_LONGEST_POLL_SECONDS = 15.0
_SHOWN_PROBLEMS = 3


class MatchExpression(StepConfig):
    """One condition on a label."""

    key: str = Field(min_length=1, description="Name of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How it is compared.")
    values: tuple[str, ...] = Field(default=(), description="Values for In and NotIn.")

    @model_validator(mode="after")
    def _values_fit(self) -> MatchExpression:
        if bool(self.values) != (self.operator in ("In", "NotIn")):
            raise ValueError(
                f"operator {self.operator} {'takes no values' if self.values else 'needs values'}"
            )
        return self

    def text(self) -> str:
        """The condition as a label selector writes it."""
        if self.operator == "Exists":
            return self.key
        if self.operator == "DoesNotExist":
            return f"!{self.key}"
        word = "in" if self.operator == "In" else "notin"
        return f"{self.key} {word} ({','.join(self.values)})"


class Selector(StepConfig):
    """Selects Applications by their labels."""

    match_labels: dict[str, str] | None = Field(
        default=None, min_length=1, description="Labels with their values; all must be there."
    )
    match_expressions: tuple[MatchExpression, ...] | None = Field(
        default=None, min_length=1, description="Conditions; all must be met."
    )

    @model_validator(mode="after")
    def _selects_something(self) -> Selector:
        if not self.match_labels and not self.match_expressions:
            raise ValueError("needs matchLabels or matchExpressions")
        return self

    def text(self) -> str:
        """The selector as Argo CD's API takes it."""
        labels = [f"{key}={value}" for key, value in (self.match_labels or {}).items()]
        return ",".join([*labels, *(one.text() for one in self.match_expressions or ())])


class KustomizeImage(StepConfig):
    """An image that Kustomize replaces."""

    repo_url: str = Field(alias="repoURL", min_length=1, description="The image as the manifests name it.")
    tag: str = Field(default="", description="New tag; either this or digest.")
    digest: str = Field(default="", description="New digest; either this or tag.")
    new_name: str = Field(default="", description="New repository of the image.")

    @model_validator(mode="after")
    def _one_version(self) -> KustomizeImage:
        if bool(self.tag) == bool(self.digest):
            raise ValueError("needs exactly one of tag and digest")
        return self

    def text(self) -> str:
        """The image as Kustomize writes it."""
        name = f"{self.repo_url}={self.new_name}" if self.new_name else self.repo_url
        return f"{name}@{self.digest}" if self.digest else f"{name}:{self.tag}"


class KustomizeUpdate(StepConfig):
    """Changes for a Kustomize source."""

    images: tuple[KustomizeImage, ...] = Field(
        min_length=1, description="Replaces the source's list of images."
    )


class HelmParameter(StepConfig):
    """A Helm parameter that names an image."""

    key: str = Field(min_length=1, description="Path of the value, for example `image.tag`.")
    value: str = Field(min_length=1, description="Its new value.")


class HelmUpdate(StepConfig):
    """Changes for a Helm source."""

    images: tuple[HelmParameter, ...] = Field(min_length=1, description="Parameters to set.")


class SourceConfig(StepConfig):
    """Changes for one source of the Application."""

    repo_url: str = Field(alias="repoURL", min_length=1, description="Repository of the source to change.")
    chart: str | None = Field(default=None, min_length=1, description="Chart of the source, if it is one.")
    desired_revision: str | None = Field(
        default=None, min_length=1, description="Commit or version that the sync must arrive at."
    )
    update_target_revision: bool = Field(
        default=False, description="Also write desiredRevision into the source's targetRevision."
    )
    kustomize: KustomizeUpdate | None = Field(default=None, description="Images of a Kustomize source.")
    helm: HelmUpdate | None = Field(default=None, description="Parameters of a Helm source.")

    @model_validator(mode="after")
    def _has_a_revision(self) -> SourceConfig:
        if self.update_target_revision and not self.desired_revision:
            raise ValueError("updateTargetRevision needs desiredRevision")
        return self

    def update(self) -> SourceUpdate:
        """The change, without the form it was written in."""
        return SourceUpdate(
            repo_url=self.repo_url,
            chart=self.chart or "",
            desired_revision=self.desired_revision or "",
            update_target_revision=self.update_target_revision,
            kustomize_images=tuple(one.text() for one in self.kustomize.images) if self.kustomize else None,
            helm_parameters={one.key: one.value for one in self.helm.images} if self.helm else {},
        )


class AppConfig(StepConfig):
    """One Application, or those that a selector selects."""

    name: str | None = Field(default=None, min_length=1, description="Name of the Application.")
    selector: Selector | None = Field(default=None, description="Selects Applications instead of a name.")
    namespace: str = Field(
        default="", description="Its namespace; `ARGOCD_NAMESPACE` or `argocd` by default."
    )
    sources: tuple[SourceConfig, ...] | None = Field(
        default=None, min_length=1, description="Changes to its sources; without them it is only synced."
    )

    @model_validator(mode="after")
    def _one_way_to_find(self) -> AppConfig:
        if (self.name is None) == (self.selector is None):
            raise ValueError("needs exactly one of name and selector")
        return self

    def updates(self) -> list[SourceUpdate]:
        """The changes to its sources."""
        return [source.update() for source in self.sources or ()]


class ArgoCDUpdateConfig(StepConfig):
    """Configuration of ``argocd-update``."""

    apps: tuple[AppConfig, ...] = Field(min_length=1, description="Applications to change and sync.")


class AppName(StepOutput):
    """An Application that the step takes care of."""

    name: str
    namespace: str


class ArgoCDUpdateOutput(StepOutput):
    """What ``argocd-update`` tells later steps."""

    apps: tuple[AppName, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    app: Application
    updates: Sequence[SourceUpdate]
    desired: Sequence[str]

    @property
    def name(self) -> AppName:
        metadata = self.app["metadata"]
        return AppName(name=metadata["name"], namespace=metadata["namespace"])


@step(
    "argocd-update",
    config=ArgoCDUpdateConfig,
    output=ArgoCDUpdateOutput,
    effect="outside",
    timeout=timedelta(minutes=5),
)
async def argocd_update(
    config: ArgoCDUpdateConfig, info: StepInfo, servers: ArgoCDServers
) -> Result | Waiting:
    """Change and sync the Applications, and wait until the operation of each has ended.

    Raises:
        StepErrored: if an Application is not there or not authorized, or its operation failed.
    """
    try:
        return await _update(config, info, servers)
    except AdapterError as error:
        if not error.retryable or info.previous is None:
            raise
        # It answered before: what was started goes on there, so it is waited for until the time limit.
        pause = max(error.retry_after or 0.0, _LONGEST_POLL_SECONDS)
        return Waiting(f"Argo CD cannot be asked: {error}", after=pause, output=info.previous)


async def _update(config: ArgoCDUpdateConfig, info: StepInfo, servers: ArgoCDServers) -> Result | Waiting:
    client = servers.client(info.project)
    targets = [
        target
        for app in config.apps
        for target in await _find(client, app, app.namespace or servers.namespace, info)
    ]
    _refuse_twins(targets)
    waiting: list[str] = []
    for target in targets:
        if not await _settle(client, target, info):
            waiting.append(f"{target.name.namespace}/{target.name.name}")
    output = ArgoCDUpdateOutput(apps=tuple(target.name for target in targets))
    if waiting:
        pause = min(_FIRST_POLL_SECONDS * 2 ** min(info.poll, 8), _LONGEST_POLL_SECONDS)
        return Waiting(f"waiting for the sync of {', '.join(waiting)}", after=pause, output=output)
    return Result(output=output, health_check=_health_check(targets))


def _refuse_twins(targets: Sequence[_Target]) -> None:
    """Refuse an Application that two entries name: one sync cannot tell whether both changes are in it."""
    seen: set[AppName] = set()
    for target in targets:
        if target.name in seen:
            raise StepErrored(
                f"{describe(target.app)} is named by several entries of apps; put its sources in one",
                terminal=True,
            )
        seen.add(target.name)


async def _find(client: ArgoCD, config: AppConfig, namespace: str, info: StepInfo) -> list[_Target]:
    """The Applications that the Stage may change, checked against the updates before anything is written."""
    updates = config.updates()
    if config.name is not None:
        app = await client.get(config.name, namespace)
        shown = f'Argo CD Application "{config.name}" in namespace "{namespace}"'
        if app is None:
            raise StepErrored(f"unable to find {shown}; it does not exist, or the token may not see it")
        if not is_authorized(app, info.project, info.stage):
            raise StepErrored(
                f"{shown} is not authorized; annotate it with "
                f"kargo.akuity.io/authorized-stage: {info.project}:{info.stage}"
            )
        found = [app]
    else:
        assert config.selector is not None
        listed = await client.find(config.selector.text(), namespace)
        found = [app for app in listed if is_authorized(app, info.project, info.stage)]
        if not listed:
            raise StepErrored(f'no Argo CD Applications found matching selector in namespace "{namespace}"')
        if not found:
            raise StepErrored(
                f'found {len(listed)} Application(s) matching selector in namespace "{namespace}", '
                f"but none are authorized for Stage {info.project}:{info.stage}"
            )
    _check(found, updates)
    return [_Target(app, updates, desired_revisions(app, updates)) for app in found]


def _check(apps: Sequence[Application], updates: Sequence[SourceUpdate]) -> None:
    problems = []
    for app in apps:
        try:
            updated_sources(app, updates)
        except FreightwayError as error:
            problems.append(str(error))
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        tail = f"; and {more} more" if more > 0 else ""
        raise StepErrored("; ".join(problems[:_SHOWN_PROBLEMS]) + tail)


async def _settle(client: ArgoCD, target: _Target, info: StepInfo) -> bool:
    """Start the sync of one Application if it is due; whether it is done."""
    try:
        decision = decide(target.app, info.promotion, target.desired)
    except FreightwayError as error:
        raise StepErrored(str(error)) from error
    if decision == "sync":
        infos = {"Reason": _REASON, PROMOTION_INFO: info.promotion}
        if info.actor:
            infos["freightway.dev/actor"] = info.actor
        try:
            patch = source_patch(target.app, updated_sources(target.app, target.updates))
            await client.sync(await client.patch(target.app, patch), infos)
        except Conflict:
            # Someone was faster; what that means is decided on what the next poll reads.
            return False
    return decision == "done"


def _health_check(targets: Sequence[_Target]) -> HealthCheck:
    apps = []
    for target in targets:
        entry: dict[str, object] = {"name": target.name.name, "namespace": target.name.namespace}
        if target.desired:
            entry["desiredRevisions"] = list(target.desired)
        apps.append(entry)
    return HealthCheck(uses="argocd-update", config={"apps": apps})
