"""Argo CD through its REST API: read Applications, change their sources, start a sync.

The server and the token come from a Secret with the label ``freightway.dev/type: argocd`` (the project's, else a
shared one), else from ``ARGOCD_SERVER`` and ``ARGOCD_AUTH_TOKEN``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from freightway.adapters.argocd_app import Application, refresh_patch
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.http import Http, HttpResponse
from freightway.errors import AdapterError, FreightwayError

TYPE_LABEL = "freightway.dev/type"
DEFAULT_NAMESPACE = "argocd"
_FAILED_PRECONDITION = 9
_SECONDS = 30.0
_TEST_FAILED = re.compile(r"test failed|testing value", re.IGNORECASE)


class Conflict(FreightwayError):
    """The Application is busy or was changed meanwhile: read it again."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where an Argo CD is and how to talk to it.

    Attributes:
        url: without a slash at its end.
        verify: whether its TLS certificate is checked.
    """

    url: str
    token: str = field(repr=False)
    verify: bool = True


@dataclass(slots=True)
class ArgoCDServers:
    """Finds the Argo CD of a project.

    Attributes:
        environment: None for the process's own.
        pauses: seconds before each further try of a request that only reads.
        seconds: longest wait for one answer.
    """

    http: Http
    credentials: CredentialStore
    environment: Mapping[str, str] | None = None
    pauses: tuple[float, ...] = (0.5, 1.0, 2.0)
    seconds: float = _SECONDS

    @property
    def namespace(self) -> str:
        """Where Applications are looked for if nothing else is said (``ARGOCD_NAMESPACE``)."""
        return self._environment.get("ARGOCD_NAMESPACE") or DEFAULT_NAMESPACE

    def client(self, project: str) -> ArgoCD:
        """Return a client for the Argo CD of a project.

        Raises:
            FreightwayError: if none is configured, or its configuration is incomplete.
        """
        return ArgoCD(self.http, self.server(project), self.pauses, self.seconds)

    def server(self, project: str) -> Server:
        """Return where the Argo CD of a project is.

        Raises:
            FreightwayError: if none is configured, or its configuration is incomplete.
        """
        files = self.credentials.files
        for manifests in (files.of_project(project, "Secret"), files.shared("Secret")):
            for manifest in manifests:
                if manifest.labels.get(TYPE_LABEL) != "argocd":
                    continue
                server, token = manifest.data.get("server", ""), manifest.data.get("token", "").strip()
                if not server or not token:
                    raise FreightwayError(f"Secret {manifest.name!r} for Argo CD needs server and token")
                self.credentials.handed_out.add(token)
                return Server(_url(server), token, manifest.data.get("insecure") != "true")
        return self._of_environment()

    def _of_environment(self) -> Server:
        server = self._environment.get("ARGOCD_SERVER", "")
        token = self._environment.get("ARGOCD_AUTH_TOKEN", "").strip()
        if not server or not token:
            raise FreightwayError(
                "no Argo CD is configured; write a Secret with the label freightway.dev/type: argocd "
                "(server, token), or set ARGOCD_SERVER and ARGOCD_AUTH_TOKEN"
            )
        self.credentials.handed_out.add(token)
        options = shlex.split(self._environment.get("ARGOCD_OPTS", ""))
        url = _url(server, "http" if "--plaintext" in options else "https")
        return Server(url, token, "--insecure" not in options)

    @property
    def _environment(self) -> Mapping[str, str]:
        return os.environ if self.environment is None else self.environment


@dataclass(frozen=True, slots=True)
class ArgoCD:
    """A client for one Argo CD server. Source: its published API, ``/swagger.json`` of every server."""

    http: Http
    server: Server
    pauses: tuple[float, ...] = ()
    seconds: float = _SECONDS

    async def get(self, name: str, namespace: str) -> Application | None:
        """Return an Application, None if there is none that the token may see.

        Raises:
            AdapterError: if Argo CD did not answer, or refused the token.
        """
        answer = await self._send("GET", _path(name), {"appNamespace": namespace})
        # To a token that may not see everything, Argo CD says 403 for what does not exist.
        if answer.status in (403, 404):
            return None
        return self._read(answer, f"reading Argo CD Application {name!r}")

    async def find(self, selector: str, namespace: str) -> list[Application]:
        """Return the Applications that a label selector selects, sorted by name.

        Raises:
            AdapterError: if Argo CD did not answer, or refused the token.
        """
        query = {"selector": selector, "appNamespace": namespace}
        answer = await self._send("GET", "/api/v1/applications", query)
        found = self._read(answer, "listing Argo CD Applications").get("items") or []
        return sorted(found, key=lambda app: str((app.get("metadata") or {}).get("name")))

    async def patch(self, app: Application, patch: Sequence[Mapping[str, Any]]) -> Application:
        """Change an Application by a JSON patch and return it as it is then.

        Raises:
            Conflict: if a test of the patch failed: it is not what was read.
            AdapterError: if Argo CD did not answer, or refused.
        """
        name, namespace = _names(app)
        body = {
            "name": name,
            "appNamespace": namespace,
            "patchType": "json",
            "patch": json.dumps(list(patch)),
        }
        answer = await self._send("PATCH", _path(name), body=body)
        if not answer.ok and _TEST_FAILED.search(_message(answer)):
            raise Conflict(f"Argo CD Application {name!r} was changed by someone else meanwhile")
        return self._read(answer, f"changing Argo CD Application {name!r}")

    async def refresh(self, app: Application) -> None:
        """Ask for a hard refresh without waiting for it.

        Raises:
            AdapterError: if Argo CD did not answer, or refused.
        """
        await self.patch(app, refresh_patch(app))

    async def sync(self, app: Application, infos: Mapping[str, str]) -> Application:
        """Start a sync to what the Application's own specification says.

        Args:
            infos: kept with the operation; by them its starter is recognised later.
        Raises:
            Conflict: if another operation is under way.
            AdapterError: if Argo CD did not answer, or refused (a sync window, a missing permission).
        """
        name, namespace = _names(app)
        policy = (app.get("spec") or {}).get("syncPolicy") or {}
        body: dict[str, Any] = {
            "name": name,
            "appNamespace": namespace,
            "infos": [{"name": key, "value": value} for key, value in infos.items()],
        }
        if policy.get("syncOptions"):
            body["syncOptions"] = {"items": policy["syncOptions"]}
        if policy.get("retry"):
            body["retryStrategy"] = policy["retry"]
        answer = await self._send("POST", f"{_path(name)}/sync", body=body)
        if not answer.ok and "another operation is already in progress" in _message(answer):
            raise Conflict(f"Argo CD Application {name!r} has another operation in progress")
        return self._read(answer, f"syncing Argo CD Application {name!r}")

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Send a request; one that only reads is tried again when the server is busy or away for a moment."""
        for pause in self.pauses if method == "GET" else ():
            try:
                answer = await self._send_once(method, path, query, body)
            except AdapterError as error:
                if not error.retryable:
                    raise
            else:
                if answer.status not in (429, 502, 503, 504):
                    return answer
            await asyncio.sleep(pause)
        return await self._send_once(method, path, query, body)

    async def _send_once(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> HttpResponse:
        answer = await self.http.request(
            method,
            self.server.url + path,
            params=query or {},
            headers={"Authorization": f"Bearer {self.server.token}", "Content-Type": "application/json"},
            content=json.dumps(body) if body is not None else None,
            verify=self.server.verify,
            timeout=self.seconds,
        )
        if answer.status == 401:
            raise answer.error("talking to Argo CD", "its token was refused")
        return answer

    def _read(self, answer: HttpResponse, doing: str) -> dict[str, Any]:
        if not answer.ok:
            raise answer.error(doing, _message(answer))
        content = answer.json()
        if not isinstance(content, dict):
            raise AdapterError(f"{doing}: {urlsplit(self.server.url).netloc} did not answer with an object")
        return content


def _message(answer: HttpResponse) -> str:
    try:
        content = answer.json()
    except AdapterError:
        return ""
    if not isinstance(content, dict):
        return ""
    return str(content.get("message") or content.get("error") or "")[:500]


def _names(app: Application) -> tuple[str, str]:
    metadata = app.get("metadata") or {}
    return str(metadata.get("name") or ""), str(metadata.get("namespace") or "")


def _path(name: str) -> str:
    return f"/api/v1/applications/{quote(name, safe='')}"


def _url(server: str, scheme: str = "https") -> str:
    text = server.strip().rstrip("/")
    return text if "://" in text else f"{scheme}://{text}"
