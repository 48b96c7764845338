"""A merged tree as YAML text, with the texts and comments its nodes came with."""

from __future__ import annotations

import re

import yaml

from freightway.edits.merge_tree import Member, Node
from freightway.edits.yaml_nodes import NULL_TAG, STRING_TAG
from freightway.edits.yaml_scalars import render_string

BLOCK_HEADER = re.compile(r"([|>])[0-9+-]*[ \t]*(#.*)?")
PROPERTIES = re.compile(r"(?:&[^\s,\[\]{}]+\s+)+")
STANDARD = "tag:yaml.org,2002:"


def render_tree(root: Node) -> str:
    """Return the text of a tree."""
    if _is_inline(root):
        return _inline(root) + "\n"
    return "\n".join([*_block(root, 0), *root.tail]) + "\n"


def _is_inline(node: Node) -> bool:
    """Whether a node can stand on the line of its key: single values, and collections in flow style."""
    if node.kind == "scalar":
        return not _is_literal(node)
    if not node.members:
        return True
    return node.flow and all(
        _is_flow_able(m.value) and (m.key is None or _is_flow_able(m.key)) for m in node.members
    )


def _is_literal(node: Node) -> bool:
    return node.style in ("|", ">") and node.text != "" and not _has_own_tag(node)


def _has_own_tag(node: Node) -> bool:
    return node.text.startswith("!") or PROPERTIES.sub("", node.text, count=1).startswith("!")


def _is_flow_able(node: Node) -> bool:
    return node.kind == "scalar" or all(
        _is_flow_able(member.value) and not member.comment and not any(member.lead) for member in node.members
    )


def _inline(node: Node) -> str:
    if node.kind == "scalar":
        return _scalar(node)
    tag = _tag(node)
    if node.kind == "list":
        return f"{tag}[" + ", ".join(_inside(member.value) for member in node.members) + "]"
    parts = [f"{_key(member.key)}: {_inside(member.value)}" for member in node.members]
    return tag + "{" + ", ".join(parts) + "}"


def _inside(node: Node) -> str:
    if node.kind != "scalar":
        return _inline(node)
    if node.style == "" and node.text and "\n" not in node.text and not re.search(r"[,\[\]{}:#]", node.text):
        return _scalar(node)
    if node.style in ("'", '"') and "\n" not in node.text:
        return _scalar(node)
    return _fresh(node)


def _scalar(node: Node) -> str:
    text = PROPERTIES.sub("", node.text, count=1) if node.text.startswith("&") else node.text
    if "\n" in text or node.style in ("|", ">") or not text or "&" in text.split(" ")[0]:
        return _fresh(node)
    return text


def _fresh(node: Node) -> str:
    """The value written anew, on one line."""
    if node.tag == STRING_TAG:
        return render_string(node.value, style=node.style if node.style in ("'", '"') else "", flow=True)
    if node.tag == NULL_TAG:
        return node.value or "null"
    if node.tag.startswith(STANDARD) and node.style == "":
        return node.value
    return _tag(node) + render_string(node.value, style='"')


def _tag(node: Node) -> str:
    if node.tag in (STANDARD + "map", STANDARD + "seq"):
        return ""
    if node.tag.startswith(STANDARD):
        return f"!!{node.tag.removeprefix(STANDARD)} "
    return f"{node.tag} " if node.tag.startswith("!") else f"!<{node.tag}> "


def _key(key: Node | None) -> str:
    return "" if key is None else _inline(key)


def _block(node: Node, column: int) -> list[str]:
    """The lines of a collection in block style that starts in a column."""
    lines: list[str] = []
    pad = " " * column
    for member in node.members:
        lines += [pad + line if line else "" for line in member.lead]
        lines += _entry(node, member, column)
    return lines


def _entry(node: Node, member: Member, column: int) -> list[str]:
    pad = " " * column
    comment = f" {member.comment}" if member.comment else ""
    value = member.value
    start = pad + "-" if node.kind == "list" else f"{pad}{_key(member.key)}:"
    if _is_literal(value):
        return _literal(start, value, column + 2)
    if _is_inline(value):
        return [f"{start} {_inline(value)}{comment}"]
    tag = _tag(value).rstrip()
    start += f" {tag}" if tag else ""
    if node.kind == "list":
        return _nested_item(start, value, column, comment if not tag else "", tagged=bool(tag))
    offset = value.offset if value.offset else (0 if value.kind == "list" else 2)
    return [start + comment, *_block(value, column + offset)]


def _nested_item(start: str, value: Node, column: int, comment: str, *, tagged: bool) -> list[str]:
    """An element that is a collection: its first line stands behind the dash."""
    if comment or tagged:
        return [start + comment, *_block(value, column + 2)]
    gap = max(value.offset, 2)
    lines = _block(value, column + gap)
    lead = len(value.members[0].lead)
    before = [line[gap:] if line.strip() else "" for line in lines[:lead]]
    return [*before, start + " " * (gap - 1) + lines[lead][column + gap :], *lines[lead + 1 :]]


def _literal(start: str, value: Node, column: int) -> list[str]:
    """A block scalar, its lines moved to a column."""
    text = PROPERTIES.sub("", value.text, count=1) if value.text.startswith("&") else value.text
    header, *body = text.split("\n")
    match = BLOCK_HEADER.match(header)
    indicator, comment = match.groups() if match else ("|", None)
    if indicator == ">" or not body:
        return [f"{start} {_fresh(value)}"]
    lines = value.value.split("\n")
    chomping = (
        "+"
        if value.value.endswith("\n\n") or value.value == "\n"
        else ("" if value.value.endswith("\n") else "-")
    )
    if value.value.endswith("\n"):
        lines.pop()
    digit = "2" if value.value[:1] in (" ", "\n") else ""
    pad = " " * column
    note = f" {comment}" if comment else ""
    return [f"{start} |{digit}{chomping}{note}", *(pad + line if line else "" for line in lines)]


def as_plain_text(root: Node) -> str:
    """Return the text of a tree without comments, for the rare tree that ``render_tree`` cannot write."""
    return str(yaml.serialize(_as_node(root), Dumper=yaml.SafeDumper, allow_unicode=True, width=1_000_000))


def _as_node(node: Node) -> yaml.Node:
    if node.kind == "scalar":
        return yaml.ScalarNode(node.tag, node.value, style='"' if node.tag == STRING_TAG else None)
    if node.kind == "list":
        return yaml.SequenceNode(
            node.tag, [_as_node(member.value) for member in node.members], flow_style=False
        )
    pairs = [(_as_node(m.key), _as_node(m.value)) for m in node.members if m.key is not None]
    return yaml.MappingNode(node.tag, pairs, flow_style=False)
