"""How a registry wants to be asked: its challenge, and the tokens got for it.

Credentials go to the registry itself and, for tokens, to the realm that it names, but only over https, to the
registry's own host, or on the loopback: a registry must not be able to send them elsewhere in the clear.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from freightway.adapters.credentials import Credentials
from freightway.adapters.http import Http
from freightway.adapters.http_address import is_loopback
from freightway.errors import AdapterError

_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')
_DEFAULT_LIFE_SECONDS = 60.0
_MARGIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Challenge:
    """What ``WWW-Authenticate`` asks for: ``basic`` or ``bearer`` and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenge(values: tuple[str, ...]) -> Challenge | None:
    """Return the first challenge that can be met, None if there is none; Bearer is preferred to Basic."""
    found: dict[str, Challenge] = {}
    for value in values:
        scheme, _, rest = value.strip().partition(" ")
        parameters = {
            match.group(1).lower(): match.group(2) if match.group(2) is not None else match.group(3)
            for match in _PARAMETER.finditer(rest)
        }
        found.setdefault(scheme.lower(), Challenge(scheme.lower(), parameters))
    return found.get("bearer") or found.get("basic")


@dataclass(slots=True)
class RegistryAuth:
    """Makes ``Authorization`` headers; keeps a token per registry, scope and credentials until it expires."""

    http: Http
    _tokens: dict[tuple[str, str, str, str], tuple[str, float]] = field(default_factory=dict, repr=False)
    _locks: dict[tuple[str, str, str, str], asyncio.Lock] = field(default_factory=dict, repr=False)

    async def header(
        self,
        challenge: Challenge,
        registry: str,
        scope: str,
        credentials: Credentials | None,
        *,
        verify: bool,
        fresh: bool = False,
    ) -> str | None:
        """Return the header that meets a challenge, None if there is nothing to meet it with.

        Args:
            registry: URL of the registry's root, for example ``https://ghcr.io``.
            scope: for example ``repository:team/app:pull``.
            fresh: forget a token that was refused.
        Raises:
            AdapterError: if the realm gives no token, or must not see the credentials.
        """
        if challenge.scheme == "basic":
            return _basic(credentials) if credentials else None
        realm = challenge.parameters.get("realm", "")
        key = (registry, realm, scope, _identity(credentials))
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._tokens.get(key)
            if known and known[1] > time.monotonic() and not fresh:
                return f"Bearer {known[0]}"
            token, life = await self._fetch(challenge, registry, scope, credentials, verify=verify)
            self._tokens[key] = (token, time.monotonic() + life - _MARGIN_SECONDS)
            return f"Bearer {token}"

    async def _fetch(
        self,
        challenge: Challenge,
        registry: str,
        scope: str,
        credentials: Credentials | None,
        *,
        verify: bool,
    ) -> tuple[str, float]:
        realm = challenge.parameters.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise AdapterError(f"{_host(registry)} asks for a token but names no place to get it", status=401)
        if credentials and not _may_see(realm, registry):
            raise AdapterError(
                f"{_host(registry)} sends its clients to {_host(realm)} over plain http for a token; "
                "credentials are not sent there",
                host=_host(realm),
                status=401,
            )
        params = {"scope": scope}
        if service := challenge.parameters.get("service"):
            params["service"] = service
        headers = {"Authorization": _basic(credentials)} if credentials else {}
        response = await self.http.request("GET", realm, headers=headers, params=params, verify=verify)
        if not response.ok:
            used = f"the credentials of Secret {credentials.source!r}" if credentials else "anonymous access"
            raise response.error(f"getting a token for {_host(registry)} with {used}")
        answer = response.json()
        token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise AdapterError(f"{_host(realm)} gave no token", host=_host(realm), status=response.status)
        life = answer.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else _DEFAULT_LIFE_SECONDS
        return token, max(seconds, _DEFAULT_LIFE_SECONDS)


def _may_see(realm: str, registry: str) -> bool:
    there, here = urlsplit(realm), urlsplit(registry)
    return there.scheme == "https" or there.netloc == here.netloc or is_loopback(there.hostname or "")


def _identity(credentials: Credentials | None) -> str:
    if credentials is None:
        return ""
    return hashlib.sha256(f"{credentials.username}\0{credentials.password}".encode()).hexdigest()


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
