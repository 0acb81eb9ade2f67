"""The histories of conversations: read from the rooms when they are needed, kept in memory."""

from actors.bounds import Bounds
from actors.model import InboundMessage, OutboundMessage, RoomId
from actors.platform import Role
from actors.ports import Homeserver, RoomDelta, StateStore
from actors.rules.history import Budget, Draft, Drafts


class Histories:
    """What was said in each room with a conversation that is in use."""

    def __init__(self, homeserver: Homeserver, store: StateStore, bounds: Bounds) -> None:
        self._homeserver = homeserver
        self._store = store
        self._bounds = bounds

    def note(self, delta: RoomDelta) -> None:
        """Note what a sync response says about a room."""

    def note_queued(self, message: OutboundMessage) -> None:
        """Note a message of the bot's own that the outbox has, before the homeserver shows it."""

    def drop(self, room_id: RoomId) -> None:
        """Forget what is in memory about a room: it is read again when it is needed."""

    def drop_all(self) -> None:
        """Forget what is in memory about all rooms."""

    async def drafts(self, question: InboundMessage, budget: Budget) -> Drafts | None:
        """The conversation up to a question; None if the question was redacted.

        The whole conversation of the question's thread, or of the room outside of threads, cut
        to the budget. Raises the errors of the homeserver.
        """
        del budget
        return Drafts((Draft(Role.PERSON, question.body, quoted=question.quoted),))
