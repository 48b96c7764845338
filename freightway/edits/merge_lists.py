"""Lists whose elements are matched by keys, such as the containers of a Pod by their name.

Source: kustomize kyaml v0.20.1, yaml/walk/associative_sequence.go and yaml/fns.go, with
the default option: new elements are appended.
"""

from __future__ import annotations

from collections.abc import Sequence

from freightway.edits.merge_tree import Member, Node


def key_values(sources: Sequence[Node | None], keys: Sequence[str]) -> list[list[str]]:
    """Return the values of the keys in all elements, without repetitions; those of the base come first."""
    found: list[list[str]] = []
    for source in sources:
        for member in source.members if source is not None else []:
            values = [_text_of(member.value, key) for key in keys]
            if values not in found:
                found.append(values)
    return found


def primitive_values(sources: Sequence[Node | None]) -> list[list[str]]:
    """Return the elements of lists of plain values, without repetitions; those of the base come first."""
    found: list[list[str]] = []
    for source in sources:
        for member in source.members if source is not None else []:
            if [member.value.value] not in found:
                found.append([member.value.value])
    return found


def _text_of(node: Node, key: str) -> str:
    value = node.value_of(key)
    if value is None or value.tag.endswith(":null") or (value.kind != "scalar" and not value.members):
        return ""
    return value.value


def combined_values(wanted: list[list[str]]) -> list[list[str]]:
    """Take values that differ only where one is empty for the same (a port with and without a protocol)."""
    combined = list(wanted)
    for i, one in enumerate(combined):
        for j, other in enumerate(combined):
            matched = _match(one, other)
            if matched is not None:
                combined[i] = combined[j] = matched
    return combined


def _match(one: Sequence[str], other: Sequence[str]) -> list[str] | None:
    if len(one) != len(other):
        return None
    pairs = list(zip(one, other, strict=True))
    if any(a != b and a and b for a, b in pairs) or not any(a == b for a, b in pairs):
        return None
    return [a or b for a, b in pairs]


def usable_keys(
    wanted: Sequence[Sequence[str]], values: list[str], keys: list[str]
) -> tuple[list[str], list[str]]:
    """Return the keys that any element has, and this element's values for them."""
    present = {keys[i] for row in wanted for i, value in enumerate(row) if value}
    if not present:
        return keys, values
    return [key for key in keys if key in present], [
        value for value, key in zip(values, keys, strict=True) if value or key in present
    ]


def element(source: Node | None, keys: list[str], values: list[str]) -> Node | None:
    """Return the first element with these values."""
    if source is None or source.kind != "list":
        return None
    used, found = usable_keys([values], values, keys)
    for member in source.members:
        if used[0] == "":
            if member.value.value == found[0]:
                return member.value
        elif member.value.kind == "map" and all(
            _is(member.value, k, v) for k, v in zip(used, found, strict=True)
        ):
            return member.value
    return None


def _is(node: Node, key: str, value: str) -> bool:
    there = node.value_of(key)
    return there is not None and there.value == value


def _has(node: Node, key: str, value: str) -> bool:
    there = node.value_of(key)
    return there is not None and (not value or there.value == value)


def put_element(
    target: Node, keys: list[str], values: list[str], new: Node | None, *, old: Member | None = None
) -> None:
    """Replace the elements with these values by a new one, or append it; None removes them. Nulls and ``{}`` go."""
    kept: list[Member] = []
    is_found = False
    by_mapping = bool(keys and keys[0] and values and values[0])
    for member in target.members:
        node = member.value
        if node.tag.endswith(":null") or (node.kind == "map" and not node.members):
            continue
        if by_mapping and node.kind != "map":
            kept.append(member)
            continue
        if not _is_match(node, keys, values):
            if values:
                kept.append(member)
            continue
        is_found = True
        if new is not None:
            member.value = new
            kept.append(member)
    if new is not None and not is_found:
        added = old or Member(None, new)
        added.value = new
        kept.append(added)
    target.members = kept


def _is_match(node: Node, keys: list[str], values: list[str]) -> bool:
    """Whether an element has the values; where a value is missing the answer for the key before it holds."""
    matches = False
    for number, key in enumerate(keys):
        if number < len(values):
            value = values[number]
            matches = node.value == value if key == "" else _has(node, key, value)
        if not matches:
            return False
    return True


def put_all(target: Node, source: Node, keys: list[str]) -> Node:
    """Put all elements of ``source`` into ``target``, in place of those with the same keys, and return it."""
    for member in source.members:
        node = member.value
        if keys[0] == "":
            put_element(target, [""], [node.value], node, old=member)
            continue
        values = [value.value for value in (node.value_of(key) for key in keys) if value is not None]
        missing = len(keys) - len(values)
        target.members += [member] * missing
        if len(keys) > 1:
            put_element(target, keys, values, None)
        put_element(target, keys, values, node, old=member)
    return target
