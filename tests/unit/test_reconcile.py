"""The odd and the hostile: what real servers hold, and what comes of it in the cache."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

import pytest
from typing_extensions import override

from actors.chats import ChatManager
from actors.model import MARKER_TYPE, ChatId, Marker, PlatformChatId, RoomId, RoomKind, UserId
from actors.port_errors import HomeserverUnavailable
from actors.ports import Hydration
from actors.rows import user_key
from actors.rules.marker import marker_content
from actors.rules.report import ReconcileReport, RoomNote
from actors.writes import JsonObject, PutRow
from adapter.matrix.reconcile import reconcile_matrix_state, reconcile_single_room
from adapter.sqlite.inline import InlineStore
from tests.loops import BOTH_LOOPS
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.people import Person
from tests.simulation.server import SimulatedServer

pytestmark = pytest.mark.anyio

BOT = UserId("@bot:sim.test")
ALICE, BOB, MALLORY = (UserId(f"@{name}:sim.test") for name in ("alice", "bob", "mallory"))


@pytest.fixture(params=BOTH_LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Stage:
    """A homeserver with the bot and some people, and a cache."""

    server: SimulatedServer = field(default_factory=lambda: SimulatedServer(Random(1)))  # noqa: S311
    store: InlineStore = field(default_factory=InlineStore)
    client_type: type[SimulatedHomeserver] = SimulatedHomeserver

    @property
    def bot(self) -> Person:
        return Person(self.server, BOT)

    def person(self, user_id: UserId) -> Person:
        return Person(self.server, user_id)

    def space(self, owner: UserId = ALICE, *, marked: bool = True, version: str = "12") -> RoomId:
        """A Space with its owner in it."""
        space_id = self.bot.create_room("Chats", is_space=True, version=version)
        if marked:
            self.mark(space_id, Marker(RoomKind.SPACE, owner, next_chat_index=1))
        self.bring(space_id, owner)
        return space_id

    def chat(
        self, space_id: RoomId, number: int | None, owner: UserId = ALICE, name: str = "Trip"
    ) -> RoomId:
        """A chat in a Space, with its owner in it; a legacy one without a number."""
        room_id = self.bot.create_room(name)
        self.bot.set_child(space_id, room_id)
        self.bring(room_id, owner)
        if number is not None:
            self.mark(room_id, chat_marker(space_id, number, owner))
        return room_id

    def mark(self, room_id: RoomId, marker: Marker) -> None:
        self.bot.write_marker(room_id, marker_content(marker))

    def bring(self, room_id: RoomId, *users: UserId) -> None:
        for user in users:
            self.bot.invite(room_id, user)
            self.person(user).join(room_id)

    async def client(self) -> SimulatedHomeserver:
        client = self.client_type(self.server, BOT)
        await client.log_in()
        return client

    async def reconcile(self) -> ReconcileReport:
        client = await self.client()
        return await reconcile_matrix_state(client, self.store, ChatManager(self.store))

    async def repair(self, room_id: RoomId, owner: UserId = ALICE) -> ReconcileReport:
        client = await self.client()
        chats = ChatManager(self.store)
        return await reconcile_single_room(client, self.store, chats, room_id, owner)

    async def rows(self) -> Mapping[str, JsonObject | None]:
        return await self.store.rows("")

    async def chat_rows(self) -> dict[str, object]:
        """Room by key of each chat."""
        rows = await self.store.rows("chat:")
        return {key.removeprefix("chat:"): row and row["surface_ref"] for key, row in rows.items()}


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.store.close()


def chat_marker(space_id: RoomId, number: int, owner: UserId = ALICE) -> Marker:
    return Marker(
        RoomKind.CHAT,
        owner,
        chat_id=ChatId(f"C{number}"),
        space_id=space_id,
        platform_chat_id=PlatformChatId(f"p-{number}"),
    )


def by_room(notes: list[RoomNote]) -> dict[str, str]:
    return {note["room_id"]: note["reason"] for note in notes}


class OneRoomRaises(SimulatedHomeserver):
    """The first room's name is something that no code here can expect."""

    @override
    async def hydrate(self) -> Hydration:
        hydration = await super().hydrate()
        first, *others = hydration.snapshots
        broken = replace(first, name=cast("str", 7))
        return replace(hydration, snapshots=(broken, *others))


