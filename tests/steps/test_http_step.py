"""http against a real server: what is sent, how the answer is judged, and what comes of it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from freightway.activities.steps.http import HttpConfig
from freightway.activities.steps.http import http as http_step
from freightway.activities.steps.registry import Result, StepInfo, Waiting, Workspace
from freightway.adapters.http import Http
from freightway.errors import StepErrored, StepFailed
from freightway.promotion.model import FreightReference, Origin, StepStatus
from tests.servers.http_server import HttpServer, Reply, Request, self_signed

INFO = StepInfo(
    project="demo",
    stage="dev",
    promotion="dev.01.abc",
    alias="call",
    actor="",
    freight=FreightReference(name="f", origin=Origin(name="w")),
    collection=(),
    requested=(),
    warehouses={},
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    idempotency_key="demo/dev.01.abc/call/0",
)


@pytest.fixture
async def client():
    async with Http() as http:
        yield http


@pytest.fixture
def ask(client, tmp_path):
    """Run the step; the server answers with ``reply``."""

    async def run(reply: Reply, info: StepInfo = INFO, **config: Any) -> Result | Waiting:
        async with HttpServer(lambda _: reply) as server:
            run.server = server
            wanted = HttpConfig.model_validate({"url": f"{server.url}/x", **config})
            return await http_step(wanted, info, client, Workspace(tmp_path))

    return run


def outputs(**expressions: str) -> list[dict[str, str]]:
    return [{"name": name, "fromExpression": source} for name, source in expressions.items()]


async def test_success_without_expressions_gives_outputs(ask):
    reply = Reply(201, json={"id": 7, "tags": ["a", "b"]}, headers={"X-Trace": "t1"})
    result = await ask(
        reply,
        outputs=outputs(
            id="response.body.id",
            tags="response.body.tags",
            status="response.status",
            trace="response.header('x-trace')",
            all="response.headers['X-Trace']",
            none="response.header('absent')",
        ),
    )
    assert result.status == StepStatus.SUCCEEDED
    assert result.output == {
        "id": 7,
        "tags": ["a", "b"],
        "status": 201,
        "trace": "t1",
        "all": ["t1"],
        "none": "",
    }


async def test_output_is_plain_json(ask):
    result = await ask(
        Reply(),
        outputs=outputs(day="date('2026-01-02')", parts="'a,b' | split(',')", length="duration('1s')"),
    )
    assert result.output == {"day": "2026-01-02T00:00:00Z", "parts": ["a", "b"], "length": 1_000_000_000}


async def test_output_that_json_cannot_hold_is_an_error(ask):
    with pytest.raises(StepErrored, match="output 'x' cannot be kept"):
        await ask(Reply(), outputs=outputs(x="1 / 0"))


async def test_other_status_without_expressions_is_failed_without_error(ask):
    result = await ask(Reply(404), outputs=outputs(x="response.status"))
    assert isinstance(result, Result)
    assert (result.status, result.output, result.message) == (
        StepStatus.FAILED,
        None,
        "the answer has status 404",
    )


@pytest.mark.parametrize(
    ("failure", "success", "outcome"),
    [
        ("true", "true", "failed"),
        ("true", "", "failed"),
        ("false", "true", "done"),
        ("", "response.status == 200", "done"),
        ("false", "false", "waiting"),
        ("false", "", "waiting"),
        ("", "response.body.ready", "waiting"),
    ],
)
async def test_expressions_decide(ask, failure, success, outcome):
    asked = ask(
        Reply(json={"ready": False}),
        failureExpression=failure,
        successExpression=success,
        pollInterval="1m30s",
        outputs=outputs(x="1"),
    )
    if outcome == "failed":
        with pytest.raises(StepFailed, match=r"HTTP \(200\) response met failure criteria$"):
            await asked
        return
    result = await asked
    if outcome == "waiting":
        assert isinstance(result, Waiting)
        assert (result.after, result.output) == (90.0, None)
    else:
        assert result.output == {"x": 1}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("response.body.why", 'HTTP (400) response met failure criteria: "no \\"x\\""'),
        ("response.body.missing", "HTTP (400) response met failure criteria"),
        ("response.body.why.deeper.still", "HTTP (400) response met failure criteria"),
    ],
)
async def test_error_expression_gives_the_message(ask, expression, message):
    with pytest.raises(StepFailed) as caught:
        await ask(
            Reply(400, json={"why": 'no "x"'}),
            failureExpression="response.status >= 400",
            errorExpression=expression,
        )
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "forced", "body", "value"),
    [
        ("application/json; charset=utf-8", "", '{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("application/yaml", "", "a: 2026-01-01\n1: b\n", {"a": "2026-01-01", "1": "b"}),
        ("text/yaml", "", "- x\n", ["x"]),
        ("text/plain", "", '{"a": 1}', '{"a": 1}'),
        ("text/plain", "application/json", '{"a": 1}', {"a": 1}),
        ("text/html", "", "<html>", {}),
        ("application/octet-stream", "", "[1]", [1]),
        ("application/json", "text/plain", "{", "{"),
        ("application/json", "", "", {}),
    ],
)
async def test_body_is_read_by_its_type(ask, kind, forced, body, value):
    reply = Reply(body=body, headers={"Content-Type": kind})
    result = await ask(reply, responseContentType=forced, outputs=outputs(body="response.body"))
    assert result.output == {"body": value}


@pytest.mark.parametrize(("kind", "body"), [("application/json", "{"), ("application/yaml", "a: [")])
async def test_body_that_does_not_parse_is_an_error(ask, kind, body):
    with pytest.raises(StepErrored, match="is not valid") as caught:
        await ask(Reply(body=body, headers={"Content-Type": kind}))
    assert not caught.value.terminal


async def test_request_is_sent_as_configured(ask):
    await ask(
        Reply(),
        method="PUT",
        headers=[{"name": "X-A", "value": "1"}, {"name": "Content-Type", "value": "application/json"}],
        body='{"a": 1}',
    )
    request = ask.server.requests[0]
    assert (request.method, request.body, request.headers["x-a"]) == ("PUT", b'{"a": 1}', "1")
    assert request.headers["content-type"] == "application/json"


async def test_query_is_appended_encoded_and_sorted(client, tmp_path):
    async with HttpServer(lambda _: Reply()) as server:
        parameters = [{"name": "b", "value": "x y&z"}, {"name": "a", "value": "ä"}]
        url = f"{server.url}/x?c=1&b=0"
        config = HttpConfig.model_validate({"url": url, "queryParams": parameters})
        await http_step(config, INFO, client, Workspace(tmp_path))
    assert server.requests[0].target == "/x?a=%C3%A4&b=0&b=x+y%26z&c=1"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_changing_request_carries_the_key_of_its_poll(ask, method):
    await ask(Reply(), method=method)
    assert ask.server.requests[0].headers["idempotency-key"] == INFO.idempotency_key
    own = [{"name": "idempotency-key", "value": "mine"}]
    await ask(Reply(), replace(INFO, idempotency_key="other"), method=method, headers=own)
    assert ask.server.requests[0].headers["idempotency-key"] == "mine"


async def test_reading_request_carries_no_key(ask):
    await ask(Reply())
    assert "idempotency-key" not in ask.server.requests[0].headers


async def test_body_comes_from_a_file_of_the_workspace(ask, tmp_path: Path):
    (tmp_path / "body.json").write_bytes(b"\x00binary")
    await ask(Reply(), method="POST", bodyFromFile="../../body.json")
    assert ask.server.requests[0].body == b"\x00binary"


@pytest.mark.parametrize("size", [None, 2 * 1024 * 1024 + 1])
async def test_missing_or_large_body_file_is_final(ask, tmp_path: Path, size):
    if size:
        (tmp_path / "body").write_bytes(b"x" * size)
    with pytest.raises(StepErrored, match="bodyFromFile 'body'") as caught:
        await ask(Reply(), method="POST", bodyFromFile="body")
    assert caught.value.terminal
    assert str(tmp_path) not in str(caught.value)


async def test_large_answer_is_an_error(ask):
    with pytest.raises(StepErrored, match="larger than 2097152 bytes"):
        await ask(Reply(body=b"x" * (2 * 1024 * 1024 + 1)))


async def test_no_answer_is_an_error_without_the_query(client, tmp_path):
    config = HttpConfig.model_validate({"url": "http://127.0.0.1:1/x?token=planted"})
    with pytest.raises(StepErrored, match=r"127\.0\.0\.1:1 refused the connection") as caught:
        await http_step(config, INFO, client, Workspace(tmp_path))
    assert not caught.value.terminal
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x/y", "nowhere", "http://[::1", "http://h:99999999/"])
async def test_url_that_is_none_is_final(client, tmp_path, url):
    with pytest.raises(StepErrored, match="url is not") as caught:
        await http_step(HttpConfig(url=url), INFO, client, Workspace(tmp_path))
    assert caught.value.terminal


@pytest.mark.parametrize("field", ["successExpression", "failureExpression", "errorExpression", "outputs"])
async def test_broken_expression_is_final_and_nothing_is_sent(ask, field):
    broken = outputs(x="1 +") if field == "outputs" else "1 +"
    with pytest.raises(StepErrored, match="does not compile") as caught:
        await ask(Reply(), method="POST", **{field: broken})
    assert caught.value.terminal
    assert ask.server.requests == []


@pytest.mark.parametrize("source", ["response.body.a.b.c", "1", "'true'"])
async def test_expression_that_gives_no_truth_is_an_error(ask, source):
    with pytest.raises(StepErrored) as caught:
        await ask(Reply(), successExpression=source)
    assert not caught.value.terminal


async def test_redirect_is_followed(client, tmp_path):
    def handler(request: Request) -> Reply:
        return (
            Reply(302, headers={"Location": "/y"})
            if request.path == "/x"
            else Reply(json={"at": request.path})
        )

    async with HttpServer(handler) as server:
        config = HttpConfig.model_validate(
            {"url": f"{server.url}/x", "outputs": outputs(at="response.body.at")}
        )
        result = await http_step(config, INFO, client, Workspace(tmp_path))
    assert result.output == {"at": "/y"}


async def test_link_local_address_is_refused(client, tmp_path):
    with pytest.raises(StepErrored, match="link-local"):
        await http_step(HttpConfig(url="http://169.254.169.254/latest/"), INFO, client, Workspace(tmp_path))


async def test_untrusted_certificate_needs_the_flag(client, tmp_path):
    tls, _ = self_signed(tmp_path)
    async with HttpServer(lambda _: Reply(json={}), tls=tls) as server:
        with pytest.raises(StepErrored, match="TLS certificate"):
            await http_step(HttpConfig(url=server.url), INFO, client, Workspace(tmp_path))
        config = HttpConfig.model_validate({"url": server.url, "insecureSkipTLSVerify": True})
        assert isinstance(await http_step(config, INFO, client, Workspace(tmp_path)), Result)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "TRACE"},
        {"body": "x", "bodyFromFile": "y"},
        {"timeout": "soon"},
        {"timeout": "0s"},
        {"proxy": "socks5://x"},
        {"responseContentType": "text/html"},
        {"headers": [{"name": "", "value": "x"}]},
        {"outputs": [{"name": "x"}]},
        {"url": ""},
        {"surprise": 1},
    ],
)
def test_wrong_configuration_is_refused(change):
    with pytest.raises(ValidationError):
        HttpConfig.model_validate({"url": "http://x", **change})
