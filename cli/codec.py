"""freightway codec: let the Temporal Web UI and CLI read what is encrypted, and make key files."""

from __future__ import annotations

import hmac
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from freightway.cli.session import DEFAULT_UI, Failure
from freightway.errors import FreightwayError

if TYPE_CHECKING:
    from freightway.cli.demo_pipeline.loopback import Reply, Request
    from freightway.encryption import EncryptionCodec

TOKEN_VARIABLE = "FREIGHTWAY_CODEC_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable: what a client must send as ``Authorization: Bearer …``."""

_PATHS = ("/encode", "/decode")


@click.command("codec")
@click.option(
    "--port", default=8081, show_default=True, type=click.IntRange(0, 65535), help="0 for a free one."
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="FREIGHTWAY_ENCRYPTION_KEYS",
    default=None,
    help="Key file; FREIGHTWAY_ENCRYPTION_KEYS if left out.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Address of the Temporal Web UI whose pages may ask; http://localhost:8233 if left out.",
)
@click.option(
    "--new-key", "new_key", default="", help="Write a key file with one new key of this id, and end."
)
def codec_command(port: int, keys: Path | None, origins: tuple[str, ...], new_key: str) -> None:
    """Decrypt for the Temporal Web UI and CLI, on the loopback address alone, until Ctrl-C.

    Give its address to `temporal server start-dev --ui-codec-endpoint`, to the codec settings of the Temporal Web UI,
    or to the CLI's `--codec-endpoint`. FREIGHTWAY_CODEC_TOKEN names a token that each request must carry.
    """
    from freightway.cli.demo_pipeline.loopback import LoopbackServer
    from freightway.encryption import EncryptionCodec, new_key_file, read_keys

    if keys is None:
        raise click.UsageError("name the key file: --keys or FREIGHTWAY_ENCRYPTION_KEYS")
    try:
        if new_key:
            new_key_file(keys, new_key)
            click.echo(f"{keys} holds a new key {new_key!r}; keep a copy where it cannot be lost")
            return
        endpoint = Endpoint(
            EncryptionCodec(read_keys(keys)), origins or (DEFAULT_UI,), os.environ.get(TOKEN_VARIABLE, "")
        )
        server = LoopbackServer(endpoint.answer, port)
    except (FreightwayError, OSError) as error:
        raise Failure(str(error)) from None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    click.echo(f"freightway codec is ready at {server.url}")
    stop.wait()
    server.close()


class Endpoint:
    """Temporal's remote codec protocol over HTTP.

    Source: https://docs.temporal.io/codec-server.
    """

    def __init__(self, codec: EncryptionCodec, origins: tuple[str, ...], token: str = "") -> None:
        self._codec = codec
        self._origins = {origin.rstrip("/") for origin in origins}
        self._token = token

    def answer(self, request: Request) -> Reply:
        """Encode or decode the payloads of a request."""
        from freightway.cli.demo_pipeline.loopback import Reply

        origin = request.headers.get("origin", "").rstrip("/")
        headers = self._cors(origin)
        if origin and not headers:
            return Reply(403, b"this page may not ask\n")
        if not _is_loopback(request.headers.get("host", "")):
            # A page that made its own name lead to the loopback address must not read here either.
            return Reply(403, b"ask by the loopback address\n")
        if request.method == "OPTIONS":
            return Reply(204, b"", headers)
        path = "/" + request.path.rstrip("/").rpartition("/")[2]
        if request.method != "POST" or path not in _PATHS:
            return Reply(404, b"POST /encode or /decode\n", headers)
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._token and not hmac.compare_digest(given.encode(), self._token.encode()):
            return Reply(401, b"a token is needed\n", headers)
        status, body = self._convert(path, request.body)
        return Reply(status, body, {**headers, "Content-Type": "application/json"})

    def _convert(self, path: str, body: bytes) -> tuple[int, bytes]:
        import asyncio

        from google.protobuf import json_format
        from temporalio.api.common.v1 import Payloads

        try:
            given = json_format.Parse(body, Payloads())
        except (json_format.ParseError, UnicodeDecodeError):
            return 400, b'{"message": "the body is not a set of payloads"}'
        work = self._codec.encode if path == "/encode" else self._codec.decode
        try:
            made = asyncio.run(work(given.payloads))
        except FreightwayError as error:
            import json

            return 400, json.dumps({"message": str(error)}).encode()
        return 200, json_format.MessageToJson(Payloads(payloads=made)).encode()

    def _cors(self, origin: str) -> dict[str, str]:
        if origin not in self._origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": "content-type, x-namespace, authorization",
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in ("127.0.0.1", "localhost", "[::1]")
