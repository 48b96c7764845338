"""Names of repositories in OCI registries, and how a registry is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass

from freightway.adapters.http_address import is_loopback
from freightway.errors import FreightwayError

DOCKER_HUB = "registry-1.docker.io"
_DOCKER_HUB_NAMES = frozenset({"docker.io", "index.docker.io", DOCKER_HUB})
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository in a registry.

    Attributes:
        host: host (and port) to connect to; Docker Hub's own for names without one.
        path: the repository's path there.
    """

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine's loopback, where plain http is spoken."""
        name = self.host if self.host.endswith("]") else self.host.rpartition(":")[0] or self.host
        return is_loopback(name)


def parse_repository(url: str) -> RepositoryName:
    """Return the repository that a URL names; tag and digest are left out.

    ``oci://`` may stand before it. A first part without dot, colon or ``localhost`` is a path on Docker Hub.

    Raises:
        FreightwayError: if it is not the name of a repository.
    """
    return split_reference(url)[0]


def split_reference(text: str) -> tuple[RepositoryName, str]:
    """Return the repository of an image reference, and its digest or tag (empty if it has neither).

    Raises:
        FreightwayError: if it is not an image reference.
    """
    rest = text.strip().removeprefix("oci://").rstrip("/")
    rest, _, digest = rest.partition("@")
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = first
    else:
        host, path = DOCKER_HUB, rest
    path, _, tag = path.partition(":")
    if host in _DOCKER_HUB_NAMES:
        host = DOCKER_HUB
        path = path if "/" in path else f"library/{path}"
    bad_end = (digest and not DIGEST.fullmatch(digest)) or (tag and not TAG.fullmatch(tag))
    if bad_end or not _HOST.fullmatch(host) or not _REPOSITORY.fullmatch(path):
        raise FreightwayError(f"{text!r} is not an image repository; write for example ghcr.io/team/app")
    return RepositoryName(host, path), digest or tag
