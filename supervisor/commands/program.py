"""The list of commands. The module of a command is imported when the command is carried out."""

# In help texts \b keeps the line breaks of the paragraph that follows.
# ruff: noqa: PLC0415, D301

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typing_extensions import override

from supervisor.commands.exits import PROGRAM, ExitCode
from supervisor.loading import hidden, loading

COMMANDS: Final[Mapping[str, str]] = {
    "run": "Run the bot.",
    "check": "Check settings, files, homeserver and login.",
    "status": "Show what the running bot is doing.",
    "log": "Show every change of state, with its reason.",
    "inbox": "Show waiting and dead messages.",
    "reconcile": "Update the database from the rooms, once.",
    "reset": "Remove the bot's files and, on request, leave its rooms.",
    "worker": "Make platform calls for a bot on PostgreSQL.",
    "graph": "Print the state machines as Mermaid diagrams.",
    "demo": "Watch a full loss and recovery on a temporary homeserver.",
}
"""The commands, with their lines in `--help`. Each is a function in a module of the same name."""


class _Option(TyperOption):
    """An option that is not looked at unless it is given: typer imports pydantic to look at it."""

    @override
    def process_value(self, ctx: Any, value: Any) -> Any:
        return super().process_value(ctx, value) if self.required or value is not None else None


class _Command(TyperCommand):
    """A command that imports pydantic only for the options that are given."""

    @override
    def get_params(self, ctx: Any) -> Any:
        return _lightened(super().get_params(ctx))


class _Commands(TyperGroup):
    """Replaces the command that was chosen, which typer knows by name only, with the whole one."""

    @override
    def get_params(self, ctx: Any) -> Any:
        return _lightened(super().get_params(ctx))

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, command(str(name)), rest


app = typer.Typer(
    name=PROGRAM,
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(name: str) -> Any:  # noqa: ANN401 - typer has no public name for its type
    """The command with this name, and its options. Imports what it needs."""
    with loading():
        # structlog imports both if they are installed. The bot does not use them by way of it.
        with hidden("rich", "twisted"):
            import_module("structlog")
        module = import_module(f"supervisor.commands.{name}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=_Command)(getattr(module, name))
    return typer.main.get_command(alone)


def _lightened(parameters: Sequence[object]) -> Sequence[object]:
    for parameter in parameters:
        if type(parameter) is TyperOption:
            parameter.__class__ = _Option
    return parameters


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the value alone
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def program(
    *,
    account: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The account of MATRIX_ACCOUNTS to work on."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A Matrix bot that gives each person a private Space of numbered chats.

    Settings are environment variables, or lines of a file named .env in the working directory.
    MATRIX_HOMESERVER, MATRIX_USER_ID and MATRIX_PASSWORD are required, and BOT_PLATFORM chooses
    what answers people; docs/configuration.md lists all settings.

    The first three commands to try:

    \b
      surfaces-bot demo    watch a full loss and recovery (source tree only)
      surfaces-bot check   check settings, files, homeserver and login
      surfaces-bot run     start the bot
    """
    if account is not None:
        from supervisor.commands.accounts import choose

        choose(account)


def _known_by_name() -> None:
    """In the place of a command, whose module has not been imported."""


for _name, _line in COMMANDS.items():
    app.command(_name, short_help=_line)(_known_by_name)


def carry_out(arguments: Sequence[str] | None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    # A terminal may lack the characters of a name: they are escaped, and the command goes on.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments, prog_name=PROGRAM)
    except Exception as error:  # noqa: BLE001 - no caller is left to handle it
        from supervisor.commands.explaining import explain

        sys.exit(explain(error))
    sys.exit(ExitCode.OK)
