"""The demo's own registry follows the distribution specification; its picture and its Argo CD are what they say."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from freightway.adapters.http import Http, HttpResponse
from freightway.cli.demo_pipeline.argocd import images_in
from freightway.cli.demo_pipeline.git_server import BareRepository, GitServer, git
from freightway.cli.demo_pipeline.images import MANIFEST, push_image
from freightway.cli.demo_pipeline.picture import Node, draw
from freightway.cli.demo_pipeline.registry import OwnRegistry
from freightway.errors import FreightwayError


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Client:
    """Speaks to the registry as any client of the specification would."""

    def __init__(self, http: Http, host: str) -> None:
        self.http, self.base = http, f"http://{host}"

    async def ask(self, method: str, path: str, content: bytes | None = None, **more: Any) -> HttpResponse:
        url = path if "://" in path else self.base + path
        return await self.http.request(method, url, content=content, **more)


@pytest.fixture
async def registry():
    server = OwnRegistry()
    async with Http() as http:
        yield Client(http, server.host)
    server.close()


async def test_it_says_that_it_is_a_registry(registry) -> None:
    answer = await registry.ask("GET", "/v2/")
    assert answer.status == 200
    assert answer.header("docker-distribution-api-version") == "registry/2.0"


async def test_a_blob_in_one_request_two_requests_and_pieces_is_the_same(registry) -> None:
    content = b"0123456789"
    digest = digest_of(content)
    begin = "/v2/a/b/blobs/uploads/"
    one = await registry.ask("POST", begin, content, params={"digest": digest})
    assert (one.status, one.header("docker-content-digest")) == (201, digest)

    two = await registry.ask("POST", begin)
    assert two.status == 202
    done = await registry.ask("PUT", two.header("location"), content, params={"digest": digest})
    assert done.status == 201

    pieces = (await registry.ask("POST", begin)).header("location")
    first = await registry.ask("PATCH", pieces, content[:4], headers={"Content-Range": "0-3"})
    assert (first.status, first.header("range")) == (202, "0-3")
    wrong = await registry.ask("PATCH", pieces, content[6:], headers={"Content-Range": "6-9"})
    assert wrong.status == 416
    assert (await registry.ask("GET", pieces)).header("range") == "0-3"
    assert (await registry.ask("PUT", pieces, content[4:], params={"digest": digest})).status == 201

    got = await registry.ask("GET", f"/v2/a/b/blobs/{digest}")
    assert (got.status, got.body) == (200, content)
    head = await registry.ask("HEAD", f"/v2/a/b/blobs/{digest}")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", "10")
    mounted = await registry.ask("POST", "/v2/other/blobs/uploads/", params={"mount": digest, "from": "a/b"})
    assert mounted.status == 201
    assert (await registry.ask("GET", f"/v2/other/blobs/{digest}")).body == content


async def test_what_is_wrong_is_refused_with_the_code_of_the_specification(registry) -> None:
    def code(answer: HttpResponse) -> tuple[int, str]:
        return answer.status, answer.json()["errors"][0]["code"]

    other = digest_of(b"other")
    assert code(await registry.ask("GET", "/v2/a/tags/list")) == (404, "NAME_UNKNOWN")
    assert code(await registry.ask("GET", "/v2/UPPER/tags/list")) == (404, "NAME_INVALID")
    assert code(await registry.ask("GET", f"/v2/a/blobs/{other}")) == (404, "BLOB_UNKNOWN")
    assert code(await registry.ask("GET", "/v2/a/manifests/v1")) == (404, "MANIFEST_UNKNOWN")
    sent = await registry.ask("POST", "/v2/a/blobs/uploads/", b"x", params={"digest": other})
    assert code(sent) == (400, "DIGEST_INVALID")
    assert code(await registry.ask("PUT", "/v2/a/manifests/v1", b"no")) == (400, "MANIFEST_INVALID")
    unknown = json.dumps({"layers": [{"digest": other}]}).encode()
    assert code(await registry.ask("PUT", "/v2/a/manifests/v1", unknown)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert code(await registry.ask("PATCH", "/v2/a/blobs/uploads/nope", b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")


async def test_tags_come_in_pages_that_link_to_the_next(registry) -> None:
    for number in range(5):
        await push_image(
            registry.http, registry.base.removeprefix("http://"), "team/app", f"v{number}", created=""
        )
    path, seen = "/v2/team/app/tags/list?n=2", []
    while path:
        answer = await registry.ask("GET", path)
        seen.append(answer.json()["tags"])
        link = answer.header("link")
        path = link.partition("<")[2].partition(">")[0] if 'rel="next"' in link else ""
    assert seen == [["v0", "v1"], ["v2", "v3"], ["v4"]]


async def test_a_manifest_keeps_its_type_and_goes_with_its_last_tag(registry) -> None:
    host = registry.base.removeprefix("http://")
    digest = await push_image(registry.http, host, "app", "v1", created="2026-01-01T00:00:00Z")
    by_tag = await registry.ask("GET", "/v2/app/manifests/v1")
    assert by_tag.header("content-type") == MANIFEST
    assert by_tag.header("docker-content-digest") == digest == digest_of(by_tag.body)
    assert (await registry.ask("GET", f"/v2/app/manifests/{digest}")).body == by_tag.body
    assert (await registry.ask("DELETE", "/v2/app/manifests/v1")).status == 202
    assert (await registry.ask("GET", f"/v2/app/manifests/{digest}")).status == 200
    assert (await registry.ask("DELETE", f"/v2/app/manifests/{digest}")).status == 202
    assert (await registry.ask("GET", f"/v2/app/manifests/{digest}")).status == 404


def test_the_git_server_asks_for_the_password(tmp_path: Path) -> None:
    server = GitServer(tmp_path / "served", user="robot", password="s3cret")
    try:
        bare = BareRepository(server.create("app.git", {"base/a.yaml": "a: 1\n"}))
        address = f"{server.host}/app.git"
        with pytest.raises(FreightwayError):
            git(tmp_path, "clone", "-q", f"http://robot:wrong@{address}", "refused")
        git(tmp_path, "clone", "-q", f"http://robot:s3cret@{address}", "clone")
        assert (tmp_path / "clone/base/a.yaml").read_text() == "a: 1\n"
        assert bare.show(bare.head("main"), "base/a.yaml") == "a: 1"
        assert bare.head("missing") == ""
        # 2 MB arrive in pieces: git sends what is larger than its buffer without a length.
        (tmp_path / "clone/large").write_bytes(os.urandom(2_000_000))
        git(tmp_path / "clone", "add", "-A")
        git(tmp_path / "clone", "commit", "-q", "-m", "large")
        git(tmp_path / "clone", "push", "-q", "origin", "HEAD:refs/heads/large")
        assert bare.subject(bare.head("large")) == "large"
    finally:
        server.close()


def test_images_are_those_of_workloads() -> None:
    manifests = """
kind: Service
spec: {ports: [{port: 80}]}
---
kind: Deployment
spec: {template: {spec: {containers: [{image: "b:1"}, {image: "a:2"}]}}}
---
"""
    assert images_in(manifests) == ["a:2", "b:1"]


def test_the_picture_joins_what_belongs_together() -> None:
    nodes = [
        Node("source", (), ("1.0",)),
        Node("left", ("source",), ("1.0 ✓",)),
        Node("right", ("source",), ("0.9 ✗",)),
        Node("end", ("left", "right")),
    ]
    assert draw(nodes).splitlines() == [
        "         ┌──────────────┐",
        "         │ source       │",
        "         │ 1.0          │",
        "         └──────────────┘",
        "        ┌────────┴─────────┐",
        "┌───────▼──────┐   ┌───────▼──────┐",
        "│ left         │   │ right        │",
        "│ 1.0 ✓        │   │ 0.9 ✗        │",
        "└──────────────┘   └──────────────┘",
        "        └────────┬─────────┘",
        "         ┌───────▼──────┐",
        "         │ end          │",
        "         │              │",
        "         └──────────────┘",
    ]
    assert draw(nodes, ascii_only=True).isascii()
