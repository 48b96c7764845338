"""The command ``freightway``: a group whose commands are loaded when they are called.

Exit codes: 0 done, or the promotion that was waited for Succeeded; 1 refused, not found or not valid; 2 wrong use;
3 the promotion Failed or Errored, 4 was Aborted, 5 was Superseded; 69 no server or no worker answers; 124 timed out.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module

import click

COMMANDS = {
    "abort": "abort:abort_command",
    "answer": "answer:answer_command",
    "apply": "apply:apply_command",
    "approve": "approve:approve_command",
    "codec": "codec:codec_command",
    "create": "create:create_group",
    "delete": "delete:delete_command",
    "demo": "demo:demo_command",
    "describe": "describe:describe_command",
    "dev": "dev:dev_command",
    "drill": "drill:drill_command",
    "eval": "eval:eval_command",
    "events": "events:events_command",
    "explain": "explain:explain_command",
    "freeze": "freeze:freeze_command",
    "get": "get:get_command",
    "hold": "hold:hold_command",
    "promote": "promote:promote_command",
    "refresh": "refresh:refresh_command",
    "release": "hold:release_command",
    "render": "render:render_command",
    "repair": "repair:repair_command",
    "rollback": "rollback:rollback_command",
    "unfreeze": "freeze:unfreeze_command",
    "update": "update:update_group",
    "validate": "validate:validate_command",
    "verify": "verify:verify_command",
    "version": "version:version_command",
    "worker": "worker:worker_command",
}
"""Each command and where it lives below ``freightway.cli``."""

HELP = {
    "abort": "End a promotion that waits or runs.",
    "answer": "Approve or reject where a promotion or verification waits for a person.",
    "apply": "Apply resources from files, folders or standard input.",
    "approve": "Make Freight available to a Stage without verification and soak.",
    "codec": "Decrypt for the Temporal Web UI and CLI, or make an encryption key.",
    "create": "Create credentials or Freight.",
    "delete": "Delete resources, or a project with all that belongs to it.",
    "demo": "Run the main job on this machine, on an embedded Temporal server.",
    "describe": "Show everything about a Stage, Warehouse, Freight or promotion.",
    "dev": "Start a Temporal server and a worker on this machine.",
    "drill": "Kill workers while promotions run, and count what was lost or done twice.",
    "eval": "Evaluate an expression.",
    "events": "Show what happened in a project.",
    "explain": "Say whether Freight may come to a Stage, and if not, why not and when.",
    "freeze": "Keep promotions of Stages from starting.",
    "get": "List projects, Warehouses, Stages, Freight, promotions or verifications.",
    "hold": "Keep auto-promotion from changing what a Stage holds.",
    "promote": "Promote Freight into a Stage, or into all Stages downstream of one.",
    "refresh": "Have a Warehouse, a Stage or a promotion look again now.",
    "release": "Release a hold.",
    "render": "Render the expressions in a YAML file.",
    "repair": "Retry, skip or abort the failed step of a parked promotion.",
    "rollback": "Go back to what a Stage held before.",
    "unfreeze": "Lift a freeze.",
    "update": "Change the alias of Freight.",
    "validate": "Check resources without a server.",
    "verify": "Verify again what a Stage holds, or end a verification.",
    "version": "Print the version.",
    "worker": "Run a worker until it is told to stop.",
}
"""One line for each command, so that the list needs none of their modules."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        target = COMMANDS.get(name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(import_module(f"freightway.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, HELP[name]) for name in sorted(COMMANDS)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown name gets a suggestion."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            from difflib import get_close_matches

            close = get_close_matches(name, COMMANDS, n=1)
            hint = f" did you mean {close[0]!r}?" if close else " see: freightway --help"
            raise click.UsageError(f"no command {name!r};{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Freightway: GitOps promotion platform, Kargo's model on Temporal.\n\n"
    "Temporal is found by its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE). "
    "The project is given with -p or FREIGHTWAY_PROJECT.",
)
def cli() -> None:
    """Find the command and run it."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    code: object = 0
    try:
        code = cli.main(prog_name="freightway", standalone_mode=False) or 0
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except SystemExit as leave:
        code = leave.code
    except click.Abort:
        print("interrupted", file=sys.stderr)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        # The reader of our output has left, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception:  # noqa: BLE001 - a defect of ours; the usual way out of the process is closed to it too
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # A process with the SDK's threads may crash if it exits the usual way (temporalio/sdk-python issue 300).
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
