"""The OwnAccount port that the bot gets: it writes only while the bot is live."""

from collections.abc import Callable
from typing import final

from actors.own_account import KeptProfile, OwnAccount, Profile
from supervisor.serving.refusals import Refusals
from supervisor.serving.spending import Spending


@final
class OwnAccountLiveOnly:
    """Implements `actors.own_account.OwnAccount`. `live` raises unless the bot is live."""

    def __init__(
        self,
        account: OwnAccount,
        live: Callable[[], object],
        refusals: Refusals,
        spending: Spending,
    ) -> None:
        self._account = account
        self._live = live
        self._watch = refusals.watch
        self._write = spending.write

    async def profile(self) -> Profile:
        """Read the profile."""
        return await self._watch(self._account.profile())

    async def set_own_name(self, name: str) -> None:
        """Set the display name."""
        self._live()
        await self._write(self._account.set_own_name(name))

    async def set_own_avatar(self, avatar: str) -> None:
        """Set the avatar."""
        self._live()
        await self._write(self._account.set_own_avatar(avatar))

    async def kept_profile(self) -> KeptProfile:
        """Read the account data."""
        return await self._watch(self._account.kept_profile())

    async def keep_profile(self, kept: KeptProfile) -> None:
        """Write the account data."""
        self._live()
        await self._watch(self._account.keep_profile(kept))
