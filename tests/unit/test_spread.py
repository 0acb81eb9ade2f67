"""Several machines share the accounts: one that leads many leaves free leases to the others."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import final

import anyio
import pytest
from trio.testing import MockClock

from actors.bounds import Bounds
from actors.port_errors import StoreUnavailable
from adapter.sql.lease import LeaseLeadership, LeaseRow
from supervisor.app.spread import Led, Spread

pytestmark = pytest.mark.anyio

BOUNDS = Bounds()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@dataclass
class SharedRow:
    """The lease of one account, as the database has it."""

    epoch: int = 0
    holder: str = ""
    until: float = 0.0
    is_away: bool = False


@final
@dataclass
class Table:
    """Implements `adapter.sql.lease.LeaseTable` on a row that the processes share."""

    row: SharedRow
    holder: str

    async def look(self) -> LeaseRow:
        await self._answer()
        return LeaseRow(self.row.epoch, self.row.holder, self.row.until - anyio.current_time())

    async def take(self, ttl_s: float) -> int | None:
        await self._answer()
        if self.row.until > anyio.current_time() and self.row.holder != self.holder:
            return None
        self.row.epoch += 1
        self.row.holder, self.row.until = self.holder, anyio.current_time() + ttl_s
        return self.row.epoch

    async def renew(self, epoch: int, ttl_s: float) -> bool:
        await self._answer()
        if self.row.epoch != epoch:
            return False
        self.row.until = anyio.current_time() + ttl_s
        return True

    async def free(self, epoch: int) -> None:
        await self._answer()
        if self.row.epoch == epoch:
            self.row.until = anyio.current_time()

    async def _answer(self) -> None:
        await anyio.sleep(0.001)
        if self.row.is_away:
            raise StoreUnavailable("away")


@dataclass
class Machine:
    """A process for each account, all on one machine."""

    name: str
    rows: list[SharedRow]
    led: Led = field(init=False)
    processes: list[LeaseLeadership] = field(init=False)

    def __post_init__(self) -> None:
        self.led = Led(len(self.rows))
        self.processes = [
            LeaseLeadership(
                Table(row, self.name),
                ttl_s=BOUNDS.lease_s,
                look_s=BOUNDS.look_at_lease_s,
                clock=anyio.current_time,
                share=Spread(self.led, number),
            )
            for number, row in enumerate(self.rows)
        ]

    async def run(self, *, after_s: float = 0.0) -> None:
        """Take leases and keep them."""
        await anyio.sleep(after_s)
        async with anyio.create_task_group() as tasks:
            for process in self.processes:
                tasks.start_soon(self._run, process)

    async def _run(self, process: LeaseLeadership) -> None:
        await process.lead()
        await process.keep()


def holders(rows: list[SharedRow]) -> Counter[str]:
    return Counter(row.holder for row in rows)


async def test_machines_that_start_at_once_lead_about_as_many_accounts_each() -> None:
    rows = [SharedRow() for _ in range(9)]
    machines = [Machine(name, rows) for name in ("a", "b", "c")]
    async with anyio.create_task_group() as tasks:
        for number, machine in enumerate(machines):
            tasks.start_soon(partial(machine.run, after_s=number * 0.01))
        await anyio.sleep(2)
        assert holders(rows) == {"a": 3, "b": 3, "c": 3}
        assert [machine.led.count() for machine in machines] == [3, 3, 3]
        tasks.cancel_scope.cancel()


async def test_the_accounts_of_a_machine_that_dies_go_to_those_that_lead_fewer() -> None:
    rows = [SharedRow() for _ in range(8)]
    dead = [SharedRow(1, "dead", anyio.current_time() + 3) for _ in range(4)]
    busy, idle = Machine("busy", rows + dead), Machine("idle", rows + dead)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy.run)
        await anyio.sleep(2)
        assert holders(rows) == {"busy": 8}
        tasks.start_soon(idle.run)
        await anyio.sleep(3)
        assert holders(rows) == {"busy": 8}
        assert holders(dead) == {"idle": 4}
        tasks.cancel_scope.cancel()


async def test_a_machine_that_is_alone_takes_all_within_a_second() -> None:
    rows = [SharedRow() for _ in range(50)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Machine("a", rows).run)
        await anyio.sleep(BOUNDS.leave_to_others_up_to_s + 2 * BOUNDS.look_at_lease_s)
        assert holders(rows) == {"a": 50}
        tasks.cancel_scope.cancel()


async def test_only_accounts_that_are_led_here_count() -> None:
    rows = [SharedRow() for _ in range(3)]
    machine = Machine("a", rows)
    first, second, third = machine.processes
    await first.lead()
    await second.lead()
    assert machine.led.count() == 2
    assert Spread(machine.led, 2).wait_s() == pytest.approx(0.2)
    await second.resign()
    assert Spread(machine.led, 2).wait_s() == pytest.approx(0.1)
    assert Spread(machine.led, 0).wait_s() == 0.0
    rows[0].epoch += 1  # taken by another process
    assert "has ended" in await first.keep()
    assert machine.led.count() == 0
    rows[2].is_away = True
    with anyio.move_on_after(1):
        await third.lead()
    assert machine.led.count() == 0


async def test_a_lease_of_its_own_is_not_left_to_others() -> None:
    row = SharedRow(7, "a", until=anyio.current_time() + 5)
    machine = Machine("a", [SharedRow(), row])
    machine.led.note(0, leads=True)
    began = anyio.current_time()
    assert (await machine.processes[1].lead()).epoch == 8
    assert anyio.current_time() - began < BOUNDS.leave_to_others_s
