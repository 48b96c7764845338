"""A real HTTP(S) server that stands before another one and goes wrong as a test asks for."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import httpx

from freightway.adapters.dev_server import free_port
from tests.servers.http_server import Handler, HttpServer, Reply, Request

Fault = Literal["", "down", "silent", "429", "500", "cut", "certificate"]
FAULTS: tuple[Fault, ...] = ("down", "silent", "429", "500", "cut", "certificate")
RETRY_AFTER = 3
_HOP = {
    "connection",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "keep-alive",
    "date",
    "server",
}


class FaultServer:
    """Answers as ``behind`` does, but for the faults.

    Attributes:
        fault: what goes wrong now; empty for nothing.
        left: how many more requests meet the fault, None for every one.
        only: part of the path of the requests that meet it.
    """

    def __init__(self, behind: Handler, tls: ssl.SSLContext) -> None:
        self.fault: Fault = ""
        self.left: int | None = None
        self.only = ""
        self.met = 0
        self._behind = behind
        self._released = asyncio.Event()
        self._plain = HttpServer(self._answer)
        self._secure = HttpServer(self._answer, tls=tls)
        self._nobody = free_port()

    @property
    def url(self) -> str:
        """Where the server is, or seems to be."""
        if self.fault == "down":
            return f"http://127.0.0.1:{self._nobody}"
        return (self._secure if self.fault == "certificate" else self._plain).url

    @property
    def host(self) -> str:
        return self.url.partition("//")[2]

    async def _answer(self, request: Request) -> Reply:
        if not self._goes_wrong(request):
            return await self._real(request)
        self.met += 1
        # Some servers repeat what they were sent; none of it may reach a message.
        sent = f"not now: {request.target} {request.headers.get('authorization', '')}"
        if self.fault in ("429", "500"):
            headers = {"Retry-After": str(RETRY_AFTER)} if self.fault == "429" else {}
            return Reply(int(self.fault), json={"message": sent, "error": sent}, headers=headers)
        if self.fault == "cut":
            real = await self._real(request)
            return Reply(
                real.status, real.content() + b" " * 64, real.headers, cut_after=len(real.content()) // 2
            )
        return Reply(wait_for=self._released)

    def _goes_wrong(self, request: Request) -> bool:
        if self.fault in ("", "down", "certificate") or self.only not in request.target or self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True

    async def _real(self, request: Request) -> Reply:
        answer = self._behind(request)
        return await answer if inspect.isawaitable(answer) else answer


@asynccontextmanager
async def serve_faults(behind: Handler, tls: ssl.SSLContext) -> AsyncIterator[FaultServer]:
    """Serve until the block ends."""
    server = FaultServer(behind, tls)
    async with server._plain, server._secure:
        try:
            yield server
        finally:
            server._released.set()


def forward_to(base: str) -> Handler:
    """Return a handler that hands requests on to another server."""

    async def forward(request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP | {"host"}}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            answer = await client.request(
                request.method, base + request.target, headers=headers, content=request.body
            )
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
        return Reply(answer.status_code, answer.content, kept)

    return forward