# ---------------------------------------------------------------- reasons that state cannot tell


async def test_left_is_a_room_that_we_are_not_in_any_more(stage: Stage) -> None:
    space_id = stage.space()
    room_id = stage.chat(space_id, 1)
    await stage.reconcile()
    before = await stage.rows()
    stage.bot.leave(room_id)
    report = await stage.repair(room_id)
    assert by_room(report["skipped_rooms"]) == {room_id: "left"}
    assert await stage.rows() == before


async def test_unreadable_is_a_room_whose_state_the_server_would_not_tell(stage: Stage) -> None:
    space_id = stage.space()
    hidden, shown = stage.chat(space_id, 1), stage.chat(space_id, 2)
    await stage.reconcile()
    before = await stage.rows()
    stage.server.unreadable[hidden] = "500"
    report = await stage.reconcile()
    assert report["conflicts"] == [{"room_id": hidden, "reason": "unreadable", "detail": "500"}]
    assert report["joined_rooms"] == 3
    assert await stage.rows() == before
    assert shown not in by_room(report["conflicts"])


async def test_failed_is_a_room_whose_handling_raised_and_it_stops_no_other(stage: Stage) -> None:
    stage.client_type = OneRoomRaises
    first = stage.space()
    room_id = stage.chat(stage.space(BOB), 1, BOB)
    report = await stage.reconcile()
    assert by_room(report["conflicts"]) == {first: "failed"}
    assert await stage.chat_rows() == {f"{BOB}:C1": room_id}


async def test_a_refusal_alone_does_not_say_that_we_have_left(stage: Stage) -> None:
    room_id = stage.chat(stage.space(), 1)
    client = await stage.client()
    client.faults.next("read_room", Fault.REFUSED, room_id=room_id)
    with pytest.raises(HomeserverUnavailable):
        await reconcile_single_room(client, stage.store, ChatManager(stage.store), room_id, ALICE)


# ---------------------------------------------------------------- forgery


async def test_a_marker_under_somebody_elses_key_is_no_marker(stage: Stage) -> None:
    space_id = stage.space()
    mallory = stage.person(MALLORY)
    theirs = mallory.direct_chat_with(BOT)
    stage.bot.join(theirs)
    content = marker_content(chat_marker(space_id, 1, MALLORY))
    mallory.write_marker(theirs, content)
    mallory.write_marker(theirs, content, key="")
    mallory.set_child(mallory.create_room(is_space=True), theirs)
    report = await stage.reconcile()
    assert by_room(report["skipped_rooms"]) == {theirs: "direct_chat"}
    assert await stage.chat_rows() == {}


async def test_a_marker_of_ours_cannot_be_written_by_the_rooms_admin(stage: Stage) -> None:
    room_id = stage.chat(stage.space(), 1)
    stage.server.grant(room_id, ALICE, 100)
    with pytest.raises(Exception, match="others state"):
        stage.server.set_state(ALICE, room_id, MARKER_TYPE, {}, BOT)


async def test_a_room_that_claims_to_replace_a_chat_takes_nothing_over(stage: Stage) -> None:
    room_id = stage.chat(stage.space(), 1)
    mallory = stage.person(MALLORY)
    claimant = mallory.create_room("Trip", predecessor=room_id)
    mallory.invite(claimant, BOT)
    stage.bot.join(claimant)
    report = await stage.reconcile()
    assert by_room(report["skipped_rooms"]) == {claimant: "direct_chat"}
    assert await stage.chat_rows() == {f"{ALICE}:C1": room_id}


# ---------------------------------------------------------------- Spaces


