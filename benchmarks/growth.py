"""How the bot's own cost grows with its rooms, on a homeserver that costs it nothing.

`python -m benchmarks.growth --rooms 10000 100000` serves so many rooms from
`benchmarks.synthetic_server`, a process of its own, and measures the process of the bot alone: its
CPU seconds, user and system, and the peak of its memory.

- `cold`: a start without files, until it is live.
- `settled`: after it, until every room was looked through for what people said while the bot knew
  no position.
- `warm`: a start after that, with nothing new.
- `one`: a start after one room has changed.
- `many`: after `one`, a `/sync` says that 10,000 rooms have changed (a tenth of the rooms, if that
  is less): until all their rows are written.

Each process of the bot ends with the rows that the rooms ask for; otherwise the run fails. With
`--only-starts`, `settled` and `many` are left out. The results are written into `--out`, as JSON
and as a plot.
"""

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
import anyio
from rich.console import Console
from rich.table import Table

from benchmarks.growth_plot import Line, Panel, plot
from benchmarks.running import number_in, open_gaps
from benchmarks.synthetic import SyntheticRooms
from demo.bot import BotProcess
from demo.child_program import ChildProgram

MANY: Final = 10_000
STARTS: Final = ("cold", "warm", "one")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_WITHIN_S: Final = 7200
_END_WITHIN_S: Final = 60
_LOOK_EVERY_S: Final = 0.5


class RowsDiffer(Exception):
    """The bot has other rows than its rooms ask for."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one scenario took of the bot's process.

    `cpu_s` includes the start of Python and its imports, except in `settled` and `many`, whose
    process was live before.
    """

    scenario: str
    rooms: int
    cpu_s: float
    wall_s: float
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Homeserver:
    """A synthetic homeserver that runs, with the same rooms here."""

    url: str
    rooms: SyntheticRooms

    async def rename(self, first: int, count: int) -> None:
        """Let rooms change their names, there and here."""
        self.rooms.changes.rename(range(first, first + count))
        async with (
            aiohttp.ClientSession(self.url) as http,
            http.post("/synthetic/rename", json={"first": first, "rooms": count}) as answer,
        ):
            answer.raise_for_status()


@asynccontextmanager
async def homeserver(rooms: int, folder: Path) -> AsyncIterator[Homeserver]:
    """Start a synthetic homeserver in a process of its own."""
    log = folder / "homeserver.log"
    command = [sys.executable, "-m", "benchmarks.synthetic_server", str(rooms)]
    program = ChildProgram(command, folder=Path.cwd(), log=log, environment=dict(os.environ))
    try:
        with anyio.fail_after(60):
            while not log.read_text().startswith("http://"):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        yield Homeserver(log.read_text().split()[0], SyntheticRooms(rooms))
    finally:
        with anyio.CancelScope(shield=True):
            await program.end()


def _cpu_s(pid: int) -> float:
    # The name, in parentheses, is followed by the state and eleven more fields.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@dataclass(frozen=True, slots=True)
