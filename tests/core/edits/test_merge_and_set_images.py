"""Merging and setting images keep comments and say what is wrong."""

from __future__ import annotations

import pytest

from freightway.edits.errors import EditError
from freightway.edits.images import Image
from freightway.edits.kustomization import set_images
from freightway.edits.yaml_merge import merge_yaml


def test_a_merge_keeps_comments_quotes_and_block_scalars() -> None:
    base = "# head\na: 'x'  # one\n\n# two\nb:\n    c: |\n        line\n    d: 1e3 # three\nl:\n  - p: 1 # four\n# tail\n"
    merged = merge_yaml([("base.yaml", base), ("patch.yaml", "b:\n  d: 2\n  e: new # five\n")])
    wanted = (
        base.replace("1e3 # three", "2 # three")
        .replace("'x'  #", "'x' #")
        .replace("l:\n", "    e: new # five\nl:\n")
    )
    assert merged == wanted.replace("        line", "      line")


def test_aliases_are_written_out() -> None:
    assert (
        merge_yaml([("a", "a: &x {p: 1}\nb: *x\n"), ("b", "b: {q: 2}\n")]) == "a: {p: 1}\nb: {p: 1, q: 2}\n"
    )


def test_a_merge_that_cannot_be_says_where() -> None:
    with pytest.raises(EditError, match=r"patch: a mapping stands against a single value at a\.b"):
        merge_yaml([("base", "a: {b: {}}"), ("patch", "a: {b: 1}")])


def test_setting_an_image_leaves_the_rest_and_its_comments() -> None:
    text = "# top\nresources: [a]   # r\nimages:\n# pinned\n- name: x # n\n  newTag: '1' # t\n- name: y\n  digest: d\nz: 1 # end\n"
    new = set_images(text, {"x": Image("x", new_tag="2")}).text
    assert new == text.replace("'1' # t", "'2' # t")


def test_entries_move_with_their_comments() -> None:
    text = "images:\n- name: y # why\n  newTag: a\n# about x\n- name: x\n  newTag: b\n"
    assert (
        set_images(text, {}).text
        == "images:\n# about x\n- name: x\n  newTag: b\n- name: y # why\n  newTag: a\n"
    )
