"""The real registry program on a free port, with a log-in of each kind, and images made in Python.

Needs ``docker-registry`` (Debian: ``apt-get install docker-registry``; ``apache2-utils`` for a password file).
Without it tests are skipped with that command, but fail where ``CI`` is set.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from freightway.adapters.http import Http
from freightway.errors import AdapterError
from tests.servers.http_server import HttpServer, Reply, Request

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
USERNAME, PASSWORD = "robot", "s3cret:pass"


def need_registry() -> str:
    """Path of the program; skips the test, or fails it where ``CI`` is set, if it is missing."""
    found = shutil.which("docker-registry")
    if found is None:
        reason = "docker-registry is not installed: apt-get install docker-registry"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass
class Pusher:
    """Puts images into a registry."""

    url: str
    http: Http
    headers: dict[str, str] = field(default_factory=dict)

    async def blob(self, repository: str, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        start = await self.http.request(
            "POST", f"{self.url}/v2/{repository}/blobs/uploads/", headers=self.headers
        )
        assert start.status == 202, (start.status, start.text)
        location = start.header("location")
        end = await self.http.request(
            "PUT",
            location if "://" in location else self.url + location,
            params={"digest": digest},
            headers={**self.headers, "Content-Type": "application/octet-stream"},
            content=content,
        )
        assert end.status == 201, (end.status, end.text)
        return digest

    async def manifest(self, repository: str, reference: str, content: dict[str, Any]) -> str:
        body = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        answer = await self.http.request(
            "PUT",
            f"{self.url}/v2/{repository}/manifests/{reference or digest}",
            headers={**self.headers, "Content-Type": content["mediaType"]},
            content=body,
        )
        assert answer.status == 201, (answer.status, answer.text)
        return digest

    async def image(
        self,
        repository: str,
        tag: str = "",
        *,
        created: str | None = "2024-01-01T00:00:00Z",
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        docker: bool = False,
        platform: str = "linux/amd64",
    ) -> str:
        """Push a single image; returns its digest. Its tag is part of its content, so digests differ."""
        os_name, architecture = platform.split("/")[:2]
        config = {
            "architecture": architecture,
            "os": os_name,
            "config": {"Labels": labels or {}, "Env": [f"TAG={tag}"]},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        if created:
            config["created"] = created
        raw = json.dumps(config).encode()
        docker_config = "application/vnd.docker.container.image.v1+json"
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
            "config": {
                "mediaType": docker_config if docker else "application/vnd.oci.image.config.v1+json",
                "size": len(raw),
                "digest": await self.blob(repository, raw),
            },
            "layers": [],
        }
        if annotations:
            manifest["annotations"] = annotations
        return await self.manifest(repository, tag, manifest)

    async def index(
        self,
        repository: str,
        tag: str,
        platforms: dict[str, dict[str, Any]],
        *,
        annotations: dict[str, str] | None = None,
        docker: bool = False,
    ) -> str:
        """Push an index; ``platforms`` maps ``os/arch[/variant]`` to the arguments of :meth:`image`.

        The key ``descriptor`` of such an entry holds the annotations of its descriptor.
        """
        entries = []
        for name, arguments in platforms.items():
            options = dict(arguments)
            descriptor = options.pop("descriptor", None)
            digest = await self.image(repository, docker=docker, platform=name, **options)
            head = await self.http.request(
                "GET",
                f"{self.url}/v2/{repository}/manifests/{digest}",
                headers={**self.headers, "Accept": DOCKER_MANIFEST if docker else OCI_MANIFEST},
            )
            parts = name.split("/")
            platform = dict(zip(("os", "architecture", "variant"), parts, strict=False))
            entry: dict[str, Any] = {
                "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
                "size": len(head.body),
                "digest": digest,
                "platform": platform,
            }
            if descriptor:
                entry["annotations"] = descriptor
            entries.append(entry)
        content: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": DOCKER_LIST if docker else OCI_INDEX,
            "manifests": entries,
        }
        if annotations:
            content["annotations"] = annotations
        return await self.manifest(repository, tag, content)


@dataclass
class Registry:
    """A running registry: ``host`` is what a subscription writes before the repository's path."""

    host: str
    push: Pusher

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextlib.asynccontextmanager
async def run_registry(
    folder: Path, http: Http, *, password: bool = False, environment: dict[str, str] | None = None
) -> AsyncIterator[Registry]:
    """Run the registry with its data below ``folder``; with ``password`` it asks for USERNAME and PASSWORD."""
    program = need_registry()
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    headers = {}
    if password:
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(_password_file(folder))}}
        headers = {"Authorization": basic_header()}
    (folder / "config.yml").write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        program,
        "serve",
        str(folder / "config.yml"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none", **(environment or {})},
    )
    host = f"127.0.0.1:{port}"
    try:
        await _until_it_answers(http, host, process)
        yield Registry(host, Pusher(f"http://{host}", http, headers))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _until_it_answers(http: Http, host: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while process.returncode is None:
            try:
                await http.request("GET", f"http://{host}/v2/", timeout=5)
            except AdapterError:
                await asyncio.sleep(0.02)
            else:
                return
    pytest.fail(f"docker-registry ended with status {process.returncode}")


def basic_header(username: str = USERNAME, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _password_file(folder: Path) -> Path:
    program = shutil.which("htpasswd")
    if program is None:
        reason = "htpasswd is not installed: apt-get install apache2-utils"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    path = folder / "htpasswd"
    made = subprocess.run(
        [program, "-nbB", "-C", "4", USERNAME, PASSWORD], check=True, capture_output=True, text=True
    )
    path.write_text(made.stdout)
    return path


class TokenFront:
    """A registry that wants a bearer token, in front of a real one; it hands the tokens out itself.

    ``secret`` repositories need USERNAME and PASSWORD, others give anonymous tokens. ``life`` tokens are refused
    after that many uses.
    """

    def __init__(self, behind: str, http: Http, *, realm: str = "", uses: int = 1000) -> None:
        self.behind = behind
        self.http = http
        self.realm = realm
        self.uses = uses
        self.issued: list[dict[str, str]] = []
        self._left: dict[str, int] = {}
        self.server = HttpServer(self.answer)

    async def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return self._token(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._left.get(token, 0) <= 0 and request.path != "/v2/":
            realm = self.realm or f"{self.server.url}/token"
            challenge = f'Bearer realm="{realm}",service="test registry",scope="repository:x:pull"'
            return Reply(401, headers={"WWW-Authenticate": challenge})
        self._left[token] = self._left.get(token, 0) - 1
        behind = await self.http.request(
            request.method,
            f"{self.behind}{request.target}",
            headers={"Accept": request.headers.get("accept", "*/*")},
        )
        kept = ("content-type", "docker-content-digest", "link")
        headers = {name: behind.header(name) for name in kept if behind.header(name)}
        if request.method == "HEAD":
            headers["Content-Length"] = behind.header("content-length")
        return Reply(behind.status, behind.body, headers)

    def _token(self, request: Request) -> Reply:
        given = request.headers.get("authorization", "")
        if (given or "secret" in request.query.get("scope", "")) and given != basic_header():
            return Reply(401, json={"errors": [{"code": "UNAUTHORIZED"}]})
        token = f"token-{len(self.issued)}"
        self.issued.append(request.query)
        self._left[token] = self.uses
        return Reply(json={"token": token, "expires_in": 300})
