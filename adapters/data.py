"""Secrets and ConfigMaps for expressions: what ``secret()``, ``configMap()`` and their shared forms return.

Source: Kargo pkg/expressions/function. A name that does not exist gives an empty map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from freightway.adapters.secret_files import Manifest, SecretFiles

OPEN_KEYS = frozenset(
    {"githubAppClientID", "githubAppID", "githubAppInstallationID", "repoURL", "repoURLIsRegex", "username"}
)
"""Keys of a credentials Secret whose values are no secrets: a message or an output may hold them."""


@dataclass(slots=True)
class FolderData:
    """Reads the folders below ``<home>/secrets``.

    Attributes:
        handed_out: every Secret value that was handed out, for masking.
    """

    home: Path
    handed_out: set[str] = field(default_factory=set, repr=False)
    files: SecretFiles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.files = SecretFiles(self.home)

    def secret(self, project: str, name: str) -> dict[str, str]:
        """Return the values of any Secret of the project, empty if it does not exist."""
        return self._hand_out(_named(self.files.of_project(project, "Secret"), name))

    def shared_secret(self, name: str) -> dict[str, str]:
        """Return the values of a shared Secret labelled ``cred-type: generic``, empty for any other."""
        generic = [one for one in self.files.shared("Secret") if one.cred_type == "generic"]
        return self._hand_out(_named(generic, name))

    def config_map(self, project: str, name: str) -> dict[str, str]:
        """Return the values of a ConfigMap of the project, empty if it does not exist."""
        return _named(self.files.of_project(project, "ConfigMap"), name)

    def shared_config_map(self, name: str) -> dict[str, str]:
        """Return the values of a shared ConfigMap, empty if it does not exist."""
        return _named(self.files.shared("ConfigMap"), name)

    def secrets(self) -> Iterator[str]:
        """Yield every Secret value handed out so far, longest first, for masking."""
        yield from sorted(self.handed_out, key=len, reverse=True)

    def _hand_out(self, values: dict[str, str]) -> dict[str, str]:
        self.handed_out.update(value for key, value in values.items() if value and key not in OPEN_KEYS)
        return values


def _named(manifests: list[Manifest], name: str) -> dict[str, str]:
    for manifest in manifests:
        if manifest.name == name:
            return dict(manifest.data)
    return {}
