"""``freightway eval``: evaluate one expression."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click


def read_yaml(name: str) -> object:
    """Return the value of a YAML file, ``-`` for standard input; ends with exit code 2 if that fails."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads what looks like a date as text, as Kubernetes does."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise usage_error(f"cannot read {name}: {reason}") from None
    try:
        value: object = yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise usage_error(f"{name} is not valid YAML: {one_line(error)}") from None
    return value


def one_line(error: Exception) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())


class _WrongInput(click.ClickException):
    exit_code = 2


def usage_error(message: str) -> click.ClickException:
    """Return the error for wrong input: one sentence, exit code 2."""
    return _WrongInput(message)


def read_env(name: str | None) -> dict[str, object]:
    """Return the environment of a file, empty without one."""
    env = read_yaml(name) if name is not None else {}
    if env is None:
        return {}
    if not isinstance(env, dict) or not all(isinstance(key, str) for key in env):
        raise usage_error(f"{name} must hold a map of names to values")
    return env


def read_now(text: str | None) -> datetime | None:
    """Return the time that ``--now`` says."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise usage_error(f"--now must be a time such as 2026-05-01T12:00:00Z, not {text!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    from freightway.expr import to_plain

    click.echo(json.dumps(to_plain(value), indent=2, ensure_ascii=False))


def fail(error: Exception) -> NoReturn:
    """Print an error with its place and end with exit code 1."""
    click.echo(f"error: {error}", err=True)
    raise click.exceptions.Exit(1)


@click.command("eval", short_help="Evaluate an expression.")
@click.argument("expression")
@click.option("--env", "env_file", metavar="FILE", help="YAML or JSON map of names; - reads standard input.")
@click.option("--now", metavar="TIME", help="What now() gives, as RFC 3339; the current time if left out.")
def eval_command(expression: str, env_file: str | None, now: str | None) -> None:
    """Evaluate EXPRESSION, without ${{ }}, and print its value as JSON; - reads it from standard input.

    The builtins, quote(), asJSON(), asYAML(), semverDiff() and semverParse() may be called. Exit code 1 says that
    the expression is wrong or fails, 2 that the input cannot be read.
    """
    from freightway.expr import ExpressionError, evaluate
    from freightway.expr.functions import semver_functions, text_functions

    if expression == "-" and env_file == "-":
        raise usage_error("only one of the expression and --env can come from standard input")
    source = sys.stdin.read() if expression == "-" else expression
    env, moment = read_env(env_file), read_now(now)
    try:
        value = evaluate(source, env, now=moment, functions={**text_functions(), **semver_functions()})
        print_json(value)
    except ExpressionError as error:
        fail(error)
