"""yaml-update: set values in a YAML file and leave the rest of it as it is.

Source: Kargo pkg/promotion/runner/builtin/yaml_updater.go.
"""

from __future__ import annotations

from freightway.activities.files import edit_text, in_thread
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
        StepErrored: if the file cannot be read or written, is not YAML, or a key or value does not fit.
    """
    await in_thread(edit_text, workspace, config.path, lambda text: update_yaml(text, config.pairs))
    return CommitMessageOutput(commit_message=yaml_update_message(config.path, config.pairs))
