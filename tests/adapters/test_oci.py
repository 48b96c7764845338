"""Registries: the real program for what it does, a written server for what it never would."""

import asyncio
import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from freightway.adapters.credentials import Credentials
from freightway.adapters.http import Http
from freightway.adapters.oci import DOCKER_MANIFEST, OCI_MANIFEST, Oci
from freightway.adapters.oci_auth import parse_challenge
from freightway.adapters.oci_images import read_image, read_images
from freightway.adapters.oci_reference import parse_repository
from freightway.adapters.pace import Pace
from freightway.errors import AdapterError, FreightwayError
from freightway.selection.images import parse_platform
from tests.servers.http_server import HttpServer, Reply, Request, self_signed
from tests.servers.registry import PASSWORD, USERNAME, TokenFront, run_registry

ROBOT = Credentials(USERNAME, PASSWORD, source="robot")
CREATED = "org.opencontainers.image.created"


@pytest.fixture
async def http():
    async with Http() as client:
        yield client


@pytest.fixture
async def oci(http):
    return Oci(http, rate=0)


@pytest.fixture(scope="module")
async def registry(tmp_path_factory):
    async with Http() as client, run_registry(tmp_path_factory.mktemp("registry"), client) as running:
        yield running


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("nginx", "registry-1.docker.io/library/nginx"),
        ("docker.io/team/app", "registry-1.docker.io/team/app"),
        ("ghcr.io/team/app:v1", "ghcr.io/team/app"),
        ("oci://localhost:5000/charts/app", "localhost:5000/charts/app"),
        ("team/app@sha256:" + "0" * 64, "registry-1.docker.io/team/app"),
    ],
)
def test_repository_is_read_from_its_name(url, name):
    assert str(parse_repository(url)) == name


@pytest.mark.parametrize("url", ["", "UPPER/case", "https://ghcr.io/x", "ghcr.io/a b", "ghcr.io/x/../y"])
def test_text_that_names_no_repository_is_refused(url):
    with pytest.raises(FreightwayError, match="is not an image repository"):
        parse_repository(url)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("ghcr.io/a/b", "https://ghcr.io"),
        ("registry:5000/a", "http://registry:5000"),
        ("registry.example.com/a", "https://registry.example.com"),
    ],
)
async def test_plain_http_is_spoken_only_where_it_was_asked_for(http, monkeypatch, url, root):
    monkeypatch.setenv("FREIGHTWAY_PLAIN_HTTP_REGISTRIES", "other:80, registry:5000")
    assert await Oci(http).root(parse_repository(url)) == root


async def test_registry_with_tls_on_the_loopback_is_found(oci, tmp_path):
    tls, _ = self_signed(tmp_path)
    async with HttpServer(lambda _: Reply(json={"tags": ["a"]}), tls=tls) as server:
        assert await oci.repository(f"{server.host}/t/app", verify=False).tags() == ["a"]
        with pytest.raises(AdapterError, match="TLS certificate"):
            await oci.repository(f"{server.host}/t/app").tags()


async def test_tags_are_listed(registry, oci):
    for tag in ("v1.0.0", "latest", "v1.1.0"):
        await registry.push.image("team/tags", tag)
    assert set(await oci.repository(f"{registry.host}/team/tags").tags()) == {"v1.0.0", "latest", "v1.1.0"}


async def test_unknown_repository_and_tag_are_told(registry, oci):
    await registry.push.image("team/known", "v1")
    with pytest.raises(AdapterError, match="answered with status 404: it does not exist") as caught:
        await oci.repository(f"{registry.host}/team/none").tags()
    assert caught.value.status == 404
    with pytest.raises(AdapterError) as caught:
        await read_image(oci.repository(f"{registry.host}/team/known"), "v2")
    assert (caught.value.status, caught.value.retryable) == (404, False)


