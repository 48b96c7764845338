"""A tree of YAML nodes that keeps the text and the comments each node came with, for yaml-merge."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from freightway.edits.errors import EditError
from freightway.edits.yaml_nodes import (
    NULL_TAG,
    STRING_TAG,
    compose_first,
    content_end,
    line_end,
    trailing_comment,
)

MOST_NODES = 1_000_000


@dataclass(eq=False, slots=True)
class Node:
    """A mapping, list or single value.

    Attributes:
        kind: ``map``, ``list`` or ``scalar``.
        text: the text of a single value or of a collection in flow style, as it stands in its file.
        flow: whether a collection is written in flow style.
        offset: columns that a block collection is indented against its parent.
        keep_null: whether a null is to stay although nulls delete.
        members: entries of a mapping (with a key) or of a list (without).
        born: the members it had in its file.
        tail: comment lines after the last entry of the document.
    """

    kind: str
    tag: str
    value: str = ""
    text: str = ""
    style: str = ""
    flow: bool = False
    offset: int = 0
    keep_null: bool = False
    members: list[Member] = field(default_factory=list)
    born: list[Member] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)

    @property
    def is_null(self) -> bool:
        """Whether it is a null that has not been kept on purpose."""
        return self.tag == NULL_TAG and not self.keep_null

    def field(self, name: str) -> Member | None:
        """The first entry of that name; None too if it is no mapping."""
        if self.kind != "map":
            return None
        return next((member for member in self.members if member.name == name), None)

    def value_of(self, name: str) -> Node | None:
        """The value of the first entry of that name."""
        member = self.field(name)
        return member.value if member else None

    def remove(self, name: str) -> None:
        """Drop the first entry of that name."""
        member = self.field(name)
        if member is not None:
            self.members = [one for one in self.members if one is not member]

    @property
    def is_as_born(self) -> bool:
        """Whether nothing in it was changed."""
        if len(self.members) != len(self.born):
            return False
        pairs = zip(self.members, self.born, strict=True)
        return all(now is then and now.value is now.born and now.value.is_as_born for now, then in pairs)


@dataclass(eq=False, slots=True)
class Member:
    """An entry of a mapping or list, with its comments.

    Attributes:
        key: the key's node, None in a list.
        lead: comment and blank lines before it.
        comment: the comment on its line.
        born: the value it had in its file.
        quoted: whether its first value was written in quotes, None before another took its place.
    """

    key: Node | None
    value: Node
    lead: list[str] = field(default_factory=list)
    comment: str = ""
    born: Node | None = None
    quoted: bool | None = None

    @property
    def name(self) -> str | None:
        """The key's text, None if it has none."""
        return self.key.value if self.key is not None and self.key.kind == "scalar" else None


def scalar(value: str) -> Node:
    """Return a new string."""
    return Node("scalar", STRING_TAG, value)


def read_tree(text: str) -> Node | None:
    """Return the first document as a tree, with a copy of the target for each alias; None if it is empty.

    Raises:
        EditError: if the text is not valid YAML.
    """
    root = compose_first(text)
    if root is None:
        return None
    reader = _Reader(text)
    try:
        tree = reader.read(root, 0)
    except RecursionError as error:
        raise EditError("an anchor contains itself, or the file is nested too deeply") from error
    if tree.kind != "scalar" and not tree.flow and tree.members:
        tree.members[0].lead = [*reader.head(root), *tree.members[0].lead]
        tree.tail = reader.comments_between(line_end(text, content_end(text, root)), len(text))
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.count = 0

    def read(self, node: yaml.Node, column: int) -> Node:
        self.count += 1
        if self.count > MOST_NODES:
            raise EditError(
                f"the file has more than {MOST_NODES} nodes, aliases counted with what they stand for"
            )
        tag = str(node.tag)
        text = self.text[_start(node) : content_end(self.text, node)]
        if isinstance(node, yaml.ScalarNode):
            return Node("scalar", tag, node.value, text, style=node.style or "")
        kind = "map" if isinstance(node, yaml.MappingNode) else "list"
        offset = max(_column(node) - column, 0)
        tree = Node(
            kind,
            tag,
            text=text,
            flow=bool(getattr(node, "flow_style", False)) or not node.value,
            offset=offset,
        )
        previous = -1
        for entry in node.value:
            key, value = entry if isinstance(entry, tuple) else (None, entry)
            first = key if key is not None else value
            member = Member(self.read(key, 0) if key is not None else None, self.read(value, _column(node)))
            member.born = member.value
            if not tree.flow:
                self._comments(member, key, value, previous)
                previous = max(content_end(self.text, value), content_end(self.text, first))
            tree.members.append(member)
        tree.born = list(tree.members)
        return tree

    def _comments(self, member: Member, key: yaml.Node | None, value: yaml.Node, previous: int) -> None:
        """Find the comment lines before an entry and the comment on its line."""
        text = self.text
        begin = _start(key) if key is not None else _start(value)
        if previous >= 0 and begin > previous:
            member.lead = self.comments_between(line_end(text, previous), begin)
        if key is not None and _start(value) >= _end(key):
            colon = text.find(":", _end(key)) + 1
            on_next_line = "\n" in text[colon : _start(value)]
            member.comment = trailing_comment(text, colon) if on_next_line else ""
            if on_next_line and not member.value.flow and member.value.members:
                first = member.value.members[0]
                first.lead = [*self.comments_between(line_end(text, colon), _start(value)), *first.lead]
        is_on_one_line = member.value.kind == "scalar" or member.value.flow
        if not member.comment and is_on_one_line and member.value.style not in ("|", ">"):
            member.comment = (
                trailing_comment(text, content_end(text, value)) if _start(value) >= begin else ""
            )

    def head(self, root: yaml.Node) -> list[str]:
        """The comment lines before the document's first entry."""
        return [line for line in self.comments_between(0, _start(root)) if line != "---"]

    def comments_between(self, start: int, end: int) -> list[str]:
        """The comment and blank lines in a stretch between nodes."""
        lines = [line.strip() for line in self.text[start:end].split("\n")[1 if start else 0 :]]
        if end < len(self.text) and lines and not lines[-1].startswith("#"):
            lines.pop()
        kept: list[str] = []
        for line in lines:
            if line.startswith(("---", "...")) and start:
                break
            if not line or line.startswith("#"):
                kept.append(line)
        if end == len(self.text) or not start:
            while kept and not kept[-1]:
                kept.pop()
        return kept


def _start(node: yaml.Node) -> int:
    return int(node.start_mark.index)


def _end(node: yaml.Node) -> int:
    return int(node.end_mark.index)


def _column(node: yaml.Node) -> int:
    return int(node.start_mark.column)
