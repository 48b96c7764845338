"""Nodes of the first document of a YAML text, and where their text stands."""

from __future__ import annotations

import re

import yaml

from freightway.edits.errors import EditError
from freightway.edits.yaml_events import LOADER, explain, first_document

BLANK = " \t\r\n"
LINE_END = re.compile(r"[^\r\n]*")
TRAILING_COMMENT = re.compile(r"[ \t]*(#[^\r\n]*)")
STRING_TAG = "tag:yaml.org,2002:str"
NULL_TAG = "tag:yaml.org,2002:null"


def compose_first(text: str) -> yaml.Node | None:
    """Return the root node of the first document, with aliases as the nodes they stand for; None if it is empty.

    Raises:
        EditError: if the document is not valid YAML.
    """
    for _ in first_document(text):
        pass  # the checks that the composer does not make
    loader = LOADER(text)
    try:
        node: yaml.Node | None = loader.get_node() if loader.check_node() else None
    except yaml.YAMLError as error:
        raise EditError(explain(error)) from error
    except RecursionError as error:
        raise EditError("the file is nested too deeply") from error
    finally:
        loader.dispose()
    return node


def content_end(text: str, node: yaml.Node) -> int:
    """Return the position after the last character that belongs to a node, its trailing comment not included."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if not isinstance(last, tuple):
            return max(content_end(text, last), node.start_mark.index)
        return max(content_end(text, last[0]), content_end(text, last[1]))
    stretch = text[node.start_mark.index : node.end_mark.index]
    return int(node.start_mark.index) + len(stretch.rstrip(BLANK))


def line_end(text: str, at: int) -> int:
    """Return the position of the line break after ``at``, or the end of the text."""
    match = LINE_END.match(text, at)
    return match.end() if match else at


def line_start(text: str, at: int) -> int:
    """Return the position of the first character of the line that holds ``at``."""
    return text.rfind("\n", 0, at) + 1


def trailing_comment(text: str, at: int) -> str:
    """Return the comment, with its ``#``, that follows on the same line after ``at``; empty if there is none."""
    match = TRAILING_COMMENT.match(text, at)
    return match[1].rstrip() if match else ""


def field_of(node: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return key and value of the first field of that name."""
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value == name:
            return key, value
    return None


def plain_data(node: yaml.Node | None) -> object:
    """Return what a node says, to compare it: tags and values, without style and position.

    Raises:
        EditError: if a node contains itself.
    """
    try:
        return _plain(node)
    except RecursionError as error:
        raise EditError("an anchor contains itself") from error


def _plain(node: yaml.Node | None) -> object:
    if isinstance(node, yaml.ScalarNode):
        return (node.tag, node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return ("map", [(_plain(key), _plain(value)) for key, value in node.value])
    return None
