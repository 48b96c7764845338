"""Http against a real server: answers, redirects, limits and the sentence of each failure."""

import asyncio
import socket
from pathlib import Path

import pytest

from freightway.adapters.http import Http
from freightway.errors import AdapterError
from tests.servers.http_server import HttpServer, Reply, Request, self_signed


@pytest.fixture
async def http():
    async with Http() as client:
        yield client


async def test_answer_has_status_headers_and_body(http):
    async with HttpServer(lambda _: Reply(404, "gone", {"X-Reason": "none"})) as server:
        response = await http.request("GET", f"{server.url}/a?x=1", params=[("y", "a b"), ("x", "2")])
    assert (response.status, response.text, response.header("x-reason"), response.ok) == (
        404,
        "gone",
        "none",
        False,
    )
    assert server.requests[0].target == "/a?x=1&y=a+b&x=2"


async def test_connections_are_kept_between_requests(http):
    async with HttpServer(lambda _: Reply()) as server:
        for _ in range(3):
            await http.request("GET", server.url)
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_refused_connection_names_the_host_without_credentials(http):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(AdapterError) as caught:
        await http.request("GET", f"http://me:planted@127.0.0.1:{port}/x?token=planted")
    assert str(caught.value) == f"127.0.0.1:{port} refused the connection"
    assert caught.value.retryable
    assert caught.value.host == f"127.0.0.1:{port}"


async def test_unknown_name_is_said_so(http):
    with pytest.raises(AdapterError, match=r"nowhere\.invalid is not known: its name does not resolve"):
        await http.request("GET", "http://nowhere.invalid/")


async def test_slow_answer_ends_with_the_timeout(http):
    never = asyncio.Event()
    async with HttpServer(lambda _: Reply(wait_for=never)) as server:
        with pytest.raises(AdapterError, match="did not answer") as caught:
            await http.request("GET", server.url, timeout=0.2)
    assert caught.value.retryable


async def test_cut_answer_is_told_from_a_whole_one(http):
    async with HttpServer(lambda _: Reply(body=b"x" * 100, cut_after=10)) as server:
        with pytest.raises(AdapterError, match="cut the connection in the middle"):
            await http.request("GET", server.url)


@pytest.mark.parametrize("length", [{}, {"Transfer-Encoding": "chunked"}])
async def test_large_body_is_refused(http, length):
    body = b"x" * 2000 if not length else b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n"
    reply = Reply(body=body, headers=length)
    async with HttpServer(lambda _: reply) as server:
        if length:
            server._write = _chunked(server, body)
        with pytest.raises(AdapterError, match="larger than 1000 bytes"):
            await http.request("GET", server.url, max_bytes=1000)


def _chunked(server, body):
    async def write(writer, request, reply):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        await writer.drain()

    return write


async def test_untrusted_certificate_is_refused_unless_told_otherwise(http, tmp_path: Path):
    tls, _ = self_signed(tmp_path)
    async with HttpServer(lambda _: Reply(body="ok"), tls=tls) as server:
        with pytest.raises(AdapterError, match="TLS certificate that does not verify") as caught:
            await http.request("GET", server.url)
        answer = await http.request("GET", server.url, verify=False)
    assert not caught.value.retryable
    assert answer.text == "ok"


async def test_authority_of_the_environment_is_trusted(monkeypatch, tmp_path: Path):
    tls, certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with HttpServer(lambda _: Reply(body="ok"), tls=tls) as server, Http() as client:
        assert (await client.request("GET", server.url)).text == "ok"


async def test_redirect_to_another_origin_drops_credentials(http):
    async with HttpServer(lambda _: Reply(body="there")) as other:

        def handler(request: Request) -> Reply:
            if request.path == "/start":
                return Reply(307, headers={"Location": "/again"})
            return Reply(302, headers={"Location": f"{other.url}/end"})

        async with HttpServer(handler) as server:
            response = await http.request(
                "POST",
                f"{server.url}/start",
                headers={"Authorization": "Bearer planted", "X-Kept": "1"},
                content="body",
                follow_redirects=True,
            )
    assert response.text == "there"
    assert [request.method for request in server.requests] == ["POST", "POST"]
    assert server.requests[1].headers["authorization"] == "Bearer planted"
    assert other.requests[0].method == "GET"
    assert "authorization" not in other.requests[0].headers
    assert other.requests[0].headers["x-kept"] == "1"


async def test_redirects_without_end_are_refused(http):
    async with HttpServer(lambda _: Reply(302, headers={"Location": "/"})) as server:
        with pytest.raises(AdapterError, match="redirected more than 10 times"):
            await http.request("GET", server.url, follow_redirects=True)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:169.254.1.1]/"]
)
async def test_link_local_address_is_refused(http, url):
    with pytest.raises(AdapterError, match="link-local"):
        await http.request("GET", url, refuse_link_local=True, timeout=2)


async def test_guarded_request_keeps_the_host_name(http):
    async with HttpServer(lambda request: Reply(body=request.headers["host"])) as server:
        url = f"http://localhost:{server.port}/"
        response = await http.request("GET", url, refuse_link_local=True)
    assert response.text == f"localhost:{server.port}"


async def test_error_of_an_answer_tells_when_to_come_back(http):
    async with HttpServer(lambda _: Reply(429, headers={"Retry-After": "7"})) as server:
        error = (await http.request("GET", server.url)).error("listing tags")
    assert str(error) == f"listing tags: {server.host} answered with status 429"
    assert (error.status, error.retryable, error.retry_after) == (429, True, 7.0)


async def test_sink_takes_the_body(http):
    parts: list[bytes] = []
    async with HttpServer(lambda _: Reply(body="x" * 5000)) as server:
        response = await http.request("GET", server.url, sink=parts.append)
    assert (len(b"".join(parts)), response.body) == (5000, b"")


@pytest.mark.parametrize("url", ["ftp://host/x", "nonsense", "http://", "http://[::1/"])
async def test_url_that_is_none_is_refused(http, url):
    with pytest.raises(AdapterError, match=r"valid|not an http"):
        await http.request("GET", url)


async def test_proxy_of_the_environment_is_used_but_not_for_the_loopback(http, monkeypatch):
    async with HttpServer(lambda request: Reply(body=request.target)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        through = await http.request("GET", "http://example.invalid/x")
        async with HttpServer(lambda _: Reply(body="direct")) as server:
            direct = await http.request("GET", server.url)
    assert (through.text, direct.text) == ("http://example.invalid/x", "direct")
