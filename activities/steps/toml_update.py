"""toml-update: set values in a TOML file and leave the rest of it as it is.

Source: Kargo pkg/promotion/runner/builtin/toml_updater.go.
"""

from __future__ import annotations

from freightway.activities.files import edit_text, in_thread
from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.activities.steps.yaml_update import CommitMessageOutput
from freightway.edits.config import UpdateConfig
from freightway.edits.messages import toml_update_message
from freightway.edits.toml_update import update_toml


class TomlUpdateConfig(StepConfig, UpdateConfig):
    """Configuration of toml-update."""


@step("toml-update", config=TomlUpdateConfig, output=CommitMessageOutput, effect="files")
async def toml_update(config: TomlUpdateConfig, workspace: Workspace) -> CommitMessageOutput:
    """Set the values.

    Raises:
        StepErrored: if the file cannot be read or written, is not TOML, or a key or value does not fit.
    """
    await in_thread(edit_text, workspace, config.path, lambda text: update_toml(text, config.pairs))
    return CommitMessageOutput(commit_message=toml_update_message(config.path, config.pairs))
