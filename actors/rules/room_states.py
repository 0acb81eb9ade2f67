"""The states of a room, and the table of their transitions. Pure."""

from enum import StrEnum
from typing import Final

from actors.runtime.table import Row, Table


class RoomState(StrEnum):
    """How far the bot can trust what it knows of a room."""

    UNCHECKED = "unchecked"
    """The room's rows have not been compared with its state in this run of the bot."""
    REPAIRING = "repairing"
    """The room's rows differ from its state; the repair is being written."""
    READY = "ready"
    """The room was checked, and its rows are in line."""
    QUARANTINED = "quarantined"
    """The room failed repeatedly. It is probed now and then."""
    LEFT = "left"
    """The bot is not in the room any more. The room's rows and its number stay."""


class RoomTrigger(StrEnum):
    """A fact about one room."""

    CHECKED = "checked"
    DRIFT_FOUND = "drift_found"
    REPAIRED = "repaired"
    FAILED_REPEATEDLY = "failed_repeatedly"
    PROBED = "probed"
    LEFT = "left"
    JOINED = "joined"


ROUTINE: Final = frozenset({RoomTrigger.CHECKED, RoomTrigger.DRIFT_FOUND, RoomTrigger.REPAIRED})
"""Triggers that thousands of rooms may fire at one start.

Their transitions are logged at debug level. The journal and the reconciliation report have them.
"""

# fmt: off
TABLE: Final = (
    #   from                   when                           to
    Row(RoomState.UNCHECKED,   RoomTrigger.CHECKED,           RoomState.READY),
    Row(RoomState.UNCHECKED,   RoomTrigger.DRIFT_FOUND,       RoomState.REPAIRING),
    Row(RoomState.UNCHECKED,   RoomTrigger.FAILED_REPEATEDLY, RoomState.QUARANTINED),
    Row(RoomState.UNCHECKED,   RoomTrigger.LEFT,              RoomState.LEFT),

    Row(RoomState.REPAIRING,   RoomTrigger.REPAIRED,          RoomState.READY),
    Row(RoomState.REPAIRING,   RoomTrigger.FAILED_REPEATEDLY, RoomState.QUARANTINED),
    Row(RoomState.REPAIRING,   RoomTrigger.LEFT,              RoomState.LEFT),

    Row(RoomState.READY,       RoomTrigger.DRIFT_FOUND,       RoomState.REPAIRING),
    Row(RoomState.READY,       RoomTrigger.FAILED_REPEATEDLY, RoomState.QUARANTINED),
    Row(RoomState.READY,       RoomTrigger.LEFT,              RoomState.LEFT),

    Row(RoomState.QUARANTINED, RoomTrigger.PROBED,            RoomState.UNCHECKED),
    Row(RoomState.QUARANTINED, RoomTrigger.LEFT,              RoomState.LEFT),

    Row(RoomState.LEFT,        RoomTrigger.JOINED,            RoomState.UNCHECKED),
)
# fmt: on

ROOM_LIFECYCLE: Final = Table(TABLE, initial=RoomState.UNCHECKED)
