"""freightway version: print the versions of what is installed."""

from __future__ import annotations

import click

from freightway.cli.session import output_option


@click.command("version")
@output_option("table", "json", "yaml")
def version_command(output: str) -> None:
    """Print the version; with -o json also those of Python and of Temporal's SDK. Asks no server."""
    from importlib.metadata import version
    from platform import python_version

    from freightway.cli.output import print_data

    if output == "table":
        click.echo(f"freightway {version('freightway')}")
        return
    print_data(
        {
            "freightway": version("freightway"),
            "python": python_version(),
            "temporalio": version("temporalio"),
        },
        output,
    )
