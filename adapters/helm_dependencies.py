"""What a chart depends on, fetched into its ``charts`` folder with the project's credentials.

Source: Kargo pkg/helm/dependency_manager.go.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from freightway.adapters.credentials import Credentials, CredentialStore
from freightway.adapters.helm import INSTALL, Helm
from freightway.adapters.kustomize_scan import refuse_outside_links
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored
from freightway.urls import normalize_chart

FAILURE = "failed to build chart dependencies"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of ``dependencies`` in a ``Chart.yaml``."""

    name: str
    repository: str


async def build_dependencies(
    helm: Helm,
    chart: Path,
    root: Path,
    project: str,
    credentials: CredentialStore,
    processes: ProcessRunner,
    versions: Mapping[str, str],
) -> dict[str, str]:
    """Do what ``helm dependency build`` does.

    Args:
        chart: the chart's folder, inside ``root``.
        root: the workspace.
        versions: what an earlier run returned, to be fetched again.
    Returns:
        The versions that were fetched, as far as no ``Chart.lock`` says so.
    Raises:
        StepErrored: if a dependency is outside the workspace, cannot be fetched, or there is no helm.
    """
    dependencies = _read(chart, root)
    if not dependencies:
        return {}
    if not (helm.command or helm.python):
        raise StepErrored(INSTALL, terminal=True)
    with tempfile.TemporaryDirectory(prefix="freightway-helm-") as folder:
        home = Path(folder)
        logins = await _log_in(home, dependencies, project, credentials)
        if helm.command:
            await helm.command_in(["dependency", "build", "--", str(chart)], home, processes, FAILURE)
            return {}
        request = {"do": "dependencies", "chart": str(chart), "logins": logins, "versions": dict(versions)}
        answer = await helm.call(request, processes, FAILURE, home=home)
        return dict(answer["versions"])


def _read(chart: Path, root: Path) -> list[Dependency]:
    try:
        content = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StepErrored(f"{FAILURE}: Chart.yaml cannot be read") from error
    entries = content.get("dependencies") if isinstance(content, dict) else None
    dependencies = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            one = Dependency(str(entry.get("name") or ""), str(entry.get("repository") or ""))
            _check(one, chart, root)
            dependencies.append(one)
    return dependencies


def _check(dependency: Dependency, chart: Path, root: Path) -> None:
    repository = dependency.repository
    shown = f"{FAILURE}: dependency {dependency.name!r}"
    if repository.startswith("file://"):
        path = repository.removeprefix("file://")
        if path.startswith("/"):
            raise StepErrored(f"{shown}: {repository!r} must be a relative path")
        place = (chart / path).resolve()
        if not place.is_relative_to(root.resolve()):
            raise StepErrored(f"{shown}: {repository!r} leads out of the workspace")
        refuse_outside_links(place, root.resolve())
    elif repository and not repository.startswith(("https://", "http://", "oci://")):
        raise StepErrored(f"{shown}: {repository!r} is no https, http, oci or file URL; write the URL out")


async def _log_in(
    home: Path, dependencies: Sequence[Dependency], project: str, credentials: CredentialStore
) -> dict[str, tuple[str, str]]:
    """Write the files in which Helm looks for repositories and credentials; return those of http repositories."""
    logins: dict[str, tuple[str, str]] = {}
    repositories: dict[str, dict[str, Any]] = {}
    auths: dict[str, dict[str, str]] = {}
    for dependency in dependencies:
        url = dependency.repository
        if url.startswith("oci://"):
            full = f"oci://{normalize_chart(url)}/{dependency.name}"
            login = await credentials.get(project, "helm", full)
            if login is not None:
                auths[urlsplit(url).netloc] = {"auth": _basic(login)}
        elif url.startswith(("https://", "http://")) and url not in repositories:
            entry = {"name": f"repository-{len(repositories)}", "url": url}
            login = await credentials.get(project, "helm", url)
            if login is not None:
                entry |= {"username": login.username, "password": login.password}
                logins[url] = (login.username, login.password)
            repositories[url] = entry
    listed = {"apiVersion": "", "generated": "0001-01-01T00:00:00Z", "repositories": [*repositories.values()]}
    _write(home / "repositories.yaml", yaml.safe_dump(listed))
    _write(home / "config.json", json.dumps({"auths": auths}))
    return logins


def _basic(login: Credentials) -> str:
    return base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