async def test_a_space_of_the_owners_that_holds_foreign_rooms_lends_them_nothing(
    stage: Stage,
) -> None:
    space_id = stage.space()
    bob = stage.person(BOB)
    foreign = bob.create_room("Chat 1")
    bob.invite(foreign, BOT)
    stage.bot.join(foreign)
    stage.bot.set_child(space_id, foreign)
    report = await stage.reconcile()
    assert by_room(report["skipped_rooms"]) == {foreign: "direct_chat"}
    assert await stage.chat_rows() == {}


async def test_somebodys_own_space_that_we_were_invited_to_is_theirs(stage: Stage) -> None:
    alice = stage.person(ALICE)
    space_id = alice.create_room("Home", is_space=True)
    alice.invite(space_id, BOT)
    stage.bot.join(space_id)
    room_id = stage.bot.create_room("Chat 1")
    stage.bot.set_parent(room_id, space_id)
    report = await stage.reconcile()
    assert by_room(report["skipped_rooms"]) == {space_id: "foreign_space", room_id: "unlinked"}
    assert await stage.rows() == {}


async def test_of_two_spaces_of_one_owner_the_first_stays_theirs(stage: Stage) -> None:
    first, second = stage.space(), stage.space()
    in_first, in_second = stage.chat(first, 1), stage.chat(second, 2)
    report = await stage.reconcile()
    assert by_room(report["conflicts"]) == {second: "duplicate_space"}
    assert await stage.chat_rows() == {f"{ALICE}:C1": in_first, f"{ALICE}:C2": in_second}
    assert (await stage.rows())[f"matrix_user:{ALICE}"] == {
        "space_id": first,
        "next_chat_index": 3,
    }


async def test_a_legacy_space_stays_its_owners_of_record_when_only_somebody_else_is_in_it(
    stage: Stage,
) -> None:
    space_id = stage.space(BOB, marked=False)
    row: JsonObject = {"space_id": space_id, "next_chat_index": 1}
    await stage.store.commit([PutRow(f"matrix_user:{ALICE}", row)])
    await stage.reconcile()
    assert {key for key in await stage.rows() if key.startswith("matrix_user:")} == {
        f"matrix_user:{ALICE}"
    }


async def test_a_room_taken_out_of_its_space_is_unlinked(stage: Stage) -> None:
    space_id = stage.space(marked=False)
    room_id = stage.chat(space_id, None)
    stage.bot.unset_child(space_id, room_id)
    report = await stage.reconcile()
    assert by_room(report["skipped_rooms"]) == {room_id: "unlinked"}


async def test_a_chat_whose_space_is_gone_is_left_alone_and_keeps_its_number(stage: Stage) -> None:
    old, space_id = stage.space(), stage.space()
    orphan = stage.chat(old, 7)
    legacy = stage.chat(space_id, None)
    stage.bot.leave(old)
    report = await stage.reconcile()
    assert by_room(report["conflicts"]) == {orphan: "marker_space_mismatch"}
    assert await stage.chat_rows() == {f"{ALICE}:C8": legacy}


# ---------------------------------------------------------------- chats


async def test_of_two_markers_for_one_chat_the_older_room_keeps_it(stage: Stage) -> None:
    space_id = stage.space()
    older, younger = stage.chat(space_id, 1), stage.chat(space_id, 1)
    report = await stage.reconcile()
    assert by_room(report["conflicts"]) == {younger: "chat_id_contested"}
    assert await stage.chat_rows() == {f"{ALICE}:C1": older, f"{ALICE}:C2": younger}


async def test_a_chat_where_the_bot_is_alone_is_still_a_chat(stage: Stage) -> None:
    room_id = stage.chat(stage.space(), 1)
    stage.person(ALICE).leave(room_id)
    await stage.reconcile()
    assert await stage.chat_rows() == {f"{ALICE}:C1": room_id}


