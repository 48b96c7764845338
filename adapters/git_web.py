"""Where people see a commit: the web address of a commit on the known Git servers."""

from __future__ import annotations

from urllib.parse import urlsplit

from freightway.urls import normalize_git

_PATHS = {
    "github": "commit",
    "gitlab": "-/commit",
    "gitea": "commit",
    "bitbucket": "commits",
}


def commit_url(repo_url: str, commit: str, provider: str | None = None) -> str | None:
    """Return the web address of a commit, None if the kind of server is not known.

    Args:
        provider: github, gitlab, gitea, bitbucket or azure; None to guess it by the server's name.
    Source: Kargo pkg/gitprovider; an Azure address is never given, as in Kargo.
    """
    parts = urlsplit(normalize_git(repo_url))
    host = parts.hostname or ""
    kind = provider or guess_provider(host)
    if kind not in _PATHS or not host:
        return None
    port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
    scheme = "http" if parts.scheme == "http" else "https"
    return f"{scheme}://{host}{port}{parts.path}/{_PATHS[kind]}/{commit}"


def guess_provider(host: str) -> str | None:
    """Return the kind of Git server a host name stands for, None if it does not tell."""
    if "github" in host or host.endswith(".ghe.com"):
        return "github"
    if "gitlab" in host:
        return "gitlab"
    if "gitea" in host:
        return "gitea"
    if host == "bitbucket.org":
        return "bitbucket"
    if host == "dev.azure.com" or host.endswith("visualstudio.com"):
        return "azure"
    return None
