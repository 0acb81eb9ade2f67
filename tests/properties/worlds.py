"""Recipes for everything that a homeserver can hold about one bot, as hypothesis strategies.

A recipe is a plain value, so that a failing example is printed whole and shrinks well. Positions
in the lists stand for people and Spaces; `building.py` makes rooms of them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hypothesis import strategies as st

from actors.model import UserId

BOT: Final = UserId("@bot:sim.test")
OWNERS: Final = (UserId("@alice:sim.test"), UserId("@bob:sim.test"))
MALLORY: Final = UserId("@mallory:sim.test")
PEOPLE: Final = (*OWNERS, MALLORY)


class Mark(StrEnum):
    """What stands where the bot's marker would."""

    NONE = "none"
    GOOD = "good"
    OTHER_KIND = "other_kind"
    OTHER_OWNER = "other_owner"
    UNREADABLE = "unreadable"
    """Ours, of a version or with a content that can't be read."""
    REMOVED = "removed"
    """Ours, with an empty content."""
    FORGED = "forged"
    """Good, but another member's, under their own user id."""


class Link(StrEnum):
    """How a Space and a room point at each other."""

    NONE = "none"
    CHILD = "child"
    PARENT = "parent"
    BOTH = "both"
    EMPTY_VIA = "empty_via"
    """Taken out of the Space again."""


class Fate(StrEnum):
    """What has become of a room, or of its replacement."""

    KEPT = "kept"
    LEFT = "left"
    KICKED = "kicked"
    UPGRADED = "upgraded"
    """The bot is in both."""
    UPGRADED_UNSEEN = "upgraded_unseen"
    """The bot is in the old room only."""
    UPGRADED_AWAY = "upgraded_away"
    """The bot is in the replacement only."""
    TOMBSTONED = "tombstoned"
    """Closed, with a replacement that does not exist."""
    CLAIMED = "claimed"
    """A room of Mallory's says that it replaces this one, which knows nothing of it."""


@dataclass(frozen=True)
class Space:
    """One Space, of the bot's or of its owner's own making."""

    owner: int
    mark: Mark = Mark.GOOD
    high_water: int | None = None
    by_bot: bool = True
    members: tuple[int, ...] = ()
    """People in it besides the owner, who is left out where their own index is named."""
    version: str = "12"
    fates: tuple[Fate, ...] = ()


@dataclass(frozen=True)
class Room:
    """One room. `space` is a position among the Spaces, `number` the n of its chat id."""

    space: int
    mark: Mark = Mark.GOOD
    number: int = 1
    conversation: str | None = None
    archived: bool = False
    lost_space: bool = False
    """The marker names a Space that does not exist."""
    link: Link = Link.CHILD
    by_bot: bool = True
    name: str | None = None
    members: tuple[int, ...] = ()
    version: str = "12"
    fates: tuple[Fate, ...] = ()


@dataclass(frozen=True)
class World:
    """Everything on the server, in the order in which it came to be."""

    spaces: tuple[Space, ...]
    rooms: tuple[Room, ...]


_versions = st.sampled_from(["12", "11", "10"])
_members = st.lists(st.integers(0, len(PEOPLE) - 1), max_size=2, unique=True).map(tuple)
_anything = st.sampled_from([(fate,) for fate in Fate]) | st.lists(
    st.sampled_from([Fate.UPGRADED, Fate.UPGRADED_AWAY, Fate.LEFT, Fate.TOMBSTONED]), max_size=3
).map(tuple)
_numbered = st.sampled_from([None, "Chat 1", "Chat 2", "Чат 3", "Chat 7"])
_odd_names = st.sampled_from(["Trip", "Chat 0", "chat 4", "Chat 05", "Chat 1000000", " Chat 6"])
_odd_names |= st.sampled_from(["<b>Chat 1</b>", "Chat\n1", "🦊", "x" * 10_000, "\u200b"])
_odd_names |= st.just("Chat 5\u202eevil\u202c")

_owner = st.integers(0, len(OWNERS) - 1)
_high_water = st.none() | st.integers(1, 9)
_usual_spaces = st.builds(Space, owner=_owner, high_water=_high_water, version=_versions)
_legacy_spaces = st.builds(Space, owner=_owner, mark=st.just(Mark.NONE), version=_versions)
_odd_spaces = st.builds(
    Space,
    owner=_owner,
    mark=st.sampled_from(Mark),
    high_water=_high_water,
    by_bot=st.booleans(),
    members=_members,
    version=_versions,
    fates=_anything,
)

_position = st.integers(0, 3)
_number = st.integers(1, 7)
_conversation = st.none() | st.sampled_from(["p-1", "p-2"])
_usual_rooms = st.builds(
    Room,
    space=_position,
    number=_number,
    conversation=_conversation,
    archived=st.booleans(),
    name=_numbered | _odd_names,
    version=_versions,
)
_upgraded_rooms = st.builds(
    Room,
    space=_position,
    number=_number,
    conversation=_conversation,
    fates=st.lists(st.just(Fate.UPGRADED), min_size=1, max_size=2).map(tuple),
)
_legacy_rooms = st.builds(
    Room,
    space=_position,
    mark=st.just(Mark.NONE),
    link=st.sampled_from([Link.CHILD, Link.PARENT, Link.BOTH]),
    name=_numbered | _odd_names,
    version=_versions,
)
_odd_rooms = st.builds(
    Room,
    space=_position,
    mark=st.sampled_from(Mark),
    number=_number,
    conversation=_conversation,
    archived=st.booleans(),
    lost_space=st.booleans(),
    link=st.sampled_from(Link),
    by_bot=st.booleans(),
    name=_numbered | _odd_names,
    members=_members,
    version=_versions,
    fates=_anything,
)

# Mostly what the bot has made, so that there are rows to damage; among it all that is odd.
spaces = st.one_of(_usual_spaces, _usual_spaces, _legacy_spaces, _odd_spaces)
rooms = st.one_of(_usual_rooms, _usual_rooms, _legacy_rooms, _upgraded_rooms, _odd_rooms)
worlds = st.builds(
    World,
    spaces=st.lists(spaces, min_size=1, max_size=4).map(tuple),
    rooms=st.lists(rooms, max_size=8).map(tuple),
)
