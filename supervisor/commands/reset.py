"""`reset`: removes the bot's files, leaves its rooms on request, and prints what is left to do."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import anyio
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from actors.port_errors import PortError
from supervisor.commands.exits import PROGRAM, ExitCode
from supervisor.commands.invocation import configure
from supervisor.lock import instance_lock, is_running
from supervisor.settings import LocalSettings, Settings, load_local_settings, load_settings
from supervisor.text.console import console
from supervisor.text.plain import harmless

if TYPE_CHECKING:
    from adapter.matrix.reset import Departure, Progress
    from supervisor.app.databases import Place
    from supervisor.app.reset import Plan


class Mode(StrEnum):
    """What a reset removes: the local files only, or the bot's rooms as well."""

    LOCAL_ONLY = "local-only"
    SERVER_LEAVE_FORGET = "server-leave-forget"


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise typer.BadParameter(f"use {' or '.join(Mode)}") from None


_OF_PEOPLE: Final = (
    "- Each owner leaves the old Space and its chats, and forgets them.",
    "- To start again, an owner invites the bot to a room, or writes to it in an old direct chat.",
    "- An administrator can delete an old room for all its members. On Synapse:",
    "  DELETE /_synapse/admin/v2/rooms/{room id}",
)
_STEPS: Final[Mapping[Mode, Sequence[str]]] = {
    Mode.LOCAL_ONLY: (
        "local-only leaves the bot in its rooms. For a start without them, this is left to do in a",
        "Matrix client:",
        "- The bot's account leaves its Spaces and chats, and forgets them. Instead of that, run",
        f"  {PROGRAM} reset --mode {Mode.SERVER_LEAVE_FORGET}",
        *_OF_PEOPLE,
    ),
    Mode.SERVER_LEAVE_FORGET: (
        "Rooms that the bot leaves still exist for their other members. What is left to do, in a",
        "Matrix client:",
        *_OF_PEOPLE,
    ),
}
"""What a reset cannot do, by its mode. It is printed after a dry run and without files as well."""
_UNCHANGED: Final = (
    "The homeserver is unchanged. The next run rebuilds the database from the rooms."
)
_NO_TERMINAL: Final = "reset asks before it acts, and there is no terminal: add --yes or --dry-run"
_RESUMABLE: Final = "the reset is not finished: run the same command again to continue it"


def reset(
    *,
    mode: Annotated[
        Mode, typer.Option(parser=_mode, metavar="|".join(Mode), help="What to remove.")
    ] = Mode.LOCAL_ONLY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; list what would be removed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    set_aside: Annotated[
        bool,
        typer.Option("--set-aside", help="Also remove the damaged databases that were kept."),
    ] = False,
) -> None:
    """Remove the bot's files and, on request, leave the bot's rooms.

    local-only removes the database, the session and the notes in the store folder. The journal
    stays. The bot never needs this to recover: it is for tests that need a clean start.

    server-leave-forget first leaves and forgets the Spaces and chats that the bot manages, and no
    other room. The other members keep these rooms. After an interruption, the same command
    continues.

    Stop the bot first, unless you use --dry-run.

    \b
    Example, to see what would be removed:
      surfaces-bot reset --mode server-leave-forget --dry-run
    """
    on_server = mode is Mode.SERVER_LEAVE_FORGET
    settings = load_settings() if on_server else load_local_settings()
    configure(settings)
    if not (dry_run or yes or _on_a_terminal()):
        typer.echo(f"{PROGRAM}: {_NO_TERMINAL}", err=True)
        raise typer.Exit(ExitCode.USAGE)
    with nullcontext() if dry_run else instance_lock(settings.store_path):
        _reset(settings, mode, dry_run=dry_run, yes=yes, set_aside=set_aside)


