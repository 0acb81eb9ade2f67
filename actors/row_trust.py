"""The part of the store's interface that says which rows are in line with their rooms."""

from typing import Protocol

from actors.model import RoomId


class RowTrust(Protocol):
    """What the store knows of the rows. Every method may raise StoreUnavailable."""

    async def dirty(self) -> dict[RoomId, int]:
        """The rooms that have changed since their rows were written, each with its change."""
        ...

    async def whole_read_at(self) -> float | None:
        """The time of the latest NoteWholeRead; None if there is none, or it is void."""
        ...
