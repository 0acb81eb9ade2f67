"""`graph`: prints the state machines as diagrams."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from actors.rules import room_states
from actors.runtime.table import Transition
from supervisor import lifecycle
from supervisor.commands.invocation import configure
from supervisor.lifecycle import LIFECYCLE, MACHINE, State
from supervisor.lock import is_running
from supervisor.settings import LocalSettings, load_local_settings
from supervisor.text.mermaid import mermaid


def graph(
    *,
    plain: Annotated[
        bool, typer.Option("--plain", help="Leave out the current states, for documents.")
    ] = False,
) -> None:
    """Print the state machines of the bot and of a room as Mermaid diagrams, in Markdown.

    The diagrams are drawn from the tables that the bot runs on. They mark the current states of
    the bot and of its rooms, as recorded in the journal.

    \b
    Example:
      surfaces-bot graph > states.md
    """
    settings = None if plain else load_local_settings()
    bot, rooms = _now(settings) if settings else ({}, {})
    for diagram in (
        mermaid(lifecycle.TABLE, LIFECYCLE.initial, "The bot", bot),
        mermaid(room_states.TABLE, room_states.RoomState.UNCHECKED, "A room", rooms),
    ):
        typer.echo(f"```mermaid\n{diagram}\n```\n")


def _now(settings: LocalSettings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The remarks on the current states of the bot and of its rooms; none without a journal."""
    from adapter.sql.journal_rows import JournalMissing
    from supervisor.app.databases import read_journal

    configure(settings)
    try:
        made = [row.transition for row in read_journal(settings.journal_path)]
    except JournalMissing:
        return {}, {}
    if not is_running(settings.store_path):
        return {State.STOPPED: "now"}, {}
    return _bot_in(made), _rooms_in(made)


def _bot_in(made: Sequence[Transition]) -> Mapping[str, str]:
    states = [each.dst for each in made if each.machine == MACHINE]
    return {states[-1]: "now"} if states else {}


def _rooms_in(made: Sequence[Transition]) -> Mapping[str, str]:
    boot = made[-1].boot if made else ""
    states = {
        each.machine: each.dst for each in made if each.machine != MACHINE and each.boot == boot
    }
    return {
        state: "1 room" if count == 1 else f"{count} rooms"
        for state, count in Counter(states.values()).items()
    }
