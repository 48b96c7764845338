"""OCI registries: tags, manifests and blobs over the distribution API, with the registry's own way to log in.

Everything fetched by digest is verified against it. ``Oci`` is one for a worker: it keeps connections, tokens
and the pace of requests per registry.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from freightway.adapters.credentials import Credentials
from freightway.adapters.http import Http, HttpResponse
from freightway.adapters.oci_auth import Challenge, RegistryAuth, parse_challenge
from freightway.adapters.oci_reference import DIGEST, RepositoryName, parse_repository
from freightway.adapters.pace import Pace
from freightway.errors import AdapterError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)

PLAIN_HTTP_VARIABLE = "FREIGHTWAY_PLAIN_HTTP_REGISTRIES"
MOST_MANIFEST_BYTES = 4 * 1024 * 1024
MOST_PAGES = 10_000
ANSWER_SECONDS = 30.0
_TRIES = 4
_MOST_PAUSE_SECONDS = 30.0
_NEXT = re.compile(r'<([^>]*)>\s*;[^,<]*\brel="?next"?')
_ACCEPT = ", ".join((*INDEXES, *MANIFESTS))


@dataclass(frozen=True, slots=True)
class ManifestAnswer:
    """A manifest or index as a registry gave it.

    Attributes:
        digest: of exactly the bytes received.
        content: the parsed JSON object.
    """

    digest: str
    media_type: str
    content: dict[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests for several platforms."""
        return self.media_type in INDEXES


@dataclass(slots=True)
class Oci:
    """A client for every registry a worker talks to.

    Attributes:
        rate: requests per second and registry (Kargo's default is 20); 0 for no limit.
        most_cached: entries of the cache, which holds what is known by digest and by tag.
        plain_http: hosts (and ports) that are spoken to over http; ``FREIGHTWAY_PLAIN_HTTP_REGISTRIES``,
            separated by commas, if left out. The loopback needs no entry.
    """

    http: Http
    rate: float = 20.0
    concurrency: int = 32
    most_cached: int = 100_000
    plain_http: frozenset[str] = field(default_factory=lambda: _plain_http(os.environ))
    auth: RegistryAuth = field(init=False)
    cache: OrderedDict[str, Any] = field(default_factory=OrderedDict, repr=False)
    _pace: Pace = field(init=False)
    _slots: asyncio.Semaphore = field(init=False)
    _schemes: dict[str, str] = field(default_factory=dict)
    _challenges: dict[str, Challenge] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.auth = RegistryAuth(self.http)
        self._pace = Pace(self.rate, max(self.rate, 1.0))
        self._slots = asyncio.Semaphore(self.concurrency)

    def repository(
        self, url: str, credentials: Credentials | None = None, *, verify: bool = True
    ) -> OciRepository:
        """Return the repository that a URL names (``ghcr.io/team/app``, ``oci://…``, ``nginx``).

        Raises:
            FreightwayError: if it is not the name of a repository.
        """
        return OciRepository(self, parse_repository(url), credentials, verify)

    def remember(self, key: str, value: Any) -> None:
        """Keep something under a digest or tag; the oldest entry goes when there are too many."""
        self.cache[key] = value
        self.cache.move_to_end(key)
        while len(self.cache) > self.most_cached:
            self.cache.popitem(last=False)

    async def root(self, name: RepositoryName) -> str:
        """Return the URL of a registry's root; on the loopback plain http is tried before https."""
        if name.host in self.plain_http:
            return f"http://{name.host}"
        if not name.is_local:
            return f"https://{name.host}"
        if name.host not in self._schemes:
            try:
                answer = await self.http.request("GET", f"http://{name.host}/v2/", timeout=ANSWER_SECONDS)
            except AdapterError as error:
                if "refused" in str(error):
                    raise
                # Not remembered: it may be a registry that was just being stopped.
                return f"https://{name.host}"
            # A server that speaks TLS often says so to a client that does not.
            self._schemes[name.host] = "https" if answer.status == 400 else "http"
        return f"{self._schemes[name.host]}://{name.host}"

    async def send(
        self,
        repository: OciRepository,
        method: str,
        url: str,
        *,
        accept: str = "",
        max_bytes: int = MOST_MANIFEST_BYTES,
        timeout: float = ANSWER_SECONDS,
        sink: Callable[[bytes], object] | None = None,
    ) -> HttpResponse:
        """Send a request to a registry: log in as it asks, keep its pace, try again when it is busy.

        Raises:
            AdapterError: if no answer came; every status but 401 and the busy ones is an answer.
        """
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                async with self._slots:
                    answer = await self._authorized(repository, method, url, accept, max_bytes, timeout, sink)
            except AdapterError as error:
                if last or not error.retryable:
                    raise
                await asyncio.sleep(min(error.retry_after or 0.25 * 2**attempt, _MOST_PAUSE_SECONDS))
                continue
            if answer.status not in (429, 502, 503, 504):
                return answer
            asked = answer.retry_after()
            if last or (asked or 0) > _MOST_PAUSE_SECONDS:
                raise answer.error(f"asking for {repository.name}")
            await asyncio.sleep(asked if asked is not None else 0.25 * 2**attempt)
        raise AssertionError("unreachable")

    async def _authorized(
        self,
        repository: OciRepository,
        method: str,
        url: str,
        accept: str,
        max_bytes: int,
        timeout: float,
        sink: Callable[[bytes], object] | None,
    ) -> HttpResponse:
        host = repository.name.host
        root = f"{urlsplit(url).scheme}://{host}"
        scope = f"repository:{repository.name.path}:pull"
        known = self._challenges.get(root)
        header = None
        if known:
            header = await self.auth.header(
                known, root, scope, repository.credentials, verify=repository.verify
            )

        async def ask(authorization: str | None) -> HttpResponse:
            if not repository.name.is_local:
                await self._pace.wait(host)
            headers = {"Accept": accept} if accept else {}
            if authorization:
                headers["Authorization"] = authorization
            return await self.http.request(
                method,
                url,
                headers=headers,
                verify=repository.verify,
                max_bytes=max_bytes,
                timeout=timeout,
                follow_redirects=True,
                sink=sink,
            )

        answer = await ask(header)
        if answer.status != 401:
            return answer
        challenge = parse_challenge(answer.headers.get("www-authenticate", ()))
        if challenge is not None:
            self._challenges[root] = challenge
            header = await self.auth.header(
                challenge,
                root,
                scope,
                repository.credentials,
                verify=repository.verify,
                fresh=header is not None and known == challenge,
            )
            if header is not None:
                answer = await ask(header)
        if answer.status == 401:
            raise answer.error(f"asking for {repository.name}", _who(repository.credentials))
        return answer


