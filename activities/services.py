"""What a worker offers its steps: the step kinds, the workspaces, and one provider for each capability.

A step asks for a capability by the type of a parameter; :attr:`Services.providers` says how each type is made.
A new capability is one more line in :func:`make_services`, or a call of :meth:`Services.provide`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from freightway.activities.steps.registry import (
    REGISTRY,
    Recorder,
    StepInfo,
    StepKind,
    StepRegistry,
    Workspace,
)
from freightway.activities.workspace import OpenWorkspace, WorkspaceManager
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.data import FolderData
from freightway.adapters.helm import Helm
from freightway.adapters.http import Http
from freightway.adapters.kustomize import Kustomize
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored
from freightway.promotion.functions import Secrets
from freightway.promotion.model import MINIMUM_POLL, StepRequest


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a step, as providers see it.

    Attributes:
        held: the workspace, None for a step without files.
    """

    request: StepRequest
    info: StepInfo
    recorder: Recorder
    held: OpenWorkspace | None = None

    @property
    def processes(self) -> ProcessRunner:
        """Runs children; those of a step with files hold the lock of its workspace."""
        return self.held.processes if self.held else ProcessRunner()

    @property
    def workspace(self) -> Workspace:
        """The workspace.

        Raises:
            StepErrored: if the attempt has none.
        """
        if self.held is None:
            raise StepErrored("this step needs a workspace and was given none", terminal=True)
        return self.held.workspace


Provider = Callable[[Attempt], Any]
"""Makes a capability for one attempt."""


@dataclass(frozen=True)
class Services:
    """Everything that :func:`freightway.activities.run_step.run_step` needs of its worker.

    Attributes:
        data: makes the lookup of Secrets and ConfigMaps for one attempt; nothing is kept from one to the next.
        secrets: gives every value that the credential store handed out, for masking.
        hidden: absolute folder -> what people see instead of it in messages.
        minimum_poll: shortest pause between two polls of a waiting step.
    """

    registry: StepRegistry
    workspaces: WorkspaceManager
    providers: Mapping[type, Provider]
    data: Callable[[], Secrets]
    secrets: Callable[[], Iterable[str]] = tuple
    hidden: Mapping[Path, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    minimum_poll: timedelta = MINIMUM_POLL

    def provide(self, capability: type, provider: Provider) -> Self:
        """Return these services with one more capability."""
        return replace(self, providers={**self.providers, capability: provider})

    def inject(self, kind: StepKind, attempt: Attempt) -> dict[str, Any]:
        """Return the arguments of a step function beside its configuration.

        Raises:
            StepErrored: if this worker lacks a capability.
        """
        arguments = {}
        for parameter, wanted in kind.capabilities.items():
            provider = self.providers.get(wanted)
            if provider is None:
                raise StepErrored(
                    f"step kind {kind.name!r} asks for {wanted.__name__}, which this worker does not offer",
                    terminal=True,
                )
            arguments[parameter] = provider(attempt)
        return arguments


ATTEMPT_PROVIDERS: Mapping[type, Provider] = {
    StepInfo: lambda attempt: attempt.info,
    Recorder: lambda attempt: attempt.recorder,
    Workspace: lambda attempt: attempt.workspace,
    ProcessRunner: lambda attempt: attempt.processes,
}
"""The capabilities that belong to an attempt and need nothing of the worker."""


def make_services(
    home: Path,
    *,
    registry: StepRegistry = REGISTRY,
    http: Http | None = None,
    credentials: CredentialStore | None = None,
    providers: Mapping[type, Provider] | None = None,
) -> Services:
    """Return the services of a worker whose Secrets and workspaces are below ``home``."""
    client = http or Http()
    store = credentials or CredentialStore(home, client)
    return Services(
        registry=registry,
        workspaces=WorkspaceManager(home),
        providers={
            **ATTEMPT_PROVIDERS,
            Http: lambda _: client,
            CredentialStore: lambda _: store,
            Helm: lambda _: Helm.find(os.environ),
            Kustomize: lambda _: Kustomize.find(os.environ),
            **(providers or {}),
        },
        data=lambda: FolderData(home),
        secrets=store.secrets,
        hidden={home: "<home>"},
    )
