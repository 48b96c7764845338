"""The events of the first document of a YAML text, with the checks that Go's reader makes."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from freightway.edits.errors import EditError

BYTE_ORDER_MARK = "\ufeff"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Signature = tuple[object, ...]


def first_document(text: str) -> Iterator[yaml.Event]:
    """Yield the node events of the first document; what follows that document is not read.

    Positions in the marks are counted in characters of ``text``.

    Raises:
        EditError: if the document is not valid YAML, is declared as another version than 1.1, or refers to an
            anchor that does not exist.
    Source: go.yaml.in/yaml v3.0.5, which refuses ``%YAML 1.2``.
    """
    anchors: set[str] = set()
    try:
        for event in yaml.parse(text, Loader=LOADER):
            if type(event) is yaml.ScalarEvent:  # by far the most
                if event.anchor:
                    anchors.add(event.anchor)
                yield event
            elif isinstance(event, yaml.NodeEvent):
                if isinstance(event, yaml.AliasEvent):
                    if event.anchor not in anchors:
                        line = line_of(event)
                        raise EditError(
                            f"line {line}: the anchor {event.anchor!r} does not exist before its use"
                        )
                elif event.anchor:
                    anchors.add(event.anchor)
                yield event
            elif isinstance(event, yaml.CollectionEndEvent):
                yield event
            elif isinstance(event, yaml.DocumentStartEvent):
                if event.version and tuple(event.version) != (1, 1):
                    raise EditError(f"line {line_of(event)}: only the directive %YAML 1.1 is understood")
            elif isinstance(event, yaml.DocumentEndEvent):
                return
    except yaml.YAMLError as error:
        raise EditError(explain(error)) from error
    except UnicodeEncodeError as error:
        raise EditError("the text holds half of a surrogate pair and cannot be YAML") from error


def start_of(event: yaml.Event) -> int:
    """Return the position of the first character of an event."""
    return event.start_mark.index if event.start_mark else 0


def end_of(event: yaml.Event) -> int:
    """Return the position after the last character of an event."""
    return event.end_mark.index if event.end_mark else 0


def line_of(event: yaml.Event) -> int:
    """Return the number of the line that an event starts in, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 0


def explain(error: yaml.YAMLError) -> str:
    """Return what is wrong with a YAML text, and in which line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "invalid YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def signatures(text: str) -> Iterator[Signature]:
    """Yield what the first document says, without positions and comments, node by node."""
    for event in first_document(text):
        yield signature(event)


def signature(event: yaml.Event) -> Signature:
    """Return what one event says: its kind, anchor, tag and value."""
    if isinstance(event, yaml.ScalarEvent):
        return ("scalar", event.anchor, event.tag, tuple(event.implicit), event.value)
    if isinstance(event, yaml.AliasEvent):
        return ("alias", event.anchor)
    if isinstance(event, yaml.CollectionStartEvent):
        return (type(event).__name__, event.anchor, event.tag)
    return (type(event).__name__,)
