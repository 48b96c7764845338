"""What one expression may use at most; every default is named here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

MAX_NODES = 10_000
MEMORY_BUDGET = 1_000_000
MAX_STEPS = 1_000_000
MAX_TEXT_LENGTH = 16 * 1024 * 1024
MAX_DEPTH = 120


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the compilation and the evaluation of one expression.

    Attributes:
        max_nodes: most nodes in the syntax tree of one expression.
        memory_budget: elements of lists and maps (and characters of ``repeat``) made in one evaluation.
        max_steps: evaluation steps; a step is about one node evaluated inside a predicate, or one element
            or a few hundred characters looked at by a function.
        max_text_length: most bytes in one string, also in the text of a rendered template.
        max_depth: how deep expressions, templates and values may be nested.

    Source: the first two are the defaults of expr-lang 1.17.8 (conf/config.go); the others are ours.
    """

    max_nodes: int = MAX_NODES
    memory_budget: int = MEMORY_BUDGET
    max_steps: int = MAX_STEPS
    max_text_length: int = MAX_TEXT_LENGTH
    max_depth: int = MAX_DEPTH


DEFAULT_LIMITS = Limits()
