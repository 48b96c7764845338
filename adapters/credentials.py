"""Credentials for repositories, found in Secret manifests as Kargo finds them; values never leave the worker.

A lookup goes through the project's Secrets, then the shared ones, sorted by name; the first whose ``repoURL``
fits wins. Every value handed out is remembered, so that messages and logs can be masked.

Source: Kargo pkg/credentials/kubernetes/database.go.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import re2

from freightway.adapters.credential_files import write_credentials, write_generic
from freightway.adapters.http import Http
from freightway.adapters.http_address import is_loopback
from freightway.adapters.secret_files import Manifest, SecretFiles
from freightway.errors import FreightwayError, Problem
from freightway.urls import normalize_chart, normalize_git, normalize_image, sanitize

__all__ = ["CredentialKind", "CredentialStore", "Credentials", "write_credentials", "write_generic"]

CredentialKind = Literal["git", "helm", "image"]

ALLOW_HTTP_VARIABLE = "FREIGHTWAY_ALLOW_HTTP_CREDENTIALS"
"""Environment variable: ``true`` sends credentials over plain http to every host."""

ALLOW_HTTP_ANNOTATION = "freightway.dev/allow-http"
"""Annotation of a Secret: ``"true"`` sends these credentials over plain http."""

_NORMALIZE = {"git": normalize_git, "helm": normalize_chart, "image": normalize_image}
_CLOUD_KEYS = {
    "awsAccessKeyID": "an AWS access key",
    "awsSecretAccessKey": "an AWS access key",
    "gcpServiceAccountKey": "a Google service account key",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to authenticate to one repository; secret parts never show in ``repr``.

    Attributes:
        username: empty if there is only an SSH key.
        password: password or token.
        ssh_private_key: private key in PEM or OpenSSH form, empty if there is none.
        source: the Secret's name, for messages.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_private_key: str = field(default="", repr=False)
    source: str = ""


@dataclass(slots=True)
class CredentialStore:
    """Finds credentials below a home folder.

    Attributes:
        home: folder that holds ``secrets/<project>/`` and ``secrets/shared/``.
        http: client for minting tokens; without one, GitHub Apps are refused.
        handed_out: every secret value that was handed out.
    """

    home: Path
    http: Http | None = None
    handed_out: set[str] = field(default_factory=set, repr=False)
    files: SecretFiles = field(init=False, repr=False)
    _apps: object = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.files = SecretFiles(self.home)

    async def get(self, project: str, kind: CredentialKind, repo_url: str) -> Credentials | None:
        """Return the credentials for a repository, None for anonymous access.

        Plain http gets none, unless the host is the loopback, the Secret carries the annotation
        ``freightway.dev/allow-http: "true"`` or ``FREIGHTWAY_ALLOW_HTTP_CREDENTIALS`` is ``true``.

        Raises:
            FreightwayError: if the Secret that fits cannot be used (a cloud key, a broken GitHub App).
            AdapterError: if a token could not be minted.
        """
        found = self.find(project, kind, repo_url)
        if found is None or not _may_travel(repo_url, found):
            return None
        return await self._resolve(project, kind, repo_url, found)

    def find(self, project: str, kind: CredentialKind, repo_url: str) -> Manifest | None:
        """Return the Secret whose ``repoURL`` fits first, None if none does."""
        normal = _NORMALIZE[kind](repo_url)
        for manifests in (self.files.of_project(project, "Secret"), self.files.shared("Secret")):
            for manifest in manifests:
                if manifest.cred_type == kind and _fits(manifest, kind, repo_url, normal):
                    return manifest
        return None

    def secrets(self) -> Iterator[str]:
        """Yield every value handed out so far, longest first, for masking."""
        yield from sorted(self.handed_out, key=len, reverse=True)

    def problems(self) -> list[Problem]:
        """Return what is wrong in the files read so far."""
        return self.files.problems()

    async def _resolve(
        self, project: str, kind: CredentialKind, repo_url: str, found: Manifest
    ) -> Credentials | None:
        data = found.data
        if "username" in data and "password" in data:
            if not data["username"] or not data["password"]:
                return None
            return self._hand_out(Credentials(data["username"], data["password"], source=found.name))
        if "sshPrivateKey" in data:
            key = data["sshPrivateKey"]
            return self._hand_out(Credentials(ssh_private_key=key, source=found.name)) if key else None
        if kind == "git" and data.get("githubAppPrivateKey"):
            return await self._github_app(project, repo_url, found)
        for key, what in _CLOUD_KEYS.items():
            if key in data:
                raise FreightwayError(
                    f"Secret {found.name!r} holds {what}, which is not supported; "
                    "store username and password (a token) instead"
                )
        return None

    async def _github_app(self, project: str, repo_url: str, found: Manifest) -> Credentials | None:
        from freightway.adapters.github_app import GitHubApps

        if self.http is None:
            raise FreightwayError(f"Secret {found.name!r} is a GitHub App, which cannot be used here")
        if not isinstance(self._apps, GitHubApps):
            self._apps = GitHubApps(self.http)
        self.handed_out.add(found.data["githubAppPrivateKey"])
        token = await self._apps.token(project, repo_url, found)
        return self._hand_out(Credentials("kargo", token, source=found.name)) if token else None

    def _hand_out(self, credentials: Credentials) -> Credentials:
        self.handed_out.update(filter(None, (credentials.password, credentials.ssh_private_key)))
        return credentials


def _fits(manifest: Manifest, kind: CredentialKind, repo_url: str, normal: str) -> bool:
    wanted = manifest.data.get("repoURL", "")
    if not wanted:
        return False
    if manifest.data.get("repoURLIsRegex") != "true":
        return bool(_NORMALIZE[kind](wanted) == normal)
    try:
        pattern = re2.compile(wanted)
    except re2.error:
        return False
    return bool(pattern.search(repo_url) or pattern.search(normal))


def _may_travel(repo_url: str, manifest: Manifest) -> bool:
    """Whether credentials may be sent to this URL: not in the clear over a network nobody vouched for."""
    url = sanitize(repo_url).lower()
    if not url.startswith("http://"):
        return True
    if os.environ.get(ALLOW_HTTP_VARIABLE, "").lower() == "true":
        return True
    if manifest.annotations.get(ALLOW_HTTP_ANNOTATION) == "true":
        return True
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
