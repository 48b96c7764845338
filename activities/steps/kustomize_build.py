"""kustomize-build: render a kustomization into a file, or into one file a resource.

Source: Kargo pkg/promotion/runner/builtin/kustomize_builder.go.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from freightway.activities.files import in_thread, is_yaml_name, make_folder, write_text
from freightway.activities.manifests import Manifest, kargo_name, kustomize_names, split, write_manifests
from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.adapters.helm import Helm
from freightway.adapters.kustomize import HelmPlugin, Kustomize
from freightway.adapters.processes import ProcessRunner
from freightway.errors import StepErrored


class HelmPluginConfig(StepConfig):
    """What charts are told of the cluster."""

    api_versions: tuple[str, ...] = Field(
        default=(), description="API versions that `.Capabilities.APIVersions` has."
    )
    kube_version: str = Field(default="", description="Version of Kubernetes in `.Capabilities.KubeVersion`.")


class PluginConfig(StepConfig):
    """Settings of kustomize's plugins."""

    helm: HelmPluginConfig | None = Field(default=None, description="For charts that kustomize inflates.")


class KustomizeBuildConfig(StepConfig):
    """Configuration of kustomize-build."""

    path: str = Field(min_length=1, description="The folder of the kustomization file.")
    out_path: str = Field(
        min_length=1, description="Where the manifests go: a `.yaml` or `.yml` file, or else a folder."
    )
    output_format: Literal["kargo", "kustomize"] = Field(
        default="kargo",
        description="Names of the files in a folder: `[namespace-]kind-name.yaml`, or as kustomize names them.",
    )
    plugin: PluginConfig | None = Field(default=None, description="Settings of kustomize's plugins.")


@step("kustomize-build", config=KustomizeBuildConfig, effect="files")
async def kustomize_build(
    config: KustomizeBuildConfig,
    workspace: Workspace,
    processes: ProcessRunner,
    kustomize: Kustomize,
    helm: Helm,
) -> None:
    """Render; files that are there already are replaced, others stay.

    Raises:
        StepErrored: if the kustomization reaches outside the workspace, does not build or cannot be written.
    """
    folder = workspace.path(config.path)
    if not folder.is_dir():
        raise StepErrored(f"folder {config.path!r} does not exist")
    settings = (config.plugin.helm if config.plugin else None) or HelmPluginConfig()
    plugin = None
    if helm.command:
        plugin = HelmPlugin(helm.command, settings.api_versions, settings.kube_version)
    stream = await kustomize.build(folder, workspace.root, processes, plugin)
    await in_thread(_write, config, workspace, stream)


def _write(config: KustomizeBuildConfig, workspace: Workspace, stream: str) -> None:
    if is_yaml_name(config.out_path):
        write_text(workspace, config.out_path, stream)
        return
    make_folder(workspace, workspace.path(config.out_path))
    manifests = [one for one in map(Manifest.of, split(stream)) if one is not None]
    names = (
        [kargo_name(one) for one in manifests]
        if config.output_format == "kargo"
        else kustomize_names(manifests)
    )
    texts = (one.text for one in manifests)
    write_manifests(workspace, config.out_path, zip(names, texts, strict=True))
