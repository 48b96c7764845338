"""What is wrong with an input, in one line, without its values."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from freightway.entities.input_errors import MOST_PROBLEMS, argument_sentence, input_sentence
from freightway.entities.messages import ApplyRequest, FreezeRequest, PromoteRequest, RepairRequest
from freightway.entities.stage import StageState
from freightway.resources.meta import Model

CASES: list[tuple[type[Model], Any, str]] = [
    (PromoteRequest, {"freight": 7}, "freight: a text is wanted, not a number"),
    (PromoteRequest, {"freight": None}, "freight: a text is wanted, not null"),
    (PromoteRequest, {"hotfix": []}, "hotfix: true or false is wanted, not a list"),
    (PromoteRequest, {"breakGlass": "perhaps"}, "breakGlass: true or false is wanted, not a text"),
    (PromoteRequest, {"bogus": 1}, "bogus: unknown field"),
    (PromoteRequest, 5, "an object is wanted, not a number"),
    (PromoteRequest, [1], "an object is wanted, not a list"),
    (
        PromoteRequest,
        {"freight": True, "bogus": 1},
        "freight: a text is wanted, not true; bogus: unknown field",
    ),
    (RepairRequest, {"action": "explode"}, "action: 'retry', 'skip' or 'abort' is wanted, not a text"),
    (RepairRequest, {"vars": {"a": 1}}, "vars.a: a text is wanted, not a number"),
    (ApplyRequest, {"documents": [{}, 3]}, "documents[1]: an object is wanted, not a number"),
    (
        FreezeRequest,
        {"until": "tomorrow"},
        "until: a time such as 2026-05-01T12:00:00Z is wanted, not a text",
    ),
    (StageState, {"configuration": 3}, "configuration: an object is wanted, not a number"),
]


@pytest.mark.parametrize(("model", "given", "sentence"), CASES)
def test_a_wrong_input_is_explained_by_field_and_by_what_is_wanted(
    model: type[Model], given: Any, sentence: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert input_sentence(caught.value) == sentence


def test_text_that_is_not_json_is_called_so() -> None:
    with pytest.raises(ValidationError) as caught:
        PromoteRequest.model_validate_json("{")
    assert input_sentence(caught.value) == "the input is not valid JSON"


def test_no_value_is_repeated_and_no_sentence_is_endless() -> None:
    given = {f"field{number}": "hunter2" for number in range(50)}
    given |= {"freight": ["hunter2"], "x" * 5000: "hunter2"}  # type: ignore[dict-item]
    with pytest.raises(ValidationError) as caught:
        PromoteRequest.model_validate(given)
    said = input_sentence(caught.value)
    assert "hunter2" not in said
    assert said.endswith(f"and {len(given) - MOST_PROBLEMS} more")
    assert len(said) < 2_000
    assert "\n" not in said


def test_too_many_inputs_are_counted() -> None:
    def handler(self: object, request: object = None) -> None: ...

    with pytest.raises(TypeError) as caught:
        handler(object(), 1, 2, 3)  # type: ignore[call-arg]
    assert argument_sentence(caught.value) == "a single input is wanted, not 3"
    none = TypeError("Stage.describe() takes 1 positional argument but 2 were given")
    assert argument_sentence(none) == "no input is wanted, not 1"
    assert argument_sentence(TypeError("unsupported operand")) == ""
