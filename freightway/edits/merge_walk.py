"""The merge of two YAML trees: mappings field by field, lists as a whole or element by element.

Lists are merged element by element only in the built-in Kubernetes kinds, and there only where the API says so.
``null`` deletes, and so does ``$patch: delete``; ``$patch: replace`` takes the other side as it is.

Source: kustomize kyaml v0.20.1, packages yaml/walk and yaml/merge2 with default options, as in Kargo's yaml-merge.
"""

from __future__ import annotations

from freightway.edits.errors import EditError
from freightway.edits.merge_keys import TYPES, Field, fields_of_kind
from freightway.edits.merge_lists import (
    combined_values,
    element,
    key_values,
    primitive_values,
    put_all,
    put_element,
    usable_keys,
)
from freightway.edits.merge_tree import Member, Node, scalar
from freightway.edits.yaml_nodes import STRING_TAG

DIRECTIVE = "$patch"
STANDARD = "tag:yaml.org,2002:"
KINDS = {"map": "a mapping", "list": "a list", "scalar": "a single value"}
Schema = dict[str, Field]


def merge(dest: Node | None, origin: Node | None) -> Node | None:
    """Return ``dest`` with ``origin`` merged into it; both may be changed.

    Raises:
        EditError: if a mapping, list or single value meets another of these, or a directive is unknown.
    """
    return _walk(dest, origin, None, ())


def _walk(dest: Node | None, origin: Node | None, schema: Field | None, path: tuple[str, ...]) -> Node | None:
    there = [node for node in (dest, origin) if node is not None and not node.tag.endswith(":null")]
    if len({node.kind for node in there}) > 1:
        kinds = f"{KINDS[there[0].kind]} stands against {KINDS[there[1].kind]}"
        raise EditError(f"{kinds} at {'.'.join(path) or 'the top'}; such values cannot be merged")
    kind = there[0].kind if there else "map"
    if kind == "map":
        return _walk_map(dest, origin, schema, path)
    if kind == "list":
        if isinstance(schema, tuple):
            return _walk_keyed_list(dest, origin, schema, path)
        return origin if origin is not None else dest
    return origin if origin is not None else dest


def _is_gone(node: Node | None) -> bool:
    return node is None or node.tag.endswith(":null")


def _walk_map(
    dest: Node | None, origin: Node | None, schema: Field | None, path: tuple[str, ...]
) -> Node | None:
    fields = _fields(schema, dest, origin)
    result = _visited(dest, origin)
    if result is None or result.kind != "map":
        return result
    sources = [node for node in (result, origin) if node is not None and node.kind == "map"]
    names = sorted({m.name for node in sources for m in node.members if m.name is not None}, key=str.encode)
    for name in names:
        member = origin.field(name) if origin is not None else None
        value = _walk(
            result.value_of(name),
            member.value if member else None,
            fields.get(name) if fields else None,
            (*path, name),
        )
        _set_field(result, name, value, member)
    return result


def _visited(dest: Node | None, origin: Node | None) -> Node | None:
    """Which of the two mappings, or lists merged by key, goes on."""
    if _is_gone(dest):
        if origin is not None and origin.kind != "scalar" and _directive(origin, strict=False) == "delete":
            return None
        if origin is None and dest is not None and dest.value:
            dest.keep_null = True
            return dest
        return origin
    if origin is not None and _is_gone(origin):
        return None
    directive = _directive(origin)
    if directive == "delete":
        return None
    return origin if directive == "replace" else dest


def _set_field(result: Node, name: str, value: Node | None, member: Member | None) -> None:
    if value is None or value.is_null:
        result.remove(name)
        return
    old = result.field(name)
    if old is None:
        key = member.key if member else None
        new = Member(key or scalar(name), value)
        if member is not None:
            new.lead, new.comment, new.born = member.lead, member.comment, member.born
        result.members.append(new)
        return
    if old.value is not value:
        if old.quoted is None:
            old.quoted = bool(old.value.style)
        old.value = _in_quotes_of(old, value)
        if member is not None and member is not old:
            old.comment = member.comment or old.comment
            old.lead = old.lead or [line for line in member.lead if line]


def _in_quotes_of(member: Member, new: Node) -> Node:
    """A number or boolean in place of a string in quotes becomes a string, as in kyaml, which keeps the quotes."""
    style = member.value.style
    are_single = member.value.kind == new.kind == "scalar"
    if are_single and member.quoted and new.tag != STRING_TAG and new.tag.startswith(STANDARD):
        return Node("scalar", STRING_TAG, new.value, style=style if style in ("'", '"') else '"')
    return new


def _directive(node: Node | None, *, strict: bool = True) -> str:
    """Take ``$patch`` out of a mapping or list and return what it says, ``merge`` if there is none."""
    if node is None:
        return "merge"
    holder = node
    if node.kind == "list":
        with_key = (m.value for m in node.members if m.value.kind == "map" and m.value.field(DIRECTIVE))
        found = next(with_key, None)
        if found is None or len(found.members) > 1:
            return "merge"
        holder = found
    value = holder.value_of(DIRECTIVE)
    if value is None or value.tag.endswith(":null"):
        return "merge"
    if value.value not in ("delete", "replace", "merge"):
        if not strict:
            return "merge"
        raise EditError(f"$patch is {value.value!r}; it can be merge, replace or delete")
    if node.kind == "list":
        put_element(node, [DIRECTIVE], [value.value], None)
    else:
        node.remove(DIRECTIVE)
    return value.value


def _fields(schema: Field | None, *nodes: Node | None) -> Schema | None:
    """The fields on the way to lists merged by key, from the parent's schema or the kind."""
    if isinstance(schema, str) and schema:
        return TYPES.get(schema)
    for node in nodes:
        if node is None or node.kind != "map":
            continue
        kind, version = node.value_of("kind"), node.value_of("apiVersion")
        if kind is None or version is None or not kind.value or not version.value:
            continue
        fields = fields_of_kind(version.value, kind.value)
        if fields is not None:
            return fields
    return None


def _walk_keyed_list(
    dest: Node | None, origin: Node | None, schema: tuple[str, ...], path: tuple[str, ...]
) -> Node | None:
    result = origin if _is_gone(dest) else _visited(dest, origin)
    if result is None:
        return None
    element_type, *keys = schema
    sources = [result, origin]
    wanted = key_values(sources, keys) if keys else primitive_values(sources)
    keys = keys or [""]
    if len(keys) > 1:
        wanted = combined_values(wanted)
    added = Node("list", result.tag, offset=result.offset)
    used = keys
    for values in wanted:
        used, found = usable_keys(wanted, values, keys)
        merged = _walk(element(result, used, found), element(origin, used, found), element_type or None, path)
        if merged is None or _is_gone(merged) or (merged.kind == "map" and not merged.members):
            put_element(result, used, found, None)
            continue
        for key, value in zip(used, found, strict=False):
            if key and merged.field(key) is None and value:
                merged.members.append(Member(scalar(key), scalar(value)))
        put_element(added, used, found, merged)
    if wanted:
        result = put_all(result, added, used)
    return result
