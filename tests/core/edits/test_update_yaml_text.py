"""update_yaml changes the addressed value and nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from freightway.edits.errors import EditError
from freightway.edits.yaml_scalars import render_value
from freightway.edits.yaml_update import update_yaml

VALUES = (
    st.text(max_size=12)
    | st.sampled_from(
        ["1e10", "12e4567", "yes", "on", "0o7", "2024-01-02", "~", "", " a", "a: b", "#x", "*s", "a\nb"]
    )
    | st.integers()
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
)
FILE = """\
# head
image:   # where
    tag: "v1"   # the tag
    name: 'alpha'
list: [a, {k: 1}, "x"] # flow
script: |  # run it
  one

  two
empty:
last: end # of it
"""
PLACES = {
    "image.tag": lambda data: data["image"].pop("tag"),
    "image.name": lambda data: data["image"].pop("name"),
    "list.1.k": lambda data: data["list"][1].pop("k"),
    "list.0": lambda data: data["list"].pop(0),
    "script": lambda data: data.pop("script"),
    "empty": lambda data: data.pop("empty"),
    "last": lambda data: data.pop("last"),
}


def is_writable(value: object) -> bool:
    return not (isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value))


@settings(max_examples=300, deadline=None)
@given(key=st.sampled_from(sorted(PLACES)), value=VALUES.filter(is_writable))
def test_only_the_addressed_value_changes(key: str, value: Any) -> None:
    text = update_yaml(FILE, [(key, value)])
    before, after = yaml.safe_load(FILE), yaml.safe_load(text)
    PLACES[key](before)
    assert PLACES[key](after) == value
    assert after == before
    for comment in ("# head", "# where", "# the tag", "# flow", "# run it", "# of it"):
        assert comment in text
    assert update_yaml(text, [(key, value)]) == text


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        VALUES.filter(is_writable),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
    )
)
def test_a_value_is_read_back_as_given(value: Any) -> None:
    assert yaml.safe_load("- " + render_value(value)) == [value]


@pytest.mark.parametrize(
    ("before", "key", "value", "after"),
    [
        ("a: 1 # c\r\nb: 2\r\n", "a", "x", "a: x # c\r\nb: 2\r\n"),
        ("\ufeffa: 1\n", "a", 2, "\ufeffa: 2\n"),
        ("a: &x 1\nb: *x\n", "a", 2, "a: &x 2\nb: *x\n"),
        ("a: !!str 7\n", "a", 7, "a: 7\n"),
        ("a: 'x'# no comment in YAML 1.2\n", "a", "y", "a: 'y' # no comment in YAML 1.2\n"),
        ("- a\n-\n- c", "1", "b", "- a\n- b\n- c"),
        ("{a}", "a", 1, "{a: 1}"),
        ('{"a":1}', "a", "x", '{"a":"x"}'),
        ("a: 1\n--- \nb: [", "a", 2, "a: 2\n--- \nb: ["),
        ("x:\n  - |\n    one\n\n\n  - two\n", "x.0", "1", 'x:\n  - "1"\n\n\n  - two\n'),
        ("a: 5\n", "a", 5000000, "a: 5000000\n"),
        ("a: 5\n", "a", 1e21, "a: 1.0e+21\n"),
    ],
)
def test_the_rest_of_the_text_stays(before: str, key: str, value: object, after: str) -> None:
    assert update_yaml(before, [(key, value)]) == after


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("a: {b: 1}", "a.c", "there is no 'c' in 'a'; it holds 'b'"),
        ("a: [1]", "a.1", "'a' is a list of 1, there is no item 1"),
        ("a: [1]", "a.x", "a number is expected"),
        ("a: [1]", "a", "line 1 holds a list"),
        ("a: &x 1\nb: *x", "b", "update the place of its anchor"),
        ("a: *x", "a", "the anchor 'x' does not exist"),
        ("a: [", "a", "line 2: did not find"),
        ("", "a", "empty"),
    ],
)
def test_errors_say_what_is_there(text: str, key: str, message: str) -> None:
    with pytest.raises(EditError) as caught:
        update_yaml(text, [(key, 1)])
    assert message in str(caught.value)


def test_a_file_of_five_megabytes_takes_seconds() -> None:
    text = "".join(f"key{n}:\n  image: repo/app{n}  # note\n  tag: v{n}\n" for n in range(110_000))
    assert len(text) > 5_000_000
    start = time.process_time()
    assert update_yaml(text, [("key99999.tag", "new")]).count("tag: new\n") == 1
    assert time.process_time() - start < 30
