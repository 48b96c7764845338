"""freightway create credentials, generic-credentials and configmap: files for the worker of this host.

Nothing here speaks to Temporal: secrets never enter it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from freightway.cli.home import home_folder, home_option
from freightway.cli.session import Failure, project_option
from freightway.errors import FreightwayError

_DESCRIPTION = "kargo.akuity.io/description"
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def _where_options(command: CommandT) -> CommandT:
    """The options of everything that is written into the worker's folder."""
    for option in (
        home_option,
        click.option("--replace", is_flag=True, help="Overwrite what is there under this name."),
        click.option("--description", default="", help="What it is for."),
        click.option("--shared", is_flag=True, help="For every project."),
        project_option(required=False),
    ):
        command = option(command)
    return command


def _scope(project: str, shared: bool) -> str | None:
    if not project and not shared:
        raise click.UsageError("name the project with -p, or give --shared for every project")
    return None if shared else project


@click.command("credentials")
@click.argument("kind", type=click.Choice(["git", "helm", "image"]))
@click.argument("name")
@click.option("--repo-url", required=True, help="Repository that they are for.")
@click.option("--regex", is_flag=True, help="The URL is a regular expression (RE2).")
@click.option("--username", default="", help="User name.")
@click.option("--password", default="", help="Password or token; asked for if left out.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--ssh-key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="SSH private key."
)
@_where_options
def create_credentials(
    kind: str,
    name: str,
    repo_url: str,
    regex: bool,
    username: str,
    password: str,
    password_stdin: bool,
    ssh_key_file: Path | None,
    project: str,
    shared: bool,
    description: str,
    replace: bool,
    home: Path | None,
) -> None:
    """Write credentials for a repository into the worker's folder on this host, for its owner alone."""
    from freightway.adapters.credential_files import write_credentials

    owner = _scope(project, shared)
    if ssh_key_file and (username or password or password_stdin):
        raise click.UsageError("give either --ssh-key-file or --username with a password")
    if not ssh_key_file and not username:
        raise click.UsageError("give --username with a password, or --ssh-key-file")
    if password and password_stdin:
        raise click.UsageError("give either --password or --password-stdin")
    if username and not password:
        password = _password(password_stdin)
    try:
        path = write_credentials(
            home_folder(home),
            project=owner,
            name=name,
            kind=kind,
            repo_url=repo_url,
            is_regex=regex,
            username=username,
            password=password,
            ssh_private_key=ssh_key_file.read_text(encoding="utf-8") if ssh_key_file else "",
            annotations={_DESCRIPTION: description} if description else None,
            replace=replace,
        )
    except (FreightwayError, UnicodeDecodeError, OSError) as error:
        raise Failure(str(error)) from None
    click.echo(f"credentials {name} for {repo_url} written to {path}")


def _password(from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("give the password with --password-stdin or --password")
    answer: str = click.prompt("Password", hide_input=True, err=True)
    return answer


def _value_options(command: CommandT) -> CommandT:
    command = click.option(
        "--from-file", "files", multiple=True, metavar="KEY=PATH", help="A value that is in a file."
    )(command)
    return click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="A value.")(command)


def _values(values: tuple[str, ...], files: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.UsageError("--set takes KEY=VALUE")
        found[key] = value
    for text in files:
        key, equals, path = text.partition("=")
        if not (key and equals and path):
            raise click.UsageError("--from-file takes KEY=PATH")
        try:
            found[key] = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{path} cannot be read: {error}") from None
    if not found:
        raise click.UsageError("give a value with --set KEY=VALUE or --from-file KEY=PATH")
    return found


@click.command("generic-credentials")
@click.argument("name")
@_value_options
@_where_options
def create_generic(
    name: str,
    values: tuple[str, ...],
    files: tuple[str, ...],
    project: str,
    shared: bool,
    description: str,
    replace: bool,
    home: Path | None,
) -> None:
    """Write a generic Secret into the worker's folder: secret('NAME') or sharedSecret('NAME') reads it."""
    from freightway.adapters.credential_files import write_generic

    try:
        path = write_generic(
            home_folder(home),
            project=_scope(project, shared),
            name=name,
            data=_values(values, files),
            annotations={_DESCRIPTION: description} if description else None,
            replace=replace,
        )
    except FreightwayError as error:
        raise Failure(str(error)) from None
    click.echo(f"Secret {name} written to {path}")


@click.command("configmap")
@click.argument("name")
@_value_options
@_where_options
def create_configmap(
    name: str,
    values: tuple[str, ...],
    files: tuple[str, ...],
    project: str,
    shared: bool,
    description: str,
    replace: bool,
    home: Path | None,
) -> None:
    """Write a ConfigMap into the worker's folder: configMap('NAME') or sharedConfigMap('NAME') reads it."""
    from freightway.adapters.credential_files import write_configmap

    try:
        path = write_configmap(
            home_folder(home),
            project=_scope(project, shared),
            name=name,
            data=_values(values, files),
            annotations={_DESCRIPTION: description} if description else None,
            replace=replace,
        )
    except FreightwayError as error:
        raise Failure(str(error)) from None
    click.echo(f"ConfigMap {name} written to {path}")