@pytest.mark.parametrize("docker", [False, True])
async def test_single_image_tells_digest_and_date(registry, oci, docker):
    digest = await registry.push.image(
        "team/one", f"v{docker}", created="2024-03-01T10:00:00.123456789Z", docker=docker
    )
    repository = oci.repository(f"{registry.host}/team/one")
    image = await read_image(repository, f"v{docker}")
    assert image.digest == digest
    assert image.created_at == datetime(2024, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert not image.runs_on(parse_platform("linux/amd64"))
    manifest = await repository.manifest(digest)
    assert manifest.media_type == (DOCKER_MANIFEST if docker else OCI_MANIFEST)


@pytest.mark.parametrize(
    ("parts", "day"),
    [
        ({"annotations": {CREATED: "2020-01-05T00:00:00Z"}}, 5),
        ({"labels": {CREATED: "2020-01-07T00:00:00Z"}}, 7),
        ({"labels": {CREATED: "2019-01-07T00:00:00Z"}}, 2),
        ({"labels": {"org.label-schema.build-date": "2020-01-09T00:00:00Z"}}, 9),
        ({"annotations": {CREATED: "yesterday"}}, 2),
    ],
)
async def test_date_comes_from_annotation_else_the_later_of_label_and_config(registry, oci, parts, day):
    tag = f"d{day}-{len(str(parts))}"
    await registry.push.image("team/dates", tag, created="2020-01-02T00:00:00Z", **parts)
    image = await read_image(oci.repository(f"{registry.host}/team/dates"), tag)
    assert image.created_at == datetime(2020, 1, day, tzinfo=UTC)


@pytest.mark.parametrize("docker", [False, True])
async def test_index_names_platforms_and_its_newest_image(registry, oci, docker):
    tag = f"multi-{docker}"
    digest = await registry.push.index(
        "team/multi",
        tag,
        {
            "linux/amd64": {"created": "2021-01-01T00:00:00Z", "descriptor": {"a": "amd"}},
            "linux/arm64/v8": {"created": "2021-01-03T00:00:00Z"},
            "unknown/unknown": {"created": "2031-01-01T00:00:00Z"},
        },
        docker=docker,
        annotations={"a": "index", "b": "index"},
    )
    repository = oci.repository(f"{registry.host}/team/multi")
    plain = await read_image(repository, tag)
    amd = await read_image(repository, tag, parse_platform("linux/amd64"))
    assert plain.digest == digest
    assert plain.created_at == datetime(2021, 1, 3, tzinfo=UTC)
    assert plain.annotations == {"a": "index", "b": "index"}
    assert amd.annotations == {"a": "amd", "b": "index"}
    assert [str(platform) for platform in amd.platforms] == ["linux/amd64", "linux/arm64/v8"]
    assert amd.runs_on(parse_platform("linux/arm64/v8"))
    assert not amd.runs_on(parse_platform("linux/arm64"))


async def test_index_date_prefers_its_own_annotation_then_the_descriptors(registry, oci):
    entry = {
        "linux/amd64": {"created": "2021-01-01T00:00:00Z", "descriptor": {CREATED: "2021-01-08T00:00:00Z"}}
    }
    await registry.push.index("team/dated", "entry", entry)
    await registry.push.index("team/dated", "own", entry, annotations={CREATED: "2021-01-04T00:00:00Z"})
    repository = oci.repository(f"{registry.host}/team/dated")
    assert [image.created_at.day for image in await read_images(repository, ["entry", "own"])] == [8, 4]


async def test_index_of_attestations_alone_is_refused(registry, oci):
    await registry.push.index("team/odd", "v1", {"unknown/unknown": {}})
    with pytest.raises(AdapterError, match="team/odd:v1: the image index names no platform"):
        await read_image(oci.repository(f"{registry.host}/team/odd"), "v1")


async def test_image_is_read_once_by_digest_but_a_moved_tag_is_noticed(http, oci, tmp_path: Path, registry):
    await registry.push.image("team/moved", "v1")
    front = TokenFront(registry.url, http)
    async with front.server as server:
        repository = oci.repository(f"{server.host}/team/moved")
        first = await read_image(repository, "v1")
        before = len(server.requests)
        assert await read_image(repository, "v1") == first
        assert [request.method for request in server.requests[before:]] == ["HEAD"]
        new = await registry.push.image("team/moved", "v1", labels={"x": "y"})
        assert (await read_image(repository, "v1")).digest == new
        kept = await read_image(repository, "v1", cache_by_tag=True)
        before = len(server.requests)
        assert await read_image(repository, "v1", cache_by_tag=True) == kept
        assert len(server.requests) == before


async def test_basic_log_in_is_found_out(http, oci, tmp_path: Path):
    async with run_registry(tmp_path, http, password=True) as registry:
        await registry.push.image("team/private", "v1")
        url = f"{registry.host}/team/private"
        assert await oci.repository(url, ROBOT).tags() == ["v1"]
        with pytest.raises(AdapterError, match="there are no credentials for it") as caught:
            await oci.repository(url).tags()
        with pytest.raises(AdapterError, match="credentials of Secret 'robot' were refused"):
            await oci.repository(url, Credentials(USERNAME, "planted", source="robot")).tags()
    assert caught.value.status == 401
    assert "planted" not in str(caught.value)


async def test_token_is_got_once_per_scope_and_again_when_refused(http, oci, registry):
    for name in ("team/open", "team/secret"):
        await registry.push.image(name, "v1")
    front = TokenFront(registry.url, http, uses=4)
    async with front.server as server:
        repository = oci.repository(f"{server.host}/team/open")
        for _ in range(3):
            assert await repository.tags() == ["v1"]
        secret = oci.repository(f"{server.host}/team/secret", ROBOT)
        image = await read_image(secret, "v1")
        with pytest.raises(AdapterError, match=r"getting a token for .* with anonymous access"):
            await oci.repository(f"{server.host}/team/secret").tags()
        assert len(front.issued) == 2
        for _ in range(3):
            await repository.tags()
    assert image.tag == "v1"
    assert [issue["scope"] for issue in front.issued] == [
        "repository:team/open:pull",
        "repository:team/secret:pull",
        "repository:team/open:pull",
    ]
    assert front.issued[0]["service"] == "test registry"


async def test_many_readers_share_one_token(http, registry):
    await registry.push.image("team/crowd", "v1")
    front = TokenFront(registry.url, http)
    async with front.server as server:
        repository = Oci(http, rate=0).repository(f"{server.host}/team/crowd")
        await asyncio.gather(*(repository.tags() for _ in range(10)))
    assert len(front.issued) == 1


async def test_credentials_are_not_sent_to_a_realm_in_the_clear(http, oci, registry):
    front = TokenFront(registry.url, http, realm="http://elsewhere.example.com/token")
    async with front.server as server:
        with pytest.raises(AdapterError, match=r"elsewhere\.example\.com over plain http .* not sent there"):
            await oci.repository(f"{server.host}/team/open", ROBOT).tags()


@pytest.mark.parametrize("absolute", [True, False])
async def test_pages_of_tags_are_followed(oci, absolute):
    pages = {"": (["a", "b"], "b"), "b": (["c"], "c"), "c": (["d"], "")}

    def handler(request: Request) -> Reply:
        if request.path == "/v2/":
            return Reply()
        tags, last = pages[request.query.get("last", "")]
        link = f"{server.url if absolute else ''}/v2/t/app/tags/list?last={last}&n=1000"
        return Reply(json={"tags": tags}, headers={"Link": f'<{link}>; rel="next"'} if last else {})

    async with HttpServer(handler) as server:
        assert await oci.repository(f"{server.host}/t/app").tags() == ["a", "b", "c", "d"]


async def test_page_on_another_host_is_not_followed(oci):
    link = {"Link": '<https://elsewhere.example.com/v2/t/app/tags/list?last=x>; rel="next"'}

    async with HttpServer(lambda _: Reply(json={"tags": ["a"]}, headers=link)) as server:
        with pytest.raises(AdapterError, match="which is not followed"):
            await oci.repository(f"{server.host}/t/app").tags()


async def test_busy_registry_is_asked_again(oci):
    answers = [Reply(), Reply(429, headers={"Retry-After": "0"}), Reply(503), Reply(json={"tags": ["a"]})]

    async with HttpServer(lambda _: answers.pop(0)) as server:
        assert await oci.repository(f"{server.host}/t/app").tags() == ["a"]


async def test_long_pause_is_left_to_the_caller(oci):
    busy = Reply(429, headers={"Retry-After": "600"})
    async with HttpServer(lambda request: Reply() if request.path == "/v2/" else busy) as server:
        with pytest.raises(AdapterError) as caught:
            await oci.repository(f"{server.host}/t/app").tags()
    assert (caught.value.retryable, caught.value.retry_after) == (True, 600.0)


async def test_wrong_digest_is_noticed(oci):
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST})
    told = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": "sha256:" + "0" * 64}
    async with HttpServer(lambda _: Reply(body=body, headers=told)) as server:
        repository = oci.repository(f"{server.host}/t/app")
        for reference in ("v1", "sha256:" + "0" * 64):
            with pytest.raises(AdapterError, match="was announced"):
                await repository.manifest(reference)
        with pytest.raises(AdapterError, match="does not have digest"):
            await repository.blob("sha256:" + "1" * 64)


