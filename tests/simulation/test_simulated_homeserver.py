import random
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from anyio.lowlevel import checkpoint

from actors.model import EventId, RoomId, UserId
from actors.platform import File
from actors.port_errors import SessionRevoked
from actors.ports import Homeserver
from tests.loops import BOTH_LOOPS
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
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.people import Person
from tests.simulation.server import SimulatedServer

BOT = UserId("@bot:sim.test")
ALICE = UserId("@alice:sim.test")

T = TypeVar("T")


class SimulatedAccount:
    """A person of the simulated server behind the contract's `Account`."""

    def __init__(self, person: Person) -> None:
        self._person = person

    @property
    def user_id(self) -> UserId:
        return self._person.user_id

    async def create_room(self, name: str) -> RoomId:
        return await self._do(lambda: self._person.create_room(name))

    async def invite(self, room_id: RoomId, other: UserId) -> None:
        await self._do(lambda: self._person.invite(room_id, other))

    async def join(self, room_id: RoomId) -> None:
        await self._do(lambda: self._person.join(room_id))

    async def leave(self, room_id: RoomId) -> None:
        await self._do(lambda: self._person.leave(room_id))

    async def kick(self, room_id: RoomId, other: UserId) -> None:
        await self._do(lambda: self._person.kick(room_id, other))

    async def say(self, room_id: RoomId, text: str, msgtype: str = "m.text") -> EventId:
        return await self._do(lambda: self._person.say(room_id, text, msgtype=msgtype))

    async def write(self, room_id: RoomId, content: Content) -> EventId:
        return await self._do(lambda: self._person.send_raw(room_id, content))

    async def upload(self, file: File) -> str:
        return await self._do(lambda: self._person.server.media.upload(file))

    async def edit(self, room_id: RoomId, event_id: EventId, text: str) -> None:
        await self._do(lambda: self._person.edit(room_id, event_id, text))

    async def redact(self, room_id: RoomId, event_id: EventId) -> None:
        await self._do(lambda: self._person.redact(room_id, event_id))

    async def write_state(self, room_id: RoomId, kind: str, key: str, content: Content) -> None:
        person = self._person
        await self._do(lambda: person.server.set_state(person.user_id, room_id, kind, content, key))

    async def upgrade(self, room_id: RoomId) -> RoomId:
        return await self._do(lambda: self._person.upgrade(room_id))

    async def history(self, room_id: RoomId) -> list[tuple[str, str]]:
        return await self._do(lambda: list(self._messages(room_id)))

    def _messages(self, room_id: RoomId) -> Iterator[tuple[str, str]]:
        for event in self._person.server.room(room_id).timeline:
            if event.type == "m.room.message":
                yield str(event.content["msgtype"]), str(event.content["body"])

    async def _do(self, act: Callable[[], T]) -> T:
        await checkpoint()
        return act()


class SimulatedWorld:
    """The contract's `World` over a simulated server."""

    def __init__(self, homeserver: SimulatedHomeserver) -> None:
        self._server = homeserver.server
        self.homeserver: Homeserver = homeserver
        self.alice = SimulatedAccount(Person(self._server, ALICE))
        self.bot = SimulatedAccount(Person(self._server, BOT))

    async def same_device(self) -> Homeserver:
        await checkpoint()
        return SimulatedHomeserver(self._server, BOT)


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def world() -> SimulatedWorld:
    server = SimulatedServer(random.Random(1))  # noqa: S311 - no secret
    homeserver = SimulatedHomeserver(server, BOT)
    await homeserver.log_in()
    return SimulatedWorld(homeserver)


class TestSession(SessionContract):
    async def test_a_login_of_the_same_device_revokes_the_earlier_session(
        self, world: SimulatedWorld
    ) -> None:
        """Some homeservers do this; Synapse does not."""
        await (await world.same_device()).log_in()
        with pytest.raises(SessionRevoked):
            await world.homeserver.probe()
        await world.homeserver.log_in()
        await world.homeserver.probe()


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
