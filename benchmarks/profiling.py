"""`python -m benchmarks.profiling`: where the bot's own time goes.

It starts cold, starts warm and answers, each under cProfile, on the homeserver that the benchmarks
use (ROOMS). What its threads do, SQLite's work above all, shows only as waiting.
"""

import os
import pstats
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from rich.console import Console

from benchmarks.contestants.ours import PROFILE_LIVE, PROFILE_START, STOP_WHEN_READY
from benchmarks.people import converse, listeners
from benchmarks.running import OURS, started
from benchmarks.topology import homeserver_with

MESSAGES: Final = 50
_LINES: Final = 25
_ONCE: Final = {STOP_WHEN_READY: "1"}


async def record(rooms: int, folder: Path) -> None:
    """Leave `cold`, `warm` and `echo` in the folder."""
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
            listeners(synapse.url, topology.homes_of("bot")[:1]) as (listener, *_),
        ):
            await converse(listener, [f"message {number}" for number in range(MESSAGES)])


def main() -> None:
    """Record and print."""
    console = Console()
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
