"""HTTP: the one module that knows the HTTP library; every adapter and step speaks through :class:`Http`.

What goes wrong on the way becomes an :class:`AdapterError` that names the host and says what happened; URLs in
messages carry neither user names nor query strings, because both may hold secrets.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit

from freightway.adapters.http_address import environment_proxy, pin_address
from freightway.adapters.http_errors import show_url, translate, unreachable
from freightway.errors import AdapterError

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 32 * 1024 * 1024
"""Bytes of a body that are read at most unless the caller says otherwise."""

MOST_REDIRECTS = 10
MOST_RETRY_AFTER = 3600.0
"""Seconds that a host can make us wait; it is asked again then, so that its mistake does not stop us for days."""
CONNECT_SECONDS = 10.0
MOST_CONNECTIONS = 100

Pairs = Mapping[str, str] | Sequence[tuple[str, str]]
_CREDENTIAL_HEADERS = frozenset({"authorization", "cookie", "www-authenticate", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, whatever its status.

    Attributes:
        headers: lower-case names, each with its values in the order they came.
        body: the decoded body; empty if it went to a sink.
        url: where the answer came from, after redirects.
    """

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: bytes
    url: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str:
        """Return the first value of a header, empty if it is absent."""
        values = self.headers.get(name.lower(), ())
        return values[0] if values else ""

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            AdapterError: if it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise AdapterError(
                f"{show_url(self.url)} answered with something that is not JSON",
                host=urlsplit(self.url).netloc.rpartition("@")[2],
                status=self.status,
            ) from error

    def retry_after(self) -> float | None:
        """Return the seconds that the host asks to wait (``Retry-After``), an hour at most, None if it does not."""
        text = self.header("retry-after").strip()
        if not text:
            return None
        if text.isascii() and text.isdigit():
            return min(float(text), MOST_RETRY_AFTER)
        import email.utils

        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(0.0, seconds), MOST_RETRY_AFTER)

    def error(self, doing: str, detail: str = "") -> AdapterError:
        """Return the error for an answer that was not wanted: ``<doing>: <host> answered with status N``."""
        host = urlsplit(self.url).netloc.rpartition("@")[2]
        tail = f": {detail}" if detail else ""
        return AdapterError(
            f"{doing}: {host} answered with status {self.status}{tail}",
            host=host,
            status=self.status,
            retryable=self.status in (408, 425, 429) or self.status >= 500,
            retry_after=self.retry_after(),
        )


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None


