"""Secrets are in no history, memo, log, message, process list or workspace; a control value is found in each."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import yaml

from freightway.adapters.credential_files import write_credentials
from freightway.cli.demo_pipeline.loopback import LoopbackServer, Reply, Request
from freightway.cli.drill_run.sandbox import file_of
from freightway.cli.drill_run.servers import password_of
from freightway.cli.drill_run.stack import Sandbox
from tests.durability.conftest import ended, promote

CONTROL = "c0ntrol-value-31337"
VALUE = 'pl4nted/"secret"+value%Ä'
REGISTRY = "pl4nted-registry/token+31"
SECRETS = {
    "Git password, Argo CD and receiver token of host a": password_of("a"),
    "Git password, Argo CD and receiver token of host b": password_of("b"),
    "value of secret()": VALUE,
    "registry token": REGISTRY,
}


def forms(secret: str) -> set[bytes]:
    """The secret as it may be written."""
    raw = secret.encode()
    texts = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    texts |= {json.dumps(text)[1:-1] for text in tuple(texts)}
    texts |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    for user in ("", "robot:", "a:", "b:"):
        whole = base64.b64encode(user.encode() + raw).decode()
        texts |= {whole, whole.rstrip("=").replace("+", "-").replace("/", "_")}
    for shift in range(3):
        # Inside a longer text the characters at both ends depend on the neighbours.
        texts.add(base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")[4:-2])
    return {text.encode() for text in texts}


def found(places: dict[str, bytes]) -> list[str]:
    return [
        f"{what} in {place}: …{data[max(0, data.index(form) - 60) : data.index(form)]!r}"
        for place, data in places.items()
        for what, secret in SECRETS.items()
        for form in forms(secret)
        if form in data
    ]


async def test_planted_secrets_are_nowhere_and_the_control_is(box: Sandbox) -> None:
    with echoing() as (echo, received), watching() as commands:
        plant(box, echo)
        await box.freightway.apply(resources(box, echo))
        assert (await ended(box, await promote(box))).phase == "Succeeded"
        failed = await ended(box, await until_taken(box))
        await box.freightway.refresh(box.project, "warehouse", "images")
        await until(lambda: any("/v2/" in line for line in received))
        # What the servers got shows that the secrets were used at all.
        sent = "\n".join(received)
        assert json.dumps(VALUE, ensure_ascii=False)[1:-1] in sent
        assert f"token={VALUE[:7]}" in sent
        assert base64.b64encode(f"robot:{REGISTRY}".encode()).decode() in sent
        assert any(f"Bearer {password_of(host)}" in sent for host in box.hosts)
        places = {**await histories(box), **files(box.folder)}
        places["ps"] = "\n".join(commands).encode()
        places["message"] = failed.message.encode()
    assert failed.phase == "Failed", failed
    assert "***" in failed.message
    assert found(places) == []
    with_control = {place.partition(":")[0] for place, data in places.items() if CONTROL.encode() in data}
    assert {"history", "description", "file", "message"} <= with_control
    assert b"git" in places["ps"]
    assert b"http-backend" in places["ps"]
    assert any(place.endswith("temporal.db") for place in places)
    assert any(place.endswith("worker.log") for place in places)


async def until_taken(box: Sandbox) -> str:
    from freightway.errors import FreightwayError

    for _ in range(200):
        try:
            return await promote(box, "leaky")
        except FreightwayError:
            await asyncio.sleep(0.1)
    raise AssertionError("the Stage did not take the Freight")


async def until(condition: object) -> None:
    assert callable(condition)
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen")


def plant(box: Sandbox, echo: str) -> None:
    for host in box.hosts.values():
        folder = host.home / "secrets" / box.project
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "planted"},
            "stringData": {"value": VALUE},
        }
        (folder / "planted.yaml").write_text(yaml.safe_dump(secret, allow_unicode=True))
        write_credentials(
            host.home,
            project=box.project,
            name="registry",
            kind="image",
            repo_url=f"{echo.removeprefix('http://')}/team/app",
            username="robot",
            password=REGISTRY,
        )


def resources(box: Sandbox, echo: str) -> list[dict]:
    """A Stage whose step shows what it sends, and a Warehouse of a registry that does so too."""
    origin = {"kind": "Warehouse", "name": "source"}
    step = {
        "uses": "http",
        "as": "leak",
        "config": {
            "url": f"{echo}/echo?token=${{{{ secret('planted').value }}}}&control={CONTROL}",
            "method": "POST",
            "headers": [{"name": "X-Planted", "value": "Bearer ${{ secret('receiver').token }}"}],
            "body": "${{ quote(secret('planted').value) }}",
            "responseContentType": "text/plain",
            "failureExpression": "response.status == 500",
            "errorExpression": "response.body",
        },
    }
    quiet = {
        "uses": "http",
        "as": "unreachable",
        "continueOnError": True,
        "config": {
            "url": "http://127.0.0.1:9/${{ secret('planted').value }}",
            "headers": [{"name": "X", "value": "${{ secret('planted').value == '' ? 'a' : 'b' }}"}],
        },
    }
    stage = {
        "apiVersion": "kargo.akuity.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "leaky", "namespace": box.project},
        "spec": {
            "requestedFreight": [{"origin": origin, "sources": {"direct": True}}],
            "promotionTemplate": {"spec": {"steps": [quiet, step]}},
        },
    }
    image = {"repoURL": f"{echo.removeprefix('http://')}/team/app", "constraint": "^1.0.0"}
    warehouse = {
        "apiVersion": "kargo.akuity.io/v1alpha1",
        "kind": "Warehouse",
        "metadata": {"name": "images", "namespace": box.project},
        "spec": {"interval": "1h", "subscriptions": [{"image": image}]},
    }
    return [stage, warehouse]


@contextmanager
def echoing() -> Iterator[tuple[str, list[str]]]:
    """A server that answers with everything it was sent, as an error."""
    received: list[str] = []

    def answer(request: Request) -> Reply:
        lines = [f"{request.method} {request.path}?{request.query}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        text = "\n".join([*lines, request.body.decode(errors="replace")])
        received.append(text)
        if request.path.startswith("/v2") and "authorization" not in request.headers:
            return Reply(401, b"{}", {"WWW-Authenticate": 'Basic realm="registry"'})
        return Reply(500, text.encode(), {"Content-Type": "text/plain"})

    server = LoopbackServer(answer)
    try:
        yield server.url, received
    finally:
        server.close()


@contextmanager
def watching() -> Iterator[set[str]]:
    """Collects the command lines of all processes while it lasts."""
    commands: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    commands.add(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield commands
    finally:
        stop.set()
        watcher.join()


async def histories(box: Sandbox) -> dict[str, bytes]:
    """Every history of the namespace, and what describing each workflow tells: memo and search attributes."""
    places = {}
    async for execution in box.client.list_workflows():
        handle = box.client.get_workflow_handle(execution.id, run_id=execution.run_id)
        events = [event.SerializeToString() async for event in handle.fetch_history_events()]
        places[f"history:{execution.id}"] = b"\n".join(events)
        places[f"description:{execution.id}"] = (await handle.describe()).raw_description.SerializeToString()
    assert len(places) > 8
    return places


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the Secrets: workspaces, mirrors, logs and Temporal's own database."""
    return {
        f"file:{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "secrets" not in path.parts
    }


def test_what_looks_for_secrets_finds_each_form() -> None:
    for text in (
        VALUE,
        json.dumps({"a": VALUE}),
        quote(VALUE),
        base64.b64encode(f"x:{VALUE}".encode()).decode(),
    ):
        assert found({"here": text.encode()}), text
    assert found({"here": file_of("s1").encode()}) == []
