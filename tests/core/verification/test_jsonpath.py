"""The JSONPath dialect of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from freightway.errors import InvalidResource, NotFound
from freightway.verification.jsonpath import JSONPath

DATA: dict[str, Any] = {
    "a": {"b.c": 1.0, "d-e": 2.0, "null": None, "text": "x"},
    "xs": [{"n": "x", "v": 1.0, "on": True}, {"n": "y", "v": 2.0}, {"n": "z", "v": 3.0}],
    "empty": [],
    "deep": {"xs": [{"v": 9.0}]},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("{$}", DATA),
        ("{}", DATA),
        ("{.a.text}", "x"),
        ("{@.a.text}", "x"),
        ("$.a.text", "$.a.text"),
        ("v{$.a.text}", "v"),
        (r"{$.a.b\.c}", 1.0),
        (r"{$.a['b\.c']}", 1.0),
        ("{$.a.d-e}", 2.0),
        ("{$.a.null}", None),
        ("{$['xs'][0].n}", "x"),
        ("{$.xs[-1].v}", 3.0),
        ("{$.xs[-2:].v}", 2.0),
        ("{$.xs[0:3:2].v}", 1.0),
        ("{$.xs[1,0].v}", 2.0),
        ("{$.xs[*].v}", 1.0),
        ("{$.xs}", DATA["xs"]),
        ('{$.xs[?(@.n=="y")].v}', 2.0),
        ("{$.xs[?(@.v>=2.0)].n}", "y"),
        ("{$.xs[?(@.v != 1.0)].n}", "y"),
        ("{$.xs[?(@.on)].n}", "x"),
        ("{$.xs[?(@.n==')')].v}{$.a.text}", "x"),
        ("{$.deep..v}", 9.0),
        ("{$.empty[*]}{$.a.text}", "x"),
        ("{range $.xs[*]}{.n}{end}", "x"),
        ("{range $.empty[*]}{.n}{end}{$.a.text}", "x"),
        ("{range $.xs[?(@.v==3.0)]}{.n}{end}", "z"),
        ("{'quoted'}", "quoted"),
        ("{$.xs[0]['n','v']}", "x"),
    ],
)
def test_first_value_of_the_first_list_is_taken(path: str, expected: Any) -> None:
    assert JSONPath(path).first(DATA) == expected


def test_every_action_gives_a_list() -> None:
    assert JSONPath("{$.xs[*].n} and {$.a.text}").find(DATA) == [["x", "y", "z"], [" and "], ["x"]]


def test_range_repeats_what_is_inside() -> None:
    found = JSONPath("{range $.xs[*]}{.n}={.v} {end}!").find(DATA)
    assert [value for values in found for value in values] == [
        "x", "=", 1.0, " ", "y", "=", 2.0, " ", "z", "=", 3.0, " ", "!",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{$.a", "unclosed action"),
        ("{$.xs[", "unterminated array"),
        ("{$.xs[?(@.n", "unterminated filter"),
        ("{$.xs[?(@.n==1)}", "unclosed array expect ]"),
        ("{'x}", "unterminated quoted string"),
        ('{$["a"]}', 'invalid array index "a"'),
        ("{$....a}", "invalid multiple recursive descent"),
        ("{$.xs[-]}", "array index - is not a number"),
        ("{^}", "unrecognized character in action"),
    ],
)
def test_template_that_does_not_parse_is_refused(path: str, message: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        JSONPath(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{a}", "unrecognized identifier a"),
        ("{end}", "not in range, nothing to end"),
        ("{$.b}", "b is not found"),
        ("{$.a.null.x}", "x is not found"),
        ("{$.xs[3]}", "array index out of bounds: index 3, length 3"),
        ("{$.xs[0:9]}", "array index out of bounds: index 8, length 3"),
        ("{$.empty[0]}", "array index out of bounds: index 0, length 0"),
        ("{$.xs[2:1]}", "starting index 2 is greater than ending index 1"),
        ("{$.xs[0:2:0]}", "step must be > 0"),
        ("{$.a[0]}", "is not array or slice"),
        ("{$.a[*]}", "is not array or slice"),
        ("{$.a[?(@.b)]}", "cannot be filtered"),
        ("{$.xs[?(@.v==2)].n}", "incompatible types for comparison"),
        ("{$.xs[?(@.on<true)].n}", "invalid type for comparison"),
        ("{$.xs[?(@.w==2.0)].n}", "w is not found"),
        ("{$.xs[?(@.v=~2.0)].n}", "unrecognized"),
    ],
)
def test_path_that_does_not_fit_the_data_is_an_error(path: str, message: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        JSONPath(path).first(DATA)
    assert message in str(caught.value)


@pytest.mark.parametrize("path", ["{$.empty[*]}", '{$.xs[?(@.n=="no")]}', ""])
def test_template_without_a_value_finds_nothing(path: str) -> None:
    with pytest.raises(NotFound):
        JSONPath(path).first(DATA)
