"""The histories of conversations: read from the rooms when they are needed, kept in memory."""

from actors.bounds import Bounds
from actors.model import EventId, InboundMessage, OutboundMessage, RoomId, TokensUsed
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

    async def question_of(self, message: InboundMessage) -> InboundMessage | None:
        """The question that a `!retry` or an edit asks, as it is now; None if it is not there."""
        del message
        return None

    async def last_question(self, room_id: RoomId, thread: EventId | None) -> InboundMessage | None:
        """The last question in a thread, or in the room outside of threads."""
        del room_id, thread
        return None

    async def usage(self, room_id: RoomId) -> tuple[TokensUsed, ...]:
        """The tokens of a room's answers, for each model."""
        del room_id
        return ()
