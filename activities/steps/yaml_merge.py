"""yaml-merge: one YAML file out of several, later ones over earlier ones.

Source: Kargo pkg/promotion/runner/builtin/yaml_merger.go.
"""

from __future__ import annotations

from freightway.activities.files import in_thread, read_text, write_text
from freightway.activities.steps.registry import StepConfig, Workspace, step
from freightway.activities.steps.yaml_update import CommitMessageOutput
from freightway.edits.config import YamlMergeConfig
from freightway.edits.messages import yaml_merge_message
from freightway.edits.yaml_merge import merge_yaml
from freightway.errors import StepErrored


class YamlMergeStepConfig(StepConfig, YamlMergeConfig):
    """Configuration of yaml-merge."""


@step("yaml-merge", config=YamlMergeStepConfig, output=CommitMessageOutput, effect="files")
async def yaml_merge(config: YamlMergeStepConfig, workspace: Workspace) -> CommitMessageOutput | None:
    """Merge the files and write the result, which may replace one of them.

    Raises:
        StepErrored: if a file is missing and must not be, or cannot be read or written.
        EditError: if a file is not YAML, or the files do not fit together.
    """
    texts = await in_thread(_read, config, workspace)
    merged = await in_thread(merge_yaml, texts)
    await in_thread(write_text, workspace, config.out_file, merged)
    message = yaml_merge_message([name for name, _ in texts], config.out_file)
    return CommitMessageOutput(commit_message=message) if message else None


def _read(config: YamlMergeStepConfig, workspace: Workspace) -> list[tuple[str, str]]:
    texts = []
    for name in config.in_files:
        if not workspace.path(name).exists():
            if config.ignore_missing_files:
                continue
            raise StepErrored(f"file {name!r} does not exist; set ignoreMissingFiles to go on without it")
        texts.append((name, read_text(workspace, name)))
    return texts
