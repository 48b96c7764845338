"""kustomize-set-image: put images into a kustomization file and leave the rest of it as it was.

Only the value of ``images`` is written anew, entry by entry: an entry that does not change keeps its text, a
changed one keeps the order, quotes and comments of the fields that stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

from freightway.edits.errors import EditError
from freightway.edits.images import Image, merge_images, without_keep
from freightway.edits.yaml_events import BYTE_ORDER_MARK
from freightway.edits.yaml_nodes import (
    NULL_TAG,
    STRING_TAG,
    compose_first,
    content_end,
    field_of,
    line_end,
    line_start,
    plain_data,
    trailing_comment,
)
from freightway.edits.yaml_scalars import render_string

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
FIELDS = {
    "name": "name",
    "newName": "new_name",
    "tagSuffix": "tag_suffix",
    "newTag": "new_tag",
    "digest": "digest",
}


@dataclass(frozen=True, slots=True)
class SetImagesResult:
    """What came of setting images.

    Attributes:
        text: the new text of the file.
        images: all images of the file after the merge, by name, sorted; for the commit message.
    """

    text: str
    images: dict[str, Image]


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of an entry as it stands in the file."""

    name: str
    text: str
    style: str
    is_string: bool
    lead: list[str]
    comment: str


@dataclass(slots=True)
class _Entry:
    """One entry of ``images`` as it stands in the file; without fields if it has no text of its own."""

    image: Image
    lead: list[str] = field(default_factory=list)
    fields: list[_Field] = field(default_factory=list)


def find_kustomization(regular_files: Iterable[str], path: str) -> str:
    """Return the name of the one kustomization file among the regular files of a folder.

    Args:
        regular_files: names of the files in the folder; links and folders do not count.
        path: the folder as the person gave it, for the message.
    Raises:
        EditError: if there is none, or more than one.
    """
    there = set(regular_files)
    found = [name for name in FILE_NAMES if name in there]
    if not found:
        raise EditError(f"there is no {' or '.join(FILE_NAMES)} in {path!r}")
    if len(found) > 1:
        raise EditError(f"there are several kustomization files in {path!r}: {', '.join(found)}; keep one")
    return found[0]


def set_images(text: str, images: Mapping[str, Image]) -> SetImagesResult:
    """Return a kustomization file's text with the given images set in its ``images``, sorted by name.

    Documents after the first stay as they are.

    Raises:
        EditError: if the text is not a YAML mapping, or its ``images`` is not a list of images.
    Source: Kargo pkg/promotion/runner/builtin/kustomize_image_setter.go and pkg/yaml/update.go at 1c764767a;
        differs: Kargo writes the whole file anew and drops the documents after the first.
    """
    if text.startswith(BYTE_ORDER_MARK):
        result = set_images(text[1:], images)
        return SetImagesResult(BYTE_ORDER_MARK + result.text, result.images)
    root = compose_first(text)
    if not isinstance(root, yaml.MappingNode):
        raise EditError("the kustomization file holds no mapping")
    found = field_of(root, "images")
    entries = _entries(text, found[1]) if found else []
    merged = merge_images([entry.image for entry in entries], images)
    written = {name: without_keep(image) for name, image in merged.items()}
    by_name: dict[str, _Entry] = {}
    for entry in entries:
        by_name.setdefault(entry.image.name, entry)
    updated = _write(text, root, found, list(written.values()), by_name)
    _check(root, updated, list(written.values()))
    return SetImagesResult(updated, merged)


def set_image_message(path: str, images: Mapping[str, Image]) -> str:
    """Return the commit message of kustomize-set-image; empty without images.

    Source: Kargo kustomize_image_setter.go generateCommitMessage at 1c764767a: it lists every image of the file.
    """
    if not images:
        return ""
    lines = "".join(f"\n- {images[name].reference}" for name in sorted(images, key=str.encode))
    return f"Updated {path} to use new image{'s' if len(images) > 1 else ''}\n{lines}"


