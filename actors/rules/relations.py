"""The room graph: upgrades, Spaces and links between the joined rooms. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from actors.model import PAIR, ChatSettings, Marker, RoomId, RoomKind, UserId, UserMeta
from actors.snapshots import RoomSnapshot

_NO_ROOMS: Final = frozenset[RoomId]()
"""An empty set takes 216 bytes, so all rooms share one."""


@dataclass(frozen=True, slots=True)
class SpaceFacts:
    """A Space that the bot manages. `owner` is None if its owner can't be determined."""

    room_id: RoomId
    owner: UserId | None
    children: frozenset[RoomId]


@dataclass(frozen=True, slots=True)
class RoomRelations:
    """What the other joined rooms say about one room."""

    inherited: Marker | None = None
    """The marker of a room that this one replaces, if this one has no marker."""
    inherited_settings: ChatSettings | None = None
    """The settings of a room that this one replaces, if this one has none."""
    origins: tuple[RoomSnapshot, ...] = ()
    """If no marker is known: the rooms of the bot that this one replaces, the latest first."""
    founded_ts: int = 0
    """When the room, or the first room that it replaces, was created: ms since the epoch."""
    replaced_by: RoomId | None = None
    """The joined room that this one was upgraded to."""
    own_space: SpaceFacts | None = None
    """The room itself, if it is a Space that the bot manages."""
    claimed_space: SpaceFacts | None = None
    """The Space that the room's marker names, if the bot manages it."""
    linked: tuple[SpaceFacts, ...] = ()
    """Managed Spaces with a link to or from this room, or one of its origins."""
    replaces: frozenset[RoomId] = frozenset()
    """The joined rooms that this one was upgraded from, directly or indirectly."""
    spaces: AbstractSet[RoomId] = frozenset()
    """All Spaces that the bot manages."""
    unreadable: frozenset[RoomId] = frozenset()
    """Joined rooms that can't be read now; any of them may be this room's Space."""
    unread_origin: RoomId | None = None
    """The room that this one, or the first known room before it, replaces, if it can't be read."""
    undecided_spaces: AbstractSet[RoomId] = frozenset()
    """Spaces without a known marker that replace a room which can't be read."""


@dataclass(frozen=True, slots=True)
class RoomGraph:
    """An index over snapshots: of all joined rooms, or of some rooms and their related rooms.

    `heirs` maps an upgraded room to its joined replacement.
    """

    me: UserId
    rooms: Mapping[RoomId, RoomSnapshot]
    spaces: Mapping[RoomId, SpaceFacts]
    heirs: Mapping[RoomId, RoomId]
    unreadable: frozenset[RoomId]
    undecided_spaces: AbstractSet[RoomId]
    _parents: Mapping[RoomId, tuple[RoomId, ...]] = field(repr=False)

    def relations(self, seen: RoomSnapshot) -> RoomRelations:
        """What the graph says about a room."""
        ancestors = self.ancestors(seen)
        inherited = None if seen.marker else _nearest_marker(ancestors)
        marker = seen.marker or inherited
        named = marker.space_id if marker else None
        origins = () if marker else _origins(seen, ancestors, self.me)
        linked = {
            self.latest(space)
            for it in (seen, *origins)
            for space in (*self._parents.get(it.room_id, ()), *it.parents)
        }
        return RoomRelations(
            inherited=inherited,
            inherited_settings=_nearest_settings(ancestors) if seen.settings is None else None,
            origins=origins,
            founded_ts=(seen, *ancestors)[-1].created_ts,
            replaced_by=self.heirs.get(seen.room_id),
            own_space=self.spaces.get(seen.room_id),
            claimed_space=self.spaces.get(self.latest(named)) if named else None,
            linked=tuple(self.spaces[space] for space in sorted(linked) if space in self.spaces),
            replaces=frozenset(it.room_id for it in ancestors) if ancestors else _NO_ROOMS,
            spaces=self.spaces.keys(),
            unreadable=self.unreadable,
            unread_origin=self.unread_origin((seen, *ancestors)),
            undecided_spaces=self.undecided_spaces,
        )

    def latest(self, room_id: RoomId) -> RoomId:
        """The room at the end of a chain of upgrades."""
        visited = {room_id}
        while (heir := self.heirs.get(room_id)) is not None and heir not in visited:
            visited.add(heir)
            room_id = heir
        return room_id

    def ancestors(self, seen: RoomSnapshot) -> tuple[RoomSnapshot, ...]:
        """The rooms that this one replaces, from the latest to the first."""
        ancestors: dict[RoomId, RoomSnapshot] = {}
        before = self._predecessor(seen)
        while before is not None and before.room_id not in {seen.room_id, *ancestors}:
            ancestors[before.room_id] = before
            before = self._predecessor(before)
        return tuple(ancestors.values())

    def unread_origin(self, line: Sequence[RoomSnapshot]) -> RoomId | None:
        """The room before the first one of a line of upgrades, if it can't be read."""
        before = line[-1].predecessor
        return before if before in self.unreadable else None

    def _predecessor(self, seen: RoomSnapshot) -> RoomSnapshot | None:
        """The joined room that this one replaces: both sides must say so."""
        if seen.predecessor is None or self.heirs.get(seen.predecessor) != seen.room_id:
            return None
        return self.rooms.get(seen.predecessor)


