"""yaml-merge: one YAML text out of several, later ones over earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

from freightway.edits.errors import EditError
from freightway.edits.merge_render import as_plain_text, render_tree
from freightway.edits.merge_tree import Node, read_tree
from freightway.edits.merge_walk import merge
from freightway.edits.yaml_events import BYTE_ORDER_MARK


def merge_yaml(texts: Sequence[tuple[str, str]]) -> str:
    """Return the merge of the first documents of several YAML texts; empty if there is nothing in them.

    Mappings are merged, lists replaced, ``null`` deletes; in built-in Kubernetes kinds some lists are merged by
    key, as kustomize does. Fields keep the order of the base, new ones follow sorted by name. Comments, quotes and
    blank lines come along; aliases are written out.

    Args:
        texts: pairs of file name (for messages) and text, the base first.
    Raises:
        EditError: if a text is not valid YAML, or a mapping, list or single value meets another of these.
    Source: Kargo pkg/yaml/merge.go at 1c764767a with kustomize kyaml v0.20.1; differs: docs/differences-from-kargo.md.
    """
    merged: Node | None = None
    for name, text in texts:
        try:
            tree = read_tree(text.removeprefix(BYTE_ORDER_MARK))
            if tree is not None:
                merged = tree if merged is None else merge(merged, tree)
        except EditError as error:
            raise EditError(f"{name}: {error}") from error
    if merged is None:
        return ""
    text = render_tree(merged)
    try:
        again = read_tree(text)
    except EditError:
        again = None
    return text if again is not None and data_of(again) == data_of(merged) else as_plain_text(merged)


def data_of(node: Node | None) -> object:
    """Return what a tree says, without style and comments."""
    if node is None:
        return None
    if node.kind == "scalar":
        return (node.tag, node.value if not node.tag.endswith(":null") else "")
    members = [(data_of(member.key), data_of(member.value)) for member in node.members]
    return (node.kind, node.tag, members)
