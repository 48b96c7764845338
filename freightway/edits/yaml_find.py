"""Where in a YAML text the scalars stand that keys such as ``images.0.tag`` address."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

from freightway.edits.errors import EditError
from freightway.edits.keys import index_of, shown
from freightway.edits.yaml_events import end_of, first_document, line_of, signature, start_of

NAMES_SHOWN = 8
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one scalar stands.

    Attributes:
        start: first character of the scalar with its anchor and tag.
        end: first character after it (block scalars: of the line after it).
        event: number of its event in the document, from 0.
        flow: whether it stands inside ``[]`` or ``{}``.
        after_key: end of its key if it is a value in a mapping, else -1.
        anchor: its anchor without ``&``, empty if it has none.
        style: the quotes or block indicator it is written with, empty for plain.
    """

    start: int
    end: int
    event: int
    flow: bool
    after_key: int
    anchor: str
    style: str


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    is_mapping: bool
    flow: bool
    depth: int
    wanted: list[int]
    matched: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    children: int = 0
    key_end: int = -1

    @property
    def expects_key(self) -> bool:
        return self.is_mapping and self.children % 2 == 0


def find_scalars(text: str, keys: Sequence[Parts]) -> tuple[list[Place], array[int]]:
    """Return the place of the scalar that each key addresses in the first document, and a hash of each event.

    A name that a mapping holds twice means the first, as in Kargo. Aliases and merge keys are not followed.

    Raises:
        EditError: for the first key that leads nowhere or to something else than a scalar; or if the document
            is not valid YAML.
    Source: Kargo pkg/yaml/yaml.go findScalarNode at 1c764767a; an index out of range is an error, not a crash.
    """
    return _Finder(keys).run(text)


class _Finder:
    def __init__(self, keys: Sequence[Parts]) -> None:
        self.keys = keys
        self.places: dict[int, Place] = {}
        self.problems: dict[int, str] = {}
        self.stack: list[_Open] = []
        self.hashes = array("q")

    def run(self, text: str) -> tuple[list[Place], array[int]]:
        stack = self.stack
        remember = self.hashes.append
        for number, event in enumerate(first_document(text)):
            remember(hash(signature(event)))
            if isinstance(event, yaml.CollectionEndEvent):
                self._close(stack.pop())
                continue
            parent = stack[-1] if stack else None
            wanted = self._wanted_here(parent, event)
            if isinstance(event, yaml.CollectionStartEvent):
                for key in wanted:
                    self._refuse_collection(key, parent, event)
                stack.append(self._opened(parent, event, wanted))
            elif wanted:
                for key in wanted:
                    self._reach(key, parent, event, number)
            if parent is not None:
                parent.children += 1
        for key, parts in enumerate(self.keys):
            if key not in self.places:
                raise EditError(f"key {shown(parts)!r}: {self.problems.get(key, 'the document is empty')}")
        return [self.places[key] for key in range(len(self.keys))], self.hashes

    def _wanted_here(self, parent: _Open | None, event: yaml.Event) -> list[int]:
        """The keys that lead to or through the node of this event."""
        if parent is None:
            return list(range(len(self.keys)))
        if not parent.is_mapping:
            if not parent.wanted:
                return []
            return [k for k in parent.wanted if index_of(self.keys[k][parent.depth]) == parent.children]
        if not parent.expects_key:
            return parent.matched
        parent.key_end = end_of(event)
        parent.matched = []
        if parent.wanted and isinstance(event, yaml.ScalarEvent):
            parent.names.append(event.value)
            parent.matched = [k for k in parent.wanted if self.keys[k][parent.depth] == event.value]
            parent.wanted = [k for k in parent.wanted if k not in parent.matched]
        return []

    def _opened(self, parent: _Open | None, event: yaml.CollectionStartEvent, wanted: list[int]) -> _Open:
        depth = parent.depth + 1 if parent else 0
        flow = bool(event.flow_style) or (parent is not None and parent.flow)
        deeper = [key for key in wanted if len(self.keys[key]) > depth]
        return _Open(isinstance(event, yaml.MappingStartEvent), flow, depth, deeper)

    def _refuse_collection(self, key: int, parent: _Open | None, event: yaml.CollectionStartEvent) -> None:
        depth = parent.depth + 1 if parent else 0
        if len(self.keys[key]) == depth:
            kind = "a mapping" if isinstance(event, yaml.MappingStartEvent) else "a list"
            self.problems[key] = f"line {line_of(event)} holds {kind}; only single values can be updated"

    def _reach(self, key: int, parent: _Open | None, event: yaml.Event, number: int) -> None:
        parts = self.keys[key]
        depth = parent.depth + 1 if parent else 0
        line = line_of(event)
        if not isinstance(event, yaml.ScalarEvent):
            name = f"an alias of {event.anchor!r}" if isinstance(event, yaml.AliasEvent) else "no value"
            self.problems[key] = f"line {line} holds {name}; update the place of its anchor instead"
        elif len(parts) > depth:
            where = shown(parts[:depth]) if depth else "the document"
            self.problems[key] = (
                f"{where!r} (line {line}) holds a single value, there is no {parts[depth]!r} in it"
            )
        else:
            self.places[key] = Place(
                start=start_of(event),
                end=end_of(event),
                event=number,
                flow=parent is not None and parent.flow,
                after_key=parent.key_end if parent is not None and parent.is_mapping else -1,
                anchor=event.anchor or "",
                style=event.style or "",
            )

    def _close(self, closed: _Open) -> None:
        for key in closed.wanted:
            if key in self.places or key in self.problems:
                continue
            part = self.keys[key][closed.depth]
            where = repr(shown(self.keys[key][: closed.depth])) if closed.depth else "the document"
            if closed.is_mapping:
                self.problems[key] = f"there is no {part!r} in {where}; it holds {_listed(closed.names)}"
            elif index_of(part) is None:
                self.problems[key] = f"{where} is a list, so a number is expected instead of {part!r}"
            else:
                self.problems[key] = f"{where} is a list of {closed.children}, there is no item {part}"


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(repr(name) for name in names[:NAMES_SHOWN]) + more