@dataclass(frozen=True, slots=True)
class OciRepository:
    """One repository in a registry, with the credentials to read it."""

    oci: Oci
    name: RepositoryName
    credentials: Credentials | None = field(default=None, repr=False)
    verify: bool = True

    async def tags(self) -> list[str]:
        """Return every tag, in the order the registry gives them.

        Raises:
            AdapterError: if the registry does not list them; status 404 if there is no such repository.
        """
        url = f"{await self._base()}/tags/list?n=1000"
        found: list[str] = []
        seen: set[str] = set()
        while url and url not in seen:
            seen.add(url)
            if len(seen) > MOST_PAGES:
                raise AdapterError(f"{self.name} lists more than {MOST_PAGES} pages of tags")
            answer = await self.oci.send(self, "GET", url, max_bytes=32 * 1024 * 1024)
            if not answer.ok:
                raise answer.error(f"listing the tags of {self.name}", _reason(answer, self.credentials))
            content = answer.json()
            found.extend(tag for tag in content.get("tags") or [] if isinstance(tag, str))
            url = self._next_page(url, answer)
        return list(dict.fromkeys(found))

    async def manifest(self, reference: str) -> ManifestAnswer:
        """Return the manifest or index of a tag or digest, verified.

        Raises:
            AdapterError: if there is none (status 404), it is of a kind that is not read, or its digest is wrong.
        """
        answer = await self.oci.send(
            self, "GET", f"{await self._base()}/manifests/{reference}", accept=_ACCEPT
        )
        if not answer.ok:
            raise answer.error(f"reading {self.name}{_at(reference)}", _reason(answer, self.credentials))
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        told = answer.header("docker-content-digest")
        wanted = reference if DIGEST.fullmatch(reference) else told
        if wanted and wanted.startswith("sha256:") and wanted != digest:
            raise AdapterError(
                f"{self.name}{_at(reference)} has digest {digest}, but {wanted} was announced",
                host=self.name.host,
            )
        content = answer.json()
        media_type = answer.header("content-type").partition(";")[0].strip()
        if isinstance(content, dict) and media_type not in (*INDEXES, *MANIFESTS):
            media_type = content.get("mediaType") or media_type
        if not isinstance(content, dict) or media_type not in (*INDEXES, *MANIFESTS):
            raise AdapterError(
                f"{self.name}{_at(reference)} has media type {media_type!r}, which is not read",
                host=self.name.host,
            )
        return ManifestAnswer(digest, media_type, content)

    async def digest(self, reference: str) -> str:
        """Return the digest of a tag, without its manifest where the registry allows it.

        Raises:
            AdapterError: if there is no such tag (status 404).
        """
        url = f"{await self._base()}/manifests/{reference}"
        answer = await self.oci.send(self, "HEAD", url, accept=_ACCEPT)
        told = answer.header("docker-content-digest")
        if answer.ok and DIGEST.fullmatch(told):
            return told
        if answer.status in (403, 404) or answer.status == 401:
            raise answer.error(f"reading {self.name}{_at(reference)}", _reason(answer, self.credentials))
        return (await self.manifest(reference)).digest

    async def blob(
        self,
        digest: str,
        *,
        max_bytes: int = 8 * 1024 * 1024,
        timeout: float = ANSWER_SECONDS,
        sink: Callable[[bytes], object] | None = None,
    ) -> bytes:
        """Return a blob, verified; with a sink its pieces go there (before they are verified) and it is empty.

        Raises:
            AdapterError: if there is none or its digest is wrong.
        """
        hashed = hashlib.sha256()

        def take(piece: bytes) -> None:
            hashed.update(piece)
            if sink is not None:
                sink(piece)
            else:
                parts.append(piece)

        parts: list[bytes] = []
        url = f"{await self._base()}/blobs/{digest}"
        answer = await self.oci.send(self, "GET", url, max_bytes=max_bytes, timeout=timeout, sink=take)
        if not answer.ok:
            raise answer.error(f"reading a blob of {self.name}", _reason(answer, self.credentials))
        if f"sha256:{hashed.hexdigest()}" != digest:
            raise AdapterError(f"a blob of {self.name} does not have digest {digest}", host=self.name.host)
        return b"".join(parts)

    async def json_blob(self, digest: str) -> dict[str, Any]:
        """Return a blob that is a JSON object (an image's configuration).

        Raises:
            AdapterError: if it is not.
        """
        try:
            content = json.loads(await self.blob(digest))
        except ValueError as error:
            raise AdapterError(f"blob {digest} of {self.name} is not JSON", host=self.name.host) from error
        if not isinstance(content, dict):
            raise AdapterError(f"blob {digest} of {self.name} is not a JSON object", host=self.name.host)
        return content

    async def _base(self) -> str:
        return f"{await self.oci.root(self.name)}/v2/{self.name.path}"

    def _next_page(self, url: str, answer: HttpResponse) -> str:
        for link in answer.headers.get("link", ()):
            for target in _NEXT.findall(link):
                following: str = urljoin(url, target)
                here, there = urlsplit(url), urlsplit(following)
                if here.netloc != there.netloc:
                    raise AdapterError(
                        f"{self.name.host} sends its clients to {there.netloc} for the next page of tags, "
                        "which is not followed",
                        host=self.name.host,
                    )
                # Behind a proxy some registries answer with http links; the scheme in use is kept.
                return following.replace(there.scheme, here.scheme, 1)
        return ""


def _plain_http(environment: Mapping[str, str]) -> frozenset[str]:
    hosts = environment.get(PLAIN_HTTP_VARIABLE, "").split(",")
    return frozenset(host.strip() for host in hosts if host.strip())


def _at(reference: str) -> str:
    return f"@{reference}" if DIGEST.fullmatch(reference) else f":{reference}"


def _who(credentials: Credentials | None) -> str:
    if credentials is None:
        return "there are no credentials for it"
    return f"the credentials of Secret {credentials.source!r} were refused"


def _reason(answer: HttpResponse, credentials: Credentials | None) -> str:
    if answer.status in (401, 403):
        return _who(credentials)
    return "it does not exist" if answer.status == 404 else ""
