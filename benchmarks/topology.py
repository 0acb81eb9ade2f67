"""A homeserver with as many of the bot's rooms as one likes, built once and kept for later runs.

Two accounts have rooms there: `bot` with all of them and `quarter` with a quarter. Each owner has
a Space with four chats, made as the bot makes them, marker and all, and has joined every one.
"""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import anyio

from actors.model import ChatId, Marker, PlatformChatId, RoomId, RoomKind, UserId
from actors.ports import NewRoom
from adapter.matrix.provisioning import create_room_body, link_content
from demo.person import Person
from demo.synapse import ThrowawaySynapse

CACHE: Final = Path(__file__).parent / ".cache"
PASSWORD: Final = "a password of no worth"
CHATS_PER_SPACE: Final = 4
ROOMS_PER_OWNER: Final = 1 + CHATS_PER_SPACE
ACCOUNTS: Final = ("bot", "quarter")

_FORMAT: Final = 1
"""Part of the cache's name: a change of the topology's shape needs another one."""
_AT_ONCE: Final = 8

Progress = Callable[[str, int, int], None]
"""What is being made, how many of it are there, how many there will be."""


@dataclass(frozen=True, slots=True)
class Home:
    """One owner's rooms, by the account that made them."""

    account: str
    owner: str
    """The owner's localpart."""
    space: str
    chats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that was built."""

    room_version: str
    homes: tuple[Home, ...]

    def rooms_of(self, account: str) -> int:
        """How many rooms an account is in."""
        return sum(1 + len(home.chats) for home in self.homes if home.account == account)

    def homes_of(self, account: str) -> tuple[Home, ...]:
        """The homes that an account serves."""
        return tuple(home for home in self.homes if home.account == account)


def owners_for(rooms: int) -> dict[str, int]:
    """How many owners each account gets, at least one, so that it is in about so many rooms."""
    return {
        "bot": max(1, round(rooms / ROOMS_PER_OWNER)),
        "quarter": max(1, round(rooms / 4 / ROOMS_PER_OWNER)),
    }


@asynccontextmanager
async def homeserver_with(
    rooms: int, progress: Progress
) -> AsyncIterator[tuple[ThrowawaySynapse, Topology]]:
    """A Synapse of our own with the topology in it; what a run changes there is thrown away."""
    kept = CACHE / f"{_FORMAT}-{rooms}"
    async with ThrowawaySynapse() as synapse:
        if (kept / "topology.json").exists():
            topology = await _restore(synapse, kept)
        else:
            topology = await _build(synapse, rooms, progress)
            await _keep(synapse, topology, kept)
        yield synapse, topology


async def _restore(synapse: ThrowawaySynapse, kept: Path) -> Topology:
    await synapse.stop()
    _copy_database(kept, synapse.folder)
    await synapse.start()
    raw = json.loads((kept / "topology.json").read_text())
    homes = tuple(Home(**home | {"chats": tuple(home["chats"])}) for home in raw["homes"])
    return Topology(raw["room_version"], homes)


async def _keep(synapse: ThrowawaySynapse, topology: Topology, kept: Path) -> None:
    """The description comes last: with it the folder counts as whole."""
    await synapse.stop()
    kept.mkdir(parents=True, exist_ok=True)
    _copy_database(synapse.folder, kept)
    (kept / "topology.json").write_text(json.dumps(asdict(topology)))
    await synapse.start()


def _copy_database(source: Path, target: Path) -> None:
    for old in target.glob("synapse.db*"):
        old.unlink()
    for file in source.glob("synapse.db*"):
        shutil.copy2(file, target)


async def _build(synapse: ThrowawaySynapse, rooms: int, progress: Progress) -> Topology:
    owners = owners_for(rooms)
    for account in ACCOUNTS:
        await synapse.register(account, PASSWORD)
    async with (
        Person.logged_in(synapse.url, "bot", PASSWORD) as bot,
        Person.logged_in(synapse.url, "quarter", PASSWORD) as quarter,
    ):
        version = await _default_room_version(bot)
        builder = _Builder(synapse, version, progress, total=sum(owners.values()))
        for me in (bot, quarter):
            localpart = me.user_id[1:].partition(":")[0]
            await builder.build(me, localpart, owners[localpart])
    return Topology(version, tuple(builder.homes))


async def _default_room_version(person: Person) -> str:
    answer = await person.request("GET", "/capabilities")
    return str(answer["capabilities"]["m.room_versions"]["default"])


class _Builder:
    """Makes homes, some at once."""

    def __init__(
        self, synapse: ThrowawaySynapse, version: str, progress: Progress, *, total: int
    ) -> None:
        self._synapse = synapse
        self._version = version
        self._progress = progress
        self._total = total
        self.homes: list[Home] = []

    async def build(self, me: Person, account: str, owners: int) -> None:
        limiter = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for number in range(owners):
                tasks.start_soon(self._home, limiter, me, account, f"{account}-owner-{number}")

    async def _home(
        self, limiter: anyio.CapacityLimiter, me: Person, account: str, localpart: str
    ) -> None:
        async with limiter:
            owner_id = UserId(await self._synapse.register(localpart, PASSWORD))
            async with Person.logged_in(self._synapse.url, localpart, PASSWORD) as owner:
                space = await self._room(me, owner, _space_marker(owner_id), f"{localpart}'s chats")
                chats = [
                    await self._chat(me, owner, RoomId(space), number)
                    for number in range(1, CHATS_PER_SPACE + 1)
                ]
        self.homes.append(Home(account, localpart, space, tuple(chats)))
        self._progress("homes", len(self.homes), self._total)

    async def _chat(self, me: Person, owner: Person, space: RoomId, number: int) -> str:
        marker = Marker(
            kind=RoomKind.CHAT,
            owner=UserId(owner.user_id),
            chat_id=ChatId(f"C{number}"),
            space_id=space,
            platform_chat_id=PlatformChatId(f"{owner.user_id}/{number}"),
        )
        chat = await self._room(me, owner, marker, f"Chat {number}")
        link = link_content(UserId(me.user_id))
        await me.set_state(space, "m.space.child", link, chat)
        return chat

    async def _room(self, me: Person, owner: Person, marker: Marker, name: str) -> str:
        body = create_room_body(NewRoom(marker, name), UserId(me.user_id), self._version)
        room_id = await me.create_room(**body)
        await me.invite(room_id, owner.user_id)
        await owner.join(room_id)
        return room_id


def _space_marker(owner: UserId) -> Marker:
    return Marker(kind=RoomKind.SPACE, owner=owner, next_chat_index=CHATS_PER_SPACE + 1)
