"""Reads a room, the rooms that say something about it, and the messages of a gap."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator

import anyio
import structlog

from actors.anchors import LiveAnchor
from actors.model import EventId, InboundMessage, RoomId, RoomMeta, UserId, UserMeta
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, RefusedUnclearly
from actors.ports import Gap, Homeserver, StateStore
from actors.rows import ROOM_PREFIX, from_row, room_key, user_key
from actors.rules.relations import RoomGraph, room_graph
from actors.snapshots import RoomSnapshot
from actors.writes import (
    AcceptMessage,
    AdoptAnchor,
    DropMessage,
    OpenGap,
    RedactAnchors,
    RedactEnded,
    VoidAnchor,
    Write,
    is_since_known,
)

_log = structlog.get_logger()


async def read_graph(
    seen: Collection[RoomSnapshot],
    homeserver: Homeserver,
    store: StateStore,
    owners: Iterable[UserId] = (),
    spaces: Iterable[RoomId] = (),
    *,
    limit: int,
) -> RoomGraph:
    """The graph of some rooms, their Spaces, and the rooms that they were upgraded from or to.

    At most `limit` rooms are read for each room in `seen`. `owners` are people with a Space that
    may list one of the rooms; `spaces` are other Spaces that may. The graph leaves out rooms that
    the bot is not in. Any other failure is raised, because a room that can't be read is not the
    same as a room that is not there.
    """
    users: dict[UserId, UserMeta] = {}
    for owner in {*owners, *(other for each in seen for other in each.others)}:
        user = from_row(await store.row(user_key(owner)), UserMeta)
        if user is not None:
            users[owner] = user
    found = {each.room_id: each for each in seen}
    wanted = deque([*spaces, *(room_id for each in seen for room_id in _rooms_named_in(each))])
    wanted.extend(user.space_id for user in users.values())
    for each in seen:
        room = from_row(await store.row(room_key(each.room_id)), RoomMeta)
        if room is not None:
            wanted.append(room.space_id)
    tried = set(found)
    while wanted and len(tried) <= limit * len(seen):
        room_id = wanted.popleft()
        if room_id in tried:
            continue
        tried.add(room_id)
        related = await read_if_joined(homeserver, room_id)
        if related is None:
            continue
        found[room_id] = related
        wanted.extend(_rooms_named_in(related))
    return room_graph(found.values(), users, homeserver.me)


async def read_if_joined(homeserver: Homeserver, room_id: RoomId) -> RoomSnapshot | None:
    """A room's snapshot; None only when the bot is certainly not in the room.

    A refusal alone proves nothing: if the list of joined rooms still has the room, this raises
    HomeserverUnavailable.
    """
    try:
        return await homeserver.read_room(room_id)
    except HomeserverRefused as refusal:
        if room_id in await homeserver.joined_rooms():
            raise HomeserverUnavailable(f"joined, but it can't be read: {refusal}") from refusal
        return None


async def read_rooms(
    rooms: Iterable[RoomId], homeserver: Homeserver, slots: anyio.CapacityLimiter
) -> dict[RoomId, RoomSnapshot]:
    """The snapshots of some rooms, read at once as far as there are slots.

    Rooms that the bot is not in are left out. Raises HomeserverUnavailable if a room can't be read.
    """
    seen: dict[RoomId, RoomSnapshot] = {}
    unavailable: list[HomeserverUnavailable] = []

    async def read(room_id: RoomId) -> None:
        try:
            async with slots:
                snapshot = await read_if_joined(homeserver, room_id)
        except HomeserverUnavailable as error:
            unavailable.append(error)
            return
        if snapshot is not None:
            seen[room_id] = snapshot

    async with anyio.create_task_group() as tasks:
        for room_id in rooms:
            tasks.start_soon(read, room_id)
    if unavailable:
        raise unavailable[0]
    return dict(sorted(seen.items()))


async def known_rooms(store: StateStore) -> set[RoomId]:
    """The rooms with a row in the cache."""
    keys = await store.keys(ROOM_PREFIX)
    return {RoomId(key.removeprefix(ROOM_PREFIX)) for key in keys}


def _rooms_named_in(seen: RoomSnapshot) -> list[RoomId]:
    """The rooms that a room's state names, without the children of a Space."""
    space_id = seen.marker.space_id if seen.marker else None
    named = (space_id, seen.predecessor, seen.replacement, *sorted(seen.parents))
    return [room_id for room_id in named if room_id]


