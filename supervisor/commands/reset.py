"""`reset`: a clean room for tests, and what a person still has to do for it."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import anyio
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from actors.ports import PortError
from supervisor.commands.invocation import PROGRAM, ExitCode, configure
from supervisor.lock import instance_lock, is_running
from supervisor.settings import LocalSettings, Settings, load_local_settings, load_settings
from supervisor.text.console import console, harmless

if TYPE_CHECKING:
    from adapter.matrix.reset import Departure, Progress
    from supervisor.app.reset import Plan


class Mode(StrEnum):
    """How far a reset goes."""

    LOCAL_ONLY = "local-only"
    SERVER_LEAVE_FORGET = "server-leave-forget"


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise typer.BadParameter(f"use {' or '.join(Mode)}") from None


_AFTER_LOCAL: Final = (
    "Nothing on the homeserver has changed. The next run rebuilds the database from the rooms.",
)
_AFTER_SERVER: Final = (
    "The rooms still exist for everybody else in them. What is left to do, in a Matrix client:",
    "- Each owner leaves the old Space and its chats, and forgets them.",
    "- To begin anew, an owner invites the bot to a room, or writes to it in an old direct chat.",
    "- An administrator may remove an old room for everybody. On Synapse:",
    "  DELETE /_synapse/admin/v2/rooms/{room id}",
)
_NOBODY_TO_ASK: Final = "there is no terminal to ask on: add --yes, or --dry-run to look first"
_AGAIN: Final = "not finished: the same command takes it up where it stopped"


def reset(
    *,
    mode: Annotated[
        Mode, typer.Option(parser=_mode, metavar="|".join(Mode), help="How far to go.")
    ] = Mode.LOCAL_ONLY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing, anywhere; say what would be done.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Remove damaged databases that were kept, too.")
    ] = False,
) -> None:
    """Begin anew: remove the bot's files and, if told so, take it out of its rooms.

    local-only removes the database, the session and the notes in the store folder. The journal
    stays. Starting the bot again does not need this: it is for tests that want a clean start.

    server-leave-forget first leaves and forgets the Spaces and chats that the bot manages, and no
    other room. Nobody else loses a room by it. When it is cut off, the same command finishes it.

    The bot must be stopped, but not for --dry-run.

    \b
    Example, to see what would be done:
      surfaces-bot reset --mode server-leave-forget --dry-run
    """
    on_server = mode is Mode.SERVER_LEAVE_FORGET
    settings = load_settings() if on_server else load_local_settings()
    configure(settings)
    if not (dry_run or yes or _on_a_terminal()):
        typer.echo(f"{PROGRAM}: {_NOBODY_TO_ASK}", err=True)
        raise typer.Exit(ExitCode.USAGE)
    with nullcontext() if dry_run else instance_lock(settings.store_path):
        _reset(settings, mode, dry_run=dry_run, yes=yes, set_aside=set_aside)


def _on_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _reset(
    settings: LocalSettings, mode: Mode, *, dry_run: bool, yes: bool, set_aside: bool
) -> None:
    from supervisor.app import reset as app_reset

    plan = anyio.run(partial(app_reset.make_plan, settings, set_aside=set_aside))
    _show(plan)
    if dry_run:
        busy = " A bot is running: stop it before." if is_running(settings.store_path) else ""
        console().print(f"This was a dry run: nothing was changed.{busy}")
        return
    if plan.is_empty:
        console().print("There is nothing to do.")
        return
    if not yes and not typer.confirm("Go on?"):
        console().print("Nothing was changed.")
        raise typer.Exit(ExitCode.FAILED)
    said = "no room was left"
    if plan.departure is not None and isinstance(settings, Settings):
        said = _depart(settings, plan.departure)
    # Looked at again: what a departure has left to do is in a file of its own.
    files = app_reset.local_files(settings, set_aside=set_aside)
    app_reset.remove(files)
    names = ", ".join(path.name for path in files.remove)
    anyio.run(app_reset.record, settings, f"{mode}: {said}; removed {names or 'no file'}")
    said = f"{said}; removed {_count(len(files.remove), 'file')}"
    _show_end(said, _AFTER_LOCAL if plan.departure is None else _AFTER_SERVER)


def _depart(settings: Settings, departure: "Departure") -> str:
    """Leave the rooms; what to say of it. Ends the command where some could not be left."""
    from supervisor.app import reset as app_reset

    with _resumable(), _progress(len(departure.rooms)) as tell:
        departed = anyio.run(app_reset.depart, settings, departure, tell)
    _show_table("These rooms could not be left:", departed.still_in.items())
    _show_table("These rooms were left, but could not be forgotten:", departed.remembered.items())
    if departed.still_in:
        typer.echo(f"{PROGRAM}: {_AGAIN}; no file was removed", err=True)
        raise typer.Exit(ExitCode.FAILED)
    return f"left {_count(departed.left, 'room')}, forgot {departed.forgotten}"


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"{PROGRAM}: {_AGAIN}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None
    except PortError:
        typer.echo(f"{PROGRAM}: {_AGAIN}", err=True)
        raise


@contextmanager
def _progress(total: int) -> Iterator[Callable[["Progress"], None]]:
    """A bar on a terminal; in a pipe only its last state."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=console()) as bar:
        task = bar.add_task("leaving", total=total)

        def tell(progress: "Progress") -> None:
            waits = f"the homeserver wants a break of {progress.waits_s:.0f} s"
            description = waits if progress.waits_s else "leaving"
            bar.update(task, completed=progress.done, description=description)

        yield tell


def _show(plan: "Plan") -> None:
    if plan.departure is not None:
        rooms = plan.departure
        _show_table("To be left and forgotten:", rooms.leave.items(), "no room: none is the bot's")
        _show_table(
            "To be forgotten; an unfinished reset has left them:",
            [(room_id, "") for room_id in rooms.forget],
        )
        _show_table("Rooms to be left alone:", rooms.alone.items())
    _show_table("To be removed:", _files(plan.files.remove), "no file: there is none")
    _show_table("To be kept:", _files(plan.files.keep))
    if plan.waiting or plan.unsent:
        waiting, unsent = _count(plan.waiting, "message"), _count(plan.unsent, "answer")
        console().print(
            f"Lost with the database: {waiting} without an answer yet, {unsent} not sent yet.\n"
        )


def _files(files: Mapping[Path, str]) -> Collection[tuple[object, str]]:
    return [(what, str(path)) for path, what in files.items()]


def _show_table(title: str, entries: Collection[tuple[object, str]], otherwise: str = "") -> None:
    """A title with a line for each entry; nothing for none, unless there is something to say."""
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


def _show_end(said: str, steps: Sequence[str]) -> None:
    out = console()
    out.print(f"{said[0].upper()}{said[1:]}.", style="bold", soft_wrap=True)
    for step in steps:
        out.print(step)


def _count(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
