"""The commit messages that the file steps give as their output ``commitMessage``.

Texts are the same as Kargo's, but for numbers (as given, Kargo: ``1e+06``), null and lists (as JSON, Kargo: Go syntax).

Source: generateCommitMessage of Kargo pkg/promotion/runner/builtin at 1c764767a.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from freightway.edits.go_text import go_quote, go_reads_other_type
from freightway.edits.numbers import shown_number
from freightway.edits.toml_scalars import render_toml

Updates = Sequence[tuple[str, object]]


def yaml_update_message(path: str, updates: Updates) -> str:
    """Return the message of yaml-update; strings are quoted only where Kargo quotes them."""
    return _updated(path, [(key, _bare(value)) for key, value in updates])


def json_update_message(path: str, updates: Updates) -> str:
    """Return the message of json-update; strings are quoted."""
    return _updated(path, [(key, go_quote(v) if isinstance(v, str) else _plain(v)) for key, v in updates])


def toml_update_message(path: str, updates: Updates) -> str:
    """Return the message of toml-update; values are written as TOML."""
    return _updated(path, [(key, render_toml(value)) for key, value in updates])


def yaml_merge_message(in_files: Sequence[str], out_file: str) -> str:
    """Return the message of yaml-merge for the files that were there; empty if there were none."""
    if not in_files:
        return ""
    if len(in_files) == 1:
        return f"Wrote {in_files[0]} to {out_file}"
    return "\n- ".join([f"Merged {len(in_files)} YAML files to {out_file}", *in_files])


def _updated(path: str, lines: list[tuple[str, str]]) -> str:
    if not lines:
        return ""
    return f"Updated {path}\n" + "".join(f"\n- {key}: {value}" for key, value in lines)


def _bare(value: object) -> str:
    if isinstance(value, str):
        return go_quote(value) if go_reads_other_type(value) else value
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return shown_number(value)
    return json.dumps(value, ensure_ascii=False, default=str)
