"""`python -m benchmarks.profiling`: profiles the bot.

The output has the import times of the bot and of the bare program, then the profiles of a cold
start, a warm start and a conversation, made with cProfile on the homeserver of the benchmarks
(ROOMS). Work in threads, mainly that of SQLite, appears as waiting.
"""

import os
import pstats
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from rich.console import Console
from rich.table import Table

from benchmarks.contestants.ours import PROFILE_LIVE, PROFILE_START, STOP_WHEN_READY
from benchmarks.people import converse, listeners
from benchmarks.running import ALONE, OURS, started
from benchmarks.topology import homeserver_with

MESSAGES: Final = 50
_LINES: Final = 25
_OURS: Final = ("supervisor.commands.program", "supervisor.app.run")
_IMPORTED: Final = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\w+)", re.MULTILINE)
_ONCE: Final = {STOP_WHEN_READY: "SIGTERM"}


async def record(rooms: int, folder: Path) -> None:
    """Write the profiles `cold`, `warm` and `echo` to the folder."""
    async with homeserver_with(rooms, lambda *_: None) as (synapse, topology):
        for name in ("warm-up", "cold", "warm"):
            async with started(
                OURS,
                url=synapse.url,
                account="bot",
                folder=folder / ("files-warm-up" if name == "warm-up" else "files"),
                device="WARMUP" if name == "warm-up" else "PROFILED",
                environment={**_ONCE, PROFILE_START: str(folder / name)},
            ):
                pass
        async with (
            started(
                OURS,
                url=synapse.url,
                account="bot",
                folder=folder / "files-echo",
                device="ECHO",
                environment={PROFILE_LIVE: str(folder / "echo")},
            ),
            listeners(synapse.url, topology.owners_of("bot")[:1]) as (listener, *_),
        ):
            await converse(listener, [f"message {number}" for number in range(MESSAGES)])


def import_times_ms(*modules: str) -> dict[str, float]:
    """Milliseconds that a new Python needs to import these, by package: the minimum of three."""
    runs = [_import_times_ms(modules) for _ in range(3)]
    return {package: min(run[package] for run in runs) for package in runs[0]}


def _import_times_ms(modules: tuple[str, ...]) -> defaultdict[str, float]:
    code = f"import gc; gc.disable(); import {', '.join(modules)}"
    command = [str(ALONE), "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    times: defaultdict[str, float] = defaultdict(float)
    for own_us, package in _IMPORTED.findall(done.stderr):
        times[package] += int(own_us) / 1000
    return times


def imports_table() -> Table:
    """The packages with the longest import times, for the bot and for the bare program."""
    ours, bare = import_times_ms(*_OURS), import_times_ms("benchmarks.contestants.bare")
    table = Table("package", "the bot, ms", "bare, ms", title="imports")
    for package, own_ms in sorted(ours.items(), key=lambda item: -item[1])[:_LINES]:
        table.add_row(package, f"{own_ms:.0f}", f"{bare.get(package, 0):.0f}")
    table.add_row("everything", f"{sum(ours.values()):.0f}", f"{sum(bare.values()):.0f}")
    return table


def main() -> None:
    """Record the profiles and print them."""
    console = Console()
    console.print(imports_table())
    with TemporaryDirectory() as name:
        folder = Path(name)
        with console.status("profiling"):
            anyio.run(record, int(os.environ.get("ROOMS") or 600), folder)
        for what in ("cold", "warm", "echo"):
            console.rule(what)
            stats = pstats.Stats(str(folder / what))
            stats.sort_stats("tottime").print_stats(_LINES)
            stats.sort_stats("cumulative").print_stats(_LINES * 2)


if __name__ == "__main__":
    main()
