"""Where a request goes: addresses that are refused, this machine's own, and the proxy of the environment."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any
from urllib.parse import urlsplit

from freightway.adapters.http_errors import translate, unreachable


async def pin_address(url: str, *, proxied: bool) -> tuple[str, dict[str, Any]]:
    """Resolve the host, refuse link-local addresses and put the first good one in the URL.

    The request goes to the very address that was checked, so that a second look-up cannot give another one.
    """
    import httpx

    target = httpx.URL(url)
    host = target.host
    try:
        if _is_link_local(host):
            raise unreachable(url, "is a link-local address, which is refused", retryable=False)
    except ValueError:
        pass
    else:
        return url, {}
    if proxied:
        return url, {}
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except OSError as error:
        raise translate(url, error) from error
    addresses = [str(entry[4][0]) for entry in found]
    good = [address for address in addresses if not _is_link_local(address)]
    if not good:
        raise unreachable(url, "has only link-local addresses, which are refused", retryable=False)
    return str(target.copy_with(host=good[0])), {"sni_hostname": host}


def _is_link_local(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_link_local


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this very machine's loopback (``localhost``, 127.0.0.0/8, ::1)."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment names for this URL; never one for the loopback."""
    from urllib.request import getproxies_environment

    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or _bypasses_proxy(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies_environment()
    found = proxies.get(parts.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def _bypasses_proxy(host: str) -> bool:
    # The standard library's rule for NO_PROXY; typeshed does not list the function.
    import urllib.request

    return bool(urllib.request.proxy_bypass_environment(host))  # type: ignore[attr-defined]
