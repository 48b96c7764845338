"""Manifests in files: where a stream of YAML is cut, and what the file of a resource is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from freightway.activities.files import write_file
from freightway.activities.steps.registry import Workspace
from freightway.errors import StepErrored

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_CUT = re.compile(r"(?m)^---[ \t]*(?:#.*)?$\n?")

CLUSTER_WIDE = frozenset({
    "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding",
    "ClusterTrustBundle", "ComponentStatus", "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IPAddress",
    "IngressClass", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration",
    "Namespace", "Node", "PersistentVolume", "PodSecurityPolicy", "PriorityClass", "PriorityLevelConfiguration",
    "ResourceSlice", "RuntimeClass", "SelfSubjectAccessReview", "SelfSubjectReview", "SelfSubjectRulesReview",
    "ServiceCIDR", "StorageClass", "StorageVersion", "SubjectAccessReview", "TokenReview",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
    "VolumeAttachment", "VolumeAttributesClass",
})  # fmt: skip
"""Built-in kinds without a namespace."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One resource as text, and what it is named by; empty names where the text has none."""

    text: str
    group: str = ""
    version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""

    @classmethod
    def of(cls, text: str) -> Manifest | None:
        """Return the manifest of a text, None if there is nothing in it but comments."""
        try:
            content = yaml.load(text, _Loader)  # noqa: S506 - builds text, lists and maps only
        except (yaml.YAMLError, RecursionError):
            return cls(text)
        if content is None or content == "":
            return None
        if not isinstance(content, dict):
            return cls(text)
        found = content.get("metadata")
        named = found if isinstance(found, dict) else {}
        group, _, version = _text(content.get("apiVersion")).rpartition("/")
        return cls(
            text,
            group,
            version,
            _text(content.get("kind")),
            _text(named.get("namespace")),
            _text(named.get("name")),
        )

    @property
    def is_cluster_wide(self) -> bool:
        """Whether this is a built-in kind without a namespace."""
        return self.kind in CLUSTER_WIDE


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def split(stream: str) -> list[str]:
    """Return the documents of a YAML stream as they are written, without the lines between them."""
    return [part for part in _CUT.split(stream) if part.strip()]


def kargo_name(manifest: Manifest) -> str:
    """Return ``[namespace-]kind-name.yaml``."""
    return "-".join(filter(None, (manifest.namespace, manifest.kind, manifest.name))).lower() + ".yaml"


def kustomize_names(manifests: Sequence[Manifest]) -> list[str]:
    """Return ``[namespace_]group_version_kind_name.yaml``, the namespace only if there are several."""
    several = len({one.namespace or "default" for one in manifests if not one.is_cluster_wide}) > 1
    names = []
    for one in manifests:
        namespace = one.namespace if several and not one.is_cluster_wide else ""
        parts = (namespace, one.group, one.version, one.kind, one.name)
        names.append("_".join(filter(None, parts)).lower() + ".yaml")
    return names


def flat_name(manifest: Manifest) -> str:
    """Return ``[group-]kind[-namespace]-name.yaml``; empty without a kind or a name."""
    if not (manifest.kind and manifest.name):
        return ""
    parts = (manifest.group.replace(".", "_"), manifest.kind, manifest.namespace, manifest.name)
    return "-".join(filter(None, parts)).lower() + ".yaml"


def write_manifests(workspace: Workspace, folder: str, files: Iterable[tuple[str, str]]) -> None:
    """Write texts to files of a folder that a user named; of one name the later ones are appended.

    Raises:
        StepErrored: if a name could lead out of the folder, or a file cannot be written.
    """
    contents: dict[str, list[str]] = {}
    for name, text in files:
        if "/" in name or "\\" in name or ".." in name or "\0" in name:
            raise StepErrored(f'unsafe generated resource filename "{name}"')
        contents.setdefault(name, []).append(text if text.endswith("\n") else f"{text}\n")
    for name, texts in contents.items():
        write_file(workspace, workspace.path(f"{folder}/{name}"), "---\n".join(texts).encode())
