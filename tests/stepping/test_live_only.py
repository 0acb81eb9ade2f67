"""What the actors may begin depends on the bot's state."""

import math

import pytest

from actors.model import Instance, Marker, OutboundMessage, RoomKind
from actors.ports import NewRoom
from actors.snapshots import RoomSnapshot
from supervisor.serving.live_only import LiveOnly, NotLive
from tests.stepping.harness import ALICE, BOT, World, quiet

pytestmark = pytest.mark.anyio


async def test_nothing_is_begun_that_writes_while_the_bot_is_not_live() -> None:
    world = World()
    room_id = world.alice.direct_chat_with(BOT)
    space = Marker(RoomKind.SPACE, ALICE)
    async with world.boot() as run:
        await run.step()
        services = run.bot.services
        homeserver = LiveOnly(
            run.homeserver,
            services.gate,
            run.bot.activities.refusals,
            run.bot.governor,
            lambda: math.inf,
        )
        for write in (
            lambda: homeserver.create_room(NewRoom(space, "Alice")),
            lambda: homeserver.write_marker(room_id, space),
            lambda: homeserver.set_name(room_id, "name"),
            lambda: homeserver.link(room_id, room_id),
            lambda: homeserver.unlink(room_id, room_id),
            lambda: homeserver.join(room_id),
            lambda: homeserver.leave(room_id),
            lambda: homeserver.forget(room_id),
            lambda: homeserver.invite(room_id, ALICE),
            lambda: homeserver.let_in(RoomSnapshot(room_id, None, 0), ()),
            lambda: homeserver.send(OutboundMessage("t1", room_id, "hi")),
            lambda: homeserver.announce(Instance("boot-1", "here")),
        ):
            with pytest.raises(NotLive):
                await write()
        assert world.writes() == []
        assert world.server.announced == []
        await run.go_live()
        run.let_run()
        await quiet()
        assert world.creations() == 2
