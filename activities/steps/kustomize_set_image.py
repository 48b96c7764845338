"""kustomize-set-image: put images into a kustomization file.

Source: Kargo pkg/promotion/runner/builtin/kustomize_image_setter.go.
"""

from __future__ import annotations

from freightway.activities.files import in_thread, read_text, write_text
from freightway.activities.steps.registry import StepConfig, StepInfo, Workspace, step
from freightway.activities.steps.yaml_update import CommitMessageOutput
from freightway.edits.config import KustomizeSetImageConfig
from freightway.edits.errors import EditError
from freightway.edits.images import Image, images_from_config, images_from_freight
from freightway.edits.kustomization import SetImagesResult, find_kustomization, set_image_message, set_images
from freightway.errors import StepErrored


class KustomizeSetImageStepConfig(StepConfig, KustomizeSetImageConfig):
    """Configuration of kustomize-set-image."""


@step("kustomize-set-image", config=KustomizeSetImageStepConfig, output=CommitMessageOutput, effect="files")
async def kustomize_set_image(
    config: KustomizeSetImageStepConfig, info: StepInfo, workspace: Workspace
) -> CommitMessageOutput | None:
    """Set the images of the configuration, or without any those of the promotion's Freight.

    Raises:
        StepErrored: if the folder or the file cannot be read or written.
        EditError: if there is not one kustomization file, or it is unclear which images are meant.
    """
    result = await in_thread(_edit, config, _images(config, info), workspace)
    message = set_image_message(config.path, result.images)
    return CommitMessageOutput(commit_message=message) if message else None


def _images(config: KustomizeSetImageStepConfig, info: StepInfo) -> dict[str, Image]:
    if config.images:
        return images_from_config([image.model_dump(by_alias=True) for image in config.images])
    # By origin, as every look-up in a collection of Freight goes.
    freight = sorted(info.collection, key=lambda reference: reference.origin.key)
    return images_from_freight(
        [reference.model_dump(mode="json", by_alias=True) for reference in freight],
        info.requested,
        info.warehouses,
        project=info.project,
    )


def _edit(
    config: KustomizeSetImageStepConfig, images: dict[str, Image], workspace: Workspace
) -> SetImagesResult:
    folder = workspace.path(config.path)
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_file() and not entry.is_symlink()]
    except OSError as error:
        raise StepErrored(f"folder {config.path!r} cannot be read: {error.strerror}") from error
    name = f"{config.path}/{find_kustomization(names, config.path)}"
    text = read_text(workspace, name)
    try:
        result = set_images(text, images)
    except EditError as error:
        raise StepErrored(f"file {workspace.show(workspace.path(name))!r}: {error}") from error
    if result.text != text:
        write_text(workspace, name, result.text)
    return result
