"""The profile of the bot's account on the simulated homeserver."""

from actors.model import UserId
from actors.own_account import KeptProfile, Profile
from tests.simulation.connection import Connection
from tests.simulation.server import SimulatedServer


class SimulatedAccount:
    """Implements `actors.own_account.OwnAccount`."""

    def __init__(self, connection: Connection, server: SimulatedServer, me: UserId) -> None:
        self._connection = connection
        self._server = server
        self._me = me

    async def profile(self) -> Profile:
        def read() -> Profile:
            # Like Synapse, the server names a new account after its user id.
            name = self._server.names.get(self._me, self._me[1:].partition(":")[0])
            return Profile(name, self._server.avatars.get(self._me, ""))

        return await self._connection.read("profile", read)

    async def set_own_name(self, name: str) -> None:
        await self._connection.write(
            "set_own_name", lambda: self._server.name_person(self._me, name)
        )

    async def set_own_avatar(self, avatar: str) -> None:
        def show() -> None:
            self._server.avatars[self._me] = avatar

        await self._connection.write("set_own_avatar", show)

    async def kept_profile(self) -> KeptProfile:
        def read() -> KeptProfile:
            return self._server.kept_profiles.get(self._me, KeptProfile())

        return await self._connection.read("kept_profile", read)

    async def keep_profile(self, kept: KeptProfile) -> None:
        def keep() -> None:
            self._server.kept_profiles[self._me] = kept

        await self._connection.write("keep_profile", keep)