async def test_300_members_in_a_linked_room_change_nothing(stage: Stage) -> None:
    space_id = stage.space()
    crowded = stage.chat(space_id, 1)
    stage.bring(crowded, *(UserId(f"@guest{n}:sim.test") for n in range(300)))
    await stage.reconcile()
    assert await stage.chat_rows() == {f"{ALICE}:C1": crowded}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<b>Chat</b> & *co*", "<b>Chat</b> & *co*"),
        ("Chat\n1\r\n\ttoo", "Chat 1 too"),
        ("\u202eChat 1\u202c", "Chat 1"),
        ("👩\u200d👧 Trip", "👩\u200d👧 Trip"),
        ("x" * 10_240, "x" * 255),
        ("\u200b \n", "Chat 3"),
    ],
    ids=["markup", "newlines", "right to left", "emoji", "10 KB", "nothing visible"],
)
async def test_a_name_is_kept_on_one_line_and_never_decides(
    stage: Stage, name: str, shown: str
) -> None:
    room_id = stage.chat(stage.space(), 3, name=name)
    await stage.reconcile()
    rows = await stage.rows()
    room, chat = rows[f"matrix_room:{room_id}"], rows[f"chat:{ALICE}:C3"]
    assert room is not None
    assert chat is not None
    assert (room["display_name"], chat["name"]) == (shown, shown)


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_room_ids_with_and_without_a_server_part_are_all_the_same(
    stage: Stage, version: str
) -> None:
    stage.server.room_version = version
    space_id = stage.space(version=version)
    room_id = stage.chat(space_id, 1)
    assert (":" in room_id) == (version != "12")
    report = await stage.reconcile()
    assert report["changes"] == 4
    assert (await stage.reconcile())["changes"] == 0


# ---------------------------------------------------------------- upgrades


def upgraded(stage: Stage, room_id: RoomId, *, version: str = "12") -> RoomId:
    """The owner upgrades a room and the bot follows. Nobody writes a marker."""
    alice = stage.person(ALICE)
    if stage.server.room(room_id).creator != ALICE:
        stage.server.grant(room_id, ALICE, 100)
    replacement = alice.upgrade(room_id, version=version)
    alice.invite(replacement, BOT)
    stage.bot.join(replacement)
    return replacement


async def test_a_chain_of_two_upgrades_ends_in_the_same_chat(stage: Stage) -> None:
    stage.server.room_version = "10"
    old = stage.chat(stage.space(version="10"), 4)
    middle = upgraded(stage, old, version="11")
    new = upgraded(stage, middle, version="12")
    report = await stage.reconcile()
    assert by_room(report["skipped_rooms"]) == {old: "replaced", middle: "replaced"}
    rows = await stage.rows()
    room = rows[f"matrix_room:{new}"]
    assert room is not None
    assert (room["chat_id"], room["platform_chat_id"]) == ("C4", "p-4")
    assert await stage.chat_rows() == {f"{ALICE}:C4": new}


async def test_the_rows_of_a_replaced_room_move_to_its_replacement(stage: Stage) -> None:
    old = stage.chat(stage.space(), 4)
    await stage.reconcile()
    new = upgraded(stage, old)
    await stage.reconcile()
    assert await stage.chat_rows() == {f"{ALICE}:C4": new}
    assert f"matrix_room:{old}" not in await stage.rows()


async def test_the_chats_of_an_upgraded_space_move_with_it(stage: Stage) -> None:
    space_id = stage.space()
    room_id = stage.chat(space_id, 1)
    new = upgraded(stage, space_id)
    await stage.reconcile()
    rows = await stage.rows()
    user, room = rows[f"matrix_user:{ALICE}"], rows[f"matrix_room:{room_id}"]
    assert user is not None
    assert room is not None
    assert (user["space_id"], room["space_id"]) == (new, new)


# ---------------------------------------------------------------- one room alone


