"""Which requests the account's rate limit counts, and which limits are the account's."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import pytest

from actors.bounds import Bounds
from actors.gate import Gate
from actors.governor import Governor
from actors.model import (
    ChatSettings,
    EventId,
    HomeserverTraits,
    Marker,
    OutboundKind,
    OutboundMessage,
    RoomId,
    RoomKind,
    SpaceSettings,
    UserId,
)
from actors.port_errors import RateLimited
from actors.ports import NewRoom
from actors.runtime.background import Background
from actors.snapshots import RoomSnapshot
from supervisor.serving.live_only import LiveOnly
from supervisor.serving.refusals import Refusals
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.server import SimulatedServer

pytestmark = pytest.mark.anyio

ALICE, BOT = UserId("@alice:sim.test"), UserId("@bot:sim.test")
SPACE = Marker(RoomKind.SPACE, ALICE)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Stage:
    """The homeserver as the actors see it, with a governor that tells what it has counted."""

    def __init__(self) -> None:
        gate = Gate()
        gate.live = gate.creating = True
        self.homeserver = SimulatedHomeserver(SimulatedServer(Random(1)), BOT)  # noqa: S311
        self.governor = Governor(Bounds(), clock=lambda: 0.0)
        refusals = Refusals(self.homeserver, gate, Background(), rooms_asked=3)
        self.live = LiveOnly(self.homeserver, gate, refusals, self.governor, lambda: math.inf)

    @property
    def spent(self) -> float:
        return Bounds().live_edits.burst - self.governor._bucket.level

    async def with_room(self) -> RoomId:
        await self.live.log_in()
        return await self.live.create_room(NewRoom(SPACE, "Alice"))


REQUESTS: dict[str, Callable[[LiveOnly, RoomId], Awaitable[object]]] = {
    "write_marker": lambda live, room: live.write_marker(room, SPACE),
    "set_name": lambda live, room: live.set_name(room, "name"),
    "link": lambda live, room: live.link(room, room),
    "unlink": lambda live, room: live.unlink(room, room),
    "let_in": lambda live, room: live.let_in(RoomSnapshot(room, BOT, 0), ()),
    "invite": lambda live, room: live.invite(room, ALICE),
    "join": lambda live, room: live.join(room),
    "leave": lambda live, room: live.leave(room),
    "write_settings": lambda live, room: live.contents.write_settings(room, ChatSettings()),
    "write_space_settings": lambda live, room: live.contents.write_space_settings(
        room, SpaceSettings()
    ),
    "send": lambda live, room: live.send(OutboundMessage("t1", room, "hi")),
}
FREE: dict[str, Callable[[LiveOnly, RoomId], Awaitable[object]]] = {
    "set_typing": lambda live, room: live.set_typing(room, typing=True),
    "read_room": lambda live, room: live.read_room(room),
    "history": lambda live, room: live.contents.history(room, None),
    "keep_traits": lambda live, _: live.keep_traits(HomeserverTraits()),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_requests_that_write_events_take_a_token(name: str) -> None:
    stage = Stage()
    room_id = await stage.with_room()
    assert stage.spent == 1
    await REQUESTS[name](stage.live, room_id)
    assert stage.spent == 2


@pytest.mark.parametrize("name", FREE)
async def test_other_requests_take_none(name: str) -> None:
    stage = Stage()
    room_id = await stage.with_room()
    await FREE[name](stage.live, room_id)
    assert stage.spent == 1


@pytest.mark.parametrize("kind", [OutboundKind.ANCHOR, OutboundKind.LIVE])
async def test_what_the_governor_has_allowed_takes_no_second_token(kind: OutboundKind) -> None:
    stage = Stage()
    room_id = await stage.with_room()
    message = OutboundMessage("t0", room_id, "hi")
    target = await stage.homeserver.send(message)
    await stage.live.send(replace(message, txn_id="t1", kind=kind, target=target))
    assert stage.spent == 1


@pytest.mark.parametrize("kind", OutboundKind)
async def test_a_limited_message_pauses_live_edits_however_long_it_waits(
    kind: OutboundKind,
) -> None:
    stage = Stage()
    room_id = await stage.with_room()
    stage.homeserver.faults.retry_after_s = 45.0
    stage.homeserver.faults.next("send", Fault.RATE_LIMITED)
    message = OutboundMessage("t1", room_id, "hi", kind=kind, target=EventId("$anchor"))
    with pytest.raises(RateLimited):
        await stage.live.send(message)
    assert stage.governor._bucket.paused_until == 45.0


@pytest.mark.parametrize(("wait_s", "pauses"), [(5.0, True), (30.0, True), (45.0, False)])
async def test_another_request_that_waits_for_long_has_a_limit_of_its_own(
    wait_s: float, *, pauses: bool
) -> None:
    stage = Stage()
    room_id = await stage.with_room()
    stage.homeserver.faults.retry_after_s = wait_s
    stage.homeserver.faults.next("invite", Fault.RATE_LIMITED)
    with pytest.raises(RateLimited):
        await stage.live.invite(room_id, ALICE)
    assert (stage.governor.per_s < Bounds().live_edits.per_s) is pauses