def _entries(text: str, node: yaml.Node) -> list[_Entry]:
    if isinstance(node, yaml.ScalarNode) and node.tag == NULL_TAG:
        return []
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.SequenceNode):
        raise EditError(f"line {line}: 'images' is not a list")
    entries: list[_Entry] = []
    is_block = not node.flow_style
    previous = line_end(text, node.start_mark.index) if is_block else 0
    for number, item in enumerate(node.value):
        entry = _Entry(_image(item))
        inside = node.start_mark.index <= item.start_mark.index and item.end_mark.index <= node.end_mark.index
        if is_block and inside and isinstance(item, yaml.MappingNode) and not item.flow_style:
            start = line_start(text, item.start_mark.index)
            lead = text[previous + 1 : start] if number else ""
            entry.lead = [one.strip() for one in lead.splitlines()]
            entry.fields = _fields(text, item)
        if inside:
            previous = line_end(text, content_end(text, item))
        entries.append(entry)
    return entries


def _fields(text: str, item: yaml.MappingNode) -> list[_Field]:
    fields: list[_Field] = []
    previous = line_end(text, item.start_mark.index)
    for key, value in item.value:
        end = content_end(text, value)
        inside = item.start_mark.index <= value.start_mark.index
        lead = text[previous + 1 : line_start(text, key.start_mark.index)] if fields else ""
        fields.append(
            _Field(
                name=key.value,
                text=text[value.start_mark.index : end]
                if inside and key.end_mark.line == value.end_mark.line
                else "",
                style=value.style if isinstance(value, yaml.ScalarNode) and value.style in ("'", '"') else "",
                is_string=value.tag == STRING_TAG,
                lead=[one.strip() for one in lead.splitlines()],
                comment=trailing_comment(text, end) if inside else "",
            )
        )
        previous = line_end(text, end) if inside else previous
    return fields


def _image(item: yaml.Node) -> Image:
    line = item.start_mark.line + 1
    if isinstance(item, yaml.ScalarNode) and item.tag == NULL_TAG:
        return Image("")
    if not isinstance(item, yaml.MappingNode):
        raise EditError(f"line {line}: an entry of 'images' is not a mapping")
    values: dict[str, str] = {}
    merged: dict[str, str] = {}
    for key, value in item.value:
        if key.value == "<<" and isinstance(value, yaml.MappingNode):
            inherited = _image(value)
            merged = {attribute: getattr(inherited, attribute) for attribute in FIELDS.values()}
        if key.value not in FIELDS:
            continue
        if not isinstance(value, yaml.ScalarNode):
            raise EditError(f"line {line}: {key.value!r} of an image is not a single value")
        if FIELDS[key.value] in values:
            raise EditError(f"line {line}: an image has {key.value!r} twice")
        values[FIELDS[key.value]] = "" if value.tag == NULL_TAG else value.value
    return Image(**{"name": "", **merged, **values})


def _write(
    text: str,
    root: yaml.MappingNode,
    found: tuple[yaml.Node, yaml.Node] | None,
    images: list[Image],
    entries: dict[str, _Entry],
) -> str:
    line_break = "\r\n" if "\r\n" in text else "\n"
    if root.flow_style:
        return _write_in_flow(text, root, found, images)
    indent = " " * root.start_mark.column
    lines = [line for image in images for line in _entry_lines(image, entries.get(image.name))]
    if found is None:
        at = line_end(text, content_end(text, root))
        block = ["images:", *lines] if images else ["images: []"]
        return text[:at] + "".join(line_break + indent + line for line in block) + (text[at:] or line_break)
    key, value = found
    colon = text.index(":", key.end_mark.index) + 1
    is_block = isinstance(value, yaml.SequenceNode) and not value.flow_style
    inside = value.start_mark.index >= colon
    if inside and not is_block and isinstance(value, yaml.SequenceNode) and value.value:
        new = _flow(images, json_like=False)
        return text[: value.start_mark.index] + new + text[value.end_mark.index :]
    if is_block and inside:
        start = line_start(text, value.value[0].start_mark.index)
        comments = text[line_end(text, colon) : max(start - 1, 0)] if start > colon else ""
        indent = " " * value.start_mark.column
        end = line_end(text, content_end(text, value))
    else:
        comments = ""
        end = content_end(text, value) if inside else line_end(text, colon)
        comment = trailing_comment(text, end)
        comments = f" {comment}" if comment else ""
        end = line_end(text, end)
    if not images:
        return text[:colon] + " []" + comments + text[end:]
    head = text[colon : line_end(text, colon)] if is_block and inside else ""
    return text[:colon] + head + comments + "".join(line_break + indent + line for line in lines) + text[end:]