@dataclass(slots=True)
class Http:
    """An HTTP client for a whole process: pooled connections, one pool for each way to verify and each proxy.

    Attributes:
        user_agent: sent with each request.
    """

    user_agent: str = "freightway"
    _clients: dict[tuple[bool, str | None, bool, bool], httpx.AsyncClient] = field(default_factory=dict)
    _contexts: dict[bool, ssl.SSLContext] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Pairs = (),
        params: Pairs = (),
        content: bytes | str | None = None,
        timeout: float = 30.0,
        verify: bool = True,
        max_bytes: int = MOST_BYTES,
        follow_redirects: bool = False,
        proxy: str | None = None,
        refuse_link_local: bool = False,
        sink: Callable[[bytes], object] | None = None,
    ) -> HttpResponse:
        """Send a request and read the whole answer; any status is an answer.

        Args:
            params: appended to the query of the URL.
            timeout: seconds for everything, redirects and body included.
            verify: whether TLS certificates are checked.
            max_bytes: most bytes of the (decoded) body.
            follow_redirects: at most 10; credentials are not sent to another origin.
            proxy: URL of a proxy; None for the one of the environment (``HTTPS_PROXY``, ``NO_PROXY``, …).
            refuse_link_local: refuse hosts in 169.254.0.0/16 and fe80::/10 (cloud metadata services).
            sink: takes the pieces of a 2xx body instead of ``HttpResponse.body``.
        Raises:
            AdapterError: if no whole answer came.
        """
        import httpx

        pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
        body = content.encode() if isinstance(content, str) else content
        query = list(params.items() if isinstance(params, Mapping) else params)
        try:
            target = httpx.URL(url)
            if query:
                target = _with_query(target, urlencode(query))
            if target.scheme not in ("http", "https") or not target.host:
                raise AdapterError(f"{show_url(url)} is not an http or https URL")
        except (httpx.InvalidURL, ValueError) as error:
            raise AdapterError(f"{show_url(url)} is not a valid URL") from error
        request = _Request(method.upper(), str(target), pairs, body)
        try:
            async with asyncio.timeout(timeout):
                for _ in range(MOST_REDIRECTS + 1):
                    response = await self._once(
                        request, timeout, verify, max_bytes, proxy, refuse_link_local, sink
                    )
                    following = _redirected(request, response) if follow_redirects else None
                    if following is None:
                        return response
                    request = following
        except TimeoutError as error:
            raise unreachable(request.url, f"did not answer within {timeout:g} s") from error
        raise AdapterError(
            f"{show_url(url)} redirected more than {MOST_REDIRECTS} times", host=urlsplit(url).hostname or ""
        )

    async def aclose(self) -> None:
        """Close every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _once(
        self,
        request: _Request,
        timeout: float,
        verify: bool,
        max_bytes: int,
        proxy: str | None,
        guarded: bool,
        sink: Callable[[bytes], object] | None,
    ) -> HttpResponse:
        import httpx

        way = proxy or environment_proxy(request.url)
        url = request.url
        extensions: dict[str, Any] = {}
        headers = [("User-Agent", self.user_agent), *request.headers]
        if any(name.lower() == "user-agent" for name, _ in request.headers):
            headers = headers[1:]
        if guarded:
            url, extensions = await pin_address(request.url, proxied=way is not None)
            if extensions and not any(name.lower() == "host" for name, _ in headers):
                headers.append(("Host", httpx.URL(request.url).netloc.decode()))
        try:
            built = httpx.Request(
                request.method,
                url,
                headers=headers,
                content=request.content,
                extensions={**extensions, "timeout": _limits(timeout)},
            )
            if userinfo := httpx.URL(url).userinfo:
                built.headers.setdefault("Authorization", _basic(userinfo))
            # A pinned address has connections of its own: the pool tells hosts apart by address only.
            secure = request.url.startswith("https:")
            client = self._client(verify, way, pooled=not extensions, secure=secure)
            answer = await client.send(built, stream=True)
            try:
                body = await _read(answer, request, max_bytes, sink)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise translate(request.url, error) from error
        found: dict[str, tuple[str, ...]] = {}
        for name, value in answer.headers.multi_items():
            found[name.lower()] = (*found.get(name.lower(), ()), value)
        return HttpResponse(answer.status_code, found, body, request.url)

    def _client(self, verify: bool, proxy: str | None, *, pooled: bool, secure: bool) -> httpx.AsyncClient:
        import httpx

        key = (verify, proxy, pooled, secure)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = httpx.AsyncClient(
                verify=self._context(verify) if secure else _no_tls(),
                proxy=proxy,
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(
                    max_connections=MOST_CONNECTIONS, max_keepalive_connections=20 if pooled else 0
                ),
            )
        return client

    def _context(self, verify: bool) -> ssl.SSLContext:
        if verify not in self._contexts:
            self._contexts[verify] = _tls_context(verify)
        return self._contexts[verify]


def _with_query(url: httpx.URL, query: str) -> httpx.URL:
    present = url.query.decode("ascii")
    return url.copy_with(query=(f"{present}&{query}" if present else query).encode("ascii"))


async def _read(
    answer: httpx.Response, request: _Request, max_bytes: int, sink: Callable[[bytes], object] | None
) -> bytes:
    length = answer.headers.get("content-length", "")
    has_body = request.method != "HEAD"
    if has_body and length.isdigit() and int(length) > max_bytes:
        raise _too_large(request.url, max_bytes)
    parts: list[bytes] = []
    size = 0
    async for piece in answer.aiter_bytes():
        size += len(piece)
        if size > max_bytes:
            raise _too_large(request.url, max_bytes)
        if sink is not None and answer.is_success:
            sink(piece)
        else:
            parts.append(piece)
    return b"".join(parts)


def _too_large(url: str, max_bytes: int) -> AdapterError:
    return AdapterError(
        f"the answer of {show_url(url)} is larger than {max_bytes} bytes", host=urlsplit(url).hostname or ""
    )


def _redirected(request: _Request, response: HttpResponse) -> _Request | None:
    """The request that a redirect asks for, None if the answer is not one (the rules of Go's net/http)."""
    import httpx

    location = response.header("location")
    if response.status not in (301, 302, 303, 307, 308) or not location:
        return None
    try:
        before = httpx.URL(request.url)
        after = before.join(location)
    except httpx.InvalidURL as error:
        raise AdapterError(f"{show_url(request.url)} redirected to something that is not a URL") from error
    if after.scheme not in ("http", "https"):
        raise AdapterError(f"{show_url(request.url)} redirected to {after.scheme}, which is not followed")
    headers = request.headers
    if (before.scheme, before.host, before.port) != (after.scheme, after.host, after.port):
        headers = tuple(pair for pair in headers if pair[0].lower() not in (*_CREDENTIAL_HEADERS, "host"))
    method, content = request.method, request.content
    if response.status in (301, 302, 303):
        content = None
        method = method if method in ("GET", "HEAD") else "GET"
        headers = tuple(pair for pair in headers if not pair[0].lower().startswith("content-"))
    return _Request(method, str(after), headers, content)


def _tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _no_tls() -> ssl.SSLContext:
    """A context that trusts nobody: a client for plain http needs none, and reading the authorities takes time."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _limits(timeout: float) -> dict[str, float]:
    return {
        "connect": min(timeout, CONNECT_SECONDS),
        "read": timeout,
        "write": timeout,
        "pool": timeout,
    }


def _basic(userinfo: bytes) -> str:
    import base64
    from urllib.parse import unquote_to_bytes

    return "Basic " + base64.b64encode(unquote_to_bytes(userinfo)).decode()
