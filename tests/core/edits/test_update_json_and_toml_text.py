"""update_json and update_toml change the addressed value and nothing else."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freightway.edits.errors import EditError
from freightway.edits.json_update import update_json
from freightway.edits.toml_update import update_toml

SCALARS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = '{\n\t"a" : 1.10,\r\n  "b": {"c": [12345678901234567890, {"d": null}]}, // note\n  "e": "x"\n}\n'
TOML = 'a = 1 # one\r\n"b c" = "x"\n[t]\nd = [1, # first\n  2]\n[[w]]\nn = \'l\'\n[w.s]\nk = 1979-05-27 07:32:00\n[[w]]\n'


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(["a", "b.c.0", "b.c.1.d", "e"]), value=SCALARS)
def test_json_update_replaces_only_the_value(key: str, value: Any) -> None:
    text = update_json(JSON, [(key, value)])
    old = {"a": "1.10", "b.c.0": "12345678901234567890", "b.c.1.d": "null", "e": '"x"'}[key]
    prefix, _, suffix = JSON.partition(old)
    assert text.startswith(prefix)
    assert text.endswith(suffix)
    assert json.loads(text[len(prefix) : len(text) - len(suffix)]) == value
    assert update_json(text, [(key, value)]) == text


@pytest.mark.parametrize(
    ("before", "key", "after"),
    [
        ('{"a":1}', "b", '{"a":1,"b":0}'),
        ('{\n  "a": {\n    "x": 1\n  }\n}', "a.y", '{\n  "a": {\n    "x": 1,\n    "y": 0\n  }\n}'),
        ("[1, 2]", "-1", "[1, 2, 0]"),
        ("[]", "2", "[null, null, 0]"),
        ('{"a": [{"k": 1}, {"k": 2}]}', "a.#.k", '{"a": [{"k": 0}, {"k": 0}]}'),
        ("", "a.0", '{"a":[0]}'),
    ],
)
def test_json_update_lays_new_members_out_like_their_neighbours(before: str, key: str, after: str) -> None:
    assert update_json(before, [(key, 0)]) == after


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("{", "a", 1),
        ("[1]", "x", 1),
        ("{}", "a", None),
        ("{}", "a", float("nan")),
        ("[]", "99999999", 1),
        ("{}", "", 1),
    ],
)
def test_json_update_refuses(text: str, key: str, value: object) -> None:
    with pytest.raises(EditError):
        update_json(text, [(key, value)])


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(["a", "b c", "t.d.1", "w.0.n", "w.0.s.k", "w.s.k"]), value=SCALARS)
def test_toml_update_replaces_only_the_value(key: str, value: Any) -> None:
    text = update_toml(TOML, [(key, value)])
    olds = {"a": "1", "b c": '"x"', "t.d.1": "2]", "w.0.n": "'l'", "w.0.s.k": "1979-05-27 07:32:00"}
    old = olds[key.replace("w.s", "w.0.s")]
    prefix, _, suffix = TOML.partition(old)
    assert text.startswith(prefix)
    assert text.endswith(suffix)
    new = text[len(prefix) : len(text) - len(suffix)].removesuffix("]")
    assert tomllib.loads(f"v = {new}")["v"] == value
    tomllib.loads(text.replace("\r\n", "\n"))
    assert update_toml(text, [(key, value)]) == text


@pytest.mark.parametrize(
    ("text", "key"), [("a = ", "a"), ("a = 1", "b"), ("[t]", "t"), ("a = [1]", "a"), ("a = 1\na = 2", "a")]
)
def test_toml_update_refuses(text: str, key: str) -> None:
    with pytest.raises(EditError):
        update_toml(text, [(key, 1)])
