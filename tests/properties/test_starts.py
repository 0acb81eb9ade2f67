"""Whatever changes, and whenever the bot is killed: the rows are those of reading all rooms."""

from itertools import chain
from random import Random

from hypothesis import given

from actors.chats import ChatManager
from actors.rules.classify import ConflictReason
from adapter.matrix.reconcile import reconcile_matrix_state
from adapter.sqlite.inline import InlineStore
from tests.properties.building import Built, build
from tests.properties.changes import Life, happen, lives
from tests.properties.worlds import World, worlds
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.seeding import run_simulation
from tests.stepping import harness

REST_S = 120.0
"""By then the bot is at rest, and has checked undecided rooms again."""


async def wrong_rows(built: Built, runs: list[Life]) -> list[str]:
    """What a reading of all rooms changes, after the runs and one that is left to itself.

    A chat whose number another one has too, and whose marker the bot may not write, gets a new
    number whenever both are read. In a world with such a chat, nothing is said to change.
    """
    world = harness.World()
    world.server = built.server
    world.store = InlineStore(clock=built.server.now)
    async with world.live():
        await harness.quiet(REST_S)
    for life in runs:
        for change in life.away:
            happen(built, change)
        async with world.boot() as run:
            run.let_run()
            for change in life.meanwhile:
                happen(built, change)
            await harness.quiet(life.after_s)
    async with world.live():
        await harness.quiet(REST_S)
    before = await world.rows()
    visitor = SimulatedHomeserver(built.server, harness.BOT, token=world.token)
    report = await reconcile_matrix_state(visitor, world.store, ChatManager(world.store))
    after = await world.rows()
    world.store.close()
    if any(it["reason"] == ConflictReason.CHAT_ID_CONTESTED for it in report["conflicts"]):
        return []
    keys = sorted(before.keys() | after.keys())
    return [f"{k}: {before.get(k)}, {after.get(k)}" for k in keys if before.get(k) != after.get(k)]


def found(world: World, runs: list[Life]) -> list[str]:
    built = build(world)

    async def body(_: Random) -> list[str]:
        return await wrong_rows(built, runs)

    return run_simulation(body, 0)


@given(worlds, lives)
def test_a_kill_changes_nothing_in_what_the_rows_become(world: World, runs: list[Life]) -> None:
    wrong = found(world, runs)
    if wrong:
        # In odd worlds, news give other numbers and other Spaces than a reading of all rooms.
        changes = tuple(chain(*(life.away + life.meanwhile for life in runs)))
        assert found(world, [Life((), changes, REST_S)]), wrong
