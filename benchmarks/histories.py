"""The memory of histories in use, read from pages as a homeserver sends them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec

from actors.bounds import Bounds
from actors.histories import Histories
from actors.model import EventId, InboundMessage, OutboundMessage, RoomId, UserId
from actors.platform import DEFAULT_CONTEXT_TOKENS
from actors.ports import Homeserver
from actors.rules.history import Budget
from adapter.matrix.connection import Connection
from adapter.matrix.contents import message_content
from adapter.matrix.lenient import Decoder, Malformed
from adapter.matrix.room_contents import RoomContents
from adapter.matrix.writing import Writer
from adapter.sqlite.inline import InlineStore

ROOMS: Final = 1_000
TURNS: Final = 20
_QUESTION: Final = "why is the sea salt, and since when do people know why it is so?"
_ANSWER: Final = "because **rivers** carry a little salt into it, and only water leaves it. " * 8
_ROOM: Final = RoomId("!room")
_ME: Final = UserId("@bot:localhost")
_OWNER: Final = UserId("@owner:localhost")

A = TypeVar("A")


class Pages:
    """A homeserver in whose rooms a question follows on so many turns. It has one page for each."""

    me = _ME

    def __init__(self) -> None:
        connection = cast("Connection", self)
        self.contents = RoomContents(connection, _ME, Writer(connection))
        self._sent = 0

    async def request(self, method: str, path: str, answer: type[A]) -> A:
        """The page, decoded from its JSON."""
        del method, path
        page = {"start": "t1", "chunk": list(self._newest_first()), "state": [_member()]}
        return Decoder(answer).decode(msgspec.json.encode(page), Malformed())

    def note_malformed(self, malformed: Malformed, subject: str) -> None:
        """Raise for a page of which something was left out."""
        if malformed.count:
            raise ValueError(subject, malformed.places)

    def _newest_first(self) -> Iterator[Mapping[str, object]]:
        first, self._sent = self._sent, self._sent + TURNS + 1
        for number in reversed(range(first, self._sent)):
            is_question = (number - first) % 2 == 0
            yield _question(number) if is_question else _answer(number)


async def history_bytes(memory_bytes: Callable[[], int]) -> dict[str, float]:
    """Bytes for each room with its history in use: in memory, and as the bot counts them."""
    homeserver = cast("Homeserver", Pages())
    histories = Histories(homeserver, InlineStore(), Bounds())
    before = memory_bytes()
    for number in range(ROOMS):
        drafts = await histories.drafts(_asked(number), Budget(DEFAULT_CONTEXT_TOKENS))
        if drafts is None or len(drafts.turns) != TURNS + 1:
            raise ValueError(drafts)
    used = memory_bytes() - before
    return {"history_bytes": used / ROOMS, "counted_bytes": histories.size_bytes / ROOMS}


def _asked(room: int) -> InboundMessage:
    number = (room + 1) * (TURNS + 1) - 1
    room_id = RoomId(f"!room-{room:06}-of-a-usual-length-of-an-id")
    body = f"{number}: {_QUESTION}"
    return InboundMessage(_event_id(number), room_id, _OWNER, number, "m.text", body)


def _question(number: int) -> dict[str, object]:
    return _event(number, _OWNER, {"msgtype": "m.text", "body": f"{number}: {_QUESTION}"})


def _answer(number: int) -> dict[str, object]:
    body = f"{number}: {_ANSWER}"
    message = OutboundMessage(_event_id(number - 1), _ROOM, body, html=f"<p>{body}</p>")
    return _event(number, _ME, message_content(message))


def _event(number: int, sender: UserId, content: Mapping[str, Any]) -> dict[str, object]:
    return {
        "type": "m.room.message",
        "sender": sender,
        "content": content,
        "origin_server_ts": 1_700_000_000_000 + number,
        "event_id": _event_id(number),
        "unsigned": {"age": 1},
    }


def _event_id(number: int) -> EventId:
    return EventId(f"$event-{number:010}-of-a-usual-length-of-an-id")


def _member() -> dict[str, object]:
    content = {"membership": "join", "displayname": "Owner"}
    return {**_event(0, _OWNER, content), "type": "m.room.member", "state_key": _OWNER}
