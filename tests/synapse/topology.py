"""Rooms of every kind, built over HTTP by the bot's account and by people; no code of the bot's.

For each room it is written down what a reconciliation must make of it:
`space`, `C4`, `skipped: unlinked`, `conflict: owner_ambiguous`, `C5, conflict: chat_id_contested`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio
import pytest

from demo.client import Json, Refused
from demo.person import Person
from tests.synapse.home import MARKER

HERE: Final = {"via": ["localhost"]}
SPACE_TYPE: Final = {"type": "m.space"}

HOSTILE_NAMES: Final = (
    "<script>alert('C7')</script> & [bold](javascript:x)",
    "two\nlines\tand a tab",
    "\u202eright to left\u202c \u200fmark",
    "🐈‍⬛ cat 🧶",
    "ten kilobytes " * 700,
    " ",
)

NewPerson: TypeAlias = Callable[[str], Awaitable[Person]]


@dataclass(slots=True)
class Topology:
    """What has been built. `me` is the bot's account, used without the bot."""

    me: Person
    expected: dict[str, str] = field(default_factory=dict)
    """By room id; only rooms that the bot's account has joined."""
    next_indexes: dict[str, int] = field(default_factory=dict)
    """By user id; only owners who have a Space."""
    spaces: dict[str, str] = field(default_factory=dict)
    """By user id, too."""
    unmarked: set[str] = field(default_factory=set)
    """Owners of chats without a marker: of these the rows may say what no room says."""
    tenants: list[tuple[Person, str]] = field(default_factory=list)
    """Owners who are in a chat of theirs."""
    labels: dict[str, str] = field(default_factory=dict)
    """What a room is about, for whoever reads a failure."""

    def expect(self, room_id: str, outcome: str, label: str) -> str:
        self.expected[room_id] = outcome
        self.labels[room_id] = label
        return room_id

    def expect_owner(self, owner: Person, space: str, next_index: int) -> None:
        self.spaces[owner.user_id] = space
        self.next_indexes[owner.user_id] = next_index

    # ------------------------------------------------------------ rooms of ours

    async def space(
        self,
        owner: Person,
        *,
        marked: bool = True,
        version: str = "12",
        high_water: int = 1,
        outcome: str = "space",
        label: str = "a Space",
        **options: object,
    ) -> str:
        marker = {"kind": "space", "owner": owner.user_id, "next_chat_index": high_water}
        room = await self.me.create_room(
            name=f"Chats of {owner.user_id}",
            room_version=version,
            creation_content=SPACE_TYPE,
            initial_state=[self.marker(marker)] if marked else [],
            **{"invite": [owner.user_id], **options},
        )
        return self.expect(room, outcome, label)

    async def chat(
        self,
        space: str,
        owner: Person,
        outcome: str,
        label: str = "a chat",
        *,
        chat_id: str | None = None,
        archived: bool = False,
        platform_chat_id: str | None = "a conversation",
        version: str = "12",
        child: Json | None = HERE,
        parent: bool = True,
        **options: object,
    ) -> str:
        """A room that its Space lists by the content `child`. Marked, if it has a chat id."""
        state: list[Json] = []
        if chat_id is not None:
            content: Json = {"kind": "chat", "owner": owner.user_id, "chat_id": chat_id}
            content |= {"space_id": space, "archived": archived}
            content |= (
                {"platform_chat_id": f"{platform_chat_id} {space}"} if platform_chat_id else {}
            )
            state.append(self.marker(content))
        if parent:
            state.append({"type": "m.space.parent", "state_key": space, "content": HERE})
        room = await self.me.create_room(
            room_version=version,
            initial_state=state,
            **{"invite": [owner.user_id], **options},
        )
        if child is not None:
            await self.me.set_state(space, "m.space.child", child, room)
        if chat_id is None:
            self.unmarked.add(owner.user_id)
        return self.expect(room, outcome, label)

    def marker(self, content: Json) -> Json:
        """A marker as an event of a room's initial state."""
        content = {"version": 1, **content}
        return {"type": MARKER, "state_key": self.me.user_id, "content": content}

    async def upgraded(
        self, room: str, version: str, outcome: str, label: str, *, by: Person | None = None
    ) -> str:
        """The room's replacement, which has no marker. One that a person makes invites us."""
        replacement = await (by or self.me).upgrade_room(room, version)
        if by is not None:
            await by.invite(replacement, self.me.user_id)
            await self.me.join(replacement)
        self.expect(room, "skipped: replaced", f"{label}, before its upgrade")
        return self.expect(replacement, outcome, label)

    # ------------------------------------------------------------ other people's rooms

    async def visited(self, host: Person, outcome: str, label: str, **options: object) -> str:
        """A room of somebody else's that we were invited to, and have joined."""
        invited = [self.me.user_id, *options.pop("guests", ())]  # type: ignore[misc]
        room = await host.create_room(invite=invited, **options)
        await self.me.join(room)
        return self.expect(room, outcome, label)


