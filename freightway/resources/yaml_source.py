"""YAML text into plain values, keeping the line of every key.

Built from the parser's events instead of PyYAML's constructors: no tag can create an object, nesting and
the number of values are bounded (also through aliases), duplicate keys are reported, and scalars are read
as Kubernetes reads them (dates stay text, keys are text).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 100
MAX_VALUES = 200_000
MAX_CHARACTERS = 8_000_000

YamlPath = tuple[str | int, ...]
Scalar = str | int | float | bool | None

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}
_FALSE = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}
_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong with the text itself: a 1-based line, the YAML path and what is wrong."""

    line: int
    path: YamlPath
    message: str


@dataclass(slots=True)
class ScalarNode:
    """One scalar; ``text_line`` is the line on which its text begins."""

    line: int
    value: Scalar
    text_line: int


@dataclass(slots=True)
class ListNode:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MapNode:
    """A map; each entry carries the line of its key."""

    line: int
    entries: dict[str, tuple[int, Node]] = field(default_factory=dict)


Node = ScalarNode | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, or one item of a Kubernetes List."""

    root: Node
    value: Any
    line: int

    def line_of(self, path: YamlPath) -> int:
        """Return the line of the key or list item at a path; of the nearest one above if it is absent."""
        node, line = self.root, self.line
        for part in path:
            if isinstance(node, MapNode) and isinstance(part, str) and part in node.entries:
                line, node = node.entries[part]
            elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                line = node.line
            else:
                break
        return line

    def text_line_of(self, path: YamlPath, line: int) -> int:
        """Return the file's line for a 1-based line inside the text at a path."""
        node: Node = self.root
        for part in path:
            if isinstance(node, MapNode) and isinstance(part, str) and part in node.entries:
                node = node.entries[part][1]
            elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
            else:
                return self.line_of(path)
        return node.text_line + line - 1 if isinstance(node, ScalarNode) else node.line

    def items(self) -> list[Document]:
        """Return the items of a Kubernetes List as documents of their own."""
        entry = self.root.entries.get("items") if isinstance(self.root, MapNode) else None
        if entry is None or not isinstance(entry[1], ListNode):
            return []
        return [
            Document(node, value, node.line)
            for node, value in zip(entry[1].items, self.value["items"], strict=True)
        ]


