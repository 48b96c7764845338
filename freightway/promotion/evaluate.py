"""Decides a step's ``if`` and evaluates its configuration; pure but for the lookups it is given.

Source: Kargo ``pkg/promotion/evaluator.go`` and ``local_orchestrator.go`` (messages).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from freightway import expr
from freightway.errors import ExpressionError
from freightway.expr.values import type_name
from freightway.promotion.functions import Secrets, config_functions, variable_functions
from freightway.promotion.model import StepOutcome, StepRequest, StepStatus
from freightway.promotion.phase import has_failed
from freightway.promotion.scope import promotion_scope, step_scope
from freightway.resources.meta import Variable

__all__ = ["LITERAL", "TEMPLATE", "Configured", "Evaluation", "Secrets"]

TEMPLATE = "$template"
"""Key of a recorded leaf that is evaluated anew, because it holds a secret."""

LITERAL = "$literal"
"""Key of a recorded map that merely looks like such a leaf."""

_SECRET_CALL = re.compile(r"\b(?:secret|sharedSecret)\s*\(")
_VARS = re.compile(r"\bvars\b")
_DELIMITER = re.compile(r"\$\{\{|\$\{%")


@dataclass(frozen=True, slots=True)
class Configured:
    """An evaluated configuration, and the form in which it may be recorded."""

    config: dict[str, Any]
    record_config: dict[str, Any]


class Evaluation:
    """The expressions of one attempt of a step, evaluated once.

    Args:
        now: what ``now()`` gives.
        holds_secret: tells whether a plain value holds a secret that was handed out.
    """

    def __init__(
        self,
        request: StepRequest,
        data: Secrets,
        now: datetime,
        holds_secret: Callable[[Any], bool] = lambda _: False,
    ) -> None:
        self.request = request
        self.now = now
        self._data = data
        self._holds_secret = holds_secret
        self._scope: dict[str, Any] | None = None
        self._has_secret_vars = False

    def decide(self) -> StepOutcome | None:
        """Return None if the step is to run, else its outcome: Skipped, or Errored for a broken ``if``."""
        step = self.request.step
        try:
            if not step.if_:
                verdict: object = not has_failed(self.request.metas)
            else:
                verdict = self._render(step.if_, self._environment())
            if isinstance(verdict, bool):
                return None if verdict else StepOutcome(status=StepStatus.SKIPPED, ran=False)
            problem = f"expression must evaluate to a boolean, got {type_name(verdict)}"
        except _Unfit as unfit:
            problem = str(unfit)
        return StepOutcome(
            status=StepStatus.ERRORED,
            message=f'error checking if step "{step.alias}" should be skipped: {problem}',
            ran=False,
            error=True,
            counted=False,
        )

    def configure(self) -> Configured | StepOutcome:
        """Return the evaluated configuration, or the outcome of a step whose configuration is broken."""
        raw = self.request.step.config
        if not raw:
            return Configured({}, {})
        try:
            config = self._plain(self._render(raw, self._environment()))
        except _Unfit as unfit:
            return StepOutcome(
                status=StepStatus.ERRORED,
                message=f"failed to build step context: failed to get step config: {unfit}",
                error=True,
                counted=False,
            )
        recorded = {key: self._recorded(item, config[key]) for key, item in raw.items()}
        return Configured(config, recorded)

    def restore(self, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a recorded run: only the leaves with secrets are evaluated.

        Raises:
            ExpressionError: if one of them does not evaluate any more.
        """
        try:
            restored = {key: self._restored(item) for key, item in recorded.items()}
            return self._plain(restored)
        except _Unfit as unfit:
            raise ExpressionError(str(unfit)) from unfit

    def _environment(self) -> dict[str, Any]:
        if self._scope is None:
            request, scope = self.request, promotion_scope(self.request)
            changed = {variable.name: variable for variable in request.overrides}
            defined = {variable.name for variable in request.vars}
            added = [variable for variable in request.overrides if variable.name not in defined]
            self._define([changed.get(variable.name, variable) for variable in request.vars], scope)
            scope |= step_scope(request)
            own = [changed.get(variable.name, variable) for variable in request.step.vars]
            self._define([*added, *own], scope)
            self._scope = scope
        return self._scope

    def _define(self, variables: Iterable[Variable], scope: dict[str, Any]) -> None:
        for variable in variables:
            self._has_secret_vars |= self._is_tainted(variable.value)
            try:
                value = self._render(variable.value, scope, self._variable_functions)
            except _Unfit as unfit:
                raise _Unfit(f'error pre-processing promotion variable "{variable.name}": {unfit}') from unfit
            scope["vars"] = {**scope["vars"], variable.name: value}

    @cached_property
    def _variable_functions(self) -> dict[str, expr.Function]:
        return variable_functions(self.request, self._data)

    @cached_property
    def _config_functions(self) -> dict[str, expr.Function]:
        return config_functions(self.request, self._data)

    def _render(
        self, template: Any, scope: Mapping[str, Any], functions: Mapping[str, Any] | None = None
    ) -> Any:
        if functions is None:
            functions = self._config_functions
        try:
            return expr.render(template, scope, now=self.now, functions=functions)
        except ExpressionError as error:
            raise _Unfit(str(error)) from error

    @staticmethod
    def _plain(config: Any) -> dict[str, Any]:
        """The configuration as JSON has it, whole numbers as integers."""
        try:
            plain = expr.to_plain(config)
        except ExpressionError as error:
            raise _Unfit(error.message) from error
        assert isinstance(plain, dict)
        return plain

    def _is_tainted(self, raw: str) -> bool:
        """Whether a text may give something made of a secret, so that only the text may be kept."""
        return bool(_SECRET_CALL.search(raw)) or (self._has_secret_vars and bool(_VARS.search(raw)))

    def _recorded(self, raw: Any, value: Any) -> Any:
        if isinstance(raw, dict):
            kept = {key: self._recorded(item, value[key]) for key, item in raw.items()}
            return {LITERAL: kept} if TEMPLATE in raw or LITERAL in raw else kept
        if isinstance(raw, list):
            return [self._recorded(item, value[index]) for index, item in enumerate(raw)]
        is_template = isinstance(raw, str) and bool(_DELIMITER.search(raw))
        if is_template and (self._is_tainted(raw) or self._holds_secret(value)):
            return {TEMPLATE: raw}
        return value

    def _restored(self, recorded: Any) -> Any:
        if isinstance(recorded, dict):
            if set(recorded) == {TEMPLATE}:
                return self._render(recorded[TEMPLATE], self._environment())
            inner = recorded[LITERAL] if set(recorded) == {LITERAL} else recorded
            return {key: self._restored(item) for key, item in inner.items()}
        if isinstance(recorded, list):
            return [self._restored(item) for item in recorded]
        return recorded


class _Unfit(Exception):
    """An expression that does not evaluate; the text is what people see."""
