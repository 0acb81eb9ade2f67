"""Compares rows of the cache with a rebuild from an empty database."""

from collections.abc import Container, Mapping
from random import Random

from actors.chats import ChatManager
from actors.model import MARKER_TYPE, RoomId
from actors.rows import ROOM_PREFIX, USER_PREFIX
from actors.writes import JsonObject
from adapter.matrix.reconcile import reconcile_matrix_state
from tests.simulation.disk import empty_store
from tests.simulation.faults import Faults
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.member import DEVICE
from tests.simulation.process import BOT
from tests.simulation.server import SimulatedServer


def visitor(server: SimulatedServer) -> SimulatedHomeserver:
    """A client beside the bot, without faults: it has the session that the server knows.

    The database may have lost that session with its newest commits.
    """
    faults = Faults(Random(0))  # noqa: S311 - no secret
    token = server.sessions.present(BOT, DEVICE)
    return SimulatedHomeserver(server, BOT, faults=faults, token=token)


async def wrong_rows(
    stored: Mapping[str, JsonObject | None],
    server: SimulatedServer,
    inherited: Container[RoomId],
    dirty: Container[RoomId] = (),
) -> list[str]:
    """The rows that differ from those of a rebuild, for all joined rooms, in words.

    `inherited` are rooms of an earlier bot: those that have no marker yet are left out, and so are
    rows of `dirty` rooms.
    """
    rebuilt = empty_store(server.now)
    report = await reconcile_matrix_state(visitor(server), rebuilt, ChatManager(rebuilt))
    joined = {room.room_id for room in server.rooms_of(BOT, "join")}
    decided = joined - {RoomId(conflict["room_id"]) for conflict in report["conflicts"]}
    expected = await rebuilt.rows("")
    rebuilt.close()
    wrong = []
    for key in sorted(stored.keys() | expected.keys()):
        row, wanted = stored.get(key), expected.get(key)
        about = _room_of(key, row or wanted or {})
        if about in dirty or _room_of(key, wanted or row or {}) in dirty:
            continue
        is_unmarked = about in inherited and not _is_marked(server, about)
        if is_unmarked or (wanted is None and about[:1] == "!" and about not in decided):
            continue
        if row != wanted and not _ahead(row, wanted):
            wrong.append(f"{key} is {row}, a rebuild says {wanted}")
    return wrong


def _room_of(key: str, row: JsonObject) -> RoomId:
    """The room that a row is about. An owner's row is about the Space."""
    if key.startswith(USER_PREFIX):
        return RoomId(str(row.get("space_id")))
    return RoomId(str(row.get("surface_ref", key.removeprefix(ROOM_PREFIX))))


def _is_marked(server: SimulatedServer, room_id: RoomId) -> bool:
    """Whether a room has a marker. A refused write of one is repeated after the next start."""
    return bool(server.rooms[room_id].content(MARKER_TYPE, BOT))


def _ahead(row: JsonObject | None, wanted: JsonObject | None) -> bool:
    """Whether `row` differs only by a higher number: the server refused the chat that reserved it.

    A rebuild does not know such a reservation.
    """
    if row is None or wanted is None or "next_chat_index" not in row:
        return False
    ours, rebuilt = row["next_chat_index"], wanted.get("next_chat_index")
    ahead = isinstance(ours, int) and isinstance(rebuilt, int) and ours > rebuilt
    return ahead and {**row, "next_chat_index": rebuilt} == wanted
