"""The value that stands for what a room's state says. No behaviour, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from actors.model import ChatSettings, Marker, RoomId, SpaceSettings, UserId

_NO_NAMES: Final[Mapping[UserId, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """What a joined room's state says, as far as the bot needs it.

    `marker` comes only from an event with the bot as both state key and sender. `marker_fault` says
    why such an event could not be read, and `possible_owner` is the owner that it names all the
    same. `settings` come only from such an event as well; None means that the room has none.
    `children` are the room's `m.space.child` links with a non-empty `via`; `parents` are the
    `m.space.parent` links that the bot itself sent. `member_count` counts joined and invited
    members, the bot included. `others` are the members other than the bot, as far as the homeserver
    listed them: up to a thousand when the room was read alone, at most five when all rooms were
    read at once.

    `invited`, `banned`, `knocking`, `admits` and `own_entry` are known only when the room was read
    alone, so a comparison of two snapshots leaves them out. The same holds for `names`, the display
    names of the joined members; an empty one is that of a member without any. `own_name`: the bot
    gave the room its name. `space_settings` are those of a Space. `is_ordered`: each of its links
    says its place.
    """

    room_id: RoomId
    creator: UserId | None
    created_ts: int
    """Milliseconds since the epoch: `origin_server_ts` of `m.room.create`."""
    room_version: str = "1"
    is_space: bool = False
    predecessor: RoomId | None = None
    name: str | None = None
    marker: Marker | None = None
    marker_fault: str | None = None
    settings: ChatSettings | None = None
    space_settings: SpaceSettings | None = None
    own_name: bool = False
    possible_owner: UserId | None = None
    tombstoned: bool = False
    replacement: RoomId | None = None
    children: frozenset[RoomId] = frozenset()
    is_ordered: bool = True
    parents: frozenset[RoomId] = frozenset()
    others: tuple[UserId, ...] = ()
    member_count: int = 1
    encrypted: bool = False
    """Messages in it are encrypted, and nothing can turn that off."""
    invited: frozenset[UserId] = field(default=frozenset(), compare=False)
    """The members in `others` who have not joined."""
    banned: frozenset[UserId] = field(default=frozenset(), compare=False)
    knocking: frozenset[UserId] = field(default=frozenset(), compare=False)
    """People who ask to join."""
    admits: frozenset[RoomId] = field(default=frozenset(), compare=False)
    """The rooms whose members the bot lets join this one without an invite."""
    names: Mapping[UserId, str] = field(default_factory=lambda: _NO_NAMES, compare=False)
    own_entry: bool = field(default=True, compare=False)
    """Whether the bot, and no person, has set who may join."""