async def test_digest_is_computed_where_the_registry_does_not_tell_it(oci):
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST}).encode()
    async with HttpServer(lambda _: Reply(body=body, headers={"Content-Type": OCI_MANIFEST})) as server:
        found = await oci.repository(f"{server.host}/t/app").digest("v1")
    assert found == f"sha256:{hashlib.sha256(body).hexdigest()}"


async def test_old_manifests_are_refused(oci):
    old = {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}
    async with HttpServer(lambda _: Reply(body='{"schemaVersion": 1}', headers=old)) as server:
        with pytest.raises(AdapterError, match=r"has media type .*v1.prettyjws.*, which is not read"):
            await oci.repository(f"{server.host}/t/app").manifest("v1")


def test_challenges_are_parsed_and_bearer_is_preferred():
    values = ('Basic realm="r"', 'Bearer realm="https://a/t?x=1,2",service=s,scope="a:b:pull,push"')
    challenge = parse_challenge(values)
    assert challenge is not None
    assert (challenge.scheme, challenge.parameters) == (
        "bearer",
        {"realm": "https://a/t?x=1,2", "service": "s", "scope": "a:b:pull,push"},
    )
    assert parse_challenge(("Negotiate",)) is None


async def test_pace_lets_a_burst_through_then_keeps_the_rate():
    pace = Pace(rate=50, burst=5)
    start = time.monotonic()
    for _ in range(15):
        await pace.wait("host")
    assert 0.15 <= time.monotonic() - start < 2
