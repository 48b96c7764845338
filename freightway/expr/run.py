"""The state of one evaluation: environment, variables, predicate scopes, and what has been used so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from freightway.expr.failure import Failure
from freightway.expr.limits import Limits
from freightway.expr.values import Function

Now = Callable[[], datetime] | datetime

OUT_OF_MEMORY = "memory budget exceeded"
OUT_OF_STEPS = "the evaluation takes too many steps"
TEXT_TOO_LONG = "the text grows too long"
TEXT_PER_STEP = 256


class Scope:
    """Where a predicate is: the element, its index, and what has been gathered."""

    __slots__ = ("acc", "index", "item")

    def __init__(self) -> None:
        self.item: object = None
        self.index = 0
        self.acc: object = None


class Run:
    """One evaluation of one program."""

    __slots__ = ("env", "functions", "limits", "memory", "now", "scope", "stack", "steps", "variables")

    stack: list[object]  # only set by an expression that needs one, see compile_strays.py

    def __init__(
        self,
        env: Mapping[str, object],
        functions: Mapping[str, Function],
        variables: int,
        limits: Limits,
        now: Now | None,
    ) -> None:
        self.env = env
        self.functions = functions
        self.variables: list[object] = [None] * variables
        self.limits = limits
        self.now = now
        self.scope = Scope()
        self.memory = 0
        self.steps = 0

    def grow(self, size: int) -> None:
        """Count elements made.

        Raises:
            Failure: if the budget is used up.
        """
        self.memory += size
        if self.memory >= self.limits.memory_budget:
            raise Failure(OUT_OF_MEMORY)

    def step(self, count: int = 1) -> None:
        """Count evaluation steps.

        Raises:
            Failure: if there were too many.
        """
        self.steps += count
        if self.steps > self.limits.max_steps:
            raise Failure(OUT_OF_STEPS)

    def text(self, length: int) -> None:
        """Count a string of ``length`` bytes made or read.

        Raises:
            Failure: if it is too long, or too much text has been handled.
        """
        if length > self.limits.max_text_length:
            raise Failure(TEXT_TOO_LONG)
        self.step(1 + length // TEXT_PER_STEP)
