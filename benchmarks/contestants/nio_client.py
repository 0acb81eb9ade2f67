"""Typical programs on nio, written after its documentation.

`naive` reads the joined rooms one by one. `full` reads them with one unfiltered sync and
`full_state`. Both commit row by row. `echo` is a bot on `sync_forever`.
"""

import asyncio
import logging
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from nio import (  # type: ignore[import-untyped]
    AsyncClient,
    AsyncClientConfig,
    JoinedRoomsResponse,
    LoginResponse,
    MatrixRoom,
    RoomGetStateResponse,
    RoomMessageText,
    RoomSendResponse,
    SyncResponse,
)

from actors.model import MARKER_TYPE
from benchmarks.contestants import Task
from benchmarks.rows import PUT, new_database, rows_of
from benchmarks.stopwatch import Stopwatch

_POLL_MS = 30_000


def _write(database: sqlite3.Connection, room_id: str, events: Iterable[Mapping[str, Any]]) -> None:
    state = {event["type"]: event["content"] for event in events}
    for row in rows_of(room_id, state["m.room.name"]["name"], state[MARKER_TYPE]):
        database.execute(PUT, row)  # each row is a transaction of its own


async def _naive(client: AsyncClient, database: sqlite3.Connection) -> None:
    joined = await client.joined_rooms()
    assert isinstance(joined, JoinedRoomsResponse), joined
    for room_id in joined.rooms:
        state = await client.room_get_state(room_id)
        assert isinstance(state, RoomGetStateResponse), state
        _write(database, room_id, state.events)


async def _full(client: AsyncClient, database: sqlite3.Connection) -> None:
    answer = await client.sync(timeout=0, full_state=True)
    assert isinstance(answer, SyncResponse), answer
    for room_id, room in answer.rooms.join.items():
        events = [event.source for event in (*room.state, *room.timeline.events)]
        _write(database, room_id, events)


async def _echo(client: AsyncClient, stopwatch: Stopwatch) -> None:
    async def answer(room: MatrixRoom, event: RoomMessageText) -> None:
        if event.sender == client.user_id:
            return
        content = {"msgtype": "m.text", "body": event.body}
        sent = await client.room_send(room.room_id, "m.room.message", content)
        assert isinstance(sent, RoomSendResponse), sent

    forever = asyncio.create_task(client.sync_forever(timeout=_POLL_MS))
    await client.synced.wait()
    client.add_event_callback(answer, RoomMessageText)
    stopwatch.ready()
    await forever


async def run(what: str) -> None:
    """Run `naive`, `full` or `echo`."""
    stopwatch, task = Stopwatch(), Task.from_environment()
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    config = AsyncClientConfig(encryption_enabled=False)
    client = AsyncClient(task.homeserver, task.user_id, config=config)
    try:
        login = await client.login(task.password)
        assert isinstance(login, LoginResponse), login
        if what == "echo":
            await _echo(client, stopwatch)
            return
        database = new_database(task.database)
        await (_naive if what == "naive" else _full)(client, database)
        stopwatch.ready()
        database.close()
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
