"""The parts of the demo: started together, on free ports of the loopback, and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from freightway.adapters.credential_files import write_credentials
from freightway.adapters.dev_server import DevServer, free_port
from freightway.adapters.http import Http
from freightway.cli.demo_pipeline.argocd import ArgoCD
from freightway.cli.demo_pipeline.git_server import BareRepository, GitServer, need_git
from freightway.cli.demo_pipeline.images import DockerRegistry, push_image
from freightway.cli.demo_pipeline.metrics_api import MetricsApi
from freightway.cli.demo_pipeline.registry import OwnRegistry
from freightway.errors import FreightwayError

PROJECT = "demo"
REPOSITORY = "guestbook-deploy.git"
IMAGE = "team/guestbook"
ENVIRONMENTS = ("dev", "staging", "ab-test-a", "ab-test-b", "prod-west", "prod-central", "prod-east")
"""The Stages that something runs in; the control-flow Stage has nothing."""

PLACEHOLDERS = {"git": "127.0.0.1:7001", "registry": "127.0.0.1:7002", "metrics": "127.0.0.1:7003"}
"""What stands for each server in the YAML that is shipped."""

_GIT_USER = "robot"
_WORKER_READY = "freightway worker is ready"
_WORKER_SECONDS = 60.0
_STOP_SECONDS = 20.0
_FORGET = ("TEMPORAL_", "FREIGHTWAY_", "ARGOCD_", "GITCLIENT_", "GIT_")
"""The user's own settings of these names must not reach the demo: it is about its own servers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may choose.

    Attributes:
        home: folder of everything the demo writes; it is empty or does not exist.
        port: of the Temporal server, 0 for a free one.
        ui_port: of the Temporal Web UI, 0 for a free one.
        own_registry: use the registry of our own even if ``docker-registry`` is installed.
    """

    home: Path
    port: int = 0
    ui_port: int = 0
    own_registry: bool = False


@dataclass(slots=True)
class Parts:
    """What runs.

    Attributes:
        environment: what a command line needs to reach it.
        password: of the Git server; it is written into a Secret and nowhere else.
        manifests: folder of the YAML with the real addresses in it.
    """

    settings: Settings
    temporal: DevServer
    git: GitServer
    repository: BareRepository
    registry: DockerRegistry | OwnRegistry
    argocd: ArgoCD
    argocd_host: str
    metrics: MetricsApi
    http: Http
    password: str
    manifests: Path
    environment: dict[str, str]
    worker: asyncio.subprocess.Process

    @property
    def registry_kind(self) -> str:
        """Which registry it is."""
        return "docker-registry" if isinstance(self.registry, DockerRegistry) else "a registry of our own"

    async def push(self, tag: str, created: str) -> str:
        """Push a version of the image; returns its digest."""
        return await push_image(self.http, self.registry.host, IMAGE, tag, created=created)

    def check_alive(self) -> None:
        """See that the worker still runs.

        Raises:
            FreightwayError: if it ended, with the end of its log.
        """
        if self.worker.returncode is not None:
            log = worker_log(self.settings.home)
            raise FreightwayError(f"the worker ended with status {self.worker.returncode}:\n{_tail(log)}")


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Parts]:
    """Start everything, and stop everything when the block ends, however it ends.

    Raises:
        FreightwayError: if a part does not start, with what to do.
    """
    need_git()
    prepare(settings.home)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, _tidy, settings.home)
        temporal = await _temporal(settings, stack)
        registry = await _registry(settings, stack)
        http = await stack.enter_async_context(Http())
        password, token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        git = GitServer(settings.home / "git", user=_GIT_USER, password=password)
        stack.callback(git.close)
        metrics = MetricsApi()
        stack.callback(metrics.close)
        addresses = {"git": git.host, "registry": registry.host, "metrics": metrics.host}
        bare = await asyncio.to_thread(git.create, REPOSITORY, files("repository", addresses))
        argocd = ArgoCD(token, BareRepository(bare))
        argocd_host = argocd.start()
        stack.callback(argocd.close)
        _add_applications(argocd, git.host)
        _write_secrets(settings.home, git.host, password, argocd_host, token)
        environment = child_environment(settings.home, temporal)
        yield Parts(
            settings=settings,
            temporal=temporal,
            git=git,
            repository=BareRepository(bare),
            registry=registry,
            argocd=argocd,
            argocd_host=argocd_host,
            metrics=metrics,
            http=http,
            password=password,
            manifests=_write_manifests(settings.home, addresses),
            environment=environment,
            worker=await _worker(settings.home, environment, stack),
        )


def prepare(home: Path) -> None:
    """Make the demo's folder.

    Raises:
        FreightwayError: if it holds something already.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(home.iterdir()):
            raise FreightwayError(f"{home} is not empty; name a folder that is, or leave --home out")
    except OSError as error:
        raise FreightwayError(f"{home} cannot be used: {error.strerror}") from error


