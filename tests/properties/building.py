"""A recipe made into rooms on the simulated server, and what must be so whatever recovery does."""

import random
import re
from dataclasses import dataclass, field, replace
from typing import Final

from actors.model import MARKER_TYPE, ChatId, Marker, PlatformChatId, RoomId, RoomKind, UserId
from actors.rules.marker import marker_content
from tests.properties.worlds import (
    BOT,
    MALLORY,
    OWNERS,
    PEOPLE,
    Fate,
    Link,
    Mark,
    Room,
    Space,
    World,
)
from tests.simulation.people import Person
from tests.simulation.server import SimulatedServer

NOWHERE: Final = RoomId("!nowhere")
"""A room that does not exist."""

DEFAULT_NAME: Final = re.compile("(?:Chat|Чат) ([1-9][0-9]{0,5})")


@dataclass
class Built:
    """A server with a world on it, and what its rooms say, by the recipe.

    A marker counts for the room that carries it and for every replacement, as far as the bot is in
    all of them.
    """

    server: SimulatedServer
    markers: dict[RoomId, Marker] = field(default_factory=dict)
    names: dict[RoomId, str] = field(default_factory=dict)

    @property
    def bot(self) -> Person:
        """What acts under the bot's user id."""
        return Person(self.server, BOT)

    def joined(self) -> set[RoomId]:
        """The rooms that the bot is in."""
        return {room.room_id for room in self.server.rooms_of(BOT, "join")}

    def implied_chat_id(self, room_id: RoomId) -> ChatId | None:
        """The chat id that the room itself claims, by its marker or else by its name."""
        if room_id in self.markers:
            return self.markers[room_id].chat_id
        found = DEFAULT_NAME.fullmatch(self.names.get(room_id, ""))
        return ChatId(f"C{found[1]}") if found else None

    def joined_markers(self) -> list[Marker]:
        """What the markers in joined rooms say."""
        joined = self.joined()
        return [marker for room_id, marker in self.markers.items() if room_id in joined]


def build(world: World) -> Built:
    """Make the rooms of a recipe."""
    built = Built(SimulatedServer(random.Random(0)))  # noqa: S311 - no secret
    spaces = [_build_space(built, space) for space in world.spaces]
    for room in world.rooms:
        _build_room(built, world, spaces, room)
    for recipe, space_id in zip(world.spaces, spaces, strict=True):
        _meet_fate(built, space_id, recipe.fates)
    return built


def _build_space(built: Built, recipe: Space) -> RoomId:
    owner = OWNERS[recipe.owner]
    creator = BOT if recipe.by_bot else owner
    space_id = _create(built, creator, owner, recipe.members, recipe.version, is_space=True)
    good = Marker(RoomKind.SPACE, owner, next_chat_index=recipe.high_water)
    other = Marker(RoomKind.CHAT, owner, chat_id=ChatId("C9"), space_id=NOWHERE)
    _mark(built, space_id, recipe.mark, good, other)
    return space_id


def _build_room(built: Built, world: World, spaces: list[RoomId], recipe: Room) -> None:
    position = recipe.space % len(spaces)
    space_id, owner = spaces[position], OWNERS[world.spaces[position].owner]
    creator = BOT if recipe.by_bot else owner
    room_id = _create(built, creator, owner, recipe.members, recipe.version)
    if recipe.name is not None:
        Person(built.server, creator).rename(room_id, recipe.name)
        built.names[room_id] = recipe.name
    good = Marker(
        RoomKind.CHAT,
        owner,
        chat_id=ChatId(f"C{recipe.number}"),
        space_id=NOWHERE if recipe.lost_space else space_id,
        platform_chat_id=PlatformChatId(recipe.conversation) if recipe.conversation else None,
        archived=recipe.archived,
    )
    _mark(built, room_id, recipe.mark, good, Marker(RoomKind.SPACE, owner, next_chat_index=3))
    _link(built, space_id, room_id, recipe.link)
    _meet_fate(built, room_id, recipe.fates)


def _create(
    built: Built,
    creator: UserId,
    owner: UserId,
    members: tuple[int, ...],
    version: str,
    *,
    is_space: bool = False,
) -> RoomId:
    """A room with the bot in it. Naming the owner among the members leaves them out."""
    server = built.server
    room_id = server.create_room(creator, is_space=is_space, version=version)
    named = {PEOPLE[member] for member in members}
    inside = sorted(({owner} ^ named) | {BOT} | ({creator} - {BOT}))
    for user in inside:
        if user != creator:
            server.set_membership(creator, room_id, user, "invite")
            Person(server, user).join(room_id)
    if creator != BOT:
        server.grant(room_id, BOT, 50)
    return room_id


