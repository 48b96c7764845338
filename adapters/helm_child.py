"""The program that runs the Helm library: one request on standard input, one answer on standard output.

It is started as a child and never imported; nothing of Freightway is imported here, so that it starts fast.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Do what the request says; an error is an answer too."""
    request = json.loads(sys.stdin.read())
    try:
        library = import_module("helm_python")
        answer = {"render": _render, "dependencies": _dependencies}[request["do"]](library, request)
    except Exception as error:  # noqa: BLE001 - whatever the library says is the answer
        answer = {"error": str(error) or type(error).__name__}
    sys.stdout.write(json.dumps(answer))


def _render(helm: Any, request: dict[str, Any]) -> dict[str, Any]:
    native = helm._native  # noqa: SLF001 - the versions of the cluster are not in the public signature
    chart = helm.Chart.load(request["chart"])
    missing = _missing(chart)
    if missing:
        return {"error": f"missing chart dependencies: {', '.join(missing)}"}
    values = json.dumps(_values(native, request))
    cluster = {
        "namespace": request["namespace"],
        **({"kube_version": request["kube_version"]} if request["kube_version"] else {}),
        **({"api_versions": request["api_versions"]} if request["api_versions"] else {}),
    }
    config = helm.Config(storage_driver="memory", namespace=request["namespace"])
    installed = native.call_string(
        "helm_install",
        config._raw(),  # noqa: SLF001 - as above
        native.HANDLE(0),
        chart._raw(),  # noqa: SLF001 - as above
        None,
        request["release"],
        values,
        json.dumps({**cluster, "dry_run": "client"}),
    )
    # Rendering changes a chart, so the hooks are taken from a fresh one.
    fresh = helm.Chart.load(request["chart"])
    options = json.dumps({**cluster, "name": request["release"]})
    templates = json.loads(
        native.call_string("helm_render", fresh._raw(), values, options)  # noqa: SLF001 - as above
    )
    crds = [[crd["filename"], crd["data"]] for crd in chart.crds] if request["include_crds"] else []
    return {
        "manifest": json.loads(installed).get("manifest", ""),
        "templates": {name: text for name, text in templates.items() if not name.endswith("NOTES.txt")},
        "crds": crds,
    }


def _missing(chart: Any) -> list[str]:
    there = {dependency.get("name") for dependency in chart.dependencies}
    wanted = chart.metadata.get("dependencies") or []
    return [one["name"] for one in wanted if one.get("name") not in there]


def _values(native: Any, request: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in request["values"]:
        text = Path(path).read_text(encoding="utf-8")
        values = _merged(values, json.loads(native.call_string("helm_values_from_yaml", text)) or {})
    # Helm takes all literal values after the others.
    for literal in (False, True):
        for key, value, is_literal in request["settings"]:
            if bool(is_literal) == literal:
                function = "helm_strvals_parse_literal" if literal else "helm_strvals_parse"
                new = json.loads(native.call_string(function, f"{key}={value}"))
                values = _merged(values, new, by_index="[" in key)
    return values


def _merged(base: dict[str, Any], new: dict[str, Any], *, by_index: bool = False) -> dict[str, Any]:
    """The new values over the base; lists are replaced, or with ``by_index`` filled where the new one has gaps."""
    merged = dict(base)
    for key, value in new.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value, by_index=by_index)
        elif by_index and isinstance(old, list) and isinstance(value, list):
            merged[key] = _filled(old, value)
        else:
            merged[key] = value
    return merged


def _filled(old: list[Any], new: list[Any]) -> list[Any]:
    filled = list(old)
    for index, item in enumerate(new):
        if index >= len(filled):
            filled.append(item)
        elif isinstance(item, dict) and isinstance(filled[index], dict):
            filled[index] = _merged(filled[index], item, by_index=True)
        elif item is not None:
            filled[index] = item
    return filled


def _dependencies(helm: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Fill ``charts``; the library's own build knows no passwords, so with some each chart is fetched by itself."""
    folder = Path(request["chart"])
    if not request["logins"]:
        helm._native.call_status("helm_dependency_build", str(folder), None)  # noqa: SLF001 - as above
        return {"versions": {}}
    charts = folder / "charts"
    charts.mkdir(exist_ok=True)
    versions = {**_locked(helm, folder), **request["versions"]}
    fetched = {}
    for one in helm.values_from_yaml((folder / "Chart.yaml").read_text("utf-8"))["dependencies"]:
        name, repository = one["name"], one.get("repository", "")
        version = versions.get(name) or one.get("version")
        before = set(charts.glob(f"{name}-*.tgz"))
        if repository.startswith("file://"):
            helm.package(folder / repository.removeprefix("file://"), destination=charts)
        elif repository.startswith("oci://"):
            helm.pull(f"{repository}/{name}", version=version, destination=charts)
        elif repository:
            user, password = request["logins"].get(repository, (None, None))
            helm.pull(
                name,
                repo_url=repository,
                version=version,
                username=user,
                password=password,
                destination=charts,
            )
        for archive in set(charts.glob(f"{name}-*.tgz")) - before:
            fetched[name] = archive.name.removeprefix(f"{name}-").removesuffix(".tgz")
    return {"versions": fetched}


def _locked(helm: Any, folder: Path) -> dict[str, str]:
    lock = folder / "Chart.lock"
    if not lock.exists():
        return {}
    content = helm.values_from_yaml(lock.read_text("utf-8"))
    return {one["name"]: one["version"] for one in content.get("dependencies") or []}


if __name__ == "__main__":
    main()