def _nearest_marker(ancestors: Iterable[RoomSnapshot]) -> Marker | None:
    return next((before.marker for before in ancestors if before.marker), None)


def _nearest_settings(ancestors: Iterable[RoomSnapshot]) -> ChatSettings | None:
    return next((it.settings for it in ancestors if it.settings is not None), None)


def _origins(
    seen: RoomSnapshot, ancestors: Iterable[RoomSnapshot], me: UserId
) -> tuple[RoomSnapshot, ...]:
    kind = seen.is_space
    return tuple(it for it in ancestors if it.creator == me and it.is_space == kind)


def room_graph(
    snapshots: Iterable[RoomSnapshot],
    users: Mapping[UserId, UserMeta],
    me: UserId,
    unreadable: Iterable[RoomId] = (),
) -> RoomGraph:
    """Index snapshots. The stored rows `users` are evidence for Spaces without a marker."""
    rooms = {seen.room_id: seen for seen in snapshots}
    heirs = {
        seen.room_id: seen.replacement
        for seen in rooms.values()
        if seen.tombstoned
        and seen.replacement in rooms
        and rooms[seen.replacement].predecessor == seen.room_id
    }
    owners_of_record: dict[RoomId, list[UserId]] = {}
    for of_record, user in users.items():
        owners_of_record.setdefault(user.space_id, []).append(of_record)
    parents: dict[RoomId, tuple[RoomId, ...]] = {}
    undecided: set[RoomId] = set()
    graph = RoomGraph(me, rooms, spaces := {}, heirs, frozenset(unreadable), undecided, parents)
    for seen in rooms.values():
        if not seen.is_space:
            continue
        ancestors = graph.ancestors(seen)
        marker = seen.marker or _nearest_marker(ancestors)
        if not marker and not seen.marker_fault and graph.unread_origin((seen, *ancestors)):
            undecided.add(seen.room_id)
        if seen.room_id in heirs:
            continue
        origins = _origins(seen, ancestors, me)
        if not (marker or seen.marker_fault or seen.creator == me or origins):
            continue
        on_record = (owners_of_record.get(it.room_id) for it in (seen, *origins))
        owner = space_owner(seen, marker, next(filter(None, on_record), ()))
        spaces[seen.room_id] = SpaceFacts(seen.room_id, owner, seen.children)
        for child in seen.children:
            parents[child] = (*parents.get(child, ()), seen.room_id)
    return graph


def space_owner(
    seen: RoomSnapshot, marker: Marker | None, of_record: Iterable[UserId]
) -> UserId | None:
    """The owner of a Space: by its marker, else by a row that names it, else its only other member.

    None if no owner, or more than one, is found.
    """
    if seen.marker_fault is not None:
        return None
    if marker is not None:
        return marker.owner if marker.kind is RoomKind.SPACE else None
    candidates = tuple(of_record) or (seen.others if seen.member_count <= PAIR else ())
    return candidates[0] if len(candidates) == 1 else None
