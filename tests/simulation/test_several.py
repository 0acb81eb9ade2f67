"""Seeds with several processes on one database, and the machines that these run on."""

import asyncio  # noqa: TID251  the machines are asyncio's event loops
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random

import anyio
import pytest

from actors.bounds import Bounds
from actors.model import OutboundMessage, RoomId
from actors.writes import QueueMessage
from adapter.sql.outbox_statements import outbox_statement
from tests.simulation.cast import Cast
from tests.simulation.checkers import Checkers
from tests.simulation.cluster import Cluster
from tests.simulation.ending_once import ending_once
from tests.simulation.endings import Ending
from tests.simulation.machines import Clock, Machine, run_machines
from tests.simulation.member import DEVICE
from tests.simulation.next_start import NextStart
from tests.simulation.outcome import Outcome
from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer
from tests.simulation.several import SeveralProcesses, play_several
from tests.simulation.shared_store import SharedStore
from tests.simulation.soak import described, processes_of
from tests.simulation.story import Story

ROOT = Path(__file__).parents[2]
QUICK = range(4)
MORE = range(4, 24)


@pytest.mark.parametrize(
    "seed", [*QUICK, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE)]
)
def test_every_seed_with_several_processes_ends_well(seed: int) -> None:
    outcome = play_several(seed, processes_of(seed, 3))
    assert not outcome.violations, described(outcome)
    assert "--elected-->" in outcome.story


def test_a_seed_with_several_processes_tells_the_same_story_in_a_separate_process() -> None:
    outcome = play_several(1, 2)
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", outcome.name],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    ).stdout
    assert told == f"{outcome.story}\nseed 2:1: all is well\n"


def test_seeds_are_played_with_one_process_or_with_two_and_three() -> None:
    assert {processes_of(seed, 1) for seed in range(10)} == {1}
    assert {processes_of(seed, 3) for seed in range(10)} == {2, 3}
    assert Outcome(7, (), "", 0.0, "asyncio", 3).name == "3:7"


def test_bots_start_beside_a_seed_and_leave_no_trace_in_it() -> None:
    simulation = SeveralProcesses(4, 3)
    simulation.run()
    assert simulation._next_start.starts > 3
    without = SeveralProcesses(4, 3)
    without._next_start.check = lambda: None  # type: ignore[method-assign]
    without.run()
    assert simulation.story.text() == without.story.text()


@pytest.mark.anyio
async def test_the_rows_are_checked_although_the_database_has_lost_the_session() -> None:
    rng, story = Random(1), Story()  # noqa: S311 - no secret
    server = SimulatedServer(rng)
    store = SharedStore(rng, server.now)
    checkers, cast = Checkers(server, BOT, story, Bounds()), Cast(server, rng, 1, story)
    server.sessions.log_in(BOT, DEVICE)
    assert store.session() is None
    await Ending(server, Cluster([], store), cast, checkers)._check_rows()
    assert NextStart(server, store, checkers, rng)._is_reachable()
    assert not checkers.violations


@pytest.mark.parametrize(
    ("state", "says"), [("waiting", []), ("done", ["$a.0 is queued, but its message is done"])]
)
def test_an_answer_to_a_message_that_has_ended_is_noticed(state: str, says: list[str]) -> None:
    server, story = SimulatedServer(Random(1)), Story(lambda: 0.0)  # noqa: S311 - no secret
    checkers = Checkers(server, BOT, story, Bounds())
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE inbox(event_id, state)")
    connection.execute("INSERT INTO inbox VALUES ('$a', ?)", (state,))
    answer = OutboundMessage("$a.0", RoomId("!a:sim.test"), "text")
    with ending_once(connection, [outbox_statement(QueueMessage(answer), 0.0)], checkers):
        pass
    connection.close()
    assert checkers.violations == says


def test_between_the_turns_of_machines_no_loop_runs() -> None:
    clock, ran = Clock(), []

    async def sleeps() -> None:
        await anyio.sleep(2)

    def between() -> None:
        inner = Clock()
        run_machines([Machine(inner)], [sleeps], inner, Random(1))  # noqa: S311 - no secret
        ran.append((clock.now_s, inner.now_s))

    run_machines([Machine(clock)], [sleeps], clock, Random(1), between)  # noqa: S311 - no secret
    assert ran[0] == (0.0, 2.0)
    assert ran[-1] == (2.0, 2.0)


def on_machines(*mains: Callable[[list[Machine]], Awaitable[None]]) -> list[float]:
    """Run mains on machines of their own, and return the time at which each one ended."""
    clock = Clock()
    machines = [Machine(clock) for _ in mains]
    ended = [0.0] * len(mains)

    async def run(number: int) -> None:
        await mains[number](machines)
        ended[number] = anyio.current_time()

    starts = [partial(run, number) for number in range(len(mains))]
    run_machines(machines, starts, clock, Random(1))  # noqa: S311 - no secret
    return ended


def test_a_paused_machine_does_nothing_and_its_timers_come_late() -> None:
    seen: list[float] = []

    async def pauses(machines: list[Machine]) -> None:
        await anyio.sleep(4.5)
        machines[1].paused = True
        await anyio.sleep(100)
        assert seen == [1.0, 2.0, 3.0, 4.0]
        machines[1].paused = False
        await anyio.sleep(3)

    async def ticks(_: list[Machine]) -> None:
        while True:
            await anyio.sleep(1)
            seen.append(anyio.current_time())

    assert on_machines(pauses, ticks)[0] == 107.5
    assert seen[4:7] == [104.5, 105.5, 106.5]


def test_one_machine_wakes_a_task_of_another_one_at_once() -> None:
    events: list[anyio.Event] = []

    async def wakes(_: list[Machine]) -> None:
        await anyio.sleep(3)
        events[0].set()
        await anyio.sleep(1)

    async def waits(_: list[Machine]) -> None:
        events.append(anyio.Event())
        await events[0].wait()

    assert on_machines(wakes, waits) == [4.0, 3.0]


def test_an_error_on_any_machine_is_raised() -> None:
    async def ends(_: list[Machine]) -> None:
        await anyio.sleep(2)

    async def fails(_: list[Machine]) -> None:
        await anyio.sleep(1)
        raise ValueError("out of order")

    with pytest.raises(ValueError, match="out of order"):
        on_machines(ends, fails)


def test_a_world_in_which_nothing_can_happen_is_an_error() -> None:
    async def waits(_: list[Machine]) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="every task waits"):
        on_machines(waits)
