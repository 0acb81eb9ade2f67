"""The account data, where the bot keeps what no room and no database has."""

from collections.abc import Mapping
from typing import Final

import msgspec

from actors.model import UserId
from actors.port_errors import HomeserverRefused
from adapter.matrix.bodies import Acknowledged
from adapter.matrix.connection import Connection, path_to

_NOT_FOUND: Final = 404


class AccountData:
    """Reads and writes account data by their type. Raises the errors of the ports."""

    def __init__(self, connection: Connection, me: UserId) -> None:
        self._http = connection
        self._me = me

    async def read(self, kind: str) -> bytes | None:
        """The content as JSON; None if there is none."""
        try:
            return await self._http.request("GET", self._path(kind), msgspec.Raw)
        except HomeserverRefused as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise

    async def write(self, kind: str, content: Mapping[str, object]) -> None:
        """Replace the content."""
        await self._http.request("PUT", self._path(kind), Acknowledged, content)

    def _path(self, kind: str) -> str:
        return path_to("user", self._me, "account_data", kind)
