"""A program that opens the store and the journal of a URL as soon as it is told to."""

import sys

import anyio

from adapter.postgres.journal import PostgresJournal
from adapter.postgres.store import PostgresStore
from tests.store.values import record


async def main(url: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await anyio.to_thread.run_sync(sys.stdin.readline)
    async with PostgresStore.open(url) as store, PostgresJournal.open(url) as journal:
        assert await store.keys("") == ()
        await journal.append(record(1))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
