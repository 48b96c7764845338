"""Warehouse: which repositories are watched, and when Freight is made of what they hold.

Source: Kargo api/v1alpha1/warehouse_types.go, pkg/subscription, pkg/webhook/kubernetes/warehouse.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal

import re2
from pydantic import AfterValidator, Field, field_validator, model_validator

from freightway.resources.fields import (
    Complaints,
    KargoDuration,
    KargoResource,
    NonEmpty,
    OptionalLabel,
    StrictBool,
    StrictInt,
    Timestamp,
    complain_about_settings,
)
from freightway.resources.meta import Metadata, Model
from freightway.resources.settings import WarehouseSettings, warehouse_settings

DEFAULT_INTERVAL = timedelta(minutes=5)
DEFAULT_DISCOVERY_LIMIT = 20
SUBSCRIPTION_TYPES = ("git", "image", "chart")

_RX_GIT = (
    r"(?:^(ssh|https?)://(?:([\w-]+)(:(.+))?@)?([\w-]+(?:\.[\w-]+)*)(?::(\d{1,5}))?(/.*)$)"
    r"|(?:^([\w-]+)@([\w+]+(?:\.[\w-]+)*):(/?.*))"
)
_RX_BRANCH = r"^[a-zA-Z0-9]([a-zA-Z0-9._\/-]*[a-zA-Z0-9_-])?$"
_RX_IMAGE = r"^(\w+([\.-]\w+)*(:[\d]+)?/)?(\w+([\.-]\w+)*)(/\w+([\.-]\w+)*)*$"
_RX_CHART = r"^(((https?)|(oci))://)([\w\d\.\-]+)(:[\d]+)?(/.*)*$"
_MAX_BRANCH = 255


def _pattern(regex: str, complaint: str) -> Callable[[str], str]:
    """Return a validator that lets empty texts and matches of an RE2 expression pass."""

    def check(text: str) -> str:
        if text and re2.search(regex, text) is None:
            raise ValueError(f"{text!r} {complaint}")
        return text

    return check


_GIT_EXAMPLE = "write for example https://host/owner/repo.git"


def _reachable(text: str) -> str:
    """Refuse what Kargo's pattern refuses too, and say why: any worker may be the one that looks."""
    if text.startswith(("file:", "/", "./", "../", "~")):
        raise ValueError(
            f"{text!r} is on the disk of one machine; a Warehouse watches repositories that every worker reaches over "
            f"https, http or ssh: {_GIT_EXAMPLE}"
        )
    return text


GitURL = Annotated[
    NonEmpty,
    AfterValidator(_reachable),
    AfterValidator(_pattern(_RX_GIT, f"is not a Git address; {_GIT_EXAMPLE}")),
]
ImageURL = Annotated[
    NonEmpty,
    AfterValidator(
        _pattern(_RX_IMAGE, "is not an image repository; write it without scheme, tag and digest")
    ),
]
ChartURL = Annotated[
    NonEmpty, AfterValidator(_pattern(_RX_CHART, "is not a chart repository; write oci://... or https://..."))
]
Branch = Annotated[
    str, Field(max_length=_MAX_BRANCH), AfterValidator(_pattern(_RX_BRANCH, "is not a name of a Git branch"))
]
DiscoveryLimit = Annotated[StrictInt, Field(ge=1, le=100)]