class Course:
    """The scenarios on one homeserver, with one bot."""

    homeserver: Homeserver
    bot: BotProcess
    on_cost: Callable[[Cost], None]
    only_starts: bool

    async def run(self) -> None:
        """Run the scenarios. Raises RowsDiffer."""
        count = self.homeserver.rooms.count
        await self._start("cold")
        if not self.only_starts:
            await self._until("settled", count, lambda: not open_gaps(self.bot.database))
        await self._end()
        await self._start("warm")
        await self._end()
        await self.homeserver.rename(count // 2, 1)
        await self._start("one")
        if not self.only_starts:
            await self._many(count)
        await self._end()

    async def _many(self, count: int) -> None:
        many = min(MANY, count // 10)
        await self.homeserver.rename(0, many)
        await self._until("many", many, lambda: _renamed(self.bot.database) > many)

    async def _start(self, scenario: str) -> None:
        bot, began = self.bot, time.monotonic()
        await bot.start_and_go_live(_WITHIN_S)
        wall_s = time.monotonic() - began
        rooms = self.homeserver.rooms.count
        self.on_cost(Cost(scenario, rooms, _cpu_s(bot.pid), wall_s, _peak_kib(bot.pid)))

    async def _until(self, scenario: str, rooms: int, is_done: Callable[[], bool]) -> None:
        pid, began = self.bot.pid, time.monotonic()
        before_s = _cpu_s(pid)
        with anyio.fail_after(_WITHIN_S):
            while not is_done():  # noqa: ASYNC110
                await anyio.sleep(_LOOK_EVERY_S)
        spent_s, wall_s = _cpu_s(pid) - before_s, time.monotonic() - began
        self.on_cost(Cost(scenario, rooms, spent_s, wall_s, _peak_kib(pid)))

    async def _end(self) -> None:
        self._check()
        await self.bot.terminate(_END_WITHIN_S)

    def _check(self) -> None:
        rooms = self.homeserver.rooms
        with closing(sqlite3.connect(self.bot.database)) as database:
            rows = database.execute("SELECT key, value FROM kv WHERE key LIKE 'matrix_room:%'")
            found = {key: json.loads(value)["display_name"] for key, value in rows}
        for number in range(rooms.count):
            key, name = f"matrix_room:{rooms.room_id(number)}", rooms.name_of(number)
            if (was := found.pop(key, None)) != name:
                raise RowsDiffer(f"{key} is not {name} but {was}: {self.bot.last_lines()}")
        if found:
            raise RowsDiffer(f"{len(found)} rows too many")


def _renamed(database: Path) -> int:
    query = "SELECT count(*) FROM kv WHERE key LIKE 'matrix_room:%' AND value LIKE '%Renamed%'"
    return number_in(database, query)


async def measure(sizes: list[int], out: Path, only_starts: bool) -> None:  # noqa: FBT001
    """Measure and print; write the JSON and the plot."""
    console, costs = Console(), list[Cost]()

    def on_cost(cost: Cost) -> None:
        costs.append(cost)
        console.print(*_cells(cost))

    for size in sizes:
        with TemporaryDirectory(prefix="growth-") as name:
            await _measure(size, Path(name), on_cost, only_starts=only_starts)
    console.print(_table(costs))
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(cost) for cost in costs], indent=1)
    (out / "growth.json").write_text(text + "\n")
    caption = "the bot's own process, on a synthetic homeserver"
    (out / "growth.svg").write_text(plot(_panels(costs), caption))


def _panels(costs: Sequence[Cost]) -> list[Panel]:
    starts = [it for it in costs if it.scenario in STARTS]
    cpu = [_line(it, starts, lambda cost: cost.cpu_s) for it in STARTS]
    peak = [_line(it, starts, lambda cost: cost.peak_kib / 1024) for it in STARTS]
    return [Panel("CPU until live", "s", cpu), Panel("Peak of memory until live", "MiB", peak)]


def _line(scenario: str, costs: Sequence[Cost], value: Callable[[Cost], float]) -> Line:
    return Line(scenario, [(it.rooms, value(it)) for it in costs if it.scenario == scenario])


async def _measure(
    size: int, folder: Path, on_cost: Callable[[Cost], None], *, only_starts: bool
) -> None:
    async with homeserver(size, folder) as server:
        bot = BotProcess(
            homeserver_url=server.url,
            user_id="@bot:localhost",
            password="none",
            folder=folder / "bot",
        )
        async with bot:
            await Course(server, bot, on_cost, only_starts).run()


def _cells(cost: Cost) -> Iterator[str]:
    """A cost as the cells of a table."""
    yield cost.scenario
    yield f"{cost.rooms:,}"
    yield f"{cost.cpu_s:.2f} s"
    yield f"{cost.cpu_s / cost.rooms * 1e6:.0f} µs"
    yield f"{cost.peak_kib / 1024:.0f} MiB"
    yield f"{cost.peak_kib / cost.rooms:.2f} KiB"
    yield f"{cost.wall_s:.1f} s"


def _table(costs: list[Cost]) -> Table:
    table = Table("scenario", "rooms", "CPU", "a room", "peak", "a room", "wall")
    for cost in costs:
        table.add_row(*_cells(cost))
    return table


def main() -> None:
    """Measure, as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--rooms", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/.cache"))
    parser.add_argument("--only-starts", action="store_true")
    given = parser.parse_args()
    anyio.run(measure, given.rooms, given.out, given.only_starts)


if __name__ == "__main__":
    main()
