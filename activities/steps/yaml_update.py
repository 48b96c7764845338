"""yaml-update: set values in a YAML file and leave the rest of it as it is.

Source: Kargo pkg/promotion/runner/builtin/yaml_updater.go.
"""

from __future__ import annotations

from freightway.activities.files import in_thread, read_text, write_text
from freightway.activities.steps.registry import StepConfig, StepOutput, Workspace, step
from freightway.edits.config import UpdateConfig
from freightway.edits.messages import yaml_update_message
from freightway.edits.yaml_update import update_yaml


class YamlUpdateConfig(StepConfig, UpdateConfig):
    """Configuration of yaml-update."""


class CommitMessageOutput(StepOutput):
    """Output of a step that edits files: a message for the commit of the change."""

    commit_message: str


@step("yaml-update", config=YamlUpdateConfig, output=CommitMessageOutput, effect="files")
async def yaml_update(config: YamlUpdateConfig, workspace: Workspace) -> CommitMessageOutput:
    """Set the values.

    Raises:
        StepErrored: if the file cannot be read or written.
        EditError: if the file is not YAML, or a key leads to no single value.
    """
    text = await in_thread(read_text, workspace, config.path)
    updated = await in_thread(update_yaml, text, config.pairs)
    if updated != text:
        await in_thread(write_text, workspace, config.path, updated)
    return CommitMessageOutput(commit_message=yaml_update_message(config.path, config.pairs))
