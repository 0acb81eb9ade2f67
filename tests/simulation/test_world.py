"""What people and clients find in the simulated world when nothing goes wrong."""

import random

import pytest

from actors.model import Invite, OutboundMessage, RoomId, UserId
from actors.port_errors import HomeserverRefused
from tests.simulation.events import MALFORMED
from tests.simulation.people import Person
from tests.simulation.server import SimulatedServer
from tests.simulation.stage import ALICE, BOT, SPACE, Stage, simulate


def test_every_write_is_recorded_with_what_it_added() -> None:
    async def play(stage: Stage) -> None:
        stage.server.writes.clear()
        room_id = await stage.bot.create_room(SPACE)
        await stage.bot.set_name(room_id, SPACE.name)
        await stage.bot.send(OutboundMessage("t", room_id, "hi"))
        with pytest.raises(HomeserverRefused):
            await stage.bot.join(RoomId("!nowhere"))
        assert [
            (write.action, write.room_id, write.events, write.refused)
            for write in stage.server.writes
        ] == [
            ("create_room", room_id, 6, False),
            ("set_name", room_id, 0, False),
            ("send", room_id, 1, False),
            ("join", "!nowhere", 0, True),
        ]

    simulate(play)


def test_a_malformed_message_is_counted_and_skipped() -> None:
    async def play(stage: Stage) -> None:
        position = (await stage.bot.hydrate()).position
        stage.alice.send_raw(stage.room_id, MALFORMED)
        stage.alice.say(stage.room_id, "hi")
        delta = await stage.bot.sync(position, 30)
        assert delta.malformed == 1
        assert [message.body for message in delta.rooms[0].messages] == ["hi"]

    simulate(play)


def test_a_rescinded_invite_is_left_and_a_ban_keeps_us_out() -> None:
    async def play(stage: Stage) -> None:
        position = (await stage.bot.hydrate()).position
        room_id = stage.alice.direct_chat_with(BOT)
        delta = await stage.bot.sync(position, 30)
        assert delta.invites == (Invite(room_id, ALICE),)
        stage.alice.kick(room_id, BOT)
        assert (await stage.bot.sync(delta.next_batch, 30)).left == (room_id,)
        stage.alice.ban(room_id, BOT)
        with pytest.raises(HomeserverRefused):
            stage.alice.invite(room_id, BOT)
        with pytest.raises(HomeserverRefused):
            await stage.bot.join(room_id)

    simulate(play)


def test_the_owner_of_a_room_may_rename_it_and_a_guest_may_not() -> None:
    async def play(stage: Stage) -> None:
        room_id = await stage.bot.create_room(SPACE)
        bob = Person(stage.server, UserId("@bob:sim.test"))
        for person in (stage.alice, bob):
            await stage.bot.invite(room_id, person.user_id)
            assert person.join_all() == (room_id,)
        stage.alice.rename(room_id, "Mine")
        with pytest.raises(HomeserverRefused):
            bob.rename(room_id, "Bob's")
        stage.server.grant(room_id, bob.user_id, 50)
        bob.rename(room_id, "Bob's")
        assert (await stage.bot.read_room(room_id)).name == "Bob's"

    simulate(play)


def test_an_upgraded_space_keeps_its_name_and_children_but_no_marker() -> None:
    async def play(stage: Stage) -> None:
        stage.server.room_version = "10"
        space_id = await stage.bot.create_room(SPACE)
        chat_id = await stage.bot.create_room(SPACE)
        await stage.bot.link(space_id, chat_id)
        await stage.bot.invite(space_id, ALICE)
        stage.alice.join(space_id)
        with pytest.raises(HomeserverRefused):
            stage.alice.upgrade(space_id)
        stage.server.grant(space_id, ALICE, 100)
        replacement = stage.alice.upgrade(space_id, version="11")
        stage.alice.invite(replacement, BOT)
        await stage.bot.join(replacement)
        room = await stage.bot.read_room(replacement)
        assert (room.name, room.children, room.is_space) == ("Alice", frozenset({chat_id}), True)
        assert (room.marker, room.creator, room.room_version) == (None, ALICE, "11")
        assert replacement.endswith(":sim.test")
        await stage.bot.write_marker(replacement, SPACE.marker)

    simulate(play)