async def _temporal(settings: Settings, stack: AsyncExitStack) -> DevServer:
    server = DevServer(
        database=settings.home / "temporal.db",
        port=settings.port or free_port(),
        ui_port=settings.ui_port or free_port(),
        log=settings.home / "temporal.log",
    )
    # Registered first: a start that is interrupted leaves a process too.
    stack.push_async_callback(server.stop)
    await server.start()
    return server


async def _registry(settings: Settings, stack: AsyncExitStack) -> DockerRegistry | OwnRegistry:
    if settings.own_registry or not DockerRegistry.is_installed():
        own = OwnRegistry()
        stack.callback(own.close)
        return own
    registry = DockerRegistry(settings.home / "registry")
    stack.push_async_callback(registry.stop)
    await registry.start()
    return registry


def files(folder: str, addresses: dict[str, str]) -> dict[str, str]:
    """Return the shipped files below a folder by their path, with real addresses in place of the placeholders."""
    root = resources.files("freightway.cli.demo_pipeline").joinpath(folder)
    with resources.as_file(root) as place:
        found = {
            str(file.relative_to(place)): file.read_text(encoding="utf-8")
            for file in sorted(place.rglob("*.yaml"))
        }
    return {path: _addressed(text, addresses) for path, text in found.items()}


def _addressed(text: str, addresses: dict[str, str]) -> str:
    for name, placeholder in PLACEHOLDERS.items():
        text = text.replace(placeholder, addresses[name])
    return text


def _write_manifests(home: Path, addresses: dict[str, str]) -> Path:
    folder = home / "manifests"
    for path, text in files("manifests", addresses).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def _add_applications(argocd: ArgoCD, git_host: str) -> None:
    for stage in ENVIRONMENTS:
        argocd.add(
            f"guestbook-{stage}",
            stage=f"{PROJECT}:{stage}",
            repo_url=f"http://{git_host}/{REPOSITORY}",
            branch=f"stage/{stage}",
        )


def _write_secrets(home: Path, git_host: str, password: str, argocd_host: str, token: str) -> None:
    """Write what the worker needs to know into the folder where it looks for credentials."""
    write_credentials(
        home,
        project=PROJECT,
        name="git",
        kind="git",
        repo_url=f"http://{git_host}/{REPOSITORY}",
        username=_GIT_USER,
        password=password,
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd", "labels": {"freightway.dev/type": "argocd"}},
        "stringData": {"server": f"http://{argocd_host}", "token": token},
    }
    file = home / "secrets" / PROJECT / "argocd.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(secret, sort_keys=False))


def own_environment() -> dict[str, str]:
    """Return this process's environment without the person's own servers, and with no proxy for this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FORGET)}
    loopback = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost")))
    return kept | {"NO_PROXY": loopback, "no_proxy": loopback}


def child_environment(home: Path, temporal: DevServer) -> dict[str, str]:
    """Return the environment in which worker and commands find this demo and nothing else."""
    config = home / "temporal.toml"
    config.touch()
    return own_environment() | {
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "TEMPORAL_CONFIG_FILE": str(config),
        "FREIGHTWAY_HOME": str(home),
        "FREIGHTWAY_PROJECT": PROJECT,
        "FREIGHTWAY_TEMPORAL_UI": temporal.ui_address,
        "PYTHONUNBUFFERED": "1",
    }


def worker_log(home: Path) -> Path:
    """Return where the worker writes its log."""
    return home / "worker.log"


async def _worker(
    home: Path, environment: dict[str, str], stack: AsyncExitStack
) -> asyncio.subprocess.Process:
    """Start the worker as a process of its own and wait until it is ready."""
    path = worker_log(home)
    with path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Without -P a module of the folder where it was started, such as git.py, would be taken for the real one.
            "-P",
            "-m",
            "freightway.cli.main",
            "worker",
            "--home",
            str(home),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            # A Ctrl-C in the terminal is for the demo, which then stops the worker in its turn.
            start_new_session=True,
        )
    stack.push_async_callback(_stop, process)
    for _ in range(int(_WORKER_SECONDS / 0.1)):
        if process.returncode is not None:
            raise FreightwayError(f"the worker ended with status {process.returncode}:\n{_tail(path)}")
        if _WORKER_READY in path.read_text(errors="replace"):
            return process
        await asyncio.sleep(0.1)
    raise FreightwayError(f"the worker was not ready within {_WORKER_SECONDS:g} s:\n{_tail(path)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _tidy(home: Path) -> None:
    """Remove what holds secrets; a temporary folder goes altogether, by whoever made it."""
    shutil.rmtree(home / "secrets", ignore_errors=True)
