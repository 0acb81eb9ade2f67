"""What a person has with the bot, and how they look around there: all of it over HTTP."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio

from demo.bot import BotProcess
from demo.person import Event, Invite, Person

MARKER = "io.surfaces.room"


@dataclass(frozen=True, slots=True)
class Home:
    """Somebody's Space and first chat; `door` is the room that they invited the bot to."""

    owner: Person
    bot: BotProcess
    door: str
    space: str
    chat: str
    greeting: str
    """What the bot said at the door."""

    async def ask(self, text: str) -> str:
        """Say something in the first chat, and answer what comes back."""
        return await self.owner.ask(self.chat, text)

    async def new_chat(self, command: str = "!new", *, timeout_s: float = 20) -> str:
        """Order a chat, join its room, and answer its id."""
        await self.owner.say(self.chat, command)
        return await accept(self.owner, self.bot, is_space=False, timeout_s=timeout_s)

    def row(self, room_id: str) -> dict[str, Any]:
        """The bot's own row of a room."""
        row: dict[str, Any] = self.bot.kv()[f"matrix_room:{room_id}"]
        return row

    def chat_row(self, chat_id: str) -> dict[str, Any]:
        """The bot's own row of one of the owner's chats."""
        row: dict[str, Any] = self.bot.kv()[f"chat:{self.owner.user_id}:{chat_id}"]
        return row

    def dirty(self, room_id: str) -> bool:
        """Whether the bot has to read a room again."""
        with closing(sqlite3.connect(self.bot.database)) as connection:
            found = connection.execute("SELECT 1 FROM dirty WHERE room_id = ?", (room_id,))
            return found.fetchone() is not None

    async def marker(self, room_id: str) -> dict[str, Any]:
        """What the bot has written into a room."""
        content = await self.owner.state_of(room_id, MARKER, self.bot.user_id)
        assert content is not None
        return content


async def move_in(person: Person, bot: BotProcess, *, timeout_s: float = 20) -> Home:
    """Invite the bot to a direct chat, and accept what it offers."""
    door = await knock(person, bot)
    space = await accept(person, bot, is_space=True, timeout_s=timeout_s)
    chat = await accept(person, bot, is_space=False, timeout_s=timeout_s)
    greeting = await hear(person, bot, door, timeout_s=timeout_s)
    return Home(person, bot, door, space, chat, greeting)


async def knock(person: Person, bot: BotProcess) -> str:
    """Invite the bot to a new direct chat."""
    return await person.create_room(
        preset="trusted_private_chat", is_direct=True, invite=[bot.user_id]
    )


async def accept(person: Person, bot: BotProcess, *, is_space: bool, timeout_s: float = 20) -> str:
    """Join the next room that the bot invites to, and answer its id."""

    def is_wanted(invite: Invite) -> bool:
        return invite.inviter == bot.user_id and invite.is_space == is_space

    what = "an invite to a Space" if is_space else "an invite to a chat"
    invite = await person.wait_for_invite(is_wanted, timeout_s=timeout_s, what=what)
    await person.join(invite.room_id)
    return invite.room_id


async def hear(person: Person, bot: BotProcess, room_id: str, *, timeout_s: float = 20) -> str:
    """Wait for the bot's next words in a room."""
    event = await person.wait_for(
        lambda event: event.room_id == room_id and event.sender == bot.user_id and bool(event.body),
        timeout_s=timeout_s,
        what="words from the bot",
    )
    return event.body


async def upload(person: Person, name: str, mime_type: str, data: bytes) -> str:
    """Upload a file, and answer its address."""
    url = f"{person._url}/_matrix/media/v3/upload"
    headers = {"Authorization": f"Bearer {person.access_token}", "Content-Type": mime_type}
    async with person._http.post(
        url, params={"filename": name}, data=data, headers=headers
    ) as answer:
        return str((await answer.json())["content_uri"])


async def history(person: Person, room_id: str) -> list[Event]:
    """Everything that happened in a room, oldest first, as the server tells it now."""
    path = f"/rooms/{quote(room_id, safe='')}/messages?dir=b&limit=500"
    return [
        Event(
            room_id=room_id,
            type=event["type"],
            sender=event["sender"],
            content=event["content"],
            state_key=event.get("state_key"),
            event_id=event["event_id"],
        )
        for event in reversed((await person.request("GET", path))["chunk"])
    ]


async def words_of(person: Person, room_id: str, speaker: str) -> list[str]:
    """What somebody has said in a room, oldest first."""
    events = await history(person, room_id)
    return [event.body for event in events if event.sender == speaker and event.body]


async def eventually(holds: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Wait for what can only be looked at, like a file. Raises AssertionError."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        await anyio.sleep(0.02)
