"""What is written together, and what happens only afterwards."""

from collections.abc import Callable, Sequence

import pytest

from actors.messages import room_address
from adapter.sql.store import Database
from adapter.sql.values import Query, Row, Statement
from supervisor.lifecycle import State
from tests.stepping.harness import BOT, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


class WatchedDatabase:
    """A database of which somebody hears before each write, by the names of its tables."""

    def __init__(self, database: Database, on_write: Callable[[set[str]], object]) -> None:
        self._database = database
        self._on_write = on_write

    async def fetch(self, query: Query) -> list[Row]:
        return await self._database.fetch(query)

    async def write(self, statements: Sequence[Statement]) -> None:
        # Some statements on another table are run in one order with those on `kv`.
        self._on_write({it.table for it in statements if f" {it.table}" in it.sql})
        await self._database.write(statements)


def watch(world: World, on_write: Callable[[set[str]], object]) -> None:
    world.store._database = WatchedDatabase(world.store._database, on_write)


async def test_what_a_sync_brings_is_one_transaction() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        writes: list[set[str]] = []
        watch(world, writes.append)
        world.alice.say(home.chat, "hello")
        world.bob.direct_chat_with(BOT)
        await quiet()
        assert writes[0] >= {"inbox", "intents", "meta"}


async def test_nobody_is_told_before_it_is_written() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        told: list[tuple[bool, int]] = []
        system = run.bot.system
        watch(
            world,
            lambda _: told.append(
                (system.has_mail_for(room_address(home.chat)), len(platform.asked))
            ),
        )
        world.alice.say(home.chat, "hello")
        await quiet()
        assert told[0] == (False, 0)
        assert len(platform.asked) == 1


async def test_a_message_that_comes_again_is_ignored() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.overlap = 1.0
        for number in range(8):
            world.alice.say(home.chat, str(number))
            await quiet()
        assert [text for _, text, _ in platform.asked] == [str(number) for number in range(8)]


async def test_a_round_is_written_in_one_transaction() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!new")
        await quiet()
    world.lose_store()
    written: list[tuple[bool, State]] = []
    async with world.boot() as run:
        watch(world, lambda tables: written.append(("kv" in tables, run.state())))
        await run.go_live()
        assert [state for is_cache, state in written if is_cache] == [State.RECONCILE]
        assert len(await world.store.rows("matrix_room:")) == 3
