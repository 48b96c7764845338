"""``freightway render``: evaluate the templates in a file."""

from __future__ import annotations

import click

from freightway.cli.eval import fail, print_json, read_env, read_now, read_yaml, usage_error


@click.command("render", short_help="Evaluate the ${{ }} templates in a file.")
@click.option(
    "-f", "--file", "file", required=True, metavar="FILE", help="YAML or JSON file; - reads standard input."
)
@click.option("--env", "env_file", metavar="FILE", help="YAML or JSON map of names to values.")
@click.option("--now", metavar="TIME", help="What now() gives, as RFC 3339; the current time if left out.")
def render_command(file: str, env_file: str | None, now: str | None) -> None:
    """Print the value of FILE as JSON, with every ${{ }} and ${% %} in its values evaluated.

    Exit code 1 says that an expression is wrong or fails, 2 that the input cannot be read.
    """
    from freightway.expr import ExpressionError, render
    from freightway.expr.functions import semver_functions

    if file == "-" and env_file == "-":
        raise usage_error("only one of --file and --env can come from standard input")
    template = read_yaml(file)
    env, moment = read_env(env_file), read_now(now)
    try:
        print_json(render(template, env, now=moment, functions=semver_functions()))
    except ExpressionError as error:
        fail(error)