async def fetch_gap(
    homeserver: Homeserver, room_id: RoomId, token: str, *, stop_at: str, limit: int
) -> Gap:
    """The messages from `token` back to `stop_at`, at most `limit`; none if they are refused.

    Raises HomeserverUnavailable, also after an unclear refusal, and RateLimited.
    """
    try:
        gap = await homeserver.messages_before(room_id, token, stop_at=stop_at, limit=limit)
    except RefusedUnclearly as refusal:
        raise HomeserverUnavailable(f"the gap can't be read now: {refusal}") from refusal
    except HomeserverRefused as refusal:
        _log.warning("gap_refused", room_id=room_id, reason=str(refusal))
        return Gap()
    return gap


def note_given_up(room_id: RoomId, limit: int) -> None:
    """Log that only the newest messages of a gap are fetched."""
    _log.error("gap_too_long", room_id=room_id, limit=limit)


async def fetch_recent(
    homeserver: Homeserver, store: StateStore, gap: OpenGap, *, limit: int, kept_since: float
) -> Gap:
    """The messages before the end of a gap that begins at no position.

    Since `since_known`, reading goes on past the bot's own messages: while many messages wait, the
    bot answers earlier ones. It ends there at messages from before `kept_since`, in seconds since
    the epoch, which the inbox may have known. `rejoined`: the bot's join comes before any known
    message, so what waits is from before it.
    """
    newest_first: list[InboundMessage] = []
    answered: frozenset[EventId] = frozenset()
    redacted: frozenset[EventId] = frozenset()
    token, spoken = gap.upto, False

    def found(*, rejoined: bool = False) -> Gap:
        messages = tuple(reversed(newest_first[:limit]))
        return Gap(messages, rejoined=rejoined, answered=answered, redacted=redacted)

    while len(newest_first) < limit:
        page = await homeserver.recent(gap.room_id, token)
        answered, redacted = answered | page.answered, redacted | page.redacted
        known = await store.known_of([it.event_id for it in page.said if it is not None])
        for message in page.said:
            if message is None:
                if not is_since_known(gap.since):
                    return found()
                spoken = True
            elif message.event_id in known or (spoken and message.sent_ts / 1000 < kept_since):
                return found()
            else:
                newest_first.append(message)
        if page.earlier is None:
            return found(rejoined=True)
        token = page.earlier
    note_given_up(gap.room_id, limit)
    return found()


def accepting(
    room_id: RoomId,
    messages: Iterable[InboundMessage],
    answered: Collection[EventId],
    live: Iterable[LiveAnchor] = (),
) -> Iterator[Write]:
    """The writes that accept messages. One with an answer in the room is done, and waits no more.

    The database has lost that: a loss of power took back its newest commits, or an older copy of it
    was restored. It may also not know the anchors in `live`, which the answers go on in.
    """
    yield from map(AcceptMessage, filter(worth_accepting, messages))
    yield from map(DropMessage, sorted(answered))
    yield from (AdoptAnchor(room_id, it) for it in live if it.question not in answered)


def taking_back(redacted: Iterable[EventId]) -> Iterator[Write]:
    """The writes about events that were redacted.

    A question that waits is not asked any more, and its answer that grows is taken back. What ends
    an answer whose own message was redacted is a new message. An answer whose end was redacted is
    taken back.
    """
    for event_id in redacted:
        yield from (DropMessage(event_id), VoidAnchor(event_id), RedactAnchors(event_id))
        yield RedactEnded(event_id)


def worth_accepting(message: InboundMessage) -> bool:
    """Whether a message goes into the inbox: no notice, and no edit that names no message."""
    is_nameless_edit = message.is_edit and message.edits is None
    return message.msgtype != "m.notice" and not is_nameless_edit
