"""Calls of functions and methods, with the checks that Go's types would make.

Source: expr-lang 1.17.8 vm/vm.go, OpCall.
"""

from __future__ import annotations

from freightway.errors import ExpressionError, FreightwayError
from freightway.expr.failure import Failure
from freightway.expr.natures import Nature, Signature
from freightway.expr.values import Function, Object, Struct, adopt, type_name


def bound_method(owner: Object, name: str) -> Function | None:
    """Return a declared method of an object, None if there is no such method."""
    signature = owner.nature.methods.get(name)
    if signature is None:
        return None
    return Function(name, owner.method(name), (signature,))


def invoke(callee: object, arguments: list[object]) -> object:
    """Return what a function gives for the arguments.

    Raises:
        Failure: if it is no function, the arguments do not fit, or it fails.
    """
    if callee is None:
        raise Failure("invalid operation: cannot call nil")
    if not isinstance(callee, Function):
        raise Failure(f"invalid operation: cannot call non-function of type {type_name(callee)}")
    if callee.signatures:
        _check(callee, arguments)
    try:
        return adopt(callee.call(*arguments))
    except ExpressionError as error:
        raise Failure(error.message) from error
    except FreightwayError as error:
        raise Failure(str(error)) from error


def _check(function: Function, arguments: list[object]) -> None:
    failure: Failure | None = None
    for signature in function.signatures:
        failure = _mismatch(function.name, signature, arguments)
        if failure is None:
            return
    if failure is not None:
        raise failure


def _mismatch(name: str, signature: Signature, arguments: list[object]) -> Failure | None:
    expected = len(signature.parameters)
    if len(arguments) < expected - signature.variadic or (
        len(arguments) > expected and not signature.variadic
    ):
        message = f"invalid number of arguments for {name}: expected {expected}, got {len(arguments)}"
        return Failure(message)
    for index, argument in enumerate(arguments):
        parameter = signature.parameter(index)
        if not _accepts(parameter, argument):
            message = f"cannot use {type_name(argument)} as argument (type {parameter}) to call {name}"
            return Failure(message)
    return None


def _accepts(parameter: Nature, argument: object) -> bool:
    if parameter.kind == "interface" or type_name(argument) == parameter.name:
        return True
    if isinstance(argument, Struct):
        return type_name(argument) == parameter.deref().name
    if parameter.kind == "float64":  # an integer literal becomes a float where a float is asked for
        return type(argument) is int
    # Go turns nil into the zero value only where it calls by reflection: AddDate is the one method that matters.
    return argument is None and parameter.kind in {"ptr", "map", "slice", "func", "int"}
