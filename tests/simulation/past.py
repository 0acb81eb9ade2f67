"""Legacy rooms: rooms of an earlier bot without markers, and optionally its database."""

from random import Random
from typing import Final

from actors.model import ChatContext, ChatId, RoomId, RoomKind, RoomMeta, UserId, UserMeta
from actors.rows import PLATFORM_NAME, chat_key, room_key, to_row, user_key
from actors.rules.numbering import chat_id_of
from actors.writes import PutRow, Write
from tests.simulation.checkers import Checkers
from tests.simulation.disk import Disk
from tests.simulation.people import Person
from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Story

RENUMBERED: Final = 4
"""The numbers in the earlier bot's rows are higher by this than those in the rooms' names."""


class Past:
    """Creates the rooms and rows of an earlier bot that served one person."""

    def __init__(
        self, server: SimulatedServer, disk: Disk, rng: Random, checkers: Checkers, story: Story
    ) -> None:
        self._server = server
        self._disk = disk
        self._rng = rng
        self._checkers = checkers
        self._story = story
        self._bot = Person(server, BOT)

    async def happen(self, owner: Person, chats: int, *, rows: bool) -> dict[RoomId, UserId]:
        """Create a Space with so many chats; return its rooms and their owner.

        With `rows`, the database has other numbers than the names of the rooms.
        """
        if not chats:
            return {}
        space_id = self._room("Rooms", owner, is_space=True)
        rooms = {space_id: owner.user_id}
        writes: list[Write] = []
        for number in range(1, chats + 1):
            name = self._rng.choice((f"Chat {number}", f"Чат {number}"))
            room_id = self._room(name, owner)
            self._link(space_id, room_id)
            rooms[room_id] = owner.user_id
            chat_id = chat_id_of(number + RENUMBERED * rows)
            self._checkers.expect_chat_id(room_id, chat_id)
            self._story.tell("past", f"{room_id} is {chat_id} of {owner.user_id}")
            writes += _rows(owner, space_id, room_id, chat_id, name)
        user = UserMeta(space_id, chats + RENUMBERED + 1)
        writes.append(PutRow(user_key(owner.user_id), to_row(user)))
        if rows:
            await self._disk.store().commit(writes)
        return rooms

    def _room(self, name: str, owner: Person, *, is_space: bool = False) -> RoomId:
        room_id = self._bot.create_room(name, is_space=is_space)
        self._bot.invite(room_id, owner.user_id)
        owner.join(room_id)
        self._server.creations[BOT] -= 1
        return room_id

    def _link(self, space_id: RoomId, room_id: RoomId) -> None:
        if self._rng.random() < 0.7:
            self._bot.set_child(space_id, room_id)
        else:
            self._bot.set_parent(room_id, space_id)


def _rows(
    owner: Person, space_id: RoomId, room_id: RoomId, chat_id: ChatId, name: str
) -> list[Write]:
    room = RoomMeta(RoomKind.CHAT, chat_id, name, owner.user_id, space_id, None)
    chat = ChatContext(owner.user_id, chat_id, PLATFORM_NAME, room_id, name)
    return [
        PutRow(room_key(room_id), to_row(room)),
        PutRow(chat_key(owner.user_id, chat_id), to_row(chat)),
    ]