def _on_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _reset(
    settings: LocalSettings, mode: Mode, *, dry_run: bool, yes: bool, set_aside: bool
) -> None:
    from supervisor.app import reset as app_reset
    from supervisor.app.leading import refuse_while_led

    if not dry_run:
        anyio.run(refuse_while_led, settings)
    plan = anyio.run(partial(app_reset.make_plan, settings, set_aside=set_aside))
    _show(plan)
    if dry_run:
        _show_steps(mode)
        busy = " A bot is running: stop it first." if is_running(settings.store_path) else ""
        console().print(f"This was a dry run: nothing was changed.{busy}")
        return
    if plan.is_empty:
        _show_steps(mode)
        console().print("There is nothing to remove.")
        return
    if not yes and not typer.confirm("Continue?"):
        console().print("Nothing was changed.")
        raise typer.Exit(ExitCode.FAILED)
    outcome = "left no room"
    if plan.departure is not None and isinstance(settings, Settings):
        outcome = _depart(settings, plan.departure)
    # The files are listed again: the departure has written its checklist beside them.
    files = app_reset.local_files(settings, set_aside=set_aside)
    app_reset.remove(files)
    names = ", ".join(path.name for path in files.remove)
    anyio.run(app_reset.record, settings, f"{mode}: {outcome}; removed {names or 'no file'}")
    outcome = f"{outcome}; removed {_count(len(files.remove), 'file')}"
    console().print(f"{outcome[0].upper()}{outcome[1:]}.", style="bold", soft_wrap=True)
    _show_steps(mode)
    if plan.departure is None:
        console().print(_UNCHANGED)


def _depart(settings: Settings, departure: "Departure") -> str:
    """Leave the rooms and return the outcome in words.

    Exits the command with FAILED if the bot could not leave some of them.
    """
    from supervisor.app import reset as app_reset

    with _resumable(), _progress(len(departure.rooms)) as tell:
        departed = anyio.run(app_reset.depart, settings, departure, tell)
    _show_table("These rooms could not be left:", departed.still_in.items())
    _show_table("These rooms were left, but could not be forgotten:", departed.remembered.items())
    if departed.still_in:
        typer.echo(f"{PROGRAM}: {_RESUMABLE}; no file was removed", err=True)
        raise typer.Exit(ExitCode.FAILED)
    return f"left {_count(departed.left, 'room')}, forgot {departed.forgotten}"


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"{PROGRAM}: {_RESUMABLE}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None
    except PortError:
        typer.echo(f"{PROGRAM}: {_RESUMABLE}", err=True)
        raise


@contextmanager
def _progress(total: int) -> Iterator[Callable[["Progress"], None]]:
    """A progress bar on a terminal; in a pipe, only its final state."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=console()) as bar:
        task = bar.add_task("leaving", total=total)

        def tell(progress: "Progress") -> None:
            waits = f"rate limited, waiting {progress.waits_s:.0f} s"
            description = waits if progress.waits_s else "leaving"
            bar.update(task, completed=progress.done, description=description)

        yield tell


def _show(plan: "Plan") -> None:
    if plan.departure is not None:
        rooms = plan.departure
        _show_table("Rooms to leave and forget:", rooms.leave.items(), "none: it manages no room")
        _show_table(
            "Rooms to forget (an unfinished reset has left them):",
            [(room_id, "") for room_id in rooms.forget],
        )
        _show_table("Rooms that stay as they are:", rooms.alone.items())
    _show_table("Files to remove:", _files(plan.files.remove), "none: there is no file")
    _show_table("Files to keep:", _files(plan.files.keep))
    if plan.waiting or plan.unsent:
        waiting, unsent = _count(plan.waiting, "message"), _count(plan.unsent, "answer")
        console().print(
            f"Lost with the database: {waiting} not answered yet, {unsent} not sent yet.\n"
        )


def _files(files: Mapping["Place", str]) -> Collection[tuple[object, str]]:
    return [(what, str(path)) for path, what in files.items()]


def _show_table(title: str, entries: Collection[tuple[object, str]], otherwise: str = "") -> None:
    """Print a title and a line for each entry. Without entries: `otherwise`, or nothing."""
    if not entries and not otherwise:
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, what in entries:
        table.add_row(f"  {harmless(str(name))}", harmless(what))
    console().print(title, style="bold")
    console().print(table if entries else f"  {otherwise}")
    console().print()


def _show_steps(mode: Mode) -> None:
    """Print what is left to do by hand."""
    out = console()
    for step in _STEPS[mode]:
        out.print(step, soft_wrap=True)
    out.print()


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
