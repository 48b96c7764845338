"""Encryption of payloads: what the server stores is opaque, keys rotate, and the Web UI can ask for the plain text."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.worker import Replayer

from freightway import FreightwayPlugin, names
from freightway.cli.codec import Endpoint
from freightway.cli.demo_pipeline.loopback import LoopbackServer
from freightway.cli.drill_run.sandbox import stages
from freightway.cli.drill_run.stack import Sandbox
from freightway.encryption import (
    ENCODING,
    Cipher,
    EncryptionCodec,
    Key,
    NoKeys,
    configured_codec,
    data_converter,
    new_key_file,
    read_keys,
)
from freightway.entities.messages import AnswerRequest
from freightway.errors import FreightwayError
from freightway.worker import WorkerSettings, our_client, workers
from tests.durability.conftest import ended, promote
from tests.servers.manifests import PROJECT, stage, warehouse
from tests.servers.temporal import World, dev_server, until

OLD, NEW = Key("2025", secrets.token_bytes(32)), Key("2026", secrets.token_bytes(32))
UI = "http://localhost:8233"


def write(path: Path, *keys: Key) -> Path:
    entries = [{"id": key.id, "key": base64.b64encode(key.secret).decode()} for key in keys]
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"keys": entries}))
    return path


async def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')
    [before] = await EncryptionCodec(Cipher((OLD,))).encode([plain])
    rotated = EncryptionCodec(Cipher((NEW, OLD)))
    [after] = await rotated.encode([plain])
    assert before.metadata["encryption-key-id"] == b"2025"
    assert after.metadata["encryption-key-id"] == b"2026"
    assert b"hello" not in before.SerializeToString() + after.SerializeToString()
    assert await rotated.decode([before, after, plain]) == [plain, plain, plain]
    with pytest.raises(FreightwayError, match="key '2025', which is not among the keys here"):
        await EncryptionCodec(Cipher((NEW,))).decode([before])


async def test_changed_data_and_a_changed_key_id_are_refused() -> None:
    twin = Cipher((Key("a", OLD.secret), Key("b", OLD.secret)))
    [sealed] = await EncryptionCodec(twin).encode([Payload(data=b"x")])
    for name, data in ((b"a", sealed.data[:-1] + b"\0"), (b"b", sealed.data), (b"a", b"")):
        broken = Payload(metadata={"encoding": ENCODING.encode(), "encryption-key-id": name}, data=data)
        if broken != sealed:
            with pytest.raises(FreightwayError, match="was changed, or is of another key"):
                await EncryptionCodec(twin).decode([broken])


def test_a_key_file_is_written_for_its_owner_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    new_key_file(path, "first")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [key.id for key in read_keys(path).keys] == ["first"]
    with pytest.raises(FreightwayError, match="exists already"):
        new_key_file(path, "first")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("keys: []", "holds no keys"),
        ("nothing", "holds no keys"),
        ("keys: [{id: a}]", "needs id and key"),
        ("keys: [{id: a, key: '!!'}]", "is not base64"),
        ("keys: [{id: a, key: YWJj}]", "has 16, 24 or 32 bytes, this one has 3"),
        (
            "keys: [{id: 1, key: YWJjZGVmZ2hpamtsbW5vcA==}, {id: 1, key: YWJjZGVmZ2hpamtsbW5vcA==}]",
            "two keys",
        ),
        ("{", "not valid YAML"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused_without_quoting_it(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "keys.yaml"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(FreightwayError, match=said) as caught:
        read_keys(path)
    assert "YWJj" not in str(caught.value)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.yaml", NEW)
    path.chmod(0o644)
    with pytest.raises(FreightwayError, match="chmod 600"):
        read_keys(path)


def test_nothing_is_encrypted_without_a_key_file(tmp_path: Path) -> None:
    assert configured_codec({}) is None
    assert isinstance(data_converter().payload_codec, NoKeys)
    path = write(tmp_path / "keys.yaml", NEW)
    assert configured_codec({"FREIGHTWAY_ENCRYPTION_KEYS": str(path)}) is not None


def ask(url: str, body: Any = None, method: str = "POST", **headers: str) -> tuple[int, Any, dict[str, str]]:
    data = json.dumps(body).encode() if body is not None else b""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, names, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_the_endpoint_encodes_and_decodes_for_the_web_ui() -> None:
    server = LoopbackServer(Endpoint(EncryptionCodec(Cipher((NEW,))), (UI,), "t0ken").answer)
    try:
        given = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhlbGxvIg=="}]}
        headers = {"Origin": UI, "Authorization": "Bearer t0ken"}
        status, sealed, _ = ask(f"{server.url}/encode", given, **headers)
        assert status == 200
        assert base64.b64decode(sealed["payloads"][0]["metadata"]["encoding"]).decode() == ENCODING
        status, plain, answered = ask(f"{server.url}/decode", sealed, **headers)
        assert (status, plain) == (200, given)
        assert answered["Access-Control-Allow-Origin"] == UI
        status, _, answered = ask(f"{server.url}/decode", method="OPTIONS", Origin=UI)
        assert (status, answered["Access-Control-Allow-Methods"]) == (204, "POST, OPTIONS")
        assert ask(f"{server.url}/decode", sealed, Origin=UI)[0] == 401
        assert (
            ask(f"{server.url}/decode", sealed, Origin="http://elsewhere", Authorization="Bearer t0ken")[0]
            == 403
        )
        assert (
            ask(f"{server.url}/decode", sealed, Host="evil.example", Authorization="Bearer t0ken")[0] == 403
        )
        assert ask(f"{server.url}/decode", "x", **headers)[0] == 400
        assert ask(f"{server.url}/other", sealed, **headers)[0] == 404
    finally:
        server.close()


async def test_an_encrypted_promotion_runs_and_the_server_sees_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = write(tmp_path / "keys.yaml", NEW, OLD)
    monkeypatch.setenv("FREIGHTWAY_ENCRYPTION_KEYS", str(keys))
    more = {"FREIGHTWAY_ENCRYPTION_KEYS": str(keys)}
    async with Sandbox(tmp_path / "box", "sealed", stages(2), environment=more) as box:
        promotion = await promote(box)
        assert (await ended(box, promotion)).phase == "Succeeded"
        # The promotion is over a moment before its Stage knows.
        state = await until(
            lambda: box.freightway.stage(box.project, "s1"), lambda state: bool(state.finished), 60
        )
        assert state.finished[0].promotion == promotion
        handle = box.client.get_workflow_handle(f"promotion/sealed/{promotion}")
        history = b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])
    for plain in (b"deploy/s1", b"errorThreshold", b"receiver", b"idempotency"):
        assert plain not in history
    assert ENCODING.encode() in history


VARIABLE = "FREIGHTWAY_ENCRYPTION_KEYS"


async def test_encrypted_histories_replay_where_their_key_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(write(tmp_path / "keys.yaml", NEW)))
    settings = WorkerSettings(home=tmp_path / "home")
    async with dev_server() as client, workers(client, settings):
        project = World(our_client(client), settings.home).project()
        await project.apply(PROJECT, warehouse(), stage("dev"))
        answer = await project.promote("dev", await project.freight("a" * 40))
        assert (await project.ended(answer, seconds=60)).phase == "Succeeded"
        ids = [
            names.promotion_id(project.name, answer.promotion),
            names.stage_id(project.name, "dev"),
            names.warehouse_id(project.name, "app"),
            names.project_id(project.name),
        ]
        histories = [await client.get_workflow_handle(one).fetch_history() for one in ids]
    for history in histories:
        assert all(ENCODING.encode() == payload.metadata["encoding"] for payload in started_with(history))
    for history in histories:
        await Replayer(workflows=[], plugins=[FreightwayPlugin()]).replay_workflow(history)
    # With another key, and with none, it is not taken for something else.
    for keys, said in ((str(write(tmp_path / "others.yaml", OLD)), ""), ("", "encrypted with key '2026'")):
        monkeypatch.setenv(VARIABLE, keys)
        result = await Replayer(workflows=[], plugins=[FreightwayPlugin()]).replay_workflow(
            histories[0], raise_on_replay_failure=False
        )
        assert result.replay_failure is not None
        assert said in str(result.replay_failure)


async def test_a_worker_without_the_key_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = str(write(tmp_path / "keys.yaml", NEW))
    monkeypatch.setenv(VARIABLE, keys)
    settings = WorkerSettings(home=tmp_path / "home")
    async with dev_server() as client:
        project = World(our_client(client), settings.home).project()
        gate = {"uses": "wait-for-approval", "as": "gate", "config": {}}
        async with workers(client, settings):
            await project.apply(PROJECT, warehouse(), stage("dev", steps=[gate]))
            answer = await project.promote("dev", await project.freight("a" * 40))
            await project.stage_is("dev", lambda state: bool(state.current and state.current.waiting), 60)
        promotion = client.get_workflow_handle(names.promotion_id(project.name, answer.promotion))
        entity = project.stage_handle("dev")
        monkeypatch.delenv(VARIABLE)
        async with workers(client, settings):
            await entity.signal("metadata", {"values": {"kept": 1}})
            await promotion.signal("wake")
            for handle in (entity, promotion):
                said = await until(lambda handle=handle: failures(handle), bool, 60)
                assert "encrypted with key '2026', and there are no keys here" in said[0]
                assert (await handle.describe()).status.name == "RUNNING"
        monkeypatch.setenv(VARIABLE, keys)
        async with workers(client, settings):
            await project.stage_is("dev", lambda state: state.metadata.get("kept") == 1, 60)
            await project.api.answer_promotion(project.name, answer.promotion, AnswerRequest(actor="ben"))
            assert (await project.ended(answer, seconds=60)).phase == "Succeeded"


def started_with(history: Any) -> list[Payload]:
    """The payloads that a workflow was started with."""
    payloads: list[Payload] = list(
        history.events[0].workflow_execution_started_event_attributes.input.payloads
    )
    assert payloads
    return payloads


async def failures(handle: Any) -> list[str]:
    """What the workflow tasks of a workflow failed with."""
    return [
        event.workflow_task_failed_event_attributes.failure.message
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