class GitSubscription(Model):
    """Watches commits of a Git repository."""

    repo_url: GitURL = Field(alias="repoURL", description="Address of the repository.")
    commit_selection_strategy: Literal["Lexical", "NewestFromBranch", "NewestTag", "SemVer"] = Field(
        default="NewestFromBranch", description="How commits are chosen and ordered."
    )
    branch: Branch = Field(
        default="", description="Branch for NewestFromBranch; empty means the default branch."
    )
    since: Timestamp | None = Field(
        default=None, description="Oldest commit date for NewestFromBranch, RFC 3339."
    )
    strict_semvers: StrictBool = Field(
        default=True, description="Whether SemVer wants all three parts of a version."
    )
    semver_constraint: str = Field(
        default="", description="Range of versions for SemVer; empty means every one."
    )
    allow_tags: str = Field(default="", description="Deprecated; use `allowTagsRegexes`.")
    allow_tags_regexes: tuple[str, ...] = Field(
        default=(), description="Tags must match one of these, RE2 syntax."
    )
    ignore_tags: tuple[str, ...] = Field(default=(), description="Deprecated; use `ignoreTagsRegexes`.")
    ignore_tags_regexes: tuple[str, ...] = Field(
        default=(), description="Tags must match none of these, RE2 syntax."
    )
    expression_filter: str = Field(
        default="", description="Expression over a commit or tag that must give true."
    )
    include_paths: tuple[str, ...] = Field(
        default=(), description="A commit must change one of these; a path, `glob:` or `regex:`."
    )
    exclude_paths: tuple[str, ...] = Field(
        default=(), description="Changes below these do not count; a path, `glob:` or `regex:`."
    )
    discovery_limit: DiscoveryLimit = Field(
        default=DEFAULT_DISCOVERY_LIMIT, description="Most commits that are kept, 1 to 100."
    )
    insecure_skip_tls_verify: StrictBool = Field(
        default=False,
        alias="insecureSkipTLSVerify",
        description="Whether the server's certificate goes unchecked.",
    )
    blobless: StrictBool = Field(
        default=False, description="Whether file contents are fetched only when needed."
    )


class ImageSubscription(Model):
    """Watches tags of a container image repository."""

    repo_url: ImageURL = Field(alias="repoURL", description="Repository, without scheme, tag and digest.")
    image_selection_strategy: Literal["Digest", "Lexical", "NewestBuild", "SemVer"] = Field(
        default="SemVer", description="How images are chosen and ordered."
    )
    strict_semvers: StrictBool = Field(
        default=True, description="Whether SemVer wants all three parts of a version."
    )
    constraint: str = Field(
        default="", description="Range of versions for SemVer, the tag to follow for Digest, else unused."
    )
    allow_tags: str = Field(default="", description="Deprecated; use `allowTagsRegexes`.")
    allow_tags_regexes: tuple[str, ...] = Field(
        default=(), description="Tags must match one of these, RE2 syntax."
    )
    ignore_tags: tuple[str, ...] = Field(default=(), description="Deprecated; use `ignoreTagsRegexes`.")
    ignore_tags_regexes: tuple[str, ...] = Field(
        default=(), description="Tags must match none of these, RE2 syntax."
    )
    platform: str = Field(default="", description="Wanted platform, `os/arch` or `os/arch/variant`.")
    discovery_limit: DiscoveryLimit = Field(
        default=DEFAULT_DISCOVERY_LIMIT, description="Most images that are kept, 1 to 100."
    )
    cache_by_tag: StrictBool = Field(
        default=False, description="Whether a tag, once seen, is taken as unchanging."
    )
    insecure_skip_tls_verify: StrictBool = Field(
        default=False,
        alias="insecureSkipTLSVerify",
        description="Whether the server's certificate goes unchecked.",
    )

    @field_validator("platform")
    @classmethod
    def _platform_has_parts(cls, platform: str) -> str:
        if platform and (not 2 <= len(platform.split("/")) <= 3 or "" in platform.split("/")):
            raise ValueError(
                f"{platform!r} is not a platform; write os/arch or os/arch/variant, e.g. linux/amd64"
            )
        return platform

    @model_validator(mode="after")
    def _digest_follows_a_tag(self) -> ImageSubscription:
        found = Complaints()
        if self.image_selection_strategy == "Digest" and not self.constraint:
            found.add(("constraint",), "must name the tag to follow when imageSelectionStrategy is Digest")
        found.raise_any()
        return self


