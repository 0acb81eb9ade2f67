"""Two processes that serve three accounts together on one PostgreSQL database.

What counts is what the rooms say to people who read them over HTTP.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import psycopg
import pytest

from demo.bot import RUN, BotProcess, LogEvent
from demo.synapse import ThrowawaySynapse
from supervisor.accounts import schema_of
from tests.postgres import Cluster, is_alive, throwaway_cluster
from tests.synapse.conftest import PASSWORD, newcomer, unique
from tests.synapse.home import move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.talk import Chatroom, Company, seeded

pytestmark = pytest.mark.anyio

NAMES: Final = ("one", "three", "two")
PAUSE_S: Final = 1.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with throwaway_cluster() as running:
        yield running


@dataclass
class Machine:
    """A parent with a process for each account."""

    program: BotProcess

    def pid(self, account: str) -> int:
        """The id of the account's latest process."""
        return int(self._events("account_started", account)[-1]["pid"])

    def led(self) -> set[str]:
        """The accounts that are live here, unless this machine was killed."""
        return {name for name in NAMES if self._state(name) == "live"}

    def _state(self, account: str) -> object:
        """The latest state of the account's latest run; None until it has changed once."""
        state = None
        for event in self.program.events():
            if event.get("account") == account:
                if event["event"] == "starting":
                    state = None
                elif event["event"] == "lifecycle_transition":
                    state = event["dst"]
        return state

    def runs(self, account: str) -> int:
        """How often the account was started here, or stood by again."""
        return len(self._events("starting", account))

    def _events(self, name: str, account: str) -> Sequence[LogEvent]:
        return [
            it
            for it in self.program.events()
            if it["event"] == name and it.get("account") == account
        ]

    async def wait_until_led(self, accounts: Collection[str]) -> None:
        """Wait until these accounts are live here, perhaps among others."""
        await until(lambda: self.led().issuperset(accounts))

    async def stand_by(self) -> None:
        """Start while another machine leads all accounts, and wait until this one stands by."""
        self.program.start()
        await until(lambda: all(self._events("standing_by", name) for name in NAMES))


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not is_so():
            await anyio.sleep(0.05)


@dataclass
class Machines:
    """Two machines, and one person in a room of each account."""

    one: Machine
    two: Machine
    rooms: Mapping[str, Chatroom]

    @property
    def company(self) -> Company:
        return Company(tuple(self.rooms.values()))

    async def gather(self) -> tuple[Machine, Machine]:
        """Let one machine lead all accounts, and the other one stand by for all of them."""
        if self.one.led() != set(NAMES):
            assert await self.one.program.terminate() == 0
            await self.two.wait_until_led(NAMES)
            await self.one.stand_by()
            return self.two, self.one
        return self.one, self.two


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture(scope="module")
async def machines(
    synapse: ThrowawaySynapse, database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Machines]:
    """Both run, and one person for each account is in their room."""
    folder = tmp_path_factory.mktemp("accounts")
    user_ids = {name: await synapse.register(unique(name), PASSWORD) for name in NAMES}
    for name, user_id in user_ids.items():
        (folder / f"{name}.env").write_text(f"MATRIX_USER_ID={user_id}\n")
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(
                BotProcess(
                    homeserver_url=synapse.url,
                    user_id="",
                    password=PASSWORD,
                    folder=tmp_path_factory.mktemp(name) / "bot",
                    environment={
                        "MATRIX_ACCOUNTS": str(folder),
                        "MATRIX_DB_PATH": database,
                        "MATRIX_JOURNAL_PATH": "",
                    },
                )
            )
            for name in ("one", "two")
        ]
        one, two = map(Machine, made)
        made[0].start()
        await one.wait_until_led(NAMES)
        await two.stand_by()
        rooms = {}
        for name, user_id in user_ids.items():
            person = await newcomer(stack, synapse, f"friend-of-{name}")
            bot = BotProcess(
                homeserver_url=synapse.url, user_id=user_id, password="", folder=made[0].folder
            )
            home = await move_in(person, bot)
            rooms[name] = Chatroom(home.chat, (person,), bot)
        yield Machines(one, two, rooms)


@asynccontextmanager
async def talking(machines: Machines) -> AsyncIterator[tuple[Machine, Machine]]:
    """One machine leads all accounts and people talk: each message is answered once, in order.

    Yields the machine that leads, and the one that stands by.
    """
    leader, standby = await machines.gather()
    async with machines.company.talking(PAUSE_S):
        await anyio.sleep(1 + seeded().random())
        yield leader, standby
        await anyio.sleep(1)
    await machines.company.fall_silent()
    await machines.company.check()


