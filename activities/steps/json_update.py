"""json-update: set values in a JSON file and leave the rest of it as it is.

Source: Kargo pkg/promotion/runner/builtin/json_updater.go.
"""

from __future__ import annotations

from freightway.activities.files import edit_text, in_thread
from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.activities.steps.yaml_update import CommitMessageOutput
from freightway.edits.config import UpdateConfig
from freightway.edits.json_update import update_json
from freightway.edits.messages import json_update_message


class JsonUpdateConfig(StepConfig, UpdateConfig):
    """Configuration of json-update."""


@step("json-update", config=JsonUpdateConfig, output=CommitMessageOutput, effect="files")
async def json_update(config: JsonUpdateConfig, workspace: Workspace) -> CommitMessageOutput:
    """Set the values.

    Raises:
        StepErrored: if the file cannot be read or written, is not JSON, or a key or value does not fit.
    """
    await in_thread(edit_text, workspace, config.path, lambda text: update_json(text, config.pairs))
    return CommitMessageOutput(commit_message=json_update_message(config.path, config.pairs))
