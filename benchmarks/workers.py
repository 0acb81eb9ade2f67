"""What a worker adds to a call of the platform, side by side in one run.

`python -m benchmarks.workers` prints the times of CALLS (300) calls of `echo` made directly, and of
as many by a worker process, in turns. PostgreSQL is a temporary server on a socket that flushes to
the disk as usual. The exit code is 1 if the target is missed.
"""

import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Final

import anyio
from rich.console import Console
from rich.table import Table

from actors.model import EventId, PlatformChatId, UserId
from actors.platform import Ask, Platform, Role, Turn
from actors.port_errors import PlatformUnreachable
from adapter.platform.echo import EchoPlatform
from adapter.workers.asking import known_capabilities
from adapter.workers.platform import PlatformByWorkers
from tests.postgres import throwaway_cluster

ACCOUNT: Final = UserId("@benchmark:example.org")
CALLS: Final = 300
MOST_S: Final = 0.050
"""A worker may add so much to the median call."""
_STARTS_WITHIN_S: Final = 30.0


async def measure(url: str, calls: int) -> bool:
    """Measure and print; whether the target is met."""
    times: dict[str, list[float]] = {"direct": [], "by a worker": []}
    async with _worker(url):
        platform = await _by_worker(url)
        keys = (EventId(f"${time.time()}-{number}") for number in count())
        for _ in range(calls):
            times["direct"].append(await _timed(EchoPlatform(), next(keys)))
            times["by a worker"].append(await _timed(platform, next(keys)))
        await platform.close()
    table = Table("calls", "p50 ms", "p95 ms", title=f"{calls} calls of each kind")
    for name, measured in times.items():
        p95 = statistics.quantiles(measured, n=20)[-1]
        table.add_row(name, f"{1000 * statistics.median(measured):.1f}", f"{1000 * p95:.1f}")
    Console().print(table)
    direct, by_worker = map(statistics.median, times.values())
    return by_worker - direct <= MOST_S


@asynccontextmanager
async def _worker(url: str) -> AsyncIterator[None]:
    environment = {**os.environ, "MATRIX_DB_PATH": url, "MATRIX_USER_ID": ACCOUNT}
    command = [sys.executable, "-m", "supervisor", "worker"]
    async with await anyio.open_process(
        command, env={**environment, "BOT_PLATFORM": "echo", "LOG_LEVEL": "WARNING"}
    ) as process:
        yield
        process.terminate()


async def _by_worker(url: str) -> Platform:
    """The platform by way of the worker, when that is there."""
    with anyio.fail_after(_STARTS_WITHIN_S):
        while True:
            platform = PlatformByWorkers(url, ACCOUNT, known=known_capabilities(url, ACCOUNT))
            try:
                await platform.check()
            except PlatformUnreachable:
                await platform.close()
                await anyio.sleep(0.1)
            else:
                return platform


async def _timed(platform: Platform, key: EventId) -> float:
    turns = (Turn(Role.PERSON, "hello"),)
    ask = Ask(PlatformChatId("chat"), key, attempt=1, turns=turns, owner=ACCOUNT)
    began = time.perf_counter()
    async with aclosing(platform.answer(ask)) as answer:
        async for _ in answer:
            pass
    return time.perf_counter() - began


def main() -> int:
    """Run the benchmark; the exit code."""
    with throwaway_cluster(fsync="on") as cluster:
        calls = int(os.environ.get("CALLS") or CALLS)
        return 0 if anyio.run(measure, cluster.database(), calls) else 1


if __name__ == "__main__":
    sys.exit(main())
