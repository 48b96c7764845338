"""Arguments of a run: the caller's put over the template's, and their values put into the metrics.

Secret arguments are references until an activity resolves them; everywhere else a dummy text stands in.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from freightway.errors import InvalidResource
from freightway.resources.analysis import Argument, Metric, SecretKeyRef

SECRET_DUMMY = "temp-for-secret"  # noqa: S105 - stands for a secret, is none
SecretLookup = Callable[[SecretKeyRef], str]
"""Returns the value of a Secret's key, and raises NotFound if there is none."""

_CONTROL_IN_TEXT = "\b\f\n\r\t"


def merge_arguments(incoming: Iterable[Argument], declared: Iterable[Argument]) -> tuple[Argument, ...]:
    """Return the declared arguments with the caller's values put over theirs.

    Arguments that no template declares are left out. A caller's value leaves a template's Secret reference in place,
    and the Secret wins when the run resolves it.

    Raises:
        InvalidResource: if a declared argument has no value in the end.
    Source: Argo Rollouts ``utils/analysis`` MergeArgs.
    """
    given = {argument.name: argument for argument in incoming}
    merged: list[Argument] = []
    for argument in declared:
        filled = _override(argument, given.get(argument.name))
        if filled.value is None and filled.value_from is None:
            raise InvalidResource(f"args.{argument.name} was not resolved")
        merged.append(filled)
    return tuple(merged)


def _override(declared: Argument, given: Argument | None) -> Argument:
    if given is not None and given.value is not None:
        return declared.model_copy(update={"value": given.value})
    if given is not None and given.value_from is not None:
        return declared.model_copy(update={"value_from": given.value_from})
    return declared


def placeholder_values(arguments: Iterable[Argument], lookup: SecretLookup | None = None) -> dict[str, str]:
    """Return the value of every argument by name; of two with one name the last counts.

    Args:
        arguments: the run's arguments.
        lookup: reads Secrets; without it a dummy text stands for every secret value.
    Raises:
        InvalidResource: if an argument has neither value nor Secret.
        NotFound: if the lookup finds no such Secret or key.
    """
    values: dict[str, str] = {}
    for argument in arguments:
        if argument.secret is not None:
            values[argument.name] = lookup(argument.secret) if lookup else SECRET_DUMMY
        elif argument.value is not None:
            values[argument.name] = argument.value
        else:
            raise InvalidResource(f'argument "{argument.name}" was not supplied')
    return values


def secret_values(arguments: Iterable[Argument], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the non-empty values that came from Secrets, longest first, for masking."""
    found = {values[argument.name] for argument in arguments if argument.secret and argument.name in values}
    return tuple(sorted((value for value in found if value), key=len, reverse=True))


def substitute(metric: Metric, values: Mapping[str, str]) -> Metric:
    """Return the metric with every ``{{ args.<name> }}`` in its texts, keys included, replaced.

    Raises:
        InvalidResource: if a placeholder is foreign or unknown; of several, the last in field order is named.
    Source: Argo Rollouts ``utils/template`` ResolveArgs; differs: the texts are walked instead of the metric's JSON,
        so an unclosed ``{{`` ends with its text.
    """
    if "{{" not in metric.model_dump_json():
        return metric
    problems: list[str] = []
    resolved = _walk(metric.model_dump(mode="json"), values, problems)
    if problems:
        raise InvalidResource(problems[-1])
    return Metric.model_validate(resolved)


def _walk(node: Any, values: Mapping[str, str], problems: list[str]) -> Any:
    if isinstance(node, str):
        return substitute_text(node, values, problems)
    if isinstance(node, dict):
        return {_walk(key, values, problems): _walk(value, values, problems) for key, value in node.items()}
    if isinstance(node, list):
        return [_walk(item, values, problems) for item in node]
    return node


def substitute_text(text: str, values: Mapping[str, str], problems: list[str]) -> str:
    """Return the text with its placeholders replaced; what does not resolve is added to ``problems``.

    A value that holds ``{{`` is not looked at again, and there is no escape for a literal ``{{``.
    """
    parts: list[str] = []
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        parts.append(text[position:opening])
        closing = text.find("}}", opening + 2)
        if closing < 0:
            problems.append(f"failed to resolve {text[opening:]}: the braces are not closed")
            return text
        raw = text[opening + 2 : closing]
        name = raw.strip()
        position = closing + 2
        if not name.startswith("args.") or name.removeprefix("args.") not in values:
            problems.append(f"failed to resolve {{{{{raw}}}}}")
            continue
        value = values[name.removeprefix("args.")]
        if _has_control_character(value):
            problems.append(f"failed to resolve {{{{{raw}}}}}: the value holds a control character")
        parts.append(value)
    parts.append(text[position:])
    return "".join(parts)


def _has_control_character(value: str) -> bool:
    """Whether a value holds what Argo Rollouts cannot carry in a metric: control and astral format characters."""
    for character in value:
        if character in _CONTROL_IN_TEXT:
            continue
        if character < " " or character == "\x7f":
            return True
        if character > "\uffff" and unicodedata.category(character) in ("Cf", "Cn", "Co", "Cs", "Cc"):
            return True
    return False
