"""The profile of the bot's account, and what the account data say about it."""

from dataclasses import asdict
from typing import Final

import msgspec

from actors.model import PROFILE_TYPE, UserId
from actors.own_account import KeptProfile, Profile
from actors.port_errors import HomeserverRefused
from adapter.matrix.account_data import AccountData
from adapter.matrix.bodies import Acknowledged
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.events import text_in
from adapter.matrix.lenient import UNDECODABLE

_NOT_FOUND: Final = 404


class OwnAccount:
    """Implements `actors.own_account.OwnAccount` over HTTP."""

    def __init__(self, connection: Connection, me: UserId, account_data: AccountData) -> None:
        self._http = connection
        self._me = me
        self._account_data = account_data

    async def profile(self) -> Profile:
        """The profile as people see it; an empty one if the homeserver has none."""
        try:
            shown = await self._http.request("GET", path_to("profile", self._me), dict[str, object])
        except HomeserverRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return Profile()
        return Profile(text_in(shown, "displayname") or "", text_in(shown, "avatar_url") or "")

    async def set_own_name(self, name: str) -> None:
        """Set the display name."""
        await self._set("displayname", name)

    async def set_own_avatar(self, avatar: str) -> None:
        """Set the avatar."""
        await self._set("avatar_url", avatar)

    async def _set(self, key: str, value: str) -> None:
        path = path_to("profile", self._me, key)
        await self._http.request("PUT", path, Acknowledged, {key: value})

    async def kept_profile(self) -> KeptProfile:
        """What the account data say; the default if they say nothing."""
        content = await self._account_data.read(PROFILE_TYPE)
        return KeptProfile() if content is None else kept_in(content)

    async def keep_profile(self, kept: KeptProfile) -> None:
        """Write it into the account data."""
        await self._account_data.write(PROFILE_TYPE, asdict(kept))


def kept_in(content: bytes) -> KeptProfile:
    """Decode the account data. Data in an unknown format leave the profile as it is."""
    try:
        return msgspec.json.decode(content, type=KeptProfile)
    except UNDECODABLE:
        return KeptProfile()
