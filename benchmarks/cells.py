"""Measures the cost of an idle room and of a history, without a homeserver.

100,000 rooms are used once; 1,000 have their history in use. The actors and the store are the real
ones. The homeserver receives no request. Time is virtual, so that a quarter of an hour of idling
takes no real time. Prints one JSON object.
"""

import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Final, cast

import structlog
import trio
import trio.testing

from actors.messages import InboxWaiting
from actors.model import ChatContext, ChatId, PlatformChatId, RoomId, RoomKind, RoomMeta, UserId
from actors.ports import Homeserver
from actors.rows import chat_key, room_key, to_row
from actors.runtime.policy import RuntimeBounds
from actors.runtime.transition_log import TransitionLog
from actors.writes import PutRow
from adapter.platform.echo import EchoPlatform
from adapter.sqlite.inline import InlineJournal, InlineStore
from benchmarks.histories import history_bytes
from supervisor.serving.assembly import Bot, assemble

ROOMS: Final = 100_000
ACTIVATED: Final = 2_000
_OWNER: Final = UserId("@owner:localhost")
_SPACE: Final = RoomId("!space")


class _UnusedHomeserver:
    """A homeserver that receives no request."""

    me = UserId("@bot:localhost")
    own_account = None
    contents = None


def _memory_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _room(number: int) -> RoomId:
    return RoomId(f"!room-{number:06}-of-a-usual-length-of-an-id")


def _rows(number: int) -> list[PutRow]:
    room_id, chat_id = _room(number), ChatId(f"C{number + 1}")
    conversation = PlatformChatId(f"platform-{number}")
    meta = RoomMeta(RoomKind.CHAT, chat_id, "Chat", _OWNER, _SPACE, conversation)
    chat = ChatContext(_OWNER, chat_id, "matrix", room_id, "Chat")
    return [
        PutRow(room_key(room_id), to_row(meta)),
        PutRow(chat_key(_OWNER, chat_id), to_row(chat)),
    ]


async def _handled_s(bot: Bot, count: int) -> float:
    """Send `InboxWaiting` to so many rooms; return the seconds until all have handled it."""
    began = time.perf_counter()
    for number in range(count):
        bot.services.tell_room(_room(number), InboxWaiting())
    while bot.system.has_mail():
        await trio.lowlevel.checkpoint()
    return time.perf_counter() - began


async def measure() -> dict[str, float]:
    """Bytes for each room, idle and in use; microseconds to handle a message to a room."""
    store = InlineStore()
    await store.commit([row for number in range(ACTIVATED) for row in _rows(number)])
    transitions = TransitionLog(InlineJournal(), "benchmark", time.time)
    homeserver = cast("Homeserver", _UnusedHomeserver())
    bot = assemble(homeserver, store, EchoPlatform(), transitions, allows=lambda _: True)
    async with bot.system:
        bot.services.gate.live = True
        tracemalloc.start()
        before = _memory_bytes()
        await _handled_s(bot, ROOMS)
        awake = _memory_bytes()
        bounds = RuntimeBounds()
        await trio.sleep(bounds.passivate_after_s + 2 * bounds.tick_s)
        idle = _memory_bytes()
        histories = await history_bytes(_memory_bytes)
        tracemalloc.stop()
        cold_s = await _handled_s(bot, ACTIVATED)
        warm_s = await _handled_s(bot, ACTIVATED)
    return {
        "awake_bytes": (awake - before) / ROOMS,
        "idle_bytes": (idle - before) / ROOMS,
        "activation_us": cold_s / ACTIVATED * 1e6,
        "wake_us": warm_s / ACTIVATED * 1e6,
        **histories,
    }


def main(show: Callable[[str], None] = print) -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    clock = trio.testing.MockClock(autojump_threshold=0)
    show(json.dumps(trio.run(measure, clock=clock)))


if __name__ == "__main__":
    main()
