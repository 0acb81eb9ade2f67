"""The conversations at work, and the cost of a look at very many rooms."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NoReturn

import pytest

from actors.messages import room_address
from actors.model import EventId, InboundMessage, RoomId
from actors.port_errors import PlatformBusy, StoreUnavailable
from actors.room_states import RoomStates
from actors.rules.room_states import RoomTrigger
from actors.runtime.cells import Cells
from actors.writes import AcceptMessage, PutRow
from adapter.sqlite.inline import InlineStore
from supervisor.app.status import Observer
from supervisor.status import conversations
from supervisor.status.snapshot import TEXT_CHARS, AtWork, Conversation, Snapshot
from tests.stepping.growing import free, story, telling
from tests.stepping.harness import ALICE, Run, ScriptedPlatform, World, quiet
from tests.stepping.test_status_observer import look, observer_in

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def seen_live(
    world: World,
    observer: Observer,
    platform: ScriptedPlatform | None = None,
    *,
    streams: bool = True,
) -> AsyncIterator[Run]:
    """A live bot that is observed."""
    async with (
        world.live(platform=platform, streams=streams) as run,
        observer.watching("boot", run.bot, run.supervisor),
    ):
        yield run


def working(seen: Snapshot) -> AtWork:
    assert seen.at_work is not None
    return seen.at_work


def only(seen: Snapshot) -> Conversation:
    (found,) = working(seen).listed
    return found


async def test_an_answer_is_followed_from_the_question_to_its_end() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.takes_s = 5.0
    platform.script["go"] = telling(story(100))
    observer = observer_in(world)
    async with seen_live(world, observer, platform) as run:
        home = await run.settle_in(world.alice)
        assert working(await look(observer)).total == 0
        world.alice.say(home.chat, "go")
        asked = only(await look(observer))
        assert (asked.room_id, asked.name, asked.chat_id) == (home.chat, "Chat 1", "C1")
        assert (asked.owner, asked.state, asked.behind) == (ALICE, "asked", 0)
        await quiet(3.5)
        assert only(await look(observer)).state == "streaming"
        world.alice.say(home.chat, "and then?")
        await quiet(30)
        seen = await look(observer)
        shown = only(seen)
        assert (shown.state, shown.shown_parts, shown.behind) == ("streaming", 1, 1)
        assert 0 < shown.shown_chars < shown.said_chars < len(story(100))
        assert shown.since == asked.since
        assert working(seen).counts["streaming"] == working(seen).total == 1
        await quiet(300)
        assert working(await look(observer)).total == 0


async def test_an_answer_that_is_not_shown_while_it_grows_is_told_apart() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(100))
    observer = observer_in(world)
    async with seen_live(world, observer, platform, streams=False) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go")
        await quiet(20)
        seen = only(await look(observer))
        assert (seen.state, seen.shown_parts, seen.shown_chars) == ("answering", 0, 0)
        assert seen.said_chars > 100


async def test_an_answer_in_several_messages_counts_them() -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(1300), chars_per_s=1000)
    observer = observer_in(world)
    async with seen_live(world, observer, platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go")
        await quiet(50)
        seen = only(await look(observer))
        assert (seen.state, seen.shown_parts) == ("streaming", 2)


async def test_a_question_that_the_platform_puts_off_waits() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.fail("go", PlatformBusy(60))
    observer = observer_in(world)
    async with seen_live(world, observer, platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go")
        seen = only(await look(observer))
        assert (seen.state, seen.said_chars) == ("waiting", 0)


async def test_questions_beyond_the_slots_are_queued_and_the_list_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = World(), ScriptedPlatform()
    platform.takes_s = 1000.0
    monkeypatch.setattr(conversations, "LISTED", 4)
    observer = observer_in(world)
    async with seen_live(world, observer, platform) as run:
        home = await run.settle_in(world.alice)
        rooms = await run.more_chats(world.alice, home, 5)
        for room in rooms:
            world.alice.say(room, "go")
            await quiet()
        seen = working(await look(observer))
        slots = world.bounds.platform_slots_owner
        states = [each.state for each in seen.listed]
        assert states == ["asked"] * slots + ["queued"] * (4 - slots)
        assert [each.room_id for each in seen.listed] == list(rooms[:4])
        assert (seen.counts["asked"], seen.counts["queued"], seen.total) == (slots, 5 - slots, 5)


async def test_messages_that_wait_for_the_bot_are_queued_since_they_were_accepted() -> None:
    world = World()
    observer = observer_in(world)
    async with world.boot() as run, observer.watching("boot", run.bot, run.supervisor):
        for number in range(3):
            message = InboundMessage(
                EventId(f"${number}"), RoomId("!r:sim.test"), ALICE, 0, "m.text", "go"
            )
            await world.store.commit([AcceptMessage(message)])
            await quiet(10)
        seen = only(await look(observer))
        assert (seen.state, seen.behind, seen.owner) == ("queued", 2, None)
        assert seen.since is not None
        ago_s = world.server.now() - datetime.fromisoformat(seen.since).timestamp()
        assert 30 <= ago_s < 40


async def test_while_the_database_is_away_the_replies_are_seen_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = World(), ScriptedPlatform()
    platform.takes_s = 1000.0
    observer = observer_in(world)
    async with seen_live(world, observer, platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go")
        await quiet()

        async def fail(*_: object) -> NoReturn:
            raise StoreUnavailable("locked")

        for method in ("waiting_counts", "waiting", "row", "keys"):
            monkeypatch.setattr(InlineStore, method, fail)
        await quiet(20)
        seen = only(await look(observer))
        assert (seen.room_id, seen.owner, seen.name) == (home.chat, ALICE, None)
        monkeypatch.undo()


async def test_an_error_of_tens_of_thousands_of_characters_is_cut() -> None:
    world = World()
    observer = observer_in(world)
    async with seen_live(world, observer) as run:
        home = await run.settle_in(world.alice)
        run.bot.system.set_aside(room_address(home.chat), ValueError("x" * 60_000))
        (room,) = (await look(observer)).quarantined
        assert room.reason == "x" * (TEXT_CHARS - 1) + "…"


# --- very many rooms


ROOMS = 200


async def test_a_second_look_goes_through_no_list_of_all_rooms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    observer = observer_in(world)
    async with world.boot() as run, observer.watching("boot", run.bot, run.supervisor):
        await run.go_live()
        rows = {"room_type": "chat", "matrix_user_id": ALICE}
        rooms = [RoomId(f"!r{number}:sim.test") for number in range(ROOMS)]
        await world.store.commit([PutRow(f"matrix_room:{room}", dict(rows)) for room in rooms])
        states = run.bot.services.states
        for room in rooms[: ROOMS // 2]:
            states.fire(room, RoomTrigger.CHECKED, "in line")
        before = await look(observer)
        assert before.rooms["ready"] == before.rooms["left"] == ROOMS // 2

        looked_at = 0
        every = RoomStates.__iter__

        def counted(of: RoomStates) -> Iterator[RoomId]:
            nonlocal looked_at
            for each in every(of):
                looked_at += 1
                yield each

        def fail(_: object) -> NoReturn:
            raise AssertionError

        monkeypatch.setattr(RoomStates, "__iter__", counted)
        monkeypatch.setattr(Cells, "__iter__", fail)
        watched = observer._watched
        assert watched is not None
        assert watched.opened is not None
        monkeypatch.setattr(watched.opened.cache, "_fresh_until", 1e12)
        seen = await look(observer)
        assert (seen.rooms, looked_at) == (before.rooms, 0)
        states.fire(rooms[-1], RoomTrigger.CHECKED, "in line")
        seen = await look(observer)
        assert seen.rooms["ready"] == ROOMS // 2 + 1
        assert seen.rooms["left"] == ROOMS // 2 - 1
        monkeypatch.undo()
