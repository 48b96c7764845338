"""ClusterConfig: what holds for every project.

Source: Kargo api/v1alpha1/cluster_config_types.go, pkg/webhook/kubernetes/clusterconfig.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from freightway.names import CLUSTER_ID
from freightway.resources.fields import Complaints, KargoResource, NonEmpty, SecretReference
from freightway.resources.meta import Metadata, Model
from freightway.resources.project_config import DeepLink, PromotionWindow, complain_about_windows
from freightway.resources.webhook_receiver import WebhookReceiver, complain_about_receivers

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class GitClient(Model):
    """Who writes the commits of promotions."""

    name: NonEmpty = Field(description="Author's name.")
    email: NonEmpty = Field(description="Author's e-mail address.")
    signing_key_secret: SecretReference | None = Field(
        default=None,
        description="Secret whose key `signingKey` holds the GPG private key that signs commits.",
    )

    @field_validator("email")
    @classmethod
    def _is_an_address(cls, email: str) -> str:
        if not _EMAIL.fullmatch(email):
            raise ValueError(f"{email!r} is not an e-mail address")
        return email


class ClusterConfigSpec(Model):
    """Receivers, links, windows and the Git identity for every project."""

    webhook_receivers: tuple[WebhookReceiver, ...] = Field(
        default=(), description="Webhook receivers that refresh Warehouses of every project."
    )
    freight_links: tuple[DeepLink, ...] = Field(default=(), description="Links shown beside each Freight.")
    stage_links: tuple[DeepLink, ...] = Field(default=(), description="Links shown beside each Stage.")
    promotion_windows: tuple[PromotionWindow, ...] = Field(
        default=(), description="Times in which promotions are allowed or denied."
    )
    git_client: GitClient | None = Field(default=None, description="Who writes the commits of promotions.")

    @model_validator(mode="after")
    def _lists_are_consistent(self) -> ClusterConfigSpec:
        found = Complaints()
        complain_about_receivers(self.webhook_receivers, found)
        complain_about_windows(self.promotion_windows, found)
        found.raise_any()
        return self


class ClusterConfig(KargoResource):
    """The one configuration of everything, named ``cluster``."""

    cluster_wide: ClassVar[bool] = True

    kind: Literal["ClusterConfig"] = "ClusterConfig"
    spec: ClusterConfigSpec = Field(default_factory=ClusterConfigSpec)

    @field_validator("metadata")
    @classmethod
    def _is_the_only_one(cls, metadata: Metadata) -> Metadata:
        found = Complaints()
        if metadata.name != CLUSTER_ID:
            found.add(("name",), f"{metadata.name!r} must be {CLUSTER_ID!r}; there is one ClusterConfig")
        found.raise_any()
        return metadata
