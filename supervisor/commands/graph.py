"""`graph`: the state machines as diagrams."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import typer

from supervisor.graph import mermaid


def graph() -> None:
    """Print the state machines of the bot and of a room as Mermaid diagrams, in Markdown.

    They are drawn from the tables that the bot runs on.

    \b
    Example:
      surfaces-bot graph > states.md
    """
    from actors import room_lifecycle
    from supervisor import lifecycle

    bot = mermaid(lifecycle.TABLE, lifecycle.State.LOGIN, "The bot")
    room = mermaid(room_lifecycle.TABLE, room_lifecycle.RoomState.UNCHECKED, "A room")
    for diagram in (bot, room):
        typer.echo(f"```mermaid\n{diagram}\n```\n")
