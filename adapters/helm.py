"""Helm as a child process: the program ``helm``, or the library of the package ``helm-python-sdk``.

Rendering needs no cluster and no network. The library is never loaded into a worker: it holds a Go runtime, which
does not survive a fork and can take the process down; ``helm_child.py`` beside this file runs it in a child.

Source: Kargo pkg/promotion/runner/builtin/helm_template_runner.go; differs: Helm 4 where Kargo links Helm 3.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from freightway.adapters.processes import ProcessFailed, ProcessRunner, ProcessTimedOut
from freightway.errors import FreightwayError, StepErrored

VARIABLE = "FREIGHTWAY_HELM"
PYTHON_VARIABLE = "FREIGHTWAY_HELM_PYTHON"
LIBRARY = "helm_python"
CHILD = Path(__file__).with_name("helm_child.py")
MEMORY = 3 * 1024**3
SECONDS = 300.0
CPU_SECONDS = 120
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
NO_NETWORK = {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
INSTALL = (
    "helm is not there; install helm on the worker, set $FREIGHTWAY_HELM to the program, "
    "or run: pip install 'freightway[helm]'"
)
_SOURCE = re.compile(r"(?m)^---\n# Source: (.*)\n")
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class SetValue:
    """A value as ``--set`` takes it, or with ``literal`` as ``--set-literal``."""

    key: str
    value: str
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart to render.

    Attributes:
        path: its folder or archive, inside the workspace.
        values: files in the order they are merged.
    """

    path: Path
    release: str
    namespace: str
    values: Sequence[Path] = ()
    settings: Sequence[SetValue] = ()
    include_crds: bool = False
    kube_version: str = ""
    api_versions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One rendered manifest.

    Attributes:
        source: the template it comes from, ``<chart>/templates/…``.
        events: the events of a hook, None for a manifest that is no hook.
    """

    source: str
    text: str
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Helm:
    """What renders charts.

    Attributes:
        command: the program ``helm``, empty if there is none.
        python: an interpreter with ``helm-python-sdk``, empty if there is none.
        environment: of the worker; its proxies are handed on where something is fetched.
    """

    command: str
    python: str
    environment: Mapping[str, str]

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> Helm:
        """Return the program that ``$FREIGHTWAY_HELM`` names, else ``helm`` on the PATH, else the library.

        ``$FREIGHTWAY_HELM_PYTHON`` may name another interpreter that has the library.

        Raises:
            StepErrored: if a variable names no program.
        """
        path = environment.get("PATH")
        found = {}
        for variable in (VARIABLE, PYTHON_VARIABLE):
            named = environment.get(variable, "")
            found[variable] = shutil.which(named, path=path) if named else None
            if named and found[variable] is None:
                raise StepErrored(f"${variable} names {named!r}, which is no program", terminal=True)
        program = found[VARIABLE] or shutil.which("helm", path=path)
        python = found[PYTHON_VARIABLE] or (sys.executable if find_spec(LIBRARY) is not None else "")
        return cls(str(Path(program).absolute()) if program else "", python, environment)

    async def render(self, chart: Chart, processes: ProcessRunner) -> list[Document]:
        """Return the manifests in the order Helm would install them, then the hooks.

        Raises:
            StepErrored: if the chart does not render, takes too much, or there is no helm.
        """
        if self.command:
            with tempfile.TemporaryDirectory(prefix="freightway-helm-") as home:
                text = await self._run(self._template(chart), Path(home), processes, "failed to render chart")
            return _documents(text)
        answer = await self.call({"do": "render", **_request(chart)}, processes, "failed to render chart")
        manifests = [Document(source, _trimmed(text)) for source, text in answer["crds"]]
        return [*manifests, *_documents(answer["manifest"]), *_hooks(answer["templates"])]

    async def call(
        self, request: Mapping[str, Any], processes: ProcessRunner, failure: str, *, home: Path | None = None
    ) -> dict[str, Any]:
        """Ask the library, in a child.

        Args:
            home: a folder for it, with credentials; it may use the network then.
        Raises:
            StepErrored: if it says no, or is not there.
        """
        if not self.python:
            raise StepErrored(INSTALL, terminal=True)
        with tempfile.TemporaryDirectory(prefix="freightway-helm-") as temporary:
            folder = home or Path(temporary)
            argv = [self.python, "-I", str(CHILD)]
            stdin = json.dumps(request).encode()
            text = await self._child(argv, folder, processes, failure, stdin=stdin, online=home is not None)
        answer: dict[str, Any] = json.loads(text)
        if "error" in answer:
            raise StepErrored(f"{failure}: {answer['error']}")
        return answer

    async def _run(
        self,
        arguments: Sequence[str],
        home: Path,
        processes: ProcessRunner,
        failure: str,
        *,
        online: bool = False,
    ) -> str:
        return await self._child([self.command, *arguments], home, processes, failure, online=online)

    async def command_in(
        self, arguments: Sequence[str], home: Path, processes: ProcessRunner, failure: str
    ) -> str:
        """Run the program with a home that holds credentials; it may use the network."""
        return await self._run(arguments, home, processes, failure, online=True)

    async def _child(
        self,
        argv: Sequence[str],
        home: Path,
        processes: ProcessRunner,
        failure: str,
        *,
        stdin: bytes | None = None,
        online: bool,
    ) -> str:
        try:
            done = await processes.run(
                argv,
                cwd=home,
                env=self._environment(home, online=online),
                stdin=stdin,
                timeout=SECONDS,
                memory=MEMORY,
                cpu_seconds=CPU_SECONDS,
            )
        except ProcessTimedOut as error:
            raise StepErrored(f"{failure}: it took longer than {SECONDS:g} s") from error
        except ProcessFailed as error:
            raise StepErrored(f"{failure}: {_reason(error, home)}") from error
        except FreightwayError as error:
            raise StepErrored(f"{failure}: {error}") from error
        return done.text

    def _environment(self, home: Path, *, online: bool) -> dict[str, str]:
        env = {
            "PATH": "/nonexistent",
            "HOME": str(home),
            "TMPDIR": str(home),
            "KUBECONFIG": "/dev/null",
            "DOCKER_CONFIG": str(home),
            "HELM_REGISTRY_CONFIG": str(home / "config.json"),
            "HELM_REPOSITORY_CONFIG": str(home / "repositories.yaml"),
            "HELM_REPOSITORY_CACHE": str(home / "cache"),
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "HELM_PLUGINS": str(home / "plugins"),
        }
        if not online:
            return env | NO_NETWORK
        return env | {name: self.environment[name] for name in PROXIES if name in self.environment}

    @staticmethod
    def _template(chart: Chart) -> list[str]:
        arguments = ["template", f"--namespace={chart.namespace}"]
        arguments += [f"--values={path}" for path in chart.values]
        for one in chart.settings:
            arguments.append(f"--set{'-literal' if one.literal else ''}={one.key}={one.value}")
        arguments += ["--include-crds"] if chart.include_crds else []
        arguments += [f"--kube-version={chart.kube_version}"] if chart.kube_version else []
        arguments += [f"--api-versions={version}" for version in chart.api_versions]
        return [*arguments, "--", chart.release, str(chart.path)]


def _request(chart: Chart) -> dict[str, Any]:
    return {
        "chart": str(chart.path),
        "release": chart.release,
        "namespace": chart.namespace,
        "values": [str(path) for path in chart.values],
        "settings": [[one.key, one.value, one.literal] for one in chart.settings],
        "include_crds": chart.include_crds,
        "kube_version": chart.kube_version,
        "api_versions": list(chart.api_versions),
    }


def _documents(stream: str) -> list[Document]:
    """Cut what Helm printed at its ``# Source`` lines."""
    parts = _SOURCE.split(stream)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [_document(source, _trimmed(text)) for source, text in pairs]


