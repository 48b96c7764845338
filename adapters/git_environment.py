"""What git is given to run with: a clean environment, no hooks, no configuration but ours, no prompt.

Credentials reach git only through an askpass program that answers for one host; they are never in a URL, in
an argument or in a file of a repository. Settings travel as ``GIT_CONFIG_COUNT`` variables, which win over
the configuration file of a repository, so that nothing a repository holds can switch them back.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from freightway.errors import StepFailed

_SCP = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<host>[\w.-]+):(?P<path>(?!//).+)")
_PASSED = (
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "TMPDIR",
)
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.quotePath": "false",
    "core.autocrlf": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "protocol.version": "2",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "diff.ignoreSubmodules": "dirty",
    "push.recurseSubmodules": "no",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "rebase.backend": "merge",
    "merge.conflictStyle": "merge",
    "http.lowSpeedLimit": "1024",
    "http.lowSpeedTime": "30",
    "http.followRedirects": "initial",
    "init.defaultBranch": "main",
    "user.useConfigOnly": "true",
}
"""A transfer slower than 1024 bytes a second for 30 seconds is given up, as in Kargo."""

ASKPASS = """#!/bin/sh
# Answers only for the host the credentials belong to; git asks for other hosts after submodules or redirects.
case "$1" in
  "Username for '$FREIGHTWAY_GIT_SITE': ") printf '%s\\n' "$FREIGHTWAY_GIT_USERNAME" ;;
  "Password for '$FREIGHTWAY_GIT_SCHEME://"*"@$FREIGHTWAY_GIT_HOST': ") printf '%s\\n' "$FREIGHTWAY_GIT_PASSWORD" ;;
  *) exit 1 ;;
esac
"""


class Login(Protocol):
    """The credentials of a repository, as a credential store gives them; empty strings where there is none."""

    @property
    def username(self) -> str:
        """User name for HTTP."""

    @property
    def password(self) -> str:
        """Password or token for HTTP."""

    @property
    def ssh_private_key(self) -> str:
        """Private key for SSH, in PEM or OpenSSH form."""


@dataclass(frozen=True, slots=True)
class RemoteURL:
    """The address of a repository, taken apart and without its credentials.

    Attributes:
        text: the address git is given; free of user name and password for HTTP.
        scheme: ``https``, ``http``, ``ssh`` or ``file``.
        host: host and port, empty for a repository of this machine.
        username, password: what stood in the address, empty if nothing did.
    """

    text: str
    scheme: str
    host: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> RemoteURL:
        """Take a repository's address apart.

        Accepted are ``https://``, ``http://``, ``ssh://``, ``user@host:path``, ``file://`` and absolute paths.

        Raises:
            StepFailed: if git must not be given this address.
        """
        text = url.strip()
        _refuse_unsafe(text)
        if text.startswith("/"):
            return cls(text, "file")
        if "://" not in text:
            match = _SCP.fullmatch(text)
            if match is None:
                raise StepFailed(
                    f"{text!r} is not the address of a repository; write for example https://host/path"
                )
            return cls(text, "ssh", match["host"], match["user"] or "")
        return cls._parse_url(text)

    @classmethod
    def _parse_url(cls, text: str) -> RemoteURL:
        try:
            parts = urlsplit(text)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise StepFailed(f"the repository's address cannot be read: {error}") from None
        scheme = parts.scheme.lower()
        if scheme == "file":
            return cls(text, scheme)
        if scheme not in ("https", "http", "ssh") or not parts.hostname:
            raise StepFailed(f"git may not use the protocol {scheme!r}: use https, http or ssh")
        host = (f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname) + port
        if scheme == "ssh":
            return cls(text, scheme, host, parts.username or "")
        clean = parts._replace(netloc=host).geturl()
        return cls(clean, scheme, host, unquote(parts.username or ""), unquote(parts.password or ""))


def _refuse_unsafe(text: str) -> None:
    from git.cmd import Git
    from git.exc import UnsafeProtocolError

    if not text or text.startswith("-") or any(ord(char) < 0x20 for char in text):
        raise StepFailed(f"{text!r} is not the address of a repository")
    try:
        Git.check_unsafe_protocols(text)
    except UnsafeProtocolError:
        raise StepFailed(
            f"git may not use the protocol of {text.split(':', 1)[0]!r}: use https, http or ssh"
        ) from None


@dataclass(frozen=True, slots=True)
class Access:
    """A repository and the right to use it.

    Attributes:
        insecure: neither TLS certificates nor SSH host keys are verified.
        known_hosts: files with the host keys that are trusted for SSH.
    """

    url: RemoteURL
    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    insecure: bool = False
    known_hosts: tuple[Path, ...] = ()

    @classmethod
    def of(
        cls,
        url: RemoteURL,
        login: Login | None,
        *,
        insecure: bool = False,
        known_hosts: tuple[Path, ...] = (),
    ) -> Access:
        """Return the access that stored credentials give; without any, what stood in the address."""
        if login is None:
            return cls(url, url.username, url.password, insecure=insecure, known_hosts=known_hosts)
        return cls(url, login.username, login.password, login.ssh_private_key, insecure, known_hosts)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(text for text in (self.password, self.ssh_key) if text)


def clean_environment(home: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a git command that stays on this machine.

    Args:
        home: the folder git sees as the user's home.
        settings: configuration on top of the hardened one.
    """
    env = {name: os.environ[name] for name in _PASSED if name in os.environ}
    env |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_EDITOR": "true",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_DEFAULT_REF_FORMAT": "files",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    return env | _as_variables(_SETTINGS | dict(settings or {}))


