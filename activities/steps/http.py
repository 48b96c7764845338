"""http: send a request, judge the answer by expressions, take outputs from it; poll until it is as wanted.

Source: Kargo pkg/promotion/runner/builtin/http_requester.go; differs: requests that change something carry an
``Idempotency-Key``, the same for each attempt of one poll, so that a server can tell a repetition.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import yaml
from pydantic import Field, model_validator

from freightway import expr
from freightway.activities.steps.registry import Result, StepConfig, StepInfo, Waiting, Workspace, step
from freightway.adapters.http import Http, HttpResponse
from freightway.errors import AdapterError, ExpressionError, StepErrored, StepFailed
from freightway.expr.failure import Failure
from freightway.expr.gojson import encode_json
from freightway.expr.values import Function
from freightway.promotion.model import StepStatus
from freightway.resources.meta import Duration

MOST_BYTES = 2 * 1024 * 1024
_CHANGING = ("DELETE", "PATCH", "POST", "PUT")
_YAML_TYPES = ("application/yaml", "text/yaml", "application/x-yaml")


class _YamlLoader(yaml.SafeLoader):
    """Reads YAML as JSON would have it: a date stays the text it was written as."""


_YamlLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Header(StepConfig):
    """A header of the request."""

    name: str = Field(min_length=1, description="Name of the header.")
    value: str = Field(min_length=1, description="Its value.")


class QueryParameter(StepConfig):
    """A parameter appended to the URL's query."""

    name: str = Field(min_length=1, description="Name of the parameter.")
    value: str = Field(min_length=1, description="Its value; encoded by the step.")


class HttpOutput(StepConfig):
    """A value taken from the answer."""

    name: str = Field(min_length=1, description="Name of the output.")
    from_expression: str = Field(min_length=1, description="Expression over `response` that gives it.")


class HttpConfig(StepConfig):
    """Configuration of ``http``."""

    url: str = Field(min_length=1, description="Where the request goes.")
    method: Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] = Field(
        default="GET", description="Method of the request."
    )
    headers: tuple[Header, ...] = Field(default=(), description="Headers of the request.")
    query_params: tuple[QueryParameter, ...] = Field(
        default=(), description="Parameters appended to the query of the URL."
    )
    body: str = Field(default="", description="Body of the request.")
    body_from_file: str = Field(
        default="", description="File of the workspace with the body, at most 2 MiB; not with `body`."
    )
    insecure_skip_tls_verify: bool = Field(
        default=False,
        alias="insecureSkipTLSVerify",
        description="Whether the server's certificate goes unchecked.",
    )
    proxy: str = Field(
        default="",
        pattern=r"^(https?://.*)?$",
        description="URL of a proxy; by default the one of the worker's environment.",
    )
    timeout: Duration = Field(default=timedelta(seconds=10), description="Longest wait for one answer.")
    poll_interval: Duration = Field(
        default=timedelta(seconds=30),
        description="Time between two requests while the answer is not as wanted.",
    )
    response_content_type: Literal["application/json", "application/yaml", "text/plain", ""] = Field(
        default="", description="How to read the body, whatever the answer says of it."
    )
    success_expression: str = Field(default="", description="Expression that is true if the step succeeded.")
    failure_expression: str = Field(default="", description="Expression that is true if the step failed.")
    error_expression: str = Field(
        default="", description="Expression that gives the message of a failure by `failureExpression`."
    )
    outputs: tuple[HttpOutput, ...] = Field(
        default=(), description="Values for later steps, taken on success."
    )

    @model_validator(mode="after")
    def _one_body(self) -> HttpConfig:
        if self.body and self.body_from_file:
            raise ValueError("give at most one of body and bodyFromFile")
        if self.timeout <= timedelta(0) or self.poll_interval < timedelta(0):
            raise ValueError("timeout and pollInterval must be positive")
        return self


@step("http", config=HttpConfig, effect="outside")
async def http(config: HttpConfig, info: StepInfo, client: Http, workspace: Workspace) -> Result | Waiting:
    """Send the request and judge the answer.

    Raises:
        StepFailed: if the answer met ``failureExpression``.
        StepErrored: if no answer came, or an expression is wrong.
    """
    _compile(config)
    response = await _send(config, info, client, workspace)
    env = {"response": _environment(config, response)}
    failed = _verdict(config.failure_expression, env)
    if failed:
        raise StepFailed(_failure_message(config, response, env))
    succeeded = _verdict(config.success_expression, env)
    if failed is None and succeeded is None:
        if not response.ok:
            message = f"the answer has status {response.status}"
            return Result(status=StepStatus.FAILED, message=message, after=response.retry_after())
        succeeded = True
    if succeeded:
        return Result(output=_outputs(config, env))
    why = f"the answer (status {response.status}) does not meet the success criteria yet"
    pause = max(config.poll_interval.total_seconds(), response.retry_after() or 0.0)
    return Waiting(why, after=pause)


