"""What was found out about the homeserver: found out once, and kept in its account data."""

from dataclasses import replace

from actors.model import HomeserverTraits
from actors.ports import Homeserver


class Traits:
    """The homeserver's traits, as far as they are known."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._known: HomeserverTraits | None = None

    async def known(self) -> HomeserverTraits:
        """The traits. Raises the errors of the homeserver."""
        if self._known is None:
            self._known = await self._homeserver.traits()
        return self._known

    async def note(self, *, deduplicates: bool | None = None, bundles: bool | None = None) -> None:
        """Remember what was found out. Raises the errors of the homeserver."""
        known = traits = await self.known()
        if deduplicates is not None:
            traits = replace(traits, deduplicates=deduplicates)
        if bundles is not None:
            traits = replace(traits, bundles=bundles)
        if traits != known:
            await self._homeserver.keep_traits(traits)
            self._known = traits