def _mark(built: Built, room_id: RoomId, mark: Mark, good: Marker, other: Marker) -> None:
    match mark:
        case Mark.NONE:
            pass
        case Mark.GOOD:
            _write_marker(built, room_id, good)
        case Mark.OTHER_KIND:
            _write_marker(built, room_id, other)
        case Mark.OTHER_OWNER:
            _write_marker(built, room_id, replace(good, owner=MALLORY))
        case Mark.UNREADABLE:
            built.bot.write_marker(room_id, marker_content(good) | {"version": 2})
        case Mark.REMOVED:
            built.bot.write_marker(room_id, {})
        case Mark.FORGED:
            _forge(built, room_id, good)


def _write_marker(built: Built, room_id: RoomId, marker: Marker) -> None:
    built.bot.write_marker(room_id, marker_content(marker))
    built.markers[room_id] = marker


def _forge(built: Built, room_id: RoomId, marker: Marker) -> None:
    """A member with all the power there is writes what the bot would have written."""
    server = built.server
    for user in server.room(room_id).members("join"):
        if user != BOT:
            server.grant(room_id, user, 100)
            Person(server, user).write_marker(room_id, marker_content(marker))
            server.set_state(user, room_id, MARKER_TYPE, marker_content(marker))


def _link(built: Built, space_id: RoomId, room_id: RoomId, link: Link) -> None:
    bot = built.bot
    if link in {Link.CHILD, Link.BOTH, Link.EMPTY_VIA}:
        bot.set_child(space_id, room_id)
    if link is Link.EMPTY_VIA:
        bot.unset_child(space_id, room_id)
    if link in {Link.PARENT, Link.BOTH}:
        bot.set_parent(room_id, space_id)


def _meet_fate(built: Built, room_id: RoomId, fates: tuple[Fate, ...]) -> None:
    for fate in fates:
        match fate:
            case Fate.KEPT:
                pass
            case Fate.LEFT:
                built.bot.leave(room_id)
                return
            case Fate.KICKED:
                built.server.evict(room_id, BOT)
                return
            case Fate.TOMBSTONED:
                _as_administrator(built, room_id).set_tombstone(room_id, NOWHERE)
                return
            case Fate.CLAIMED:
                _claim(built, room_id)
            case Fate.UPGRADED | Fate.UPGRADED_UNSEEN | Fate.UPGRADED_AWAY:
                replacement = _upgrade(built, room_id)
                if fate is Fate.UPGRADED_UNSEEN:
                    return
                _move(built, room_id, replacement, stay=fate is Fate.UPGRADED)
                room_id = replacement


def _as_administrator(built: Built, room_id: RoomId) -> Person:
    """The bot, given all the power in a room that it did not create."""
    room = built.server.room(room_id)
    if room.creator != BOT:
        built.server.grant(room_id, BOT, 100)
    return built.bot


def _upgrade(built: Built, room_id: RoomId) -> RoomId:
    """Somebody in the room upgrades it, if anybody else is there."""
    room = built.server.room(room_id)
    others = [user for user in room.members("join") if user != BOT]
    if not others:
        replacement = _as_administrator(built, room_id).upgrade(room_id)
    else:
        if others[0] != room.creator:
            built.server.grant(room_id, others[0], 100)
        replacement = Person(built.server, others[0]).upgrade(room_id)
    return replacement


def _move(built: Built, room_id: RoomId, replacement: RoomId, *, stay: bool) -> None:
    """Take the bot to a replacement, where nobody has written a marker."""
    creator = built.server.room(replacement).creator
    if creator != BOT:
        Person(built.server, creator).invite(replacement, BOT)
        built.bot.join(replacement)
    if room_id in built.names:
        built.names[replacement] = built.names[room_id]
    if not stay:
        built.bot.leave(room_id)
    elif room_id in built.markers:
        built.markers[replacement] = built.markers[room_id]


def _claim(built: Built, room_id: RoomId) -> None:
    """Mallory says that a room of theirs replaces this one, and gets the bot into it."""
    mallory = Person(built.server, MALLORY)
    replacement = mallory.create_room(
        "Chat 1", is_space=built.server.room(room_id).is_space, predecessor=room_id
    )
    mallory.invite(replacement, BOT)
    built.bot.join(replacement)