async def build(me: Person, new_person: NewPerson) -> Topology:
    """Everything at once, each owner's rooms for themselves."""
    topology = Topology(me)
    owners = [await new_person(name) for name in NAMES_OF_OWNERS]
    async with anyio.create_task_group() as side_by_side:
        for kind, owner in zip(KINDS, owners, strict=False):
            side_by_side.start_soon(kind, topology, owner)
        mallory, victim, carol = owners[-3:]
        side_by_side.start_soon(spaces_of_many, topology, mallory, victim, carol)
        side_by_side.start_soon(forgeries, topology, mallory, victim)
    return topology


async def marked(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner, high_water=9)
    for chat_id, version in (("C1", "10"), ("C2", "11"), ("C5", "12")):
        chat = await topology.chat(space, owner, chat_id, chat_id=chat_id, version=version)
        await owner.join(chat)
        topology.tenants.append((owner, chat))
    await topology.chat(space, owner, "C6", "archived", chat_id="C6", archived=True)
    await topology.chat(
        space, owner, "C7", "without a platform chat id", chat_id="C7", platform_chat_id=None
    )
    await topology.chat(space, owner, "C8", "not listed", chat_id="C8", child=None)
    topology.expect_owner(owner, space, 9)


async def legacy(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner, marked=False, version="10", label="a legacy Space")
    chat = topology.chat
    await chat(space, owner, "C4", "a default name", name="Chat 4", version="10", parent=False)
    await chat(space, owner, "C2", "a Russian default name", name="Чат 2", version="11")
    await chat(space, owner, "C10", "renamed", name="Holiday plans")
    await chat(space, owner, "C11", "its name is taken by an older one", name="Chat 4")
    await chat(space, owner, "C9", "listed in the room alone", name="Chat 9", child=None)
    await chat(space, owner, "C12", "a name that is nearly a default one", name="Chat 04")
    await chat(
        space, owner, "skipped: unlinked", "an empty via", name="Chat 3", child={}, parent=False
    )
    await chat(
        space, owner, "skipped: unlinked", "via is [])", name="C", child={"via": []}, parent=False
    )
    topology.expect_owner(owner, space, 13)


async def upgraded(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner, version="10")
    room = await topology.chat(space, owner, "", chat_id="C1", version="10")
    for version in ("11", "12"):
        room = await topology.upgraded(room, version, "C1", f"upgraded to {version}")
    by_owner = await topology.chat(
        space,
        owner,
        "",
        chat_id="C2",
        version="10",
        power_level_content_override={"users": {topology.me.user_id: 100, owner.user_id: 100}},
    )
    await owner.join(by_owner)
    await topology.upgraded(by_owner, "12", "C2", "upgraded by its owner", by=owner)
    marked_anew = await topology.chat(space, owner, "", chat_id="C3", version="11")
    replacement = await topology.upgraded(marked_anew, "12", "C3", "upgraded and marked")
    content = topology.marker({"kind": "chat", "owner": owner.user_id, "chat_id": "C3"})["content"]
    content |= {"space_id": space, "platform_chat_id": "carried on"}
    await topology.me.set_state(replacement, MARKER, content, topology.me.user_id)
    new_space = await topology.upgraded(space, "12", "space", "an upgraded Space")
    topology.expect_owner(owner, new_space, 4)


async def upgraded_legacy(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner, marked=False, version="10")
    await topology.chat(space, owner, "C1", name="Chat 1")
    room = await topology.chat(space, owner, "", name="Chat 2", version="10", parent=False)
    between = await topology.upgraded(room, "11", "", "upgraded before it had a marker")
    await topology.upgraded(between, "12", "C2", "upgraded twice before it had a marker")
    topology.expect_owner(owner, space, 3)


async def contested(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner)
    chat = topology.chat
    await chat(space, owner, "C1", "claimed it first", chat_id="C1", version="10")
    younger = "C4, conflict: chat_id_contested"
    await chat(space, owner, younger, "claims C1 too", chat_id="C1")
    await chat(space, owner, "C3", chat_id="C3")
    topology.expect_owner(owner, space, 5)


async def two_spaces(topology: Topology, owner: Person) -> None:
    older = await topology.space(owner, version="11")
    younger = await topology.space(owner, outcome="conflict: duplicate_space")
    await topology.chat(older, owner, "C1", chat_id="C1")
    await topology.chat(younger, owner, "C2", "in the younger Space", chat_id="C2")
    topology.expect_owner(owner, older, 3)


async def space_gone(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner)
    conflict = "conflict: marker_space_mismatch"
    await topology.chat(space, owner, conflict, "its Space is gone", chat_id="C3")
    await topology.chat(space, owner, "skipped: unlinked", "a legacy one", name="Chat 1")
    await topology.me.leave(space)
    del topology.expected[space]


async def hostile_names(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner)
    for number, name in enumerate(HOSTILE_NAMES, 1):
        await topology.chat(
            space, owner, f"C{number}", repr(name[:20]), chat_id=f"C{number}", name=name
        )
    await topology.chat(space, owner, "C7", repr(HOSTILE_NAMES[0]), name=HOSTILE_NAMES[0])
    topology.expect_owner(owner, space, 8)