async def test_when_a_machine_dies_the_other_one_takes_over_all_its_accounts(
    machines: Machines,
) -> None:
    async with talking(machines) as (leader, standby):
        await leader.program.kill()  # the parent and all its processes
        await standby.wait_until_led(NAMES)
    await leader.stand_by()


async def test_when_a_machine_is_stopped_it_hands_over_all_its_accounts(machines: Machines) -> None:
    async with talking(machines) as (leader, standby):
        assert await leader.program.terminate() == 0
        await standby.wait_until_led(NAMES)
    await leader.stand_by()


async def test_when_the_process_of_an_account_dies_the_other_accounts_notice_nothing(
    machines: Machines,
) -> None:
    async with talking(machines) as (leader, standby):
        before, others = leader.pid("two"), ("one", "three")
        runs, own = [leader.runs(name) for name in others], leader.runs("two")
        os.kill(before, signal.SIGKILL)
        await until(lambda: leader.runs("two") > own and leader.pid("two") != before)
        await until(lambda: "two" in standby.led() | leader.led())
        assert leader.led() >= set(others)
        assert [leader.runs(name) for name in others] == runs


async def test_when_the_parent_alone_dies_its_processes_hand_over(machines: Machines) -> None:
    async with talking(machines) as (leader, standby):
        pids = [leader.pid(name) for name in NAMES]
        os.kill(leader.program.pid, signal.SIGKILL)
        await standby.wait_until_led(NAMES)
        await until(lambda: not any(map(is_alive, pids)))
    await leader.program.wait_for_exit()
    await leader.stand_by()


async def test_each_account_has_its_rows_in_a_schema_of_its_own(
    machines: Machines, database: str
) -> None:
    for room in machines.rooms.values():
        with psycopg.connect(database) as connection:
            schema = schema_of(room.bot.user_id)
            connection.execute("SELECT set_config('search_path', %s, false)", (schema,))
            rows = connection.execute("SELECT key FROM kv").fetchall()
            leases = connection.execute("SELECT name FROM lease").fetchall()
        owners = {key for (key,) in rows if key.startswith("matrix_user:")}
        assert owners == {f"matrix_user:{room.owner.user_id}"}
        assert leases == [(room.bot.user_id,)]


async def test_the_commands_are_about_one_account_or_all(machines: Machines) -> None:
    leader, _ = await machines.gather()
    bot = leader.program
    log = await surfaces_bot(bot, "--account", "two", "log", "--json", "--machine", "lifecycle")
    assert log.code == 0
    assert log.rows[-1]["dst"] in {"live", "reconcile", "stopped"}
    asked = await surfaces_bot(bot, "log")
    assert (asked.code, asked.out) == (78, "")
    assert "surfaces-bot --account NAME" in asked.err
    status = await surfaces_bot(bot, "status")
    assert status.code == 0
    assert [f"{name}:" in status.out.splitlines() for name in NAMES] == [True] * 3
    assert [f"process {leader.pid(name)} on " in status.out for name in NAMES] == [True] * 3
    healthy = await surfaces_bot(bot, "status", "--healthy")
    assert (healthy.code, healthy.out.count("a bot is running")) == (0, 3)
    checked = await surfaces_bot(bot, "check")
    assert checked.code == 0, checked.out
    assert checked.out.count("ok") >= 3


async def test_one_command_starts_the_workers_of_all_accounts(
    synapse: ThrowawaySynapse, cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "accounts"
    folder.mkdir()
    user_ids = {name: await synapse.register(unique(name), PASSWORD) for name in ("one", "two")}
    for name, user_id in user_ids.items():
        (folder / f"{name}.env").write_text(f"MATRIX_USER_ID={user_id}\n")
    environment = {
        "MATRIX_ACCOUNTS": str(folder),
        "MATRIX_DB_PATH": cluster.database(),
        "MATRIX_JOURNAL_PATH": "",
        "BOT_WORKERS": "on",
    }
    async with AsyncExitStack() as stack:
        bots, worker = [
            await stack.enter_async_context(
                BotProcess(
                    homeserver_url=synapse.url,
                    user_id="",
                    password=PASSWORD,
                    folder=tmp_path / command,
                    environment=environment,
                    command=(*RUN[:-1], command),
                )
            )
            for command in ("run", "worker")
        ]
        bots.start()
        worker.start()
        for name, user_id in user_ids.items():
            person = await newcomer(stack, synapse, f"friend-of-{name}")
            bot = BotProcess(
                homeserver_url=synapse.url, user_id=user_id, password="", folder=tmp_path
            )
            home = await move_in(person, bot, timeout_s=60)
            assert await home.ask("hello") == "hello"
        assert await worker.terminate() == 0
        assert {it["code"] for it in worker.events() if it["event"] == "account_ended"} == {0}
