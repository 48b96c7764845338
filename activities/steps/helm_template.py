"""helm-template: render a Helm chart into a file or a folder.

Source: Kargo pkg/promotion/runner/builtin/helm_template_runner.go.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from freightway.activities.files import (
    in_thread,
    is_yaml_name,
    make_folder,
    read_text,
    write_file,
    write_text,
)
from freightway.activities.manifests import Manifest, flat_name, write_manifests
from freightway.activities.steps.registry import Recorder, StepConfig, StepInfo, Workspace, step
from freightway.adapters.credentials import CredentialStore
from freightway.adapters.helm import Chart, Document, Helm, SetValue
from freightway.adapters.helm_dependencies import build_dependencies
from freightway.adapters.kustomize_scan import refuse_outside_links
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored

_TEST_EVENTS = frozenset({"test", "test-success"})


class SetValueConfig(StepConfig):
    """A value set by its path."""

    key: str = Field(min_length=1, description="Path of the value, as `--set` takes it.")
    value: str = Field(
        min_length=1, description="The value, text; numbers, booleans and lists are recognised."
    )
    literal: bool = Field(
        default=False, description="Whether the value is taken as it is, as `--set-literal` does."
    )


class HelmTemplateConfig(StepConfig):
    """Configuration of helm-template."""

    path: str = Field(min_length=1, description="The chart: a folder, or a `.tgz` archive.")
    out_path: str = Field(
        min_length=1, description="Where the manifests go: a `.yaml` or `.yml` file, or else a folder."
    )
    out_layout: Literal["helm", "flat"] = Field(
        default="helm",
        description="Files of a folder: by template as Helm writes them, or one file a resource.",
    )
    release_name: str = Field(min_length=1, description="Name of the release.")
    use_release_name: bool = Field(
        default=False, description="In the layout `helm`: put all files in a folder named after the release."
    )
    namespace: str = Field(default="", description="Namespace of the release; by default the project's name.")
    values_files: tuple[str, ...] = Field(
        default=(), description="Files with values, later ones over earlier ones."
    )
    ignore_missing_value_files: bool = Field(
        default=False, description="Whether files with values may be missing."
    )
    set_values: tuple[SetValueConfig, ...] = Field(
        default=(), description="Values set one by one, over the files."
    )
    build_dependencies: bool = Field(
        default=False, description="Fetch the chart's dependencies first, as `helm dependency build` does."
    )
    include_crds: bool = Field(
        default=False, alias="includeCRDs", description="Write the chart's CustomResourceDefinitions too."
    )
    disable_hooks: bool = Field(default=False, description="Leave out hooks.")
    skip_tests: bool = Field(default=False, description="Leave out hooks that are tests.")
    kube_version: str = Field(
        default="", description="Version of Kubernetes that the chart sees as `.Capabilities.KubeVersion`."
    )
    api_versions: tuple[str, ...] = Field(
        default=(), description="API versions that the chart sees in `.Capabilities.APIVersions`."
    )


@step("helm-template", config=HelmTemplateConfig, effect="files")
async def helm_template(
    config: HelmTemplateConfig,
    info: StepInfo,
    workspace: Workspace,
    recorder: Recorder,
    processes: ProcessRunner,
    credentials: CredentialStore,
    helm: Helm,
) -> None:
    """Render; files that are there already are replaced, others stay.

    Raises:
        StepErrored: if the chart or a file with values is not there, reaches outside the workspace or does not
            render, or there is no helm.
    """
    path = workspace.path(config.path)
    if not path.exists():
        raise StepErrored(f"failed to load chart from {config.path!r}: it does not exist")
    await in_thread(refuse_outside_links, path.resolve(), workspace.root.resolve())
    if config.build_dependencies:
        await _build(helm, path, info.project, workspace, recorder, credentials, processes)
    chart = Chart(
        path=path,
        release=config.release_name,
        namespace=config.namespace or info.project,
        values=_values(config, workspace),
        settings=[SetValue(one.key, one.value, one.literal) for one in config.set_values],
        include_crds=config.include_crds,
        kube_version=config.kube_version,
        api_versions=config.api_versions,
    )
    documents = [one for one in await helm.render(chart, processes) if _is_wanted(one, config)]
    await in_thread(_write, config, workspace, documents)


def _values(config: HelmTemplateConfig, workspace: Workspace) -> list[Path]:
    paths = []
    for name in config.values_files:
        path = workspace.path(name)
        if path.is_file():
            paths.append(path)
        elif not config.ignore_missing_value_files:
            raise StepErrored(f"failed to compose values: file {name!r} does not exist")
    return paths


async def _build(
    helm: Helm,
    chart: Path,
    project: str,
    workspace: Workspace,
    recorder: Recorder,
    credentials: CredentialStore,
    processes: ProcessRunner,
) -> None:
    """Fetch the dependencies; a repetition fetches the versions of the first time."""
    lock = chart / "Chart.lock"
    pinned = recorder.pinned.get("lock")
    if pinned:
        await in_thread(write_file, workspace, lock, str(pinned).encode())
    versions = recorder.pinned.get("versions") or {}
    fetched = await build_dependencies(helm, chart, workspace.root, project, credentials, processes, versions)
    if fetched:
        recorder.note("versions", fetched)
    if lock.is_file():
        recorder.note("lock", await in_thread(read_text, workspace, workspace.show(lock)))


def _is_wanted(document: Document, config: HelmTemplateConfig) -> bool:
    if document.events is None:
        return True
    return not config.disable_hooks and not (config.skip_tests and _TEST_EVENTS & set(document.events))


def _write(config: HelmTemplateConfig, workspace: Workspace, documents: list[Document]) -> None:
    if is_yaml_name(config.out_path):
        manifests = "".join(_shown(one) for one in documents if one.events is None).strip()
        hooks = "".join(_shown(one) for one in documents if one.events is not None)
        write_text(workspace, config.out_path, f"{manifests}\n{hooks}")
        return
    make_folder(workspace, workspace.path(config.out_path))
    if config.out_layout == "flat":
        write_manifests(workspace, config.out_path, _flat(documents))
        return
    folder = f"{config.out_path}/{config.release_name}" if config.use_release_name else config.out_path
    contents: dict[str, str] = {}
    for document in documents:
        if ".." in PurePosixPath(document.source).parts:
            raise StepErrored(f'unsafe generated resource filename "{document.source}"')
        contents[document.source] = contents.get(document.source, "") + _shown(document)
    for source, text in contents.items():
        write_file(workspace, workspace.path(f"{folder}/{source}"), text.encode())


def _shown(document: Document) -> str:
    return f"---\n# Source: {document.source}\n{document.text}\n"


def _flat(documents: list[Document]) -> list[tuple[str, str]]:
    files = []
    unnamed = 0
    for document in documents:
        manifest = Manifest.of(document.text)
        if manifest is None:
            continue
        name = flat_name(manifest)
        if not name:
            name = f"resource-{unnamed}.yaml"
            unnamed += 1
        source = f"# Source: {document.source}\n" if document.events is None else ""
        files.append((name, f"{source}{document.text.strip()}\n"))
    return files