def _write_in_flow(
    text: str, root: yaml.MappingNode, found: tuple[yaml.Node, yaml.Node] | None, images: list[Image]
) -> str:
    new = _flow(images, json_like=True)
    if found is not None:
        value = found[1]
        if value.start_mark.index < found[0].end_mark.index:
            raise EditError("'images' is an alias inside {}; write the list out")
        return text[: value.start_mark.index] + new + text[value.end_mark.index :]
    at = root.end_mark.index - 1
    if root.value:
        at = content_end(text, root.value[-1][1])
        new = f', "images": {new}'
    else:
        new = f'"images": {new}'
    return text[:at] + new + text[at:]


def _entry_lines(image: Image, entry: _Entry | None) -> list[str]:
    """The lines of one entry without indentation of the list."""
    wanted = {name: getattr(image, attribute) for name, attribute in FIELDS.items()}
    lines: list[str] = []
    leads: list[list[str]] = []
    for old in entry.fields if entry else []:
        value = wanted.pop(old.name, "")
        if not value or entry is None:
            continue
        same = value == getattr(entry.image, FIELDS[old.name]) and old.is_string and old.text
        shown = old.text if same else render_string(value, style=old.style)
        lines.append(f"{old.name}: {shown}" + (f" {old.comment}" if old.comment else ""))
        leads.append(old.lead)
    for name, value in wanted.items():
        if value:
            lines.append(f"{name}: {render_string(value)}")
            leads.append([])
    if not lines:
        return [*(entry.lead if entry else []), "- {}"]
    first = [*(entry.lead if entry else []), *leads[0], f"- {lines[0]}"]
    for lead, line in zip(leads[1:], lines[1:], strict=True):
        first += [f"  {one}" if one else "" for one in lead] + [f"  {line}"]
    return first


def _flow(images: list[Image], *, json_like: bool) -> str:
    shown = []
    for image in images:
        values = {name: getattr(image, attribute) for name, attribute in FIELDS.items()}
        present = {name: value for name, value in values.items() if value}
        if json_like:
            shown.append(json.dumps(present, ensure_ascii=False))
        else:
            fields = (f"{name}: {render_string(value, flow=True)}" for name, value in present.items())
            shown.append("{" + ", ".join(fields) + "}")
    return "[" + ", ".join(shown) + "]"


def _check(before: yaml.MappingNode, updated: str, images: list[Image]) -> None:
    """Raise EditError unless the new text says the same but for its images."""
    after = compose_first(updated)
    found = field_of(after, "images") if isinstance(after, yaml.MappingNode) else None
    entries = _entries(updated, found[1]) if found else None
    others = [_others(node) for node in (before, after) if isinstance(node, yaml.MappingNode)]
    if (
        entries is None
        or [entry.image for entry in entries] != images
        or len(others) != 2
        or others[0] != others[1]
    ):
        raise EditError(
            "the images cannot be set without changing the rest of the file; are anchors used there?"
        )


def _others(root: yaml.MappingNode) -> list[object]:
    found = field_of(root, "images")
    skipped = found[0] if found else None
    return [(plain_data(key), plain_data(value)) for key, value in root.value if key is not skipped]