async def faulty_markers(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner)
    await topology.chat(space, owner, "C1", chat_id="C1")
    for chat_id in ("C-1", "C99999999999", "c4", "C01", "", 4):
        unreadable = "conflict: marker_unreadable"
        await topology.chat(space, owner, unreadable, f"{chat_id!r}", chat_id=chat_id)  # type: ignore[arg-type]
    for content in ({"version": 2}, {"kind": "chat", "owner": "nobody"}, {"kind": ["space"]}):
        room = await topology.me.create_room(initial_state=[topology.marker(content)])
        topology.expect(room, "conflict: marker_unreadable", str(content))
    space_marker = topology.marker({"kind": "space", "owner": owner.user_id})
    room = await topology.me.create_room(initial_state=[space_marker])
    topology.expect(room, "conflict: marker_kind_mismatch", "no Space, says that it is one")
    topology.expect_owner(owner, space, 2)


async def visited(topology: Topology, owner: Person) -> None:
    space = await topology.space(owner)
    await topology.chat(space, owner, "C1", chat_id="C1")
    door = await topology.visited(owner, "skipped: direct_chat", "a direct chat", is_direct=True)
    await topology.visited(owner, "skipped: direct_chat", "called like a chat", name="Chat 2")
    deserted = await topology.visited(owner, "skipped: direct_chat", "its host has left")
    await owner.leave(deserted)
    foreign = await topology.visited(
        owner, "skipped: foreign_space", "somebody's own Space", creation_content=SPACE_TYPE
    )
    await topology.me.set_state(space, "m.space.child", HERE, door)
    orphan = await topology.me.create_room(name="Chat 3")
    topology.expect(orphan, "skipped: unlinked", "ours, listed in a foreign Space")
    await owner.set_state(foreign, "m.space.child", HERE, orphan)
    topology.expect_owner(owner, space, 2)


async def spaces_of_many(topology: Topology, alice: Person, bob: Person, carol: Person) -> None:
    ambiguous = "conflict: owner_ambiguous"
    shared = await topology.space(
        alice, marked=False, outcome=ambiguous, invite=[alice.user_id, bob.user_id]
    )
    await topology.chat(shared, alice, ambiguous, "in a Space of several", name="Chat 1")
    empty = await topology.space(alice, marked=False, outcome=ambiguous, invite=[])
    await topology.chat(empty, alice, ambiguous, "in a Space of nobody", name="Chat 1")
    space = await topology.space(carol, invite=[])
    await topology.chat(space, carol, "C1", "the bot is alone", chat_id="C1", invite=[])
    guests = [alice.user_id, bob.user_id]
    crowded = await topology.chat(space, carol, "C2", "people were invited", chat_id="C2")
    for guest in guests:
        await topology.me.invite(crowded, guest)
    await topology.visited(
        carol, "skipped: not_created_by_us", "a group", name="Chat 3", guests=[alice.user_id]
    )
    topology.expect_owner(carol, space, 3)


async def forgeries(topology: Topology, mallory: Person, victim: Person) -> None:
    """The victim's rooms stay the victim's, whatever another person writes into their own."""
    me = topology.me
    space = await topology.space(victim)
    chat = await topology.chat(
        space,
        victim,
        "C1",
        chat_id="C1",
        version="11",
        power_level_content_override={"users": {me.user_id: 100, mallory.user_id: 100}},
    )
    claim = {"version": 1, "kind": "chat", "owner": mallory.user_id, "chat_id": "C1"}
    claim |= {"space_id": space, "platform_chat_id": "stolen"}
    await me.invite(chat, mallory.user_id)
    await mallory.join(chat)
    await must_be_refused(mallory.set_state(chat, MARKER, claim, me.user_id))
    forged = {"type": MARKER, "content": claim}
    for key in (mallory.user_id, ""):
        await mallory.set_state(chat, MARKER, claim, key)
        await topology.visited(
            mallory,
            "skipped: direct_chat",
            f"a marker under {key!r}",
            initial_state=[{**forged, "state_key": key}],
        )
    heir = await topology.visited(
        mallory,
        "skipped: direct_chat",
        "calls itself the replacement",
        room_version="11",
        creation_content={"predecessor": {"room_id": chat, "event_id": "$none"}},
    )
    await mallory.set_state(heir, "m.space.parent", HERE, space)
    stranger = await topology.visited(mallory, "skipped: direct_chat", "named by a tombstone")
    tombstone = {"body": "moved", "replacement_room": stranger}
    await mallory.set_state(chat, "m.room.tombstone", tombstone)
    other = await topology.space(mallory)
    await topology.chat(
        other, victim, "conflict: marker_space_mismatch", "another's Space", chat_id="C2"
    )
    topology.expect_owner(victim, space, 3)
    topology.expect_owner(mallory, other, 1)


async def must_be_refused(request: Awaitable[object]) -> None:
    with pytest.raises(Refused) as refusal:
        await request
    assert refusal.value.status == 403


KINDS: Final = (
    marked,
    legacy,
    upgraded,
    upgraded_legacy,
    contested,
    two_spaces,
    space_gone,
    hostile_names,
    faulty_markers,
    visited,
)
NAMES_OF_OWNERS: Final = (*(kind.__name__ for kind in KINDS), "mallory", "victim", "carol")
