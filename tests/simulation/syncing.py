"""The answers of `/sync` and `/messages`, computed from the simulated server's event stream."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from actors.anchors import LiveAnchor
from actors.model import (
    MARKER_TYPE,
    SETTINGS_TYPE,
    EventId,
    InboundMessage,
    Instance,
    Invite,
    RoomId,
    UserId,
)
from actors.port_errors import HomeserverRefused
from actors.ports import Gap, RecentPage, RoomDelta, SyncDelta
from actors.rules.reply_mark import REPLY_TYPE
from actors.said import Said
from tests.simulation.edits import edited_by, newest_edit
from tests.simulation.events import Content, Event
from tests.simulation.reading import read_inbound, read_snapshot
from tests.simulation.room import SimulatedRoom
from tests.simulation.saying import read_said
from tests.simulation.server import SimulatedServer

PAGE_SIZE: Final = 7
SNAPSHOT_TYPES: Final = frozenset({
    "m.room.create",
    "m.room.encryption",
    "m.room.member",
    "m.room.name",
    "m.room.tombstone",
    "m.space.child",
    "m.space.parent",
    MARKER_TYPE,
    SETTINGS_TYPE,
})  # fmt: skip


def read_delta(
    server: SimulatedServer, me: UserId, since: int, instance: Instance | None = None
) -> SyncDelta:
    """The delta for `me` after a position. `instance` is the last announced instance, if any."""
    by_room: dict[RoomId, list[Event]] = {}
    for event in server.events[since:]:
        by_room.setdefault(event.room_id, []).append(event)
    rooms: list[RoomDelta] = []
    invites: list[Invite] = []
    left: list[RoomId] = []
    malformed = 0
    for room_id, events in by_room.items():
        room = server.rooms.get(room_id)
        if room is None:  # it was purged
            continue
        changes = [event for event in events if _is_own_member(event, me)]
        match room.membership(me), changes:
            case "join", _:
                newly_joined = any(_moves(change, me) for change in changes)
                timeline = _timeline(
                    room, events, me, server.timeline_limit, newly_joined=newly_joined
                )
                rooms.append(timeline.delta)
                malformed += timeline.malformed
            case "invite", [*_, last]:
                invites.append(Invite(room_id, server.inviter(last, me)))
            case (("leave" | "ban"), [*_, _]) if (room_id, me) not in server.forgotten:
                left.append(room_id)
            case _:
                pass
    return SyncDelta(server.token(), tuple(rooms), tuple(invites), tuple(left), malformed, instance)


def has_news(delta: SyncDelta) -> bool:
    """Whether a waiting sync answers with this delta."""
    return bool(
        delta.rooms or delta.invites or delta.left or delta.malformed or delta.instance is not None
    )


def read_gap(room: SimulatedRoom, me: UserId, token: str, stop_at: str, limit: int) -> Gap:
    """Read the last `limit` messages between two tokens, since the bot's last join.

    The bot's own messages are left out of the result.
    """
    # A sync position comes after its last event, a timeline token comes before its event.
    start, end = _number(stop_at), _number(token) + (not token.startswith("t"))
    between = [event for event in room.timeline if start < event.position < end]
    moves = [event for event in between if _moves(event, me)]
    since_then = moves[-1].position if moves else start
    gap = [event for event in between if is_message(event) and event.position > since_then]
    shown = gap[max(0, len(gap) - limit) :]
    messages, _ = _read(shown, me)
    if len(shown) < len(gap):
        piece = [event for event in between if event.position >= shown[0].position]
        start_token = f"t_{shown[0].position}"
        answered, live = _answered(piece, me), _live(piece, me)
        redacted = _redacted(piece)
        return Gap(messages, start=start_token, answered=answered, live=live, redacted=redacted)
    rejoined = any(map(_leaves, moves))
    begins = f"s_{since_then}" if rejoined else None
    later = [event for event in between if event.position > since_then]
    return Gap(
        messages,
        rejoined,
        begins=begins,
        answered=_answered(between, me),
        live=_live(later, me),
        redacted=_redacted(later),
    )


def without_ended(gap: Gap, room: SimulatedRoom) -> Gap:
    """A gap as a server that bundles edits shows it: no anchor came with an edit that ends it."""
    found = ((anchor, room.find(anchor.event_id)) for anchor in gap.live)
    newest = [(anchor, it and newest_edit(it, room.timeline)) for anchor, it in found]
    live = [it for it, edit in newest if edit is None or _state_in(edit.content) == "live"]
    return replace(gap, live=tuple(live))


def read_recent(room: SimulatedRoom, me: UserId, token: str) -> RecentPage:
    """Read the last messages before a token, since the bot's last join. Pages are short here."""
    end = _number(token) + (not token.startswith("t"))
    timeline = [event for event in room.timeline if event.position < end]
    since = max((event.position for event in timeline if _moves(event, me)), default=0)
    before = [event for event in timeline if is_message(event) and event.position > since]
    shown = before[-PAGE_SIZE:]
    said: list[InboundMessage | None] = []
    for event in reversed(shown):
        if event.sender != me:
            said += _read([event], me)[0]
        elif _state_in(event.content) != "live":
            said.append(None)
    earlier = f"t_{shown[0].position}" if len(shown) < len(before) else None
    own = (it for it in read_said(reversed(shown), me) if isinstance(it, Said) and it.sender == me)
    page = timeline if earlier is None else timeline[timeline.index(shown[0]) :]
    mine = [event for event in page if event.sender == me and event.position > since]
    gone = frozenset(it.txn_id for it in mine if it.redacted and it.txn_id is not None)
    return RecentPage(
        tuple(said),
        earlier,
        _answered(shown, me),
        tuple(own),
        _redacted(mine),
        gone,
        _redacted(event for event in page if event.position > since),
    )