class _BadYaml(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.issue = Issue(line, (), message)


def read_documents(text: str) -> tuple[list[Document], list[Issue]]:
    """Return the documents of a YAML or JSON text and what is wrong with the text.

    A document that cannot be read ends the reading; those before it are returned. Empty documents are
    left out.
    """
    documents: list[Document] = []
    issues: list[Issue] = []
    if len(text) > MAX_CHARACTERS:
        return [], [Issue(1, (), f"is longer than {MAX_CHARACTERS} characters")]
    try:
        for root in _Composer(text, issues).documents():
            if isinstance(root, ScalarNode) and root.value is None:
                continue
            documents.append(Document(root, _Values().of(root), root.line))
    except _BadYaml as error:
        issues.append(error.issue)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        issues.append(Issue(mark.line + 1 if mark else 1, (), f"is not valid YAML: {reason}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        issues.append(Issue(line, (), f"is not valid YAML: {error.reason}"))
    return documents, issues


class _Composer:
    """Builds nodes from the parser's events without recursion."""

    def __init__(self, text: str, issues: list[Issue]) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._issues = issues
        self._anchors: dict[str, Node] = {}

    def documents(self) -> Iterator[Node]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                yield self._root()

    def _root(self) -> Node:
        stack: list[_Open] = []
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                node: Node = stack.pop().finished()
            else:
                node = self._node(event)
                if isinstance(event, yaml.CollectionStartEvent):
                    if len(stack) == MAX_DEPTH:
                        raise _BadYaml(node.line, f"is nested more than {MAX_DEPTH} levels deep")
                    stack.append(_Open(node, self._path_below(stack)))
                    continue
            if not stack:
                return node
            self._attach(stack[-1], node)
        raise _BadYaml(1, "is not valid YAML: the document does not end")

    def _node(self, event: Any) -> Node:
        line = event.start_mark.line + 1
        node: Node
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _BadYaml(line, f"the alias *{event.anchor} has no anchor before it")
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            text_line = line + 1 if event.style in ("|", ">") else line
            node = ScalarNode(line, _scalar(event, line), text_line)
        else:
            _check_tag(event.tag, ("map", "seq"), line)
            node = MapNode(line) if isinstance(event, yaml.MappingStartEvent) else ListNode(line)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _path_below(self, stack: list[_Open]) -> YamlPath:
        if not stack:
            return ()
        parent = stack[-1]
        if isinstance(parent.node, ListNode):
            return (*parent.path, len(parent.node.items))
        return (*parent.path, parent.key or "")

    def _attach(self, parent: _Open, node: Node) -> None:
        if isinstance(parent.node, ListNode):
            parent.node.items.append(node)
            return
        assert isinstance(parent.node, MapNode)
        if parent.key is None:
            parent.key, parent.key_line = _key(node), node.line
            return
        key, line = parent.key, parent.key_line
        parent.key = None
        if key == "<<":
            parent.merged.append((line, node))
        elif key in parent.node.entries:
            first = parent.node.entries[key][0]
            message = f"the key {key!r} is given twice, first in line {first}"
            self._issues.append(Issue(line, (*parent.path, key), message))
        else:
            parent.node.entries[key] = (line, node)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    node: Node
    path: YamlPath
    key: str | None = None
    key_line: int = 0
    merged: list[tuple[int, Node]] = field(default_factory=list)

    def finished(self) -> Node:
        """Return the collection; keys of its own go before merged ones."""
        if isinstance(self.node, MapNode):
            for line, source in self.merged:
                _merge(self.node, source, line)
        return self.node


def _key(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        raise _BadYaml(node.line, "a key must be text, not a list or a map")
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _merge(target: MapNode, source: Node, line: int) -> None:
    sources = source.items if isinstance(source, ListNode) else [source]
    for one in sources:
        if not isinstance(one, MapNode):
            raise _BadYaml(line, "the merge key << needs a map or a list of maps")
        for key, entry in one.entries.items():
            target.entries.setdefault(key, entry)


def _check_tag(tag: str | None, allowed: tuple[str, ...], line: int) -> None:
    if tag not in (None, "!", *(_TAG + name for name in allowed)):
        raise _BadYaml(line, f"the YAML tag {str(tag).replace(_TAG, '!!')!r} is not supported")


def _scalar(event: Any, line: int) -> Scalar:
    text: str = event.value
    if event.tag in ("!", _TAG + "str"):
        return text
    _check_tag(event.tag, ("int", "float", "bool", "null"), line)
    if event.tag is None and event.style:
        return text
    return _resolve(text, line)


def _resolve(text: str, line: int) -> Scalar:
    """Read a plain scalar as Kubernetes does; dates and times stay text."""
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        raise _BadYaml(line, f"{text} is not a number that JSON knows; put it in quotes")
    return text


def _integer(text: str) -> int | float:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-").lower()
    if len(digits) > 300:
        return float("1e300") * sign
    if digits.startswith(("0x", "0o", "0b")):
        return sign * int(digits, 0)
    return sign * (int(digits, 8) if len(digits) > 1 and digits[0] == "0" else int(digits))


class _Values:
    """Turns nodes into values, counting them so that aliases cannot multiply without bound."""

    def __init__(self) -> None:
        self._count = 0
        self._open: set[int] = set()

    def of(self, node: Node) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _BadYaml(node.line, f"holds more than {MAX_VALUES} values, aliases included")
        if isinstance(node, ScalarNode):
            return node.value
        if id(node) in self._open or len(self._open) > MAX_DEPTH:
            raise _BadYaml(node.line, "an alias refers to the value it is in, or values are nested too deep")
        self._open.add(id(node))
        value: Any
        if isinstance(node, ListNode):
            value = [self.of(item) for item in node.items]
        else:
            value = {key: self.of(item) for key, (_, item) in node.entries.items()}
        self._open.discard(id(node))
        return value


def format_path(path: YamlPath) -> str:
    """Return a path as people write it, such as ``spec.vars[0].name``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def drop_nulls(value: Any, free_form: frozenset[str]) -> Any:
    """Return a value without map entries that are null, as Kubernetes drops them.

    Args:
        free_form: keys whose values are left as they are.
    """
    if isinstance(value, Mapping):
        return {
            key: item if key in free_form else drop_nulls(item, free_form)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [drop_nulls(item, free_form) for item in value]
    return value
