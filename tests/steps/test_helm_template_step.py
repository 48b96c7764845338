"""helm-template: what is refused without any Helm, how output is laid out, and what real Helms render."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from helm_engines import engines
from step_bench import Bench

from freightway.activities.manifests import Manifest, flat_name, kargo_name, kustomize_names, split
from freightway.adapters.credentials import write_credentials
from freightway.adapters.helm import Helm
from freightway.errors import StepErrored
from freightway.promotion.model import StepRecord
from tests.servers.http_server import HttpServer, Reply, Request

CHART = {
    "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "c/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n",
}
CONFIG = {"path": "c", "outPath": "out.yaml", "releaseName": "r"}
USER, PASSWORD = "robot", "s3cret-s3cret"


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = await Bench.make(tmp_path / "home")
    bench.write(CHART)
    return bench


@pytest.fixture(params=engines() or [pytest.param("", marks=pytest.mark.skip("there is no helm"))])
def engine(request: pytest.FixtureRequest, bench: Bench) -> Helm:
    """Each Helm of this machine in turn; the bench uses it."""
    helm = engines()[request.param]
    bench.services = bench.services.provide(Helm, lambda _: helm)
    return helm


def without_helm(bench: Bench) -> None:
    bench.services = bench.services.provide(Helm, lambda _: Helm("", "", {}))


async def test_without_helm_the_message_says_what_to_install(bench: Bench) -> None:
    without_helm(bench)
    outcome = await bench.run("helm-template", CONFIG)
    assert (outcome.status, outcome.terminal) == ("Errored", True)
    assert "pip install 'freightway[helm]'" in outcome.message


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        ("file:///etc", "must be a relative path"),
        ("file://../../../../../../etc", "leads out of the workspace"),
        ("@stable", "is no https, http, oci or file URL"),
        ("ftp://x.example.com", "is no https, http, oci or file URL"),
    ],
)
async def test_a_dependency_outside_is_refused(bench: Bench, repository: str, message: str) -> None:
    without_helm(bench)
    text = f"{CHART['c/Chart.yaml']}dependencies: [{{name: d, version: 1.0.0, repository: '{repository}'}}]\n"
    bench.write({"c/Chart.yaml": text})
    outcome = await bench.run("helm-template", {**CONFIG, "buildDependencies": True})
    assert outcome.status == "Errored"
    assert message in outcome.message


async def test_a_link_out_of_the_workspace_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (bench.root / "c/files").symlink_to(tmp_path / "outside")
    outcome = await bench.run("helm-template", CONFIG)
    assert "link 'c/files' leads out of the workspace" in outcome.message


async def test_a_file_with_values_must_be_there(bench: Bench) -> None:
    outcome = await bench.run("helm-template", {**CONFIG, "valuesFiles": ["none.yaml"]})
    assert "failed to compose values: file 'none.yaml' does not exist" in outcome.message


def test_helm_is_looked_for_in_order(tmp_path: Path) -> None:
    for name in ("helm", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert Helm.find(path).command == f"{tmp_path}/helm"
    assert Helm.find({**path, "FREIGHTWAY_HELM": "mine"}).command == f"{tmp_path}/mine"
    assert Helm.find({**path, "FREIGHTWAY_HELM_PYTHON": "mine"}).python == f"{tmp_path}/mine"
    assert Helm.find({"PATH": "/nonexistent"}).command == ""
    with pytest.raises(StepErrored, match="FREIGHTWAY_HELM names 'none', which is no program"):
        Helm.find({**path, "FREIGHTWAY_HELM": "none"})


RENDERED = """---
# Source: c/templates/a.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:reader"}
---
# Source: c/templates/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: Web, namespace: shop}
---
# Source: c/templates/b.yaml
just: data
---
# Source: c/templates/empty.yaml
# nothing
---
# Source: c/templates/b.yaml
more: data
---
# Source: c/templates/hook.yaml
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install, pre-upgrade"}}
"""


@pytest.fixture
def printing(bench: Bench, tmp_path: Path) -> None:
    """A program that prints RENDERED, in place of helm."""
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\nwhile read -r line; do echo \"$line\"; done <<'END'\n{RENDERED}END\n")
    program.chmod(0o755)
    bench.services = bench.services.provide(Helm, lambda _: Helm(str(program), "", {}))


@pytest.mark.usefixtures("printing")
async def test_the_flat_layout_has_a_file_for_each_resource(bench: Bench) -> None:
    outcome = await bench.run("helm-template", {**CONFIG, "outPath": "out", "outLayout": "flat"})
    assert outcome.status == "Succeeded", outcome.message
    assert sorted(name for name in bench.files() if name.startswith("out/")) == [
        "out/apps-deployment-shop-web.yaml",
        "out/job-migrate.yaml",
        "out/rbac_authorization_k8s_io-clusterrole-system:reader.yaml",
        "out/resource-0.yaml",
        "out/resource-1.yaml",
    ]


@pytest.mark.usefixtures("printing")
async def test_a_repetition_gives_the_same_files(bench: Bench) -> None:
    config = {**CONFIG, "outPath": "out", "useReleaseName": True}
    await bench.run("helm-template", config)
    first = bench.files()
    await bench.run("helm-template", config)
    assert bench.files() == first
    assert first["out/r/c/templates/b.yaml"].count("# Source:") == 2


@pytest.mark.usefixtures("printing")
async def test_hooks_follow_the_manifests_unless_disabled(bench: Bench) -> None:
    await bench.run("helm-template", CONFIG)
    assert (bench.root / "out.yaml").read_text() == RENDERED
    await bench.run("helm-template", {**CONFIG, "disableHooks": True})
    assert "hook.yaml" not in (bench.root / "out.yaml").read_text()


def test_manifests_are_cut_and_named() -> None:
    texts = split(
        "a: 1\n---\n# c\n---  # x\nkind: Role\nmetadata: {name: R, namespace: n}\n---\nt: |\n  ---\n"
    )
    assert texts == [
        "a: 1\n",
        "# c\n",
        "kind: Role\nmetadata: {name: R, namespace: n}\n",
        "t: |\n  ---\n",
    ]
    assert Manifest.of(texts[1]) is None
    role = Manifest.of(texts[2])
    assert role is not None
    assert (kargo_name(role), flat_name(role)) == ("n-role-r.yaml", "role-n-r.yaml")
    assert flat_name(Manifest("", kind="Role")) == ""
    cluster = Manifest("", "rbac.authorization.k8s.io", "v1", "ClusterRole", "", "x")
    core = Manifest("", "", "v1", "Service", "", "s")
    assert kustomize_names([cluster, core, role]) == [
        "rbac.authorization.k8s.io_v1_clusterrole_x.yaml",
        "v1_service_s.yaml",
        "n_role_r.yaml",
    ]
    assert kustomize_names([cluster, role])[1] == "role_r.yaml"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"releaseName": "Not Allowed"}, "release name"),
        ({"releaseName": "--kubeconfig=x"}, "release name"),
        ({"kubeVersion": "zz"}, "zz"),
        ({"path": "c/templates"}, "Chart.yaml"),
    ],
)
@pytest.mark.usefixtures("engine")
async def test_a_chart_that_does_not_render_is_an_error(
    bench: Bench, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    outcome = await bench.run("helm-template", {**CONFIG, **changes})
    assert outcome.status == "Errored"
    assert message in outcome.message
    assert str(tmp_path) not in outcome.message


@pytest.mark.usefixtures("engine")
async def test_a_missing_dependency_is_an_error(bench: Bench) -> None:
    bench.write({"c/Chart.yaml": f"{CHART['c/Chart.yaml']}dependencies: [{{name: d, version: 1.0.0}}]\n"})
    outcome = await bench.run("helm-template", CONFIG)
    assert outcome.status == "Errored"
    assert "dependencies" in outcome.message


@pytest.mark.usefixtures("engine")
async def test_a_chart_that_never_ends_is_stopped(bench: Bench) -> None:
    bench.write({"c/templates/x.yaml": '{{ range until 100000000 }}{{ printf "%d" . }}{{ end }}'})
    outcome = await bench.run("helm-template", CONFIG)
    assert outcome.status == "Errored"
    assert "helm broke down" in outcome.message


@pytest.mark.usefixtures("engine")
async def test_a_dependency_in_the_workspace_is_built(bench: Bench) -> None:
    bench.write(
        {
            "c/Chart.yaml": f"{CHART['c/Chart.yaml']}dependencies: [{{name: d, version: 1.x.x, repository: 'file://../d'}}]\n",
            "d/Chart.yaml": "apiVersion: v2\nname: d\nversion: 1.2.3\n",
            "d/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-d}\n",
        }
    )
    outcome = await bench.run("helm-template", {**CONFIG, "buildDependencies": True})
    assert outcome.status == "Succeeded", outcome.message
    assert "of-d" in (bench.root / "out.yaml").read_text()


def archive(name: str, version: str) -> bytes:
    files = {
        f"{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        f"{name}/templates/cm.yaml": f"kind: ConfigMap\napiVersion: v1\nmetadata: {{name: {name}-{version}}}\n",
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return content.getvalue()


class Repository:
    """A chart repository that asks for a password."""

    def __init__(self) -> None:
        self.charts = {"1.0.0": archive("d", "1.0.0")}

    def answer(self, request: Request) -> Reply:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("authorization") != wanted:
            return Reply(401)
        if request.path.endswith("/index.yaml"):
            entries = "".join(
                f"  - {{apiVersion: v2, name: d, version: {version}, digest: {sha256(content).hexdigest()}, "
                f"urls: [d-{version}.tgz]}}\n"
                for version, content in self.charts.items()
            )
            return Reply(200, f"apiVersion: v1\nentries:\n  d:\n{entries}")
        return Reply(200, self.charts[request.path.rpartition("d-")[2].removesuffix(".tgz")])


@pytest.fixture
async def repository(bench: Bench, tmp_path: Path) -> AsyncIterator[Repository]:
    repository = Repository()
    async with HttpServer(repository.answer) as server:
        url = f"{server.url}/charts"
        write_credentials(
            tmp_path / "home",
            project="demo",
            kind="helm",
            repo_url=url,
            username=USER,
            password=PASSWORD,
            name="helm",
        )
        bench.write(
            {
                "c/Chart.yaml": f"{CHART['c/Chart.yaml']}dependencies: [{{name: d, version: ^1.0.0, repository: '{url}'}}]\n"
            }
        )
        yield repository


@pytest.mark.usefixtures("engine")
async def test_dependencies_come_with_the_credentials_of_the_project(
    bench: Bench, repository: Repository
) -> None:
    outcome = await bench.run("helm-template", {**CONFIG, "buildDependencies": True})
    assert outcome.status == "Succeeded", outcome.message
    assert "d-1.0.0" in (bench.root / "out.yaml").read_text()
    written = [path.read_bytes() for path in bench.root.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in content for content in written)


@pytest.mark.usefixtures("engine")
async def test_a_rebuild_takes_the_versions_of_the_first_time(
    bench: Bench, repository: Repository, tmp_path: Path
) -> None:
    config = {**CONFIG, "buildDependencies": True}
    first = await bench.run("helm-template", config)
    assert first.record is not None, first.message
    repository.charts["1.1.0"] = archive("d", "1.1.0")
    for name in ("out.yaml", "c/Chart.lock", "c/charts/d-1.0.0.tgz"):
        (bench.root / name).unlink(missing_ok=True)
    again = await bench.run("helm-template", config, StepRecord.model_validate(first.record.model_dump()))
    assert again.message == "rebuilt"
    assert "d-1.0.0" in (bench.root / "out.yaml").read_text()
