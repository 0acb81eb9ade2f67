"""The part of the store that says which rows are in line with their rooms."""

from typing import Protocol

from actors.model import RoomId
from adapter.sql import trust_statements as trust
from adapter.sql.values import Query, Row


class Readable(Protocol):
    """A database that can be read."""

    async def fetch(self, query: Query) -> list[Row]:
        """All rows of the result, including everything written before the call."""
        ...


class SqlRowTrust:
    """The RowTrust port over a database."""

    def __init__(self, database: Readable) -> None:
        self._read = database.fetch

    async def dirty(self) -> dict[RoomId, int]:
        """The dirty rooms, each with the number of its change."""
        return {RoomId(room_id): change for room_id, change in await self._read(trust.DIRTY)}

    async def whole_read_at(self) -> float | None:
        """When all rooms were last read; None if another program has changed a row since."""
        found = await self._read(trust.WHOLE_READ)
        return float(found[0][0]) if found else None
