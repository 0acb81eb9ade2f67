"""People who go on talking whatever happens, and who was answered how, as the server tells it."""

import os
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import quote

import aiohttp
import anyio

from demo.bot import BotProcess
from demo.client import Refused
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import newcomer
from tests.synapse.home import hear, move_in

SEED: Final = int(os.environ.get("SEED", "1"))
KILLS: Final = int(os.environ.get("KILLS", "12"))
"""How often the bot is killed in all; Synapse is stopped once for each six times."""
KILLS_IN_A_STRETCH: Final = 25
STRETCHES: Final = range(max(1, KILLS // KILLS_IN_A_STRETCH))
"""What takes long is done in several tests."""

_RETRY_S: Final = 0.2
_LOOK_AGAIN_S: Final = 0.2
_MESSAGES: Final = '{"types": ["m.room.message"]}'
_SERVER_ERROR: Final = 500


def seeded(stretch: int = 0) -> Random:
    """What decides when things happen; the same for every run with the same `SEED`."""
    return Random(SEED + stretch)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Said:
    """A message in a room, as everybody there sees it."""

    sender: str
    body: str
    msgtype: str


@dataclass(slots=True)
class Chatroom:
    """A chat room, its owner first among the people who talk there."""

    room_id: str
    people: tuple[Person, ...]
    bot: BotProcess
    spoken: int = 0

    @property
    def owner(self) -> Person:
        return self.people[0]

    async def say(self, speaker: Person, what: str = "") -> str:
        """Say something that nobody has said here before, however often it takes.

        A guest mentions the bot.
        """
        self.spoken += 1
        mention = "" if speaker is self.owner else f"{self.bot.user_id} "
        text = f"{mention}{what or 'message'} {self.spoken}"
        await insist(speaker, self.room_id, text)
        return text

    async def timeline(self) -> list[Said]:
        """Everything said here, oldest first, as the server tells it now."""
        return await timeline(self.owner, self.room_id)

    async def wait_for_the_end(self, what: str, timeout_s: float = 90) -> None:
        """Say a last word and hear it back: what came before it has been answered then."""
        text = await self.say(self.owner, what)
        with anyio.fail_after(timeout_s):
            while await newest(self.owner, self.room_id) != Said(self.bot.user_id, text, "m.text"):
                await anyio.sleep(_LOOK_AGAIN_S)

    async def check(self) -> None:
        """Each text that is no command was answered once, in order. Raises AssertionError."""
        said = await self.timeline()
        people = {person.user_id for person in self.people}
        mention = f"{self.bot.user_id} "  # the bot's name in front is no part of the text
        asked = [
            it.body.removeprefix(mention)
            for it in said
            if it.sender in people and not it.body.startswith("!")
        ]
        answered = [
            it.body for it in said if it.sender == self.bot.user_id and it.msgtype == "m.text"
        ]
        assert len(asked) == self.spoken
        assert answered == asked


@dataclass(slots=True)
class Company:
    """Several rooms with several people who talk at once."""

    rooms: Sequence[Chatroom]
    random: Random = field(default_factory=seeded)

    @property
    def bot(self) -> BotProcess:
        return self.rooms[0].bot

    @asynccontextmanager
    async def talking(self, pause_s: float) -> AsyncIterator[None]:
        """Within, everybody says something about every `pause_s` seconds in each of their rooms."""
        over = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for room in self.rooms:
                for person in room.people:
                    tasks.start_soon(self._talk, room, person, pause_s, over)
            yield
            over.set()

    async def _talk(
        self, room: Chatroom, person: Person, pause_s: float, over: anyio.Event
    ) -> None:
        while not over.is_set():
            await room.say(person)
            with anyio.move_on_after(self.random.uniform(0.2, 1.8) * pause_s):
                await over.wait()

    async def fall_silent(self, what: str = "end", timeout_s: float = 90) -> None:
        """Wait until the bot has answered everything, in all rooms."""
        async with anyio.create_task_group() as tasks:
            for room in self.rooms:
                tasks.start_soon(room.wait_for_the_end, what, timeout_s)

    async def check(self) -> None:
        """In every room, each text was answered once, in order. Raises AssertionError."""
        for room in self.rooms:
            await room.check()


async def gather(stack: AsyncExitStack, homeserver: ThrowawaySynapse, bot: BotProcess) -> Company:
    """Three people in three rooms of a live bot: Alice's two, with Carol in one of them; Bob's."""
    alice, bob, carol = [
        await newcomer(stack, homeserver, name) for name in ("alice", "bob", "carol")
    ]
    alices = await move_in(alice, bot)
    second = await alices.new_chat()
    await hear(alice, bot, alices.chat)
    bobs = await move_in(bob, bot)
    await alice.invite(second, carol.user_id)
    await carol.join(second)
    return Company(
        [
            Chatroom(alices.chat, (alice,), bot),
            Chatroom(second, (alice, carol), bot),
            Chatroom(bobs.chat, (bob,), bot),
        ]
    )


async def settle(company: Company) -> None:
    """Let the bot catch up, and start it once more: then nothing may be left to be said."""
    bot = company.bot
    await company.fall_silent()
    assert await bot.terminate() == 0
    await bot.start_and_go_live()
    await company.fall_silent("once more")
    await company.check()


def launched(*words: str) -> Sequence[str]:
    """The command for a bot that is not quite the real one, see `launcher.py`."""
    return (sys.executable, "-P", str(Path(__file__).with_name("launcher.py")), *words)


async def insist(person: Person, room_id: str, text: str) -> None:
    """Say something, with one transaction id, until the homeserver has it."""
    path = f"/rooms/{quote(room_id, safe='')}/send/m.room.message/{uuid.uuid4().hex}"
    while True:
        try:
            await person.request("PUT", path, {"msgtype": "m.text", "body": text})
        except Refused as refusal:
            if refusal.status < _SERVER_ERROR:
                raise
        except (aiohttp.ClientError, OSError, ValueError):
            pass
        else:
            return
        await anyio.sleep(_RETRY_S)


async def timeline(person: Person, room_id: str) -> list[Said]:
    """Every message of a room, oldest first, as the server tells it now."""
    found: list[Said] = []
    position: str | None = ""
    while position is not None:
        page, position = await _page(person, room_id, 500, position)
        found += page
    return found[::-1]


async def newest(person: Person, room_id: str) -> Said | None:
    """A room's last message."""
    page, _ = await _page(person, room_id, 1)
    return page[0] if page else None


async def _page(
    person: Person, room_id: str, limit: int, position: str = ""
) -> tuple[list[Said], str | None]:
    """Messages, newest first, and the position to go on from."""
    query = f"dir=b&limit={limit}&filter={quote(_MESSAGES)}"
    if position:
        query += f"&from={quote(position, safe='')}"
    page = await person.request("GET", f"/rooms/{quote(room_id, safe='')}/messages?{query}")
    said = [
        Said(event["sender"], event["content"]["body"], event["content"]["msgtype"])
        for event in page["chunk"]
    ]
    return said, page.get("end")
