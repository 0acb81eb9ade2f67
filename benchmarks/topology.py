"""A homeserver with any number of rooms that the bot manages, built once and kept for later runs.

Two accounts manage rooms: `bot` about the requested number, `quarter` a quarter of it. Each owner
has a Space with four chats and has joined all of them. The rooms have the bot's markers.
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

_FORMAT: Final = 2
"""Part of the cache's name: increase it when the topology or its description changes."""
_AT_ONCE: Final = 8

Progress = Callable[[str, int, int], None]
"""Receives what is built, how many of them exist, and how many there will be."""


@dataclass(frozen=True, slots=True)
class OwnerRooms:
    """The rooms of one owner; `account` made them."""

    account: str
    owner: str
    """The owner's localpart."""
    space: str
    chats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The rooms of all owners, and the version of the rooms."""

    room_version: str
    owners: tuple[OwnerRooms, ...]

    def rooms_of(self, account: str) -> int:
        """The number of rooms that an account is in."""
        return sum(1 + len(owner.chats) for owner in self.owners_of(account))

    def owners_of(self, account: str) -> tuple[OwnerRooms, ...]:
        """The owners that an account serves, with their rooms."""
        return tuple(owner for owner in self.owners if owner.account == account)


def owners_for(rooms: int) -> dict[str, int]:
    """The number of owners of each account, at least one, for about this number of rooms."""
    return {
        "bot": max(1, round(rooms / ROOMS_PER_OWNER)),
        "quarter": max(1, round(rooms / 4 / ROOMS_PER_OWNER)),
    }


@asynccontextmanager
async def homeserver_with(
    rooms: int, progress: Progress
) -> AsyncIterator[tuple[ThrowawaySynapse, Topology]]:
    """Start a temporary Synapse with the topology. Changes of a run are not kept."""
    kept = CACHE / f"{_FORMAT}-{rooms}"
    async with ThrowawaySynapse() as synapse:
        if (kept / "topology.json").exists():
            topology = await _restore(synapse, kept)
        else:
            topology = await build(synapse, rooms, progress)
            await _keep(synapse, topology, kept)
        yield synapse, topology


async def _restore(synapse: ThrowawaySynapse, kept: Path) -> Topology:
    await synapse.stop()
    _copy_database(kept, synapse.folder)
    await synapse.start()
    raw = json.loads((kept / "topology.json").read_text())
    owners = tuple(OwnerRooms(**each | {"chats": tuple(each["chats"])}) for each in raw["owners"])
    return Topology(raw["room_version"], owners)


async def _keep(synapse: ThrowawaySynapse, topology: Topology, kept: Path) -> None:
    """Copy the database to the cache. The description is written last: it marks a complete copy."""
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


async def build(synapse: ThrowawaySynapse, rooms: int, progress: Progress) -> Topology:
    """Register the accounts of the bots and of the owners, and make the rooms."""
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
    return Topology(version, tuple(builder.owners))


async def _default_room_version(person: Person) -> str:
    answer = await person.request("GET", "/capabilities")
    return str(answer["capabilities"]["m.room_versions"]["default"])


class _Builder:
    """Makes owners and their rooms, several at once."""

    def __init__(
        self, synapse: ThrowawaySynapse, version: str, progress: Progress, *, total: int
    ) -> None:
        self._synapse = synapse
        self._version = version
        self._progress = progress
        self._total = total
        self.owners: list[OwnerRooms] = []

    async def build(self, me: Person, account: str, owners: int) -> None:
        limiter = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for number in range(owners):
                tasks.start_soon(self._owner, limiter, me, account, f"{account}-owner-{number}")

    async def _owner(
        self, limiter: anyio.CapacityLimiter, me: Person, account: str, localpart: str
    ) -> None:
        async with limiter:
            owner_id = UserId(await self._synapse.register(localpart, PASSWORD))
            async with Person.logged_in(self._synapse.url, localpart, PASSWORD) as owner:
                space = await self._room(me, owner, space_marker(owner_id), f"{localpart}'s chats")
                chats = [
                    await self._chat(me, owner, RoomId(space), number)
                    for number in range(1, CHATS_PER_SPACE + 1)
                ]
        self.owners.append(OwnerRooms(account, localpart, space, tuple(chats)))
        self._progress("owners", len(self.owners), self._total)

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


def space_marker(owner: UserId) -> Marker:
    """The marker of an owner's Space."""
    return Marker(kind=RoomKind.SPACE, owner=owner, next_chat_index=CHATS_PER_SPACE + 1)
