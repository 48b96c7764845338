"""kustomize-build reads nothing outside the workspace, fetches nothing and survives what breaks kustomize."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helm_engines import engines
from step_bench import Bench

from freightway.adapters.kustomize import Kustomize
from freightway.errors import StepErrored
from tests.servers.http_server import HttpServer, Reply

PLUGIN = "apiVersion: builtin\nkind: {kind}\nmetadata: {{name: x}}\n{rest}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: outside}\n"


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    (tmp_path / "outside.yaml").write_text(SECRET)
    return await Bench.make(tmp_path / "home")


def plugin(kind: str, rest: str) -> str:
    return PLUGIN.format(kind=kind, rest=rest)


REACHING_OUT = {
    "resource": {"kustomization.yaml": "resources: ['OUTSIDE']\n"},
    "relative": {"kustomization.yaml": "resources: ['UP/outside.yaml']\n"},
    "any-case": {"kustomization.yaml": "Resources: ['OUTSIDE']\n"},
    "merged": {"kustomization.yaml": "x: &a {resources: ['OUTSIDE']}\n<<: *a\n"},
    "component": {"kustomization.yaml": "components: ['UP']\n"},
    "base": {"kustomization.yaml": "resources: [b]\n", "b/kustomization.yaml": "crds: ['OUTSIDE']\n"},
    "file-of-a-config-map": {"kustomization.yaml": "configMapGenerator: [{name: a, files: ['k=OUTSIDE']}]\n"},
    "env-of-a-secret": {"kustomization.yaml": "secretGenerator: [{name: a, envs: ['OUTSIDE']}]\n"},
    "patch": {"kustomization.yaml": "patches: [{path: 'OUTSIDE'}]\n"},
    "strategic-patch": {"kustomization.yaml": "patchesStrategicMerge: ['OUTSIDE']\n"},
    "replacement": {"kustomization.yaml": "replacements: [{path: 'OUTSIDE'}]\n"},
    "open-api": {"kustomization.yaml": "openapi: {path: 'OUTSIDE'}\n"},
    "configuration": {"kustomization.yaml": "configurations: ['OUTSIDE']\n"},
    "transformer": {
        "kustomization.yaml": "transformers: [t.yaml]\n",
        "t.yaml": plugin("PatchTransformer", "path: 'OUTSIDE'"),
    },
    "inline-transformer": {
        "kustomization.yaml": "transformers:\n- |\n  kind: PatchTransformer\n  path: 'OUTSIDE'\n",
    },
    "generator": {
        "kustomization.yaml": "generators: [g.yaml]\n",
        "g.yaml": plugin("ConfigMapGenerator", "name: a\nfiles: ['OUTSIDE']"),
    },
    "link": {"kustomization.yaml": "resources: [link]\n"},
}


@pytest.mark.parametrize("case", REACHING_OUT)
async def test_nothing_outside_the_workspace_is_read(bench: Bench, tmp_path: Path, case: str) -> None:
    depth = len(bench.root.relative_to(tmp_path).parts) + 1
    texts = {
        f"k/{name}": text.replace("OUTSIDE", str(tmp_path / "outside.yaml")).replace(
            "UP", "/".join([".."] * depth)
        )
        for name, text in REACHING_OUT[case].items()
    }
    bench.write(texts)
    (bench.root / "k/link").symlink_to(tmp_path / "outside.yaml")
    outcome = await bench.run("kustomize-build", {"path": "k", "outPath": "out.yaml"})
    assert outcome.status == "Errored"
    assert "leads out of the workspace" in outcome.message
    assert not (bench.root / "out.yaml").exists()


@pytest.mark.parametrize(
    "content",
    [
        "resources: ['{url}/x.yaml']\n",
        "bases: ['git@git.example.com:a/b']\n",
        "resources: ['github.com/a/b//c?ref=main']\n",
        "components: ['ssh://git@git.example.com/a/b']\n",
        "openapi: {{path: '{url}/x.json'}}\n",
        "configMapGenerator: [{{name: a, files: ['x={url}/x']}}]\n",
        "transformers:\n- |\n  kind: PatchTransformer\n  path: {url}/x\n",
    ],
)
async def test_nothing_is_fetched(bench: Bench, content: str) -> None:
    asked = []

    def answer(request: object) -> Reply:
        asked.append(request)
        return Reply(200, SECRET)

    async with HttpServer(answer) as server:
        bench.write({"k/kustomization.yaml": content.format(url=server.url)})
        outcome = await bench.run("kustomize-build", {"path": "k", "outPath": "out.yaml"})
    assert outcome.status == "Errored"
    assert "is remote, and a build fetches nothing" in outcome.message
    assert asked == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"kustomization.yaml": "patchesJson6902: [{}]\n"}, "kustomize broke down (panic: "),
        (
            {
                "kustomization.yaml": "resources: [r.yaml]\n",
                "r.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: &d {x: *d}\n",
            },
            "kustomize broke down (",
        ),
        ({"kustomization.yaml": "a: &a [*a]\n"}, "is not YAML"),
        ({"kustomization.yaml": "a: b: c\n"}, "k/kustomization.yaml is not YAML"),
        ({"kustomization.yaml": "resources: [none.yaml]\n"}, "'none.yaml'"),
        ({"x.txt": ""}, "unable to find one of 'kustomization.yaml'"),
        ({"kustomization.yaml": "generators: [g]\n", "g/x": ""}, "'g' is a folder"),
    ],
)
async def test_a_broken_kustomization_is_an_error_and_no_more(
    bench: Bench, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    bench.write({f"k/{name}": text for name, text in files.items()})
    outcome = await bench.run("kustomize-build", {"path": "k", "outPath": "out.yaml"})
    assert outcome.status == "Errored"
    assert message in outcome.message
    assert str(tmp_path) not in outcome.message


async def test_a_name_that_leads_out_of_the_folder_is_refused(bench: Bench) -> None:
    bench.write(
        {
            "k/kustomization.yaml": "resources: [r.yaml]\n",
            "k/r.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../../x}\n",
        }
    )
    outcome = await bench.run("kustomize-build", {"path": "k", "outPath": "out"})
    assert 'unsafe generated resource filename "configmap-../../x.yaml"' in outcome.message


async def test_resources_of_one_file_name_are_all_kept(bench: Bench) -> None:
    bench.write(
        {
            "k/kustomization.yaml": "resources: [a.yaml, b.yaml]\n",
            "k/a.yaml": "apiVersion: one.io/v1\nkind: Thing\nmetadata: {name: x}\n",
            "k/b.yaml": "apiVersion: two.io/v1\nkind: Thing\nmetadata: {name: x}\n",
        }
    )
    await bench.run("kustomize-build", {"path": "k", "outPath": "out"})
    written = (bench.root / "out/thing-x.yaml").read_text().split("---\n")
    assert [part.splitlines()[0] for part in written] == ["apiVersion: one.io/v1", "apiVersion: two.io/v1"]


def test_the_program_is_looked_for_in_order(tmp_path: Path) -> None:
    folders = {}
    for name in ("kustomize", "kubectl", "mine"):
        (tmp_path / name).mkdir()
        program = tmp_path / name / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        folders[name] = str(tmp_path / name)
    everything = f"{folders['kubectl']}:{folders['kustomize']}"
    named = {"PATH": everything, "FREIGHTWAY_KUSTOMIZE": f"{folders['mine']}/mine"}
    assert Kustomize.find(named).command == (f"{folders['mine']}/mine", "build")
    assert Kustomize.find({"PATH": everything}).command == (f"{folders['kustomize']}/kustomize", "build")
    assert Kustomize.find({"PATH": folders["kubectl"]}).command == (
        f"{folders['kubectl']}/kubectl",
        "kustomize",
    )
    installed = Kustomize.find({"PATH": str(tmp_path)}).command
    assert installed[0].endswith("/kubectl")
    assert Path(installed[0]).is_file()
    with pytest.raises(StepErrored, match="names 'none', which is no program"):
        Kustomize.find({"PATH": everything, "FREIGHTWAY_KUSTOMIZE": "none"})


CHART = {
    "k/kustomization.yaml": "helmCharts: [{name: c, releaseName: r, valuesInline: {count: 2}}]\n",
    "k/charts/c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "k/charts/c/values.yaml": "count: 1\n",
    "k/charts/c/templates/cm.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n"
        "data: {count: '{{ .Values.count }}', kube: '{{ .Capabilities.KubeVersion }}'}\n"
    ),
}


async def test_a_chart_needs_the_program_helm(bench: Bench) -> None:
    bench.write(CHART)
    # Helm 4 needs a younger kustomize than some machines have.
    bench.services = bench.services.provide(Kustomize, lambda _: Kustomize.find({"PATH": "/nonexistent"}))
    config = {"path": "k", "outPath": "out.yaml", "plugin": {"helm": {"kubeVersion": "1.30.0"}}}
    outcome = await bench.run("kustomize-build", config)
    if "program" in engines():
        assert outcome.status == "Succeeded", outcome.message
        assert 'count: "2"' in (bench.root / "out.yaml").read_text()
        assert "kube: v1.30.0" in (bench.root / "out.yaml").read_text()
    else:
        assert outcome.terminal
        assert "inflates a Helm chart, and there is no helm" in outcome.message
        assert os.environ.get("FREIGHTWAY_HELM") is None
