"""A program that commits as fast as it can and says each commit's number once it is durable."""

import sys

import anyio

from actors.writes import AcceptMessage, PutRow
from adapter.sqlite.journal import SqliteJournal
from adapter.sqlite.store import SqliteStore
from tests.store.values import inbound, record


async def write(store: SqliteStore, journal: SqliteJournal, start: int, step: int) -> None:
    for number in range(start, sys.maxsize, step):
        await store.commit([PutRow(f"k{number}", {}), AcceptMessage(inbound(str(number)))])
        await journal.append(record(number % 1_000_000))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


async def main(store_path: str, journal_path: str) -> None:
    async with (
        SqliteStore.open(store_path) as store,
        SqliteJournal.open(journal_path) as journal,
        anyio.create_task_group() as group,
    ):
        for start in range(8):
            group.start_soon(write, store, journal, start, 8)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
