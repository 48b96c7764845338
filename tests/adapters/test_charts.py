"""Chart repositories: an index over HTTP and a chart in a registry."""

import pytest

from freightway.adapters.charts import Charts, read_versions
from freightway.adapters.credentials import Credentials
from freightway.adapters.http import Http
from freightway.adapters.oci import Oci
from freightway.errors import AdapterError
from freightway.selection.charts import select_http_charts, select_oci_charts
from tests.servers.http_server import HttpServer, Reply, Request
from tests.servers.registry import basic_header, run_registry

INDEX = """
apiVersion: v1
entries:
  app:
  - {version: 1.10, digest: x}
  - {version: v1.9.0}
  - {version: 2.0.0-rc.1}
  - {name: no-version}
  other: [{version: 9.9.9}]
  empty: null
"""


@pytest.fixture
async def charts():
    async with Http() as http:
        yield Charts(http, Oci(http, rate=0))


async def test_versions_are_read_as_written(charts):
    async with HttpServer(lambda _: Reply(body=INDEX)) as server:
        versions = await charts.versions(f"{server.url}/charts/", "app")
    assert versions == ["1.10", "v1.9.0", "2.0.0-rc.1"]
    assert select_http_charts(versions, ">=1.0.0") == ["1.10", "v1.9.0"]
    assert server.paths() == ["GET /charts/index.yaml"]


STANDARD = b"""apiVersion: v1
entries:
  app-extra:
  - version: 7.0.0
  app:
  - apiVersion: v2
    description: |
      entries:
        app:
        - version: 6.6.6
    version: 1.1.0
    # a comment
  # another comment
  - urls:
    - x
    version: "1.0.0"
  zoo:
    - version: 9.0.0
generated: "2024-01-01T00:00:00Z"
"""


@pytest.mark.parametrize(
    "index",
    [
        STANDARD,
        STANDARD.replace(b"\n", b"\r\n"),
        STANDARD.replace(b"  app:\n  -", b"  'app':\n  -"),
        STANDARD.replace(b"version: 1.1.0", b"version: *v").replace(b"version: 7.0.0", b"version: &v 1.1.0"),
        b'{"entries": {"app": [{"version": "1.1.0"}, {"version": "1.0.0"}], "zoo": []}}',
        b"entries: {app: [{version: 1.1.0}, {version: 1.0.0}]}",
    ],
)
def test_one_chart_is_found_however_the_index_is_laid_out(index):
    assert read_versions(index, "app") == ["1.1.0", "1.0.0"]
    assert read_versions(index, "none") is None


@pytest.mark.parametrize(("name", "versions"), [("app-extra", ["7.0.0"]), ("zoo", ["9.0.0"])])
def test_neighbours_are_told_apart(name, versions):
    assert read_versions(STANDARD, name) == versions


async def test_unchanged_index_is_not_sent_again(charts):
    def handler(request: Request) -> Reply:
        known = request.headers.get("if-none-match") == '"1"'
        return Reply(304) if known else Reply(body=INDEX, headers={"ETag": '"1"'})

    async with HttpServer(handler) as server:
        first = await charts.versions(server.url, "app")
        assert await charts.versions(server.url, "other") == ["9.9.9"]
        assert await charts.versions(server.url, "app") == first
        other = Credentials("u", "p")
        await charts.versions(server.url, "app", other)
    assert ["if-none-match" in request.headers for request in server.requests] == [False, False, True, False]


async def test_password_is_sent_and_its_refusal_told(charts):
    def handler(request: Request) -> Reply:
        allowed = request.headers.get("authorization") == basic_header("u", "right")
        return Reply(body=INDEX) if allowed else Reply(401)

    async with HttpServer(handler) as server:
        assert await charts.versions(server.url, "other", Credentials("u", "right")) == ["9.9.9"]
        with pytest.raises(AdapterError, match="credentials of Secret 's' were refused") as caught:
            await charts.versions(server.url, "app", Credentials("u", "planted", source="s"))
        with pytest.raises(AdapterError, match="there are no credentials for it"):
            await charts.versions(server.url, "app")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(404), "answered with status 404"),
        (Reply(body="{"), "is not valid YAML"),
        (Reply(body="<html>"), "has no index of charts"),
        (Reply(body="entries: {}"), "chart 'app' is not in the index"),
    ],
)
async def test_repository_that_has_no_such_chart_is_told(charts, reply, message):
    async with HttpServer(lambda _: reply) as server:
        with pytest.raises(AdapterError, match=message):
            await charts.versions(server.url, "app")


async def test_big_index_is_read(charts):
    entries = "\n".join(
        f"  - {{version: 0.{minor}.0, urls: [a, b], description: {'x' * 80}}}" for minor in range(5000)
    )
    async with HttpServer(lambda _: Reply(body=f"entries:\n  app:\n{entries}")) as server:
        assert len(await charts.versions(server.url, "app")) == 5000


async def test_chart_in_a_registry_lists_its_tags(charts, tmp_path):
    async with run_registry(tmp_path, charts.http) as registry:
        for tag in ("1.0.0", "1.1.0_build.5", "v2.0.0", "latest"):
            await registry.push.image("charts/app", tag)
        versions = await charts.versions(f"oci://{registry.host}/charts/app", "")
    assert select_oci_charts(versions) == ["1.1.0+build.5", "1.0.0"]
