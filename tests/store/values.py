"""Made-up messages, intents and records, and looking at a store from outside."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from actors.model import (
    EventId,
    InboundMessage,
    Intent,
    IntentKind,
    IntentStep,
    Nonce,
    OutboundMessage,
    RoomId,
    UserId,
)
from actors.ports import StateStore
from actors.runtime.table import Outcome, Transition

ROOM = RoomId("!room:localhost")
OTHER_ROOM = RoomId("!with-no-server-part")
ALICE = UserId("@alice:localhost")
BOB = UserId("@bob:localhost")


def inbound(
    name: str, room_id: RoomId = ROOM, *, sent_ts: int = 5, edit: bool = False
) -> InboundMessage:
    return InboundMessage(
        EventId(f"${name}"), room_id, ALICE, sent_ts, "m.text", f"body of {name} ☃\0", edit
    )


def outbound(name: str, room_id: RoomId = ROOM, *, notice: bool = False) -> OutboundMessage:
    return OutboundMessage(name, room_id, f"body of {name}", notice)


def intent(name: str, owner: UserId = ALICE, step: IntentStep = IntentStep.WANTED) -> Intent:
    return Intent(Nonce(name), owner, IntentKind.CHAT, step, reply_room=ROOM, name="Тест")


def record(number: int, *, machine: str = "lifecycle", at: str | None = None) -> Transition:
    return Transition(
        at=at or f"2027-01-15T08:00:00.{number:06d}Z",
        boot="b1",
        machine=machine,
        src="login",
        trigger="logged_in",
        dst="hydrate",
        outcome=Outcome.OK,
        reason=f"number {number}",
        attempt=1,
        dwell_ms=number,
    )


def outside(place: Path | str, *statements: str) -> None:
    """Another program at work on the file or the database."""
    if isinstance(place, str):
        with psycopg.connect(place) as other:
            for statement in statements:
                other.execute(statement.encode())
        return
    with closing(sqlite3.connect(place)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def names_waiting(store: StateStore, limit: int = 100) -> list[str]:
    return [waiting.message.event_id for waiting in await store.waiting(ROOM, limit)]
