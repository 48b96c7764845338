"""A small HTTP server on the loopback address: each request is handed to one function, in a thread of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MOST_BYTES = 256 * 1024 * 1024
"""Longest body that is taken."""

_IDLE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks.

    Attributes:
        path: decoded, without the query.
        headers: by lower-case name.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters; the last of a name counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON, an empty one as an empty object."""
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, status: int = 200) -> Reply:
        """Return an answer in JSON."""
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


class LoopbackServer:
    """Serves one function until it is closed.

    Args:
        answer: called in the thread of the request.
        port: 0 for a free one.
    """

    def __init__(self, answer: Callable[[Request], Reply], port: int = 0) -> None:
        self._http = _Server(("127.0.0.1", port), _handler(answer))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """The address as a URL, without a slash at its end."""
        return f"http://{self.host}"

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no news."""


def _handler(answer: Callable[[Request], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS
        # Head and body leave in one piece: in two, each answer waits 40 ms for an acknowledgement.
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            """Say nothing."""

        def _serve(self) -> None:
            body = self._body()
            if body is None:
                self.close_connection = True
                reply = Reply(413)
            else:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = answer(Request(self.command, unquote(parts.path), parts.query, headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status not in (204, 304) and not any(
                n.lower() == "content-length" for n in reply.headers
            ):
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def _body(self) -> bytes | None:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                length = int(self.headers.get("Content-Length") or 0)
                return self.rfile.read(length) if length <= MOST_BYTES else None
            parts = bytearray()
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts += self.rfile.read(size)
                self.rfile.readline()
                if len(parts) > MOST_BYTES:
                    return None
            self.rfile.readline()
            return bytes(parts)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the names of http.server

    return Handler
