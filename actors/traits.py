"""What was found out about the homeserver: found out once, and kept in its account data."""

from dataclasses import replace

import anyio

from actors.model import HomeserverTraits
from actors.port_errors import HomeserverRefused
from actors.ports import Homeserver


class Traits:
    """The homeserver's traits, as far as they are known.

    That the homeserver does not bundle edits is found out anew by each process: an update of the
    homeserver may have changed it.
    """

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._known: HomeserverTraits | None = None
        self._one_at_a_time = anyio.Lock()

    @property
    def so_far(self) -> HomeserverTraits:
        """The traits without a request: nothing is known before the account data was read."""
        return self._known or HomeserverTraits()

    async def known(self) -> HomeserverTraits:
        """The traits. Raises the errors of the homeserver, except HomeserverRefused."""
        async with self._one_at_a_time:
            return await self._read()

    async def read(self) -> None:
        """Read the account data, unless that was done. Raises the same errors."""
        await self.known()

    async def note(self, *, deduplicates: bool | None = None, bundles: bool | None = None) -> None:
        """Remember what was found out. Raises the errors of the homeserver.

        What could not be kept in the account data is known to this process all the same.
        """
        async with self._one_at_a_time:
            known = traits = await self._read()
            if deduplicates is not None:
                traits = replace(traits, deduplicates=deduplicates)
            if bundles is not None:
                traits = replace(traits, bundles=bundles)
            if traits != known:
                self._known = traits
                await self._homeserver.keep_traits(traits)

    async def _read(self) -> HomeserverTraits:
        if self._known is None:
            try:
                kept = await self._homeserver.traits()
            except HomeserverRefused:
                kept = HomeserverTraits()  # what is not kept is found out by each process
            self._known = kept if kept.bundles else replace(kept, bundles=None)
        return self._known
