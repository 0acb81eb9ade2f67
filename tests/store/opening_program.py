"""A program that opens the store and the journal of a URL as soon as it is told to."""

import sys

import anyio

from actors.writes import PutRow
from adapter.postgres.journal import PostgresJournal
from adapter.postgres.store import PostgresStore
from tests.store.values import record


async def main(url: str, name: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await anyio.to_thread.run_sync(sys.stdin.readline)
    async with PostgresStore.open(url) as store, PostgresJournal.open(url) as journal:
        await store.commit([PutRow(name, {})])
        await journal.append(record(1))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
