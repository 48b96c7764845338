"""Repository URLs in the form that decides whether two of them name the same repository.

One rule: these functions never fail; what cannot be normalised comes back unchanged.
"""

from __future__ import annotations

import re2

from freightway.go_url import URL, parse_url

_SCP = re2.compile(r"((?:[0-9A-Za-z_-]+@)?[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*)(?::(.*))?")
_REPOSITORY_NAME = re2.compile(r"[a-z0-9_./-]{2,255}")
_TAG = re2.compile(r"[0-9A-Za-z_.-]{1,128}")
_DIGEST = re2.compile(r"sha256:[0-9a-f]{64}")
_DOCKER_HUB = frozenset({"", "docker.io", "index.docker.io", "registry-1.docker.io"})


def sanitize(url: str) -> str:
    """Return a URL without runes that do not print and without white space at its ends."""
    return "".join(char for char in url if char.isprintable()).strip(" ")


def normalize_git(url: str) -> str:
    """Return the normal form of a Git repository URL.

    Lower case; no user in http and https; no final ``/``, then no ``.git``; ``user@host:path`` becomes
    ``ssh://user@host/path``. The scheme stays, and a URL with query parameters comes back unchanged.

    Source: Kargo pkg/urls/git.go.
    """
    cleaned = sanitize(_lower(url))
    try:
        if cleaned.startswith(("http://", "https://", "ssh://")):
            parsed = parse_url(cleaned)
            if parsed.has_parameters():
                return url
            return str(_trim(parsed if parsed.scheme == "ssh" else parsed.without_user()))
        match = _SCP.fullmatch(cleaned)
        if match is None:
            return url
        path = _trim(parse_url(match.group(2) or ""))
    except ValueError:
        return url
    return f"ssh://{match.group(1)}/{path}" if path.path else f"ssh://{match.group(1)}"


def _trim(url: URL) -> URL:
    return url.with_path(url.path.removesuffix("/").removesuffix(".git"))


def normalize_image(url: str) -> str:
    """Return the normal form of an image repository URL.

    Lower case; no tag or digest; Docker Hub's host and its ``library/`` left out.

    Source: Kargo pkg/urls/image.go; go-containerregistry 0.21.7 for what a reference is.
    """
    reference = sanitize(_lower(url))
    parts = _split_tag(reference) or _split_digest(reference)
    if parts is None:
        return url
    registry, repository = parts
    return repository.removeprefix("library/") if registry in _DOCKER_HUB else f"{registry}/{repository}"


def _split_tag(reference: str) -> tuple[str, str] | None:
    base, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return _split_registry(reference)
    return _split_registry(base) if _TAG.fullmatch(tag) else None


def _split_digest(reference: str) -> tuple[str, str] | None:
    base, at, digest = reference.partition("@")
    if not at or _DIGEST.fullmatch(digest) is None:
        return None
    return _split_tag(base) or _split_registry(base)


def _split_registry(name: str) -> tuple[str, str] | None:
    """Split at the first slash if what stands before it looks like a host."""
    host, slash, rest = name.partition("/")
    is_host = bool(slash) and (host == "localhost" or "." in host or ":" in host)
    registry, repository = (host, rest) if is_host else ("", name)
    if _REPOSITORY_NAME.fullmatch(repository) is None:
        return None
    try:
        authority = parse_url(f"//{registry}").host.encode("latin-1").decode("utf-8", "replace")
    except ValueError:
        return None
    return (registry, repository) if authority == registry else None


def normalize_chart(url: str) -> str:
    """Return the normal form of a chart repository URL.

    ``oci://`` is left out and the rule for images follows; an http(s) URL is only put in lower case.

    Source: Kargo pkg/urls/helm.go.
    """
    cleaned = sanitize(url)
    try:
        parse_url(cleaned)
    except ValueError:
        return url
    return normalize_image(_lower(cleaned).removeprefix("oci://"))


def _lower(text: str) -> str:
    """Rune by rune, without the rules for a word's end that ``str.lower`` follows."""
    return "".join(char.lower()[0] for char in text)
