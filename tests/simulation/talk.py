"""What is said between the rooms and the platform: which conversation, and in which order."""

from collections import defaultdict

from actors.model import EventId, PlatformChatId, RoomId


class Talk:
    """Checks the questions and the order of answers. Each check returns a violation, or None."""

    def __init__(self) -> None:
        self.threads: dict[EventId, object] = {}
        """The thread of each message of a person; None outside of threads."""
        self.commands: set[EventId] = set()
        self.ending: set[EventId] = set()
        """Commands that end a question, also those that were redacted since."""
        """What owners wrote that is a command."""
        self._conversations: dict[tuple[RoomId, object], PlatformChatId] = {}
        self._threads_of: dict[PlatformChatId, object] = {}
        self._noted: dict[str, str] = {}
        """The run of the process that told a note last."""
        self._last_answered: defaultdict[tuple[RoomId, bool], int] = defaultdict(int)

    def asked(self, room_id: RoomId, chat: PlatformChatId, key: EventId) -> str | None:
        """A room, and each thread in it, always uses one conversation of its own.

        A room that replaces another one goes on with its conversation, outside of threads.
        """
        thread = self.threads[key]
        place = room_id, thread
        if self._conversations.setdefault(place, chat) != chat:
            return f"{place} uses {chat}, not {self._conversations[place]}"
        if self._threads_of.setdefault(chat, thread) != thread:
            return f"{place} uses {chat} of {self._threads_of[chat]}"
        return None

    def noted(self, txn_id: str, boot: str) -> str | None:
        """A run of the process tells nothing twice. A later one may, after days."""
        if self._noted.get(txn_id) == boot:
            return f"told twice: {txn_id}"
        self._noted[txn_id] = boot
        return None

    def answered(self, room_id: RoomId, message: EventId, position: int) -> str | None:
        """Messages are answered in order.

        The owner's commands are answered in order too, but may go before a question in work.
        """
        line = room_id, message in self.commands
        if position < self._last_answered[line]:
            return f"answered out of order: {message} in {room_id}"
        self._last_answered[line] = position
        return None