class ChartSubscription(Model):
    """Watches versions of a Helm chart."""

    repo_url: ChartURL = Field(
        alias="repoURL", description="Repository; with `oci://` it names the chart itself."
    )
    name: str = Field(
        default="", description="Name of the chart in an http(s) repository; empty for `oci://`."
    )
    semver_constraint: str = Field(default="", description="Range of versions; empty means every one.")
    discovery_limit: DiscoveryLimit = Field(
        default=DEFAULT_DISCOVERY_LIMIT, description="Most versions that are kept, 1 to 100."
    )
    insecure_skip_tls_verify: StrictBool = Field(
        default=False,
        alias="insecureSkipTLSVerify",
        description="Whether the server's certificate goes unchecked.",
    )

    @model_validator(mode="after")
    def _name_fits_repository(self) -> ChartSubscription:
        found = Complaints()
        is_oci = self.repo_url.startswith("oci://")
        if is_oci and self.name:
            found.add(("name",), "must be empty for an oci:// repository; the address names the chart")
        if not is_oci and not self.name:
            found.add(("name",), "is missing; an http(s) repository holds many charts")
        found.raise_any()
        return self


class Subscription(Model):
    """One watched repository: exactly one of ``git``, ``image`` and ``chart``."""

    name: OptionalLabel = Field(default="", description="Name of the subscription, unique in its Warehouse.")
    git: GitSubscription | None = Field(default=None, description="A Git repository.")
    image: ImageSubscription | None = Field(default=None, description="A container image repository.")
    chart: ChartSubscription | None = Field(default=None, description="A Helm chart.")

    @model_validator(mode="after")
    def _has_one_type(self) -> Subscription:
        given = [key for key in SUBSCRIPTION_TYPES if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of git, image and chart, not {' and '.join(given) or 'none'}"
            )
        return self

    @property
    def type(self) -> Literal["git", "image", "chart"]:
        """The subscription's type."""
        return "git" if self.git else "image" if self.image else "chart"

    @property
    def repo_url(self) -> str:
        """The address of the watched repository, as written."""
        watched = self.git or self.image or self.chart
        assert watched is not None
        return watched.repo_url

    @property
    def discovery_limit(self) -> int:
        """Most artifacts that are kept."""
        watched = self.git or self.image or self.chart
        assert watched is not None
        return watched.discovery_limit


class FreightCreationCriteria(Model):
    """When Freight may be made of what was discovered."""

    expression: str = Field(
        default="", description="Expression over the newest artifacts that must give true."
    )


class WarehouseSpec(Model):
    """What a Warehouse watches and how often."""

    shard: str = Field(default="", description="Shard whose workers do the discovery.")
    interval: KargoDuration = Field(default=DEFAULT_INTERVAL, description="Time between two discoveries.")
    freight_creation_policy: Literal["Automatic", "Manual"] = Field(
        default="Automatic",
        description="Whether new artifacts become Freight without a person asking for it.",
    )
    freight_creation_criteria: FreightCreationCriteria | None = Field(
        default=None, description="When Freight may be made; ignored if the policy is Manual."
    )
    subscriptions: tuple[Subscription, ...] = Field(
        min_length=1, description="Repositories that are watched."
    )

    @model_validator(mode="after")
    def _subscription_names_are_unique(self) -> WarehouseSpec:
        found = Complaints()
        first: dict[str, int] = {}
        for index, subscription in enumerate(self.subscriptions):
            if subscription.name and subscription.name in first:
                found.add(
                    ("subscriptions", index, "name"),
                    f"{subscription.name!r} is already the name of subscriptions[{first[subscription.name]}]",
                )
            first.setdefault(subscription.name, index)
        found.raise_any()
        return self


class Warehouse(KargoResource):
    """Watches repositories and makes Freight of what they hold."""

    kind: Literal["Warehouse"] = "Warehouse"
    spec: WarehouseSpec

    @property
    def settings(self) -> WarehouseSettings:
        """Freightway's own settings, from its annotations."""
        return warehouse_settings(self.metadata.annotations)

    @field_validator("metadata")
    @classmethod
    def _settings_are_known(cls, metadata: Metadata) -> Metadata:
        complain_about_settings(lambda: warehouse_settings(metadata.annotations))
        return metadata