def _compile(config: HttpConfig) -> None:
    """Refuse broken expressions before anything is sent."""
    sources = [config.success_expression, config.failure_expression, config.error_expression]
    for source in filter(None, [*sources, *(one.from_expression for one in config.outputs)]):
        try:
            expr.compile(source)
        except ExpressionError as error:
            raise StepErrored(f"expression {source!r} does not compile: {error}", terminal=True) from error


async def _send(config: HttpConfig, info: StepInfo, client: Http, workspace: Workspace) -> HttpResponse:
    headers = [(one.name, one.value) for one in config.headers]
    named = {name.lower() for name, _ in headers}
    if config.method in _CHANGING and info.idempotency_key and "idempotency-key" not in named:
        headers.append(("Idempotency-Key", info.idempotency_key))
    url = _url(config)
    body = _body(config, workspace)
    try:
        return await client.request(
            config.method,
            url,
            headers=headers,
            content=body,
            timeout=config.timeout.total_seconds(),
            verify=not config.insecure_skip_tls_verify,
            max_bytes=MOST_BYTES,
            follow_redirects=True,
            proxy=config.proxy or None,
            refuse_link_local=True,
        )
    except AdapterError as error:
        raise StepErrored(str(error)) from error


def _url(config: HttpConfig) -> str:
    try:
        parts = urlsplit(config.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
        _ = parts.port
    except ValueError as error:
        raise StepErrored("url is not an http or https URL", terminal=True) from error
    if not config.query_params:
        return config.url
    # Sorted by name, as Go encodes a query.
    query = parse_qsl(parts.query, keep_blank_values=True)
    query += [(one.name, one.value) for one in config.query_params]
    return urlunsplit(parts._replace(query=urlencode(sorted(query, key=lambda pair: pair[0]))))


def _body(config: HttpConfig, workspace: Workspace) -> bytes | None:
    if not config.body_from_file:
        return config.body.encode() if config.body else None
    path = workspace.path(config.body_from_file)
    try:
        if path.stat().st_size > MOST_BYTES:
            message = f"bodyFromFile {config.body_from_file!r} is larger than {MOST_BYTES} bytes"
            raise StepErrored(message, terminal=True)
        return path.read_bytes()
    except OSError as error:
        message = f"bodyFromFile {config.body_from_file!r} cannot be read: {error.strerror}"
        raise StepErrored(message, terminal=True) from error


def _environment(config: HttpConfig, response: HttpResponse) -> dict[str, Any]:
    """What expressions see as ``response``."""

    def header(name: str) -> str:
        return response.header(name)

    return {
        "status": response.status,
        "headers": {_canonical(name): list(values) for name, values in response.headers.items()},
        "header": Function("header", header),
        "body": _parse(config, response),
    }


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _parse(config: HttpConfig, response: HttpResponse) -> Any:
    if not response.body.strip():
        return {}
    kind = config.response_content_type or response.header("content-type").partition(";")[0].strip().lower()
    if kind == "text/plain":
        return response.text
    if kind in _YAML_TYPES:
        try:
            # _YamlLoader is a SafeLoader.
            return _as_json(yaml.load(response.body, _YamlLoader))  # noqa: S506
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise StepErrored("the body of the answer is not valid YAML") from error
    try:
        return json.loads(response.body)
    except ValueError as error:
        if kind == "application/json":
            raise StepErrored("the body of the answer is not valid JSON") from error
        return {}


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list) else value


def _verdict(source: str, env: dict[str, Any]) -> bool | None:
    """What an expression says of the answer, None if there is no expression."""
    if not source:
        return None
    value = _evaluate(source, env)
    if not isinstance(value, bool):
        raise StepErrored(f"expression {source!r} must give true or false, not {type(value).__name__}")
    return value


def _evaluate(source: str, env: dict[str, Any]) -> Any:
    try:
        return expr.evaluate(source, env)
    except ExpressionError as error:
        raise StepErrored(
            f"expression {source!r} cannot be evaluated: {error}", terminal=error.stage == "compile"
        ) from error


def _failure_message(config: HttpConfig, response: HttpResponse, env: dict[str, Any]) -> str:
    message = f"HTTP ({response.status}) response met failure criteria"
    if config.error_expression:
        try:
            detail = expr.evaluate(config.error_expression, env)
        except ExpressionError:
            detail = None
        if isinstance(detail, str) and detail:
            return f"{message}: {json.dumps(detail, ensure_ascii=False)}"
    return message


def _outputs(config: HttpConfig, env: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for one in config.outputs:
        try:
            found[one.name] = json.loads(encode_json(_evaluate(one.from_expression, env)))
        except Failure as error:
            raise StepErrored(f"output {one.name!r} cannot be kept: {error}") from error
    return found
