"""What is written when the stored position can't be believed, and reading starts from now. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from actors.model import PAIR, RoomId, RoomKind
from actors.ports import Hydration
from actors.rows import CHAT_PREFIX, ROOM_PREFIX, USER_PREFIX
from actors.rules.generation import FOREIGN, STALE, Doubt
from actors.snapshots import RoomSnapshot
from actors.writes import (
    SINCE_LOST,
    SINCE_OWN,
    VOID_QUEUES,
    DeleteRow,
    OpenGap,
    VoidQueue,
    Write,
    is_since_known,
    since_known,
)


def sharpened(
    doubt: Doubt | None, joined: Collection[RoomId], known: Collection[RoomId]
) -> Doubt | None:
    """The doubt once all rooms were read: a homeserver without any known room was begun anew."""
    if doubt is Doubt.HOMESERVER and known and not set(known).intersection(joined):
        return Doubt.NEW_HOMESERVER
    return doubt


def beginnings(
    doubt: Doubt, gaps: Iterable[OpenGap], waiting: Collection[RoomId]
) -> dict[RoomId, str]:
    """Where gaps of some rooms begin after a doubt, if that does not depend on the present time.

    A gap that began with a loss keeps its beginning: what came before it is not known still. So
    does one since the newest known message: the inbox has kept what it had when it opened. A
    position means nothing any more. But while a gap is open, the inbox forgets nothing of the room,
    so where messages are `waiting`, it knows one from before the gap. A stale database knows too
    little for that.
    """
    found: dict[RoomId, str] = {}
    is_stale = doubt in STALE
    for gap in gaps:
        is_lost = gap.since in {SINCE_OWN, SINCE_LOST}
        if is_lost or (not is_stale and is_since_known(gap.since)):
            found[gap.room_id] = gap.since
        elif not is_stale and gap.room_id in waiting:
            found[gap.room_id] = since_known(0)
    return found


def doubt_writes(
    doubt: Doubt,
    hydration: Hydration,
    keys: Collection[str],
    known: Mapping[RoomId, str],
    now: float,
) -> Iterator[Write]:
    """The writes before the new position is saved, in a database with gaps that begin as `known`.

    A stale database loses what waits in it, and a foreign one its cache as well. Each room in which
    the bot may answer gets a gap: since the newest message that the inbox knows, or, if the
    database is old, since what the bot has answered last. A foreign database is worth no more than
    none. `now` is in seconds since the epoch.
    """
    yield from VOID_QUEUES if doubt in STALE else (VoidQueue("gaps"),)
    if doubt in FOREIGN:
        cache = (USER_PREFIX, ROOM_PREFIX, CHAT_PREFIX)
        yield from (DeleteRow(key) for key in keys if key.startswith(cache))
        yield from loss_writes(hydration)
        return
    since = SINCE_OWN if doubt in STALE else since_known(now)
    for gap in _gaps(hydration, since):
        yield replace(gap, since=known.get(gap.room_id, since))


def loss_writes(hydration: Hydration) -> Iterator[Write]:
    """The writes for a database without a position, before the new one is saved.

    Each room in which the bot may answer gets a gap since what the bot has answered last.
    """
    yield from _gaps(hydration, SINCE_LOST)


def _gaps(hydration: Hydration, since: str) -> Iterator[OpenGap]:
    answered = [seen.room_id for seen in hydration.snapshots if _may_be_answered(seen)]
    for room_id in (*answered, *(hydration.unreadable or ())):
        yield OpenGap(room_id, since, hydration.position)


def _may_be_answered(seen: RoomSnapshot) -> bool:
    """Whether the bot may answer messages in a room: in chats and in direct chats."""
    if seen.is_space or seen.tombstoned:
        return False
    marked = seen.marker is not None and seen.marker.kind is RoomKind.CHAT
    return marked or bool(seen.parents) or seen.member_count <= PAIR