def remote_environment(
    home: Path, access: Access, settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a git command that talks to a repository.

    ``home`` must hold what :func:`write_access` wrote.
    """
    url, more = access.url, dict(settings or {})
    if access.insecure and url.scheme == "https":
        more[f"http.https://{url.host}/.sslVerify"] = "false"
    env = clean_environment(home, more)
    env["GIT_ALLOW_PROTOCOL"] = "file" if url.scheme == "file" else "https:http:ssh"
    env["GIT_SSH_COMMAND"] = _ssh_command(home, access)
    if access.password:
        env |= {
            "GIT_ASKPASS": str(home / "askpass"),
            "FREIGHTWAY_GIT_SITE": f"{url.scheme}://{url.host}",
            "FREIGHTWAY_GIT_SCHEME": url.scheme,
            "FREIGHTWAY_GIT_HOST": url.host,
            "FREIGHTWAY_GIT_USERNAME": access.username or "git",
            "FREIGHTWAY_GIT_PASSWORD": access.password,
        }
    return env


def write_access(home: Path, access: Access) -> None:
    """Write the askpass program and the SSH key into a home of its own (files of mode 0700 and 0600)."""
    if access.password:
        _write_private(home / "askpass", ASKPASS, 0o700)
    if access.ssh_key:
        # OpenSSH refuses a key whose last line is not ended.
        _write_private(home / "key", access.ssh_key.rstrip("\n") + "\n", 0o600)


def _write_private(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _ssh_command(home: Path, access: Access) -> str:
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "ConnectTimeout=30"]
    if access.insecure:
        options += ["StrictHostKeyChecking=no", f"UserKnownHostsFile={os.devnull}"]
    elif access.known_hosts:
        options += [
            "StrictHostKeyChecking=yes",
            "UserKnownHostsFile=" + " ".join(map(str, access.known_hosts)),
        ]
    else:
        options += ["StrictHostKeyChecking=yes"]
    options.append(f"IdentityFile={home / 'key'}" if access.ssh_key else "IdentityFile=none")
    words = ["ssh", "-F", os.devnull]
    for option in options:
        words += ["-o", option]
    return shlex.join(words)


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env