async def test_one_room_is_restored_from_its_state_and_its_spaces(stage: Stage) -> None:
    room_id = stage.chat(stage.space(), 3)
    report = await stage.repair(room_id)
    restored = {key: report[key] for key in ("restored_user_meta", "restored_chat_rows")}
    assert restored == {"restored_user_meta": 1, "restored_chat_rows": 1}
    assert await stage.chat_rows() == {f"{ALICE}:C3": room_id}
    assert (await stage.repair(room_id))["changes"] == 0


async def test_a_store_that_is_not_the_chat_managers_is_refused(stage: Stage) -> None:
    client, other = await stage.client(), InlineStore()
    with pytest.raises(ValueError, match="another store"):
        await reconcile_matrix_state(client, stage.store, ChatManager(other))
    other.close()


async def test_a_space_that_cannot_be_read_costs_its_owner_no_row(stage: Stage) -> None:
    space_id = stage.space()
    stage.chat(space_id, 1)
    await stage.reconcile()
    before = await stage.rows()
    stage.server.unreadable[space_id] = "500"
    await stage.reconcile()
    assert await stage.rows() == before


async def test_a_space_that_cannot_be_read_costs_its_legacy_chats_no_row(stage: Stage) -> None:
    space_id = stage.space()
    stage.chat(space_id, None)
    await stage.reconcile()
    before = await stage.rows()
    stage.server.unreadable[space_id] = "500"
    await stage.reconcile()
    assert await stage.rows() == before


async def test_a_number_stays_taken_while_its_room_cannot_be_read(stage: Stage) -> None:
    space_id = stage.space()
    last = stage.chat(space_id, 5)
    await stage.reconcile()
    before = await stage.rows()
    stage.server.unreadable[last] = "500"
    await stage.reconcile()
    assert await stage.rows() == before


async def test_a_second_space_takes_no_ones_place_that_cannot_be_read(stage: Stage) -> None:
    first = stage.space()
    stage.space()
    await stage.reconcile()
    before = await stage.rows()
    stage.server.unreadable[first] = "500"
    await stage.reconcile()
    assert await stage.rows() == before


async def test_a_chat_row_that_names_another_room_is_rebuilt_from_its_room_alone(
    stage: Stage,
) -> None:
    room_id = stage.chat(stage.space(), 1)
    await stage.reconcile()
    before = await stage.rows()
    key = f"chat:{ALICE}:C1"
    await stage.store.commit([PutRow(key, {**(before[key] or {}), "surface_ref": "!wrong"})])
    report = await stage.repair(room_id)
    assert report["repaired_chat_rows"] == 1
    assert await stage.rows() == before


async def test_a_server_name_that_begins_like_another_shares_no_chats(stage: Stage) -> None:
    chats = ChatManager(stage.store)
    with_port = UserId(f"{ALICE}:8448")
    await chats.get_or_create(with_port, ChatId("C7"), "matrix", RoomId("!a"), "secret")
    await chats.get_or_create(ALICE, ChatId("C1"), "matrix", RoomId("!b"), "mine")
    assert [chat.name for chat in await chats.list_all(ALICE)] == ["mine"]
    assert [chat.name for chat in await chats.list_active(with_port)] == ["secret"]


async def test_the_row_of_an_owner_who_has_no_space_any_more_is_counted(stage: Stage) -> None:
    space_id = stage.space()
    stage.chat(space_id, 1)
    await stage.reconcile()
    stage.bot.leave(space_id)
    report = await stage.reconcile()
    assert user_key(ALICE) not in await stage.rows()
    assert (report["removed_rows"], report["changes"]) == (1, 1)


async def test_an_upgraded_chat_keeps_its_place_among_those_with_the_same_number(
    stage: Stage,
) -> None:
    space_id = stage.space()
    older, younger = stage.chat(space_id, 2), stage.chat(space_id, 2)
    await stage.reconcile()
    replacement = stage.bot.upgrade(older)
    stage.bring(replacement, ALICE)
    await stage.reconcile()
    assert await stage.chat_rows() == {f"{ALICE}:C2": replacement, f"{ALICE}:C3": younger}