def _trimmed(text: str) -> str:
    """A manifest without the blank lines around it, of which each version of Helm leaves others."""
    return text.lstrip("\n").rstrip()


def _document(source: str, text: str) -> Document:
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - builds text, lists and maps only
        marked = content["metadata"]["annotations"]["helm.sh/hook"]
    except (yaml.YAMLError, RecursionError, LookupError, TypeError):
        return Document(source, text)
    return Document(source, text, tuple(event.strip() for event in str(marked).split(",")))


_CUT = re.compile(r"(?:^|\s*\n)---\s*")


def _hooks(templates: Mapping[str, str]) -> list[Document]:
    """The hooks among rendered templates, by kind in the order of installation."""
    found = []
    for source in sorted(templates):
        parts = (_trimmed(part) for part in _CUT.split(templates[source]))
        documents = (_document(source, part) for part in parts if part)
        found += [one for one in documents if one.events is not None and set(one.events) & EVENTS]
    return sorted(found, key=_rank)


def _rank(document: Document) -> tuple[int, str]:
    content = yaml.load(document.text, _Loader)  # noqa: S506 - builds text, lists and maps only
    kind = str(content.get("kind", ""))
    return (INSTALL_ORDER.index(kind), "") if kind in INSTALL_ORDER else (len(INSTALL_ORDER), kind)


EVENTS = frozenset({
    "pre-install", "post-install", "pre-delete", "post-delete", "pre-upgrade", "post-upgrade", "pre-rollback",
    "post-rollback", "test", "test-success",
})  # fmt: skip
INSTALL_ORDER = (
    "PriorityClass", "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy",
    "PodDisruptionBudget", "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume",
    "PersistentVolumeClaim", "CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding",
    "ClusterRoleBindingList", "Role", "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod",
    "ReplicationController", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob",
    "IngressClass", "Ingress", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
)  # fmt: skip
"""Kinds in the order Helm installs them; others follow by name."""


def _reason(error: ProcessFailed, home: Path) -> str:
    text = error.stderr.replace(f"{home}/", "").strip()
    crash = re.search(r"(?m)^(?:runtime|fatal error|panic): .*$", text)
    if error.returncode < 0 or crash or "MemoryError" in text:
        why = crash.group(0)[:300] if crash else f"status {error.returncode}"
        return f"helm broke down ({why}); the chart is broken or takes too much memory or time"
    lines = [line for line in text.splitlines() if not line.startswith(("WARNING", "level=", "coalesce"))]
    return "\n".join(lines).removeprefix("Error: ")[-2000:] or f"status {error.returncode} without a reason"