@dataclass(frozen=True, slots=True)
class _Timeline:
    delta: RoomDelta
    malformed: int


def _timeline(
    room: SimulatedRoom, events: list[Event], me: UserId, limit: int, *, newly_joined: bool
) -> _Timeline:
    # A newly joined room comes with its latest events, however old they are, and always counts as
    # limited. If the timeline shows the bot's join, all events since the position are a gap.
    told = [event for event in (room.timeline if newly_joined else events) if _is_told(event)]
    shown = told[max(0, len(told) - limit) :]
    limited = newly_joined or len(shown) < len(told)
    first = shown[0].position if shown else events[-1].position + 1
    if any(_moves(event, me) for event in shown):
        shown, first = [], events[-1].position + 1
    messages, malformed = _read(filter(is_message, shown), me)
    delta = RoomDelta(
        room_id=room.room_id,
        messages=messages,
        state_changed=limited or any(map(_changes_state, events)),
        names={
            UserId(str(event.state_key)): str(event.content.get("displayname", ""))
            for event in events
            if event.type == "m.room.member"
        },
        gap_from=f"t_{first}" if limited else None,
        answered=_answered(shown, me),
        said=tuple(read_said(shown, me)),
        replacement=read_snapshot(room, me).replacement
        if any(event.type == "m.room.tombstone" for event in events)
        else None,
    )
    return _Timeline(delta, malformed)


def since_join(room: SimulatedRoom, me: UserId) -> list[Event]:
    """The messages and redactions of a room since the bot's last join."""
    since = max((event.position for event in room.timeline if _moves(event, me)), default=0)
    return [it for it in room.timeline if it.state_key is None and it.position > since]


def _changes_state(event: Event) -> bool:
    """Whether an event changes what a snapshot says; a new display name alone does not."""
    if event.state_key is None or event.type not in SNAPSHOT_TYPES:
        return False
    before = (event.prev_content or {}).get("membership")
    return event.type != "m.room.member" or event.content.get("membership") != before


def _is_told(event: Event) -> bool:
    """Whether the filter of a live sync includes the event."""
    return event.state_key is None or event.type in SNAPSHOT_TYPES


def is_message(event: Event) -> bool:
    """Whether an event is a message that is not redacted."""
    is_message = event.type == "m.room.message" and event.state_key is None
    return is_message and not event.redacted


def _read(events: Iterable[Event], me: UserId) -> tuple[tuple[InboundMessage, ...], int]:
    """The messages of other users, and the number of malformed ones."""
    read = [read_inbound(event, me) for event in events if event.sender != me]
    messages = tuple(message for message in read if message is not None)
    return messages, len(read) - len(messages)


def _answered(events: Iterable[Event], me: UserId) -> frozenset[EventId]:
    """The questions in the marks of the bot's own messages."""
    marks = [event.content.get(REPLY_TYPE) for event in events if event.sender == me]
    return frozenset(
        EventId(str(mark["to"]))
        for mark in marks
        if isinstance(mark, dict) and mark.get("state") in {"done", "failed", "stopped"}
        if "more" not in mark
    )


def _redacted(events: Iterable[Event]) -> frozenset[EventId]:
    """The events that redactions among some events name."""
    redactions = (event for event in events if event.type == "m.room.redaction")
    return frozenset(EventId(str(event.content["redacts"])) for event in redactions)


def _state_in(content: Content) -> object:
    """The state in the mark of one of the bot's own messages or edits; None without one."""
    mark = content.get(REPLY_TYPE)
    return mark.get("state") if isinstance(mark, dict) else None


def _live(events: Iterable[Event], me: UserId) -> tuple[LiveAnchor, ...]:
    """The anchors among the bot's own messages: their mark says that the answer still grew."""
    anchors: list[LiveAnchor] = []
    for event in events:
        mark = event.content.get(REPLY_TYPE)
        if event.sender != me or not isinstance(mark, dict) or edited_by(event.content) is not None:
            continue
        if mark.get("state") == "live":
            question, part = EventId(str(mark["to"])), int(mark["part"])
            anchors.append(LiveAnchor(question, part, str(mark["txn"]), event.event_id))
    return tuple(anchors)


def _is_own_member(event: Event, me: UserId) -> bool:
    return event.type == "m.room.member" and event.state_key == me


def _moves(event: Event, me: UserId) -> bool:
    """Whether the event changes the bot's membership; in a joined room, the last is the join."""
    before = (event.prev_content or {}).get("membership")
    return _is_own_member(event, me) and event.content.get("membership") != before


def _leaves(move: Event) -> bool:
    return move.content.get("membership") in {"leave", "ban"}


def _number(token: str) -> int:
    number = token.partition("_")[2].partition("~")[0]
    if not number.isdecimal():
        raise HomeserverRefused(400, "M_INVALID_PARAM", f"Bad token {token}")
    return int(number)