def test_a_world_can_be_built_before_any_loop_runs() -> None:
    server = SimulatedServer(random.Random(3))  # noqa: S311 - no secret
    alice = Person(server, ALICE)
    room_id = alice.create_room("Early")
    alice.say(room_id, "hi")
    assert alice.messages(room_id) == ((ALICE, "hi"),)


def test_what_an_earlier_bot_left_behind_can_be_made_by_hand() -> None:
    async def play(stage: Stage) -> None:
        former = Person(stage.server, BOT)
        space_id = former.create_room("Alice", is_space=True)
        chat_id = former.create_room("Chat 1", version="10")
        former.set_child(space_id, chat_id)
        former.set_parent(chat_id, space_id)
        chat, space = await stage.bot.read_room(chat_id), await stage.bot.read_room(space_id)
        assert (space.children, chat.parents) == (frozenset({chat_id}), frozenset({space_id}))
        assert (chat.marker, chat.creator, chat.room_version) == (None, BOT, "10")
        former.unset_child(space_id, chat_id)
        former.write_marker(chat_id, {"version": 99})
        assert (await stage.bot.read_room(space_id)).children == frozenset()
        assert (await stage.bot.read_room(chat_id)).marker_fault

    simulate(play)


def test_a_forgotten_room_is_not_mentioned_any_more() -> None:
    async def play(stage: Stage) -> None:
        position = (await stage.bot.hydrate()).position
        await stage.bot.leave(stage.room_id)
        assert (await stage.bot.sync(position, 30)).left == (stage.room_id,)
        await stage.bot.forget(stage.room_id)
        assert (await stage.bot.sync(position, 30)).left == ()

    simulate(play)


def test_what_is_said_after_we_left_is_not_heard() -> None:
    async def play(stage: Stage) -> None:
        await stage.bot.leave(stage.room_id)
        position = (await stage.bot.hydrate()).position
        stage.alice.say(stage.room_id, "gone?")
        delta = await stage.bot.sync(position, 30)
        assert (delta.rooms, delta.left) == ((), ())

    simulate(play)


def test_a_guest_can_neither_remove_people_nor_close_the_room() -> None:
    async def play(stage: Stage) -> None:
        guest = Person(stage.server, BOT)
        with pytest.raises(HomeserverRefused):
            guest.kick(stage.room_id, ALICE)
        with pytest.raises(HomeserverRefused):
            guest.upgrade(stage.room_id)
        with pytest.raises(HomeserverRefused):
            guest.leave(RoomId("!nowhere"))
        assert stage.server.creations[BOT] == 0

    simulate(play)


def test_the_texts_of_others_are_replies() -> None:
    async def play(stage: Stage) -> None:
        stage.alice.say(stage.room_id, "hi")
        await stage.bot.send(OutboundMessage("t", stage.room_id, "hello"))
        assert stage.alice.replies(stage.room_id) == ("hello",)

    simulate(play)


def test_a_gap_with_a_bad_token_is_refused() -> None:
    async def play(stage: Stage) -> None:
        with pytest.raises(HomeserverRefused, match="M_INVALID_PARAM"):
            await stage.bot.messages_before(stage.room_id, "rubbish", stop_at="s1_0", limit=5)

    simulate(play)


def test_only_the_server_can_take_the_bot_out_of_its_own_rooms() -> None:
    async def play(stage: Stage) -> None:
        room_id = await stage.bot.create_room(SPACE)
        await stage.bot.invite(room_id, ALICE)
        stage.alice.join(room_id)
        position = (await stage.bot.hydrate()).position
        with pytest.raises(HomeserverRefused):
            stage.alice.kick(room_id, BOT)
        stage.server.evict(room_id, BOT)
        assert (await stage.bot.sync(position, 30)).left == (room_id,)

    simulate(play)


def test_nobody_but_the_bot_talks_in_a_space() -> None:
    async def play(stage: Stage) -> None:
        space_id = await stage.bot.create_room(SPACE)
        await stage.bot.invite(space_id, ALICE)
        stage.alice.join(space_id)
        with pytest.raises(HomeserverRefused):
            stage.alice.say(space_id, "hi")

    simulate(play)
