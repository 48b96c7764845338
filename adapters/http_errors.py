"""What went wrong on the way to a host, in one clear sentence."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from urllib.parse import urlsplit

from freightway.errors import AdapterError


def show_url(url: str) -> str:
    """Return a URL as people may see it: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "the URL"
    if not parts.scheme or not netloc:
        return repr(url.partition("?")[0].rpartition("@")[2])
    return f"{parts.scheme}://{netloc}{parts.path}"


def unreachable(url: str, what: str, *, retryable: bool = True) -> AdapterError:
    """Return the error ``<host> <what>`` for a host that gave no whole answer."""
    host = _host(url)
    return AdapterError(f"{host} {what}", host=host, retryable=retryable)


def translate(url: str, error: BaseException) -> AdapterError:
    """Return what an exception of the HTTP library or of a socket means for the host that was asked."""
    import httpx

    if isinstance(error, AdapterError):
        return error
    for cause in _causes(error):
        if found := _from_socket(url, cause):
            return found
    if isinstance(error, httpx.ConnectTimeout):
        return unreachable(url, "did not accept a connection in time")
    if isinstance(error, httpx.PoolTimeout):
        return unreachable(url, "was not asked: too many requests are under way")
    if isinstance(error, httpx.TimeoutException):
        return unreachable(url, "did not answer in time")
    if isinstance(error, httpx.ProxyError):
        return unreachable(url, "could not be reached: the proxy refused")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return unreachable(url, "cut the connection in the middle of its answer")
    if isinstance(error, httpx.DecodingError):
        return unreachable(url, "sent a body that does not decode", retryable=False)
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return AdapterError(f"{show_url(url)} is not a valid http or https URL")
    if isinstance(error, httpx.NetworkError | httpx.TransportError | OSError):
        return unreachable(url, "could not be reached")
    return AdapterError(f"the request to {show_url(url)} could not be made: {type(error).__name__}")


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what led to it; a host with several addresses fails with a group."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop(0)
        if one is None or one in found:
            continue
        found.append(one)
        todo.append(one.__cause__ or one.__context__)
        if isinstance(one, BaseExceptionGroup):
            todo.extend(one.exceptions)
    return found


def _from_socket(url: str, cause: BaseException) -> AdapterError | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message or "it is not trusted"
        return unreachable(
            url,
            f"has a TLS certificate that does not verify: {reason}; add its authority to SSL_CERT_FILE "
            "or set insecureSkipTLSVerify",
            retryable=False,
        )
    if isinstance(cause, ssl.SSLError):
        return unreachable(url, f"does not speak TLS as expected ({cause.reason or 'handshake failed'})")
    if isinstance(cause, socket.gaierror):
        return unreachable(url, "is not known: its name does not resolve")
    if isinstance(cause, asyncio.IncompleteReadError):
        return unreachable(url, "cut the connection in the middle of its answer")
    if isinstance(cause, ConnectionRefusedError):
        return unreachable(url, "refused the connection")
    if isinstance(cause, OSError):
        return _from_number(url, cause.errno)
    return None


def _from_number(url: str, number: int | None) -> AdapterError | None:
    if number == errno.ECONNREFUSED:
        return unreachable(url, "refused the connection")
    if number in (errno.ECONNRESET, errno.EPIPE):
        return unreachable(url, "cut the connection")
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return unreachable(url, "could not be reached: no route to it")
    return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "the host"
    except ValueError:
        return "the host"
