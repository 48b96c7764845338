"""Writing Secret manifests into the folder that :mod:`freightway.adapters.secret_files` reads.

Files are for their owner alone (mode 0600, in folders of mode 0700) and appear whole or not at all.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from freightway.adapters.secret_files import CRED_TYPE, SHARED
from freightway.errors import FreightwayError, Refused

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")


def write_credentials(
    home: Path,
    *,
    project: str | None,
    name: str,
    kind: str,
    repo_url: str,
    is_regex: bool = False,
    username: str = "",
    password: str = "",
    ssh_private_key: str = "",
    github_app: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    replace: bool = False,
) -> Path:
    """Write credentials for a repository as a Kargo Secret manifest and return the file.

    Args:
        project: None for the credentials that every project shares.
        kind: ``git``, ``helm`` or ``image``.
        github_app: ``githubAppClientID`` or ``githubAppID``, ``githubAppInstallationID``, ``githubAppPrivateKey``.
        replace: overwrite a file of that name.
    Raises:
        Refused: if the parts do not make credentials, or the file is there already.
    """
    if kind not in ("git", "helm", "image"):
        raise Refused(f"{kind!r} is not a kind of credentials; use git, helm or image")
    if not repo_url:
        raise Refused("credentials need the URL of their repository")
    data = {"repoURL": repo_url}
    if is_regex:
        data["repoURLIsRegex"] = "true"
    if github_app:
        data.update(github_app)
    elif ssh_private_key:
        data["sshPrivateKey"] = ssh_private_key
    elif username and password:
        data.update(username=username, password=password)
    else:
        raise Refused("give a username and a password, an SSH private key or a GitHub App")
    return _write(home, project, name, kind, data, annotations or {}, replace=replace)


def write_generic(
    home: Path,
    *,
    project: str | None,
    name: str,
    data: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    replace: bool = False,
) -> Path:
    """Write a generic Secret, which expressions read with ``secret()`` or ``sharedSecret()``; return the file.

    Raises:
        Refused: if there is no value, or the file is there already.
    """
    if not data:
        raise Refused("a generic Secret needs at least one value")
    return _write(home, project, name, "generic", dict(data), annotations or {}, replace=replace)


def write_configmap(
    home: Path,
    *,
    project: str | None,
    name: str,
    data: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    replace: bool = False,
) -> Path:
    """Write a ConfigMap, which expressions read with ``configMap()`` or ``sharedConfigMap()``; return the file.

    Raises:
        Refused: if there is no value, or the file is there already.
    """
    if not data:
        raise Refused("a ConfigMap needs at least one value")
    return _write(home, project, name, "", dict(data), annotations or {}, replace=replace)


def _write(
    home: Path,
    project: str | None,
    name: str,
    kind: str,
    data: dict[str, str],
    annotations: Mapping[str, str],
    *,
    replace: bool,
) -> Path:
    if project == SHARED:
        raise Refused(f"no project can be called {SHARED!r}: its folder is the shared one")
    for what, text in (("name", name), ("project", project or SHARED)):
        if not _NAME.fullmatch(text):
            raise Refused(f"{what} {text!r} must be lower-case letters, digits, '-' and '.'")
    folder = home / "secrets" / (project or SHARED)
    # A Secret and a ConfigMap may have one name.
    path = folder / (f"{name}.yaml" if kind else f"{name}.configmap.yaml")
    metadata: dict[str, object] = {"name": name}
    if kind:
        metadata["labels"] = {CRED_TYPE: kind}
    if annotations:
        metadata["annotations"] = dict(annotations)
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret" if kind else "ConfigMap",
        "metadata": metadata,
        "stringData" if kind else "data": data,
    }
    try:
        for part in (home / "secrets", folder):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.chmod(0o700)
        if path.exists() and not replace:
            raise Refused(f"{path} is there already; replace it with --replace, or choose another name")
        _write_private(path, yaml.safe_dump(manifest, sort_keys=False))
    except OSError as error:
        raise FreightwayError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _write_private(path: Path, text: str) -> None:
    # mkstemp makes the file with mode 0600, so its content is never readable by others.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
