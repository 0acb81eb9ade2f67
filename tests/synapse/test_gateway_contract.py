"""The contract of the `Homeserver` port over the gateway and a real Synapse.

The simulated homeserver passes the same tests, so that what is true of the bot there is true here.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import pytest

from actors.model import EventId, RoomId, UserId
from actors.platform import File
from actors.port_errors import HomeserverRefused
from actors.ports import Homeserver
from adapter.matrix.gateway import Gateway
from demo.client import Refused
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.simulation.contract import (
    FilesContract,
    ReadingContract,
    SessionContract,
    SettingsContract,
    SyncContract,
    WritingContract,
)
from tests.simulation.contract_account import AccountContract
from tests.simulation.contract_edits import EditsContract
from tests.simulation.contract_history import HistoryContract
from tests.simulation.events import Content
from tests.synapse.conftest import PASSWORD, unique
from tests.synapse.home import history, upload

pytestmark = pytest.mark.quick

NEWER_VERSION: Final = "12"


@dataclass(frozen=True, slots=True)
class RealAccount:
    """A person over HTTP behind the contract's `Account`."""

    person: Person

    @property
    def user_id(self) -> UserId:
        return UserId(self.person.user_id)

    async def create_room(self, name: str) -> RoomId:
        return RoomId(await self.person.create_room(name=name))

    async def invite(self, room_id: RoomId, other: UserId) -> None:
        await self.person.invite(room_id, other)

    async def join(self, room_id: RoomId) -> None:
        await self.person.join(room_id)

    async def leave(self, room_id: RoomId) -> None:
        await self.person.leave(room_id)

    async def kick(self, room_id: RoomId, other: UserId) -> None:
        await self.person.kick(room_id, other)

    async def say(self, room_id: RoomId, text: str, msgtype: str = "m.text") -> EventId:
        content = {"msgtype": msgtype, "body": text}
        return EventId(await self.person.send(room_id, "m.room.message", content))

    async def write(self, room_id: RoomId, content: Content) -> EventId:
        return EventId(await self.person.send(room_id, "m.room.message", dict(content)))

    async def upload(self, file: File) -> str:
        return await upload(self.person, file.name, file.mime_type, file.data)

    async def edit(self, room_id: RoomId, event_id: EventId, text: str) -> None:
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": event_id}
        edited = {**new, "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
        await self.person.send(room_id, "m.room.message", edited)

    async def redact(self, room_id: RoomId, event_id: EventId) -> None:
        path = f"/rooms/{quote(room_id, safe='')}/redact/{quote(event_id, safe='')}/{unique('t')}"
        await self.person.request("PUT", path, {})

    async def write_state(self, room_id: RoomId, kind: str, key: str, content: Content) -> None:
        try:
            await self.person.set_state(room_id, kind, dict(content), key)
        except Refused as refusal:
            raise HomeserverRefused(refusal.status, refusal.errcode, str(refusal)) from refusal

    async def upgrade(self, room_id: RoomId) -> RoomId:
        return RoomId(await self.person.upgrade_room(room_id, NEWER_VERSION))

    async def history(self, room_id: RoomId) -> list[tuple[str, str]]:
        events = await history(self.person, room_id)
        return [(event.content["msgtype"], event.body) for event in events if event.body]


@dataclass(frozen=True, slots=True)
class RealWorld:
    """The contract's `World` over a real Synapse."""

    url: str
    homeserver: Homeserver
    alice: RealAccount
    bot: RealAccount
    stack: AsyncExitStack

    async def same_device(self) -> Homeserver:
        return gateway_on(self.stack, self.url, self.bot.user_id)


def gateway_on(stack: AsyncExitStack, url: str, user_id: UserId) -> Gateway:
    gateway = Gateway(url, user_id, password=PASSWORD)
    stack.push_async_callback(gateway.close)
    return gateway


@pytest.fixture
async def world(synapse: ThrowawaySynapse, alice: Person) -> AsyncIterator[RealWorld]:
    localpart = unique("bot")
    user_id = UserId(await synapse.register(localpart, PASSWORD))
    async with (
        AsyncExitStack() as stack,
        Person.logged_in(synapse.url, localpart, PASSWORD) as account,
    ):
        gateway = gateway_on(stack, synapse.url, user_id)
        await gateway.log_in()
        yield RealWorld(synapse.url, gateway, RealAccount(alice), RealAccount(account), stack)


class TestSession(SessionContract):
    pass


class TestReading(ReadingContract):
    pass


class TestSettings(SettingsContract):
    pass


class TestSync(SyncContract):
    pass


class TestWriting(WritingContract):
    pass


class TestFiles(FilesContract):
    pass


class TestAccount(AccountContract):
    pass


class TestHistory(HistoryContract):
    pass


class TestEdits(EditsContract):
    pass
