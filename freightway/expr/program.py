"""Compiling an expression once and running it many times.

This is the only place where failures become ``ExpressionError``; whatever else goes wrong becomes one as well.

Source: expr-lang 1.17.8 expr.go, with the options that Kargo uses: no declared environment, unknown names are nil.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from freightway.errors import ExpressionError
from freightway.expr.checker import check
from freightway.expr.compile_operators import Evaluate
from freightway.expr.compiler import compile_tree
from freightway.expr.failure import Failure, Stage, expression_error
from freightway.expr.limits import DEFAULT_LIMITS, Limits
from freightway.expr.natures import VARIADIC_ANY, Nature, Signature, function_of
from freightway.expr.optimizer import optimize
from freightway.expr.parser import TOO_DEEP, parse
from freightway.expr.run import OUT_OF_MEMORY, Now, Run
from freightway.expr.values import AnyMap, Function

CACHED_PROGRAMS = 4_096
MAX_RESULT_DEPTH = 200

Functions = Mapping[str, Function | Callable[..., object]]
Signatures = tuple[tuple[str, tuple[Signature, ...]], ...]


class Program:
    """A compiled expression.

    Attributes:
        source: the text of the expression.
        nature: what the checker knows of its result.
    """

    __slots__ = ("_evaluate", "_functions", "_variables", "nature", "source")

    def __init__(
        self, source: str, evaluate: Evaluate, variables: int, functions: frozenset[str], nature: Nature
    ) -> None:
        self.source = source
        self.nature = nature
        self._evaluate = evaluate
        self._variables = variables
        self._functions = functions

    def run(
        self,
        env: Mapping[str, object],
        *,
        now: Now | None = None,
        limits: Limits | None = None,
        functions: Functions | None = None,
    ) -> object:
        """Return the value of the expression in an environment.

        Args:
            env: names and values; an unknown name is nil. It is never changed.
            now: what ``now()`` gives; the machine's clock if left out.
            functions: implementations of the functions that the program was compiled with.
        Raises:
            ExpressionError: if the evaluation fails or uses more than the limits allow.
        """
        meter = Run({}, {}, 0, limits or DEFAULT_LIMITS, now)
        return self.run_metered(
            env if type(env) is dict else dict(env), as_functions(functions) if functions else {}, meter
        )

    def run_metered(self, env: Mapping[str, object], functions: Mapping[str, Function], meter: Run) -> object:
        """Return the value like :meth:`run`; steps are added to those of ``meter``, whose limits and clock apply."""
        run = Run(env, functions, self._variables, meter.limits, meter.now)
        run.steps = meter.steps
        try:
            missing = self._functions.difference(functions)
            if missing:
                raise Failure(f"function {min(missing)} is not available here")
            value = self._evaluate(run)
            if isinstance(value, (list, dict, AnyMap)):
                _check_result(run, value)
        except Failure as failure:
            raise expression_error(failure, self.source, "run") from failure.__cause__
        except ExpressionError:
            raise
        except Exception as error:
            raise _unexpected(error, self.source, "run") from error
        finally:
            meter.steps = max(meter.steps, run.steps)
        return value


def _unexpected(error: Exception, source: str, stage: Stage) -> ExpressionError:
    if isinstance(error, RecursionError):
        return expression_error(Failure(TOO_DEEP), source, stage)
    message = f"the expression cannot be evaluated ({type(error).__name__})"
    return expression_error(Failure(message), source, stage)


def _check_result(run: Run, value: object) -> None:
    """Refuse a result that is nested too deeply, or too large once shared parts are written out."""
    size = _expanded_size(value, {}, 0)
    if size > run.limits.memory_budget * 2:
        raise Failure(OUT_OF_MEMORY)


def _expanded_size(value: object, known: dict[int, int], depth: int) -> int:
    if id(value) in known:
        return known[id(value)]
    if depth > MAX_RESULT_DEPTH:
        raise Failure("the value is nested too deeply")
    parts: Iterable[object]
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, AnyMap):
        parts = [item for _, item in value.items()]
    else:
        assert isinstance(value, list)
        parts = value
    nested = [part for part in parts if isinstance(part, (list, dict, AnyMap))]
    size = len(value) + sum(_expanded_size(part, known, depth + 1) for part in nested)
    known[id(value)] = size
    return size


def as_functions(functions: Functions) -> dict[str, Function]:
    """Return the functions with plain callables wrapped; those take any arguments."""
    return {
        name: function if isinstance(function, Function) else Function(name, function)
        for name, function in functions.items()
    }


def signatures_of(functions: Mapping[str, Function]) -> Signatures:
    """Return what of the functions matters for compiling, in a fixed order."""
    return tuple((name, functions[name].signatures) for name in sorted(functions))


def compile_program(source: str, signatures: Signatures, limits: Limits) -> Program:
    """Return the compiled expression, from the cache if it was compiled before.

    Raises:
        ExpressionError: if it does not compile.
    """
    outcome = _compile(source, signatures, limits)
    if isinstance(outcome, Program):
        return outcome
    failure = Failure(outcome.message, outcome.offset)
    raise expression_error(failure, source, "compile")


def compilations() -> int:
    """Return how many expressions were compiled in this process, the broken ones too; found again does not count."""
    return _compile.cache_info().misses


@lru_cache(maxsize=CACHED_PROGRAMS)
def _compile(source: str, signatures: Signatures, limits: Limits) -> Program | Failure:
    natures = {name: function_of(*(known or (VARIADIC_ANY,))) for name, known in signatures}
    try:
        tree = parse(source, functions=natures, limits=limits)
        nature = check(tree, natures)
        evaluate, variables = compile_tree(optimize(tree), natures)
    except Failure as failure:
        return Failure(failure.message, failure.offset)
    except RecursionError:
        return Failure(TOO_DEEP)
    return Program(source, evaluate, variables, frozenset(natures), nature)
