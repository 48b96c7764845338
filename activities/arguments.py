"""The arguments of a Stage's verification, evaluated beside the Secrets."""

from __future__ import annotations

from typing import Any

from freightway import contracts, expr
from freightway.errors import ExpressionError, FreightwayError
from freightway.expr.functions import verification_functions
from freightway.promotion.functions import RequestData, Secrets
from freightway.verification.kargo_args import stage_arguments


def evaluate_arguments(request: contracts.ArgumentsRequest, data: Secrets) -> contracts.ArgumentsAnswer:
    """Return the evaluated arguments, or why they do not evaluate.

    A value that holds a Secret is refused: arguments are part of the history. A metric reads a Secret by an
    argument of its template with ``valueFrom.secretKeyRef``.

    Source: Kargo pkg/rollouts (AnalysisRun builder); differs: a Secret's value is refused here.
    """
    environment: dict[str, Any] = {"ctx": {"project": request.project, "stage": request.stage}, "vars": {}}
    functions = verification_functions(
        project=request.project,
        freight=list(request.collection),
        freight_requests=list(request.requested),
        warehouses=request.warehouses,
        data=RequestData(request, data),
    )
    try:
        for variable in request.vars:
            value = expr.render(variable["value"], environment, functions=functions)
            environment["vars"] = {**environment["vars"], variable["name"]: value}
        given = [(item["name"], item["value"]) for item in request.args]
        evaluated = stage_arguments(given, environment, functions=functions)
    except ExpressionError as error:
        return contracts.ArgumentsAnswer(error=f"error evaluating the Stage's variables: {error}")
    except FreightwayError as error:
        return contracts.ArgumentsAnswer(error=str(error))
    secrets = [secret for secret in data.secrets() if secret]
    for argument in evaluated:
        if any(secret in (argument.value or "") for secret in secrets):
            return contracts.ArgumentsAnswer(
                error=f"argument {argument.name!r} holds the value of a Secret; let the AnalysisTemplate read it with "
                "valueFrom.secretKeyRef instead"
            )
    return contracts.ArgumentsAnswer(
        args=tuple(
            argument.model_dump(mode="json", by_alias=True, exclude_none=True) for argument in evaluated
        )
    )
