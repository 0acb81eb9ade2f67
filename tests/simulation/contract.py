"""The contract of the `Homeserver` port, as tests that run over every implementation.

A test module defines the fixture `world` and inherits the classes. The tests do not know whether
the homeserver is simulated.
"""

from dataclasses import replace

import anyio
import pytest

from actors.model import (
    DEFAULT_CHAT_SETTINGS,
    MARKER_TYPE,
    SETTINGS_TYPE,
    ChatSettings,
    EventId,
    Generation,
    Invite,
    OutboundMessage,
    RoomId,
    SharedFile,
    SpaceSettings,
    UserId,
)
from actors.platform import File
from actors.port_errors import HomeserverRefused, PositionLost
from tests.pictures import png, size_of
from tests.simulation.contract_world import (
    World,
    bodies,
    chat_for,
    come_back,
    gap_since,
    hear_until,
    of_room,
    says,
    shared_room,
    space_for,
    sync_until,
)
from tests.simulation.media import content_of


@pytest.mark.anyio
class SessionContract:
    async def test_logging_in_again_resumes_and_a_probe_succeeds(self, world: World) -> None:
        assert await world.homeserver.log_in()
        await world.homeserver.probe()

    async def test_closing_never_raises(self, world: World) -> None:
        await world.homeserver.close()
        await world.homeserver.close()


@pytest.mark.anyio
class ReadingContract:
    async def test_a_created_space_reads_as_it_was_ordered(self, world: World) -> None:
        order = space_for(world)
        room_id = await world.homeserver.create_room(order)
        room = await world.homeserver.read_room(room_id)
        assert (room.room_id, room.creator, room.is_space) == (room_id, world.homeserver.me, True)
        assert (room.name, room.marker, room.marker_fault) == (order.name, order.marker, None)
        assert room.created_ts > 0
        assert not room.tombstoned

    async def test_creating_invites_nobody(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        room = await world.homeserver.read_room(room_id)
        assert (room.others, room.member_count) == ((), 1)

    async def test_a_created_chat_is_no_space_and_carries_its_marker(self, world: World) -> None:
        space_id = await world.homeserver.create_room(space_for(world))
        order = chat_for(world, space_id)
        room = await world.homeserver.read_room(await world.homeserver.create_room(order))
        assert (room.is_space, room.marker, room.name) == (False, order.marker, order.name)

    async def test_a_hydration_holds_every_joined_room_as_read_room_reads_it(
        self, world: World
    ) -> None:
        space_id = await world.homeserver.create_room(space_for(world))
        chat_id = await world.homeserver.create_room(chat_for(world, space_id))
        await world.homeserver.link(space_id, chat_id)
        hydration = await world.homeserver.hydrate()
        assert not hydration.unreadable
        read = {room.room_id: room for room in hydration.snapshots}
        assert set(read) == {space_id, chat_id} == await world.homeserver.joined_rooms()
        for room_id, room in read.items():
            assert room == await world.homeserver.read_room(room_id)

    async def test_a_linked_room_is_a_child_until_its_via_is_empty(self, world: World) -> None:
        space_id = await world.homeserver.create_room(space_for(world))
        chat_id = await world.homeserver.create_room(chat_for(world, space_id))
        await world.homeserver.link(space_id, chat_id, "000001")
        seen = await world.homeserver.read_room(space_id)
        assert seen.children == {chat_id}
        assert seen.is_ordered
        await world.homeserver.link(space_id, chat_id)
        assert not (await world.homeserver.read_room(space_id)).is_ordered
        await world.bot.write_state(space_id, "m.space.child", chat_id, {})
        assert (await world.homeserver.read_room(space_id)).children == frozenset()

    async def test_only_parents_that_we_sent_count(self, world: World) -> None:
        room_id = await world.alice.create_room("Hello")
        await world.alice.invite(room_id, world.homeserver.me)
        await world.homeserver.join(room_id)
        space_id = await world.homeserver.create_room(space_for(world))
        via = {"via": ["localhost"]}
        await world.alice.write_state(room_id, "m.space.parent", space_id, via)
        assert (await world.homeserver.read_room(room_id)).parents == frozenset()
        ours = await world.bot.create_room("Old")
        await world.bot.write_state(ours, "m.space.parent", space_id, via)
        assert (await world.homeserver.read_room(ours)).parents == {space_id}

    async def test_a_rewritten_marker_and_name_are_read_back(self, world: World) -> None:
        order = space_for(world)
        room_id = await world.homeserver.create_room(order)
        marker = replace(order.marker, next_chat_index=7)
        await world.homeserver.write_marker(room_id, marker)
        await world.homeserver.set_name(room_id, "Another name")
        room = await world.homeserver.read_room(room_id)
        assert (room.marker, room.name) == (marker, "Another name")

    async def test_a_marker_of_somebody_else_is_none(self, world: World) -> None:
        room_id = await shared_room(world)
        forged = {"version": 1, "kind": "space", "owner": world.alice.user_id}
        await world.alice.write_state(room_id, MARKER_TYPE, world.alice.user_id, forged)
        await world.alice.write_state(room_id, MARKER_TYPE, "", forged)
        room = await world.homeserver.read_room(room_id)
        assert (room.marker, room.marker_fault) == (None, None)

    async def test_nobody_else_can_write_under_our_key(self, world: World) -> None:
        room_id = await shared_room(world)
        with pytest.raises(HomeserverRefused) as caught:
            await world.alice.write_state(room_id, MARKER_TYPE, world.homeserver.me, {})
        assert caught.value.status == 403

    async def test_an_unreadable_marker_of_ours_is_a_fault(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.bot.write_state(room_id, MARKER_TYPE, world.homeserver.me, {"version": 1})
        room = await world.homeserver.read_room(room_id)
        assert room.marker is None
        assert room.marker_fault

    async def test_a_removed_marker_is_none_and_no_fault(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.bot.write_state(room_id, MARKER_TYPE, world.homeserver.me, {})
        room = await world.homeserver.read_room(room_id)
        assert (room.marker, room.marker_fault) == (None, None)

    async def test_the_owner_may_rename_but_not_mark(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.invite(room_id, world.alice.user_id)
        await world.alice.join(room_id)
        await world.alice.write_state(room_id, "m.room.name", "", {"name": "Mine"})
        assert (await world.homeserver.read_room(room_id)).name == "Mine"
        with pytest.raises(HomeserverRefused):
            await world.alice.write_state(room_id, MARKER_TYPE, world.alice.user_id, {})

    async def test_members_are_counted_joined_or_invited(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.invite(room_id, world.alice.user_id)
        room = await world.homeserver.read_room(room_id)
        assert (room.others, room.member_count) == ((world.alice.user_id,), 2)
        await world.alice.leave(room_id)
        room = await world.homeserver.read_room(room_id)
        assert (room.others, room.member_count) == ((), 1)

    async def test_a_removed_name_is_none(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.bot.write_state(room_id, "m.room.name", "", {"name": ""})
        assert (await world.homeserver.read_room(room_id)).name is None

    async def test_the_text_of_a_message_is_the_latest_one(self, world: World) -> None:
        room_id = await shared_room(world)
        event_id = await world.alice.say(room_id, "helo")
        assert await world.homeserver.text_of(room_id, event_id) == "helo"
        await world.alice.edit(room_id, event_id, "hello")
        assert await world.homeserver.text_of(room_id, event_id) == "hello"

    async def test_our_own_messages_have_a_text_as_well(self, world: World) -> None:
        room_id = await shared_room(world)
        event_id = await world.homeserver.send(OutboundMessage("txn-1", room_id, "a\nb"))
        assert await world.homeserver.text_of(room_id, event_id) == "a\nb"

    async def test_a_message_of_another_room_has_no_text_here(self, world: World) -> None:
        room_id, other = await shared_room(world), await shared_room(world)
        event_id = await world.alice.say(other, "secret")
        for unknown in (event_id, EventId("$unheard-of"), EventId("$a/../b?c#d")):
            with pytest.raises(HomeserverRefused):
                await world.homeserver.text_of(room_id, unknown)

    async def test_a_room_is_encrypted_once_its_state_says_so(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        assert not (await world.homeserver.read_room(room_id)).encrypted
        algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
        await world.bot.write_state(room_id, "m.room.encryption", "", algorithm)
        assert (await world.homeserver.read_room(room_id)).encrypted
        (seen,) = (await world.homeserver.hydrate()).snapshots
        assert seen.encrypted

    async def test_a_stock_homeserver_encrypts_no_rooms(self, world: World) -> None:
        assert not await world.homeserver.encrypts_new_rooms()

    async def test_invited_members_are_told_from_joined_ones(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.invite(room_id, world.alice.user_id)
        assert (await world.homeserver.read_room(room_id)).invited == {world.alice.user_id}
        await world.alice.join(room_id)
        assert (await world.homeserver.read_room(room_id)).invited == frozenset()

    async def test_an_account_that_may_write_is_told_so_and_nothing_is_written(
        self, world: World
    ) -> None:
        managed = await world.homeserver.create_room(space_for(world))
        for room_id in (managed, await shared_room(world)):
            position = (await world.homeserver.hydrate()).position
            await world.homeserver.try_writing(room_id)
            delta = await world.homeserver.sync(position, 0)
            assert delta.rooms == ()

    async def test_a_room_that_we_are_not_in_is_refused(self, world: World) -> None:
        room_id = await shared_room(world)
        await world.homeserver.leave(room_id)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.read_room(room_id)

    async def test_an_upgrade_is_seen_from_both_sides(self, world: World) -> None:
        room_id = await shared_room(world)
        replacement = await world.alice.upgrade(room_id)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.join(replacement)
        await world.alice.invite(replacement, world.homeserver.me)
        await world.homeserver.join(replacement)
        old = await world.homeserver.read_room(room_id)
        assert (old.tombstoned, old.replacement) == (True, replacement)
        new = await world.homeserver.read_room(replacement)
        assert (new.tombstoned, new.predecessor, new.marker) == (False, room_id, None)


@pytest.mark.anyio
class SettingsContract:
    async def test_settings_are_read_back_in_every_way_of_reading(self, world: World) -> None:
        settings = ChatSettings(
            model="small", system="Be brief.\n\nПо-русски 🙂", temperature=0.7, stream=False
        )
        room_id = await world.homeserver.create_room(chat_for(world, RoomId("!space")))
        contents = world.homeserver.contents
        assert await contents.settings_of(room_id) == DEFAULT_CHAT_SETTINGS
        assert (await world.homeserver.read_room(room_id)).settings is None
        await contents.write_settings(room_id, settings)
        assert await contents.settings_of(room_id) == settings
        assert (await world.homeserver.read_room(room_id)).settings == settings
        (seen,) = (await world.homeserver.hydrate()).snapshots
        assert seen.settings == settings

    async def test_settings_at_their_defaults_are_not_the_same_as_none(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.contents.write_settings(room_id, DEFAULT_CHAT_SETTINGS)
        assert (await world.homeserver.read_room(room_id)).settings == DEFAULT_CHAT_SETTINGS

    async def test_the_longest_settings_are_taken(self, world: World) -> None:
        settings = ChatSettings(model="m" * 200, system="🙂" * 8_000)
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.contents.write_settings(room_id, settings)
        assert await world.homeserver.contents.settings_of(room_id) == settings

    async def test_a_change_of_the_settings_comes_with_a_sync(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        position = (await world.homeserver.hydrate()).position
        await world.homeserver.contents.write_settings(room_id, ChatSettings(model="small"))
        delta = await sync_until(
            world.homeserver, position, lambda delta: any(it.state_changed for it in delta.rooms)
        )
        assert of_room(delta, room_id).state_changed

    async def test_the_settings_of_a_space_are_kept_in_the_space(self, world: World) -> None:
        space_id = await world.homeserver.create_room(space_for(world))
        contents = world.homeserver.contents
        assert await contents.space_settings_of(space_id) == SpaceSettings(follows_owner=True)
        settings = SpaceSettings(language="ru", follows_owner=True)
        await contents.write_space_settings(space_id, settings)
        assert (await world.homeserver.read_room(space_id)).space_settings == settings

    async def test_a_room_says_who_has_named_it_and_what_its_members_are_called(
        self, world: World
    ) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.invite(room_id, world.alice.user_id)
        await world.alice.join(room_id)
        seen = await world.homeserver.read_room(room_id)
        assert seen.own_name
        name = await world.homeserver.contents.name_of(room_id, world.alice.user_id)
        assert name == seen.names[world.alice.user_id]
        assert await world.homeserver.contents.name_of(room_id, UserId("@nobody:x")) == ""
        await world.alice.write_state(room_id, "m.room.name", "", {"name": "Mine"})
        assert not (await world.homeserver.read_room(room_id)).own_name

    async def test_another_account_cannot_write_settings(self, world: World) -> None:
        room_id = await shared_room(world)  # in a room of Alice's own, she may write any state
        me, alice = world.homeserver.me, world.alice
        forged: dict[str, object] = {"version": 1, "model": "forged"}
        with pytest.raises(HomeserverRefused) as caught:
            await alice.write_state(room_id, SETTINGS_TYPE, me, forged)
        assert caught.value.status == 403
        for key in ("", alice.user_id):
            await alice.write_state(room_id, SETTINGS_TYPE, key, forged)
        assert (await world.homeserver.read_room(room_id)).settings is None
        assert await world.homeserver.contents.settings_of(room_id) == DEFAULT_CHAT_SETTINGS

    async def test_settings_of_a_room_that_the_bot_is_not_in_are_refused(
        self, world: World
    ) -> None:
        room_id = await world.alice.create_room("Hello")
        with pytest.raises(HomeserverRefused):
            await world.homeserver.contents.settings_of(room_id)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.contents.write_settings(room_id, ChatSettings())


@pytest.mark.anyio
class SyncContract:
    async def test_a_sync_goes_on_from_the_hydration(self, world: World) -> None:
        room_id = await shared_room(world)
        await world.alice.say(room_id, "before")
        position = (await world.homeserver.hydrate()).position
        sent = await world.alice.say(room_id, "after")
        delta = await sync_until(world.homeserver, position, says("after"))
        (message,) = of_room(delta, room_id).messages
        assert (message.event_id, message.sender) == (sent, world.alice.user_id)
        assert (message.msgtype, message.is_edit) == ("m.text", False)
        assert message.sent_ts > 0

    async def test_what_was_said_is_not_said_again(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.say(room_id, "one")
        position = (await sync_until(world.homeserver, position, says("one"))).next_batch
        await world.alice.say(room_id, "two")
        assert await hear_until(world.homeserver, position, room_id, "two") == ["two"]

    async def test_a_waiting_sync_is_woken_by_a_message(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.alice.say, room_id, "wake up")
            assert await hear_until(world.homeserver, position, room_id, "wake up") == ["wake up"]

    async def test_a_sync_without_news_ends_empty(self, world: World) -> None:
        delta = await world.homeserver.sync((await world.homeserver.hydrate()).position, 0)
        assert (delta.rooms, delta.invites, delta.left) == ((), (), ())
        assert delta.next_batch

    async def test_an_unknown_position_is_lost(self, world: World) -> None:
        with pytest.raises(PositionLost):
            await world.homeserver.sync("no-such-position", 0)

    async def test_our_own_messages_are_not_heard(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.homeserver.send(OutboundMessage("txn-1", room_id, "mine"))
        await world.alice.say(room_id, "yours")
        assert await hear_until(world.homeserver, position, room_id, "yours") == ["yours"]

    async def test_what_our_own_messages_answer_is_told(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        question = await world.alice.say(room_id, "question")
        await world.homeserver.send(OutboundMessage(f"{question}.0", room_id, "answer"))
        await world.alice.say(room_id, "next")
        delta = await sync_until(world.homeserver, position, says("next"))
        assert of_room(delta, room_id).answered <= {question}
        gap = await world.homeserver.messages_before(
            room_id, delta.next_batch, stop_at=position, limit=100
        )
        assert gap.answered == {question}

    async def test_an_edit_is_marked_as_one(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        said = await world.alice.say(room_id, "helo")
        await world.alice.edit(room_id, said, "hello")
        delta = await sync_until(world.homeserver, position, says("* hello"))
        edit = of_room(delta, room_id).messages[-1]
        assert (edit.is_edit, edit.edits) == (True, said)

    async def test_a_message_in_a_thread_and_a_reply_are_told_as_such(self, world: World) -> None:
        room_id = await shared_room(world)
        root = await world.alice.say(room_id, "root")
        position = (await world.homeserver.hydrate()).position
        reply = {"m.in_reply_to": {"event_id": root}}
        thread = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, **reply}
        quote = f"> <{world.alice.user_id}> root\n\n"
        for body, relation in (("threaded", thread), (f"{quote}replied", reply)):
            content = {"msgtype": "m.text", "body": body, "m.relates_to": relation}
            await world.alice.write(room_id, content)
        await world.alice.say(room_id, "plain")
        upto = (await sync_until(world.homeserver, position, says("plain"))).next_batch
        gap = await world.homeserver.messages_before(room_id, upto, stop_at=position, limit=10)
        assert [(it.body, it.thread, it.reply_to, it.quoted) for it in gap.messages] == [
            ("threaded", root, None, ""),
            ("replied", None, root, "root"),
            ("plain", None, None, ""),
        ]

    async def test_a_renamed_room_has_changed_state(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.write_state(room_id, "m.room.name", "", {"name": "Renamed"})
        delta = await sync_until(world.homeserver, position, lambda delta: bool(delta.rooms))
        assert of_room(delta, room_id).state_changed
        assert (await world.homeserver.read_room(room_id)).name == "Renamed"

    async def test_a_plain_message_changes_no_state(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.say(room_id, "hi")
        delta = await sync_until(world.homeserver, position, says("hi"))
        assert not of_room(delta, room_id).state_changed

    async def test_a_limited_timeline_is_filled_from_its_gap(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        texts = [f"message {number}" for number in range(60)]
        for text in texts:
            await world.alice.say(room_id, text)
        delta = of_room(await world.homeserver.sync(position, 1), room_id)
        assert delta.gap_from is not None
        gap = await world.homeserver.messages_before(
            room_id, delta.gap_from, stop_at=position, limit=100
        )
        assert [message.body for message in gap.messages] + bodies(delta) == texts
        assert not gap.rejoined

    async def test_what_a_sync_told_is_read_again_up_to_its_position(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        for text in ("one", "two"):
            await world.alice.say(room_id, text)
        upto = (await sync_until(world.homeserver, position, says("two"))).next_batch
        await world.alice.say(room_id, "three")
        told = await world.homeserver.messages_before(room_id, upto, stop_at=position, limit=100)
        assert [message.body for message in told.messages] == ["one", "two"]

    async def test_a_gap_is_read_backwards_up_to_its_limit(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        for number in range(60):
            await world.alice.say(room_id, f"message {number}")
        delta = of_room(await world.homeserver.sync(position, 1), room_id)
        assert delta.gap_from is not None
        newest = await world.homeserver.messages_before(
            room_id, delta.gap_from, stop_at=position, limit=3
        )
        missing = 60 - len(delta.messages)
        assert [message.body for message in newest.messages] == [
            f"message {number}" for number in range(missing - 3, missing)
        ]

    async def test_a_gap_is_read_in_pieces_and_each_piece_again(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        texts = [f"message {number}" for number in range(60)]
        for text in texts:
            await world.alice.say(room_id, text)
        upto = (await world.homeserver.sync(position, 1)).next_batch
        tokens: list[str] = []
        start: str | None = upto
        while start is not None:
            tokens.append(start)
            piece = await world.homeserver.messages_before(
                room_id, start, stop_at=position, limit=25
            )
            assert len(piece.messages) <= 25
            start = piece.start
        assert len(tokens) >= 3
        again = [
            await world.homeserver.messages_before(room_id, token, stop_at=position, limit=25)
            for token in reversed(tokens)
        ]
        assert [message.body for piece in again for message in piece.messages] == texts

    async def test_a_gap_with_a_return_says_where_the_stay_begins(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.say(room_id, "before")
        await come_back(world, room_id, "meanwhile")
        upto = (await world.homeserver.sync(position, 1)).next_batch
        gap = await world.homeserver.messages_before(room_id, upto, stop_at=position, limit=100)
        assert gap.rejoined
        assert gap.start is None
        assert gap.begins is not None
        stay = await world.homeserver.messages_before(room_id, upto, stop_at=gap.begins, limit=100)
        assert [message.body for message in stay.messages] == ["after"]
        assert not stay.rejoined

    async def test_what_was_said_is_read_back_page_by_page(self, world: World) -> None:
        room_id = await shared_room(world)
        question = await world.alice.say(room_id, "question")
        await world.homeserver.send(OutboundMessage(f"{question}.0", room_id, "answer"))
        texts = [f"message {number}" for number in range(120)]
        for text in texts:
            await world.alice.say(room_id, text)
        position = (await world.homeserver.hydrate()).position
        await world.alice.say(room_id, "later")
        token, pages = position, []
        while token:
            page = await world.homeserver.recent(room_id, token)
            pages.append(page)
            token = page.earlier or ""
        said = [it and it.body for page in pages for it in page.said]
        assert said == [*reversed(texts), None, "question"]
        assert frozenset().union(*(page.answered for page in pages)) == {question}
        assert len(pages) > 1

    async def test_what_was_said_before_our_join_is_not_read(self, world: World) -> None:
        room_id = await shared_room(world)
        await world.alice.say(room_id, "before")
        await come_back(world, room_id, "meanwhile")
        position = (await world.homeserver.hydrate()).position
        page = await world.homeserver.recent(room_id, position)
        assert [it and it.body for it in page.said] == ["after"]
        assert page.earlier is None

    async def test_events_are_there_or_not(self, world: World) -> None:
        room_id = await shared_room(world)
        event_id = await world.alice.say(room_id, "hi")
        assert await world.homeserver.has_event(room_id, event_id)
        unknown = EventId("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        assert not await world.homeserver.has_event(room_id, unknown)

    async def test_who_left_and_came_back_hears_what_was_said_since(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.say(room_id, "before")
        await come_back(world, room_id, "meanwhile")
        gap = await gap_since(world, position, room_id)
        assert [message.body for message in gap.messages] == ["after"]
        assert gap.rejoined

    @pytest.mark.parametrize(
        ("meanwhile", "since_then"),
        [
            (60, 0),
            pytest.param(1, 60, marks=pytest.mark.slow),
            pytest.param(60, 60, marks=pytest.mark.slow),
        ],
    )
    async def test_a_return_behind_more_than_a_sync_tells_is_found(
        self, world: World, meanwhile: int, since_then: int
    ) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.say(room_id, "before")
        await come_back(world, room_id, *[f"meanwhile {number}" for number in range(meanwhile)])
        texts = [f"later {number}" for number in range(since_then)]
        for text in texts:
            await world.alice.say(room_id, text)
        delta = of_room(await world.homeserver.sync(position, 1), room_id)
        gap = await gap_since(world, position, room_id)
        told = [message.body for message in gap.messages] + bodies(delta)
        assert told == ["after", *texts]
        assert gap.rejoined

    @pytest.mark.parametrize("meanwhile", [0, 60])
    async def test_a_departure_that_was_told_before_is_not_told_again(
        self, world: World, meanwhile: int
    ) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.bot.leave(room_id)
        delta = await sync_until(world.homeserver, position, lambda delta: bool(delta.left))
        await come_back(world, room_id, *[f"meanwhile {number}" for number in range(meanwhile)])
        gap = await gap_since(world, delta.next_batch, room_id)
        assert [message.body for message in gap.messages] == ["after"]
        assert not gap.rejoined

    async def test_an_invite_comes_once_and_in_every_hydration(self, world: World) -> None:
        position = (await world.homeserver.hydrate()).position
        room_id = await world.alice.create_room("Hello")
        await world.alice.invite(room_id, world.homeserver.me)
        delta = await sync_until(world.homeserver, position, lambda delta: bool(delta.invites))
        invite = Invite(room_id, world.alice.user_id)
        assert delta.invites == (invite,)
        assert (await world.homeserver.sync(delta.next_batch, 0)).invites == ()
        for _ in range(2):
            assert (await world.homeserver.hydrate()).invites == (invite,)

    async def test_the_inviter_is_found_in_a_room_that_we_have_joined(self, world: World) -> None:
        room_id = await world.alice.create_room("Hello")
        await world.alice.invite(room_id, world.homeserver.me)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.inviter_of(room_id)
        await world.homeserver.join(room_id)
        assert await world.homeserver.inviter_of(room_id) == world.alice.user_id
        own = await world.homeserver.create_room(space_for(world))
        assert await world.homeserver.inviter_of(own) is None
        assert not await world.homeserver.is_server_notices(room_id)

    async def test_a_room_that_we_are_removed_from_is_left(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        await world.alice.kick(room_id, world.homeserver.me)
        delta = await sync_until(world.homeserver, position, lambda delta: bool(delta.left))
        assert delta.left == (room_id,)
        assert room_id not in await world.homeserver.joined_rooms()


@pytest.mark.anyio
class WritingContract:
    async def test_a_repeated_transaction_is_sent_once(self, world: World) -> None:
        room_id = await shared_room(world)
        message = OutboundMessage("txn-1", room_id, "once")
        sent = await world.homeserver.send(message)
        assert await world.homeserver.send(message) == sent
        assert await world.alice.history(room_id) == [("m.text", "once")]

    async def test_a_transaction_stays_repeated_after_a_new_login(self, world: World) -> None:
        room_id = await shared_room(world)
        message = OutboundMessage("txn-1", room_id, "once")
        sent = await world.homeserver.send(message)
        successor = await world.same_device()
        await successor.log_in()
        assert await successor.send(message) == sent

    @pytest.mark.parametrize(("words", "is_cut"), [(12_000, False), (15_000, True)])
    async def test_a_message_that_is_too_large_is_sent_plain_or_cut(
        self, world: World, *, words: int, is_cut: bool
    ) -> None:
        room_id = await shared_room(world)
        body = "word " * words
        message = OutboundMessage("txn-1", room_id, body, html=body)
        await world.homeserver.send(message)
        ((_, said),) = await world.alice.history(room_id)
        assert said.startswith("word word")
        assert said.endswith("[…]") == is_cut
        assert (said == body) != is_cut

    async def test_a_message_is_sent_into_its_thread(self, world: World) -> None:
        room_id = await shared_room(world)
        root = await world.alice.say(room_id, "root")
        message = OutboundMessage("txn-1", room_id, "hi", thread=root, reply_to=root)
        assert await world.homeserver.send(message) == await world.homeserver.send(message)
        assert await world.alice.history(room_id) == [("m.text", "root"), ("m.text", "hi")]

    async def test_a_notice_is_sent_as_one(self, world: World) -> None:
        room_id = await shared_room(world)
        await world.homeserver.send(OutboundMessage("txn-1", room_id, "note", notice=True))
        assert await world.alice.history(room_id) == [("m.notice", "note")]

    async def test_members_of_a_room_that_is_let_in_join_without_an_invite(
        self, world: World
    ) -> None:
        door = await shared_room(world)
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.let_in(await world.homeserver.read_room(room_id), frozenset({door}))
        seen = await world.homeserver.read_room(room_id)
        assert seen.admits == {door}
        assert seen.own_entry
        await world.alice.join(room_id)
        await world.homeserver.let_in(seen, frozenset())
        assert (await world.homeserver.read_room(room_id)).admits == frozenset()

    async def test_a_member_of_the_space_joins_a_created_chat_without_an_invite(
        self, world: World
    ) -> None:
        space_id = await world.homeserver.create_room(space_for(world))
        chat_id = await world.homeserver.create_room(chat_for(world, space_id))
        seen = await world.homeserver.read_room(chat_id)
        assert seen.admits == {space_id}
        assert seen.own_entry
        with pytest.raises(Exception, match="403"):
            await world.alice.join(chat_id)
        await world.homeserver.invite(space_id, world.alice.user_id)
        await world.alice.join(space_id)
        await world.alice.join(chat_id)
        assert world.alice.user_id in (await world.homeserver.read_room(chat_id)).others

    async def test_nobody_else_is_let_in(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.let_in(await world.homeserver.read_room(room_id), frozenset())
        with pytest.raises(Exception, match="403"):
            await world.alice.join(room_id)

    async def test_inviting_somebody_who_is_here_is_no_error(self, world: World) -> None:
        room_id = await world.homeserver.create_room(space_for(world))
        await world.homeserver.invite(room_id, world.alice.user_id)
        await world.homeserver.invite(room_id, world.alice.user_id)
        await world.alice.join(room_id)
        await world.homeserver.invite(room_id, world.alice.user_id)
        assert (await world.homeserver.read_room(room_id)).member_count == 2

    async def test_leaving_rejects_an_invite(self, world: World) -> None:
        room_id = await world.alice.create_room("Hello")
        await world.alice.invite(room_id, world.homeserver.me)
        await world.homeserver.leave(room_id)
        assert (await world.homeserver.hydrate()).invites == ()

    async def test_a_room_can_be_forgotten_once_it_is_left(self, world: World) -> None:
        room_id = await shared_room(world)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.forget(room_id)
        await world.homeserver.leave(room_id)
        await world.homeserver.forget(room_id)
        assert await world.homeserver.joined_rooms() == frozenset()

    async def test_a_strange_room_takes_nothing_from_us(self, world: World) -> None:
        room_id = await world.alice.create_room("Private")
        with pytest.raises(HomeserverRefused):
            await world.homeserver.send(OutboundMessage("txn-1", room_id, "hi"))
        with pytest.raises(HomeserverRefused):
            await world.homeserver.set_name(room_id, "Ours")
        with pytest.raises(HomeserverRefused):
            await world.homeserver.join(room_id)

    async def test_without_power_no_state_is_written(self, world: World) -> None:
        room_id = await shared_room(world)
        with pytest.raises(HomeserverRefused):
            await world.homeserver.write_marker(room_id, space_for(world).marker)

    async def test_a_message_that_was_sent_is_found_by_its_transaction(self, world: World) -> None:
        room_id = await shared_room(world)
        message = OutboundMessage("$question.0", room_id, "once")
        assert await world.homeserver.find_sent(message) is None
        sent = await world.homeserver.send(message)
        for text in ("after", "that"):
            await world.alice.say(room_id, text)
            await world.homeserver.send(OutboundMessage(f"txn.{text}", room_id, text))
        assert await world.homeserver.find_sent(message) == sent
        other = OutboundMessage("$question.1", room_id, "once")
        assert await world.homeserver.find_sent(other) is None

    async def test_the_generation_is_the_one_written_last(self, world: World) -> None:
        assert await world.homeserver.generation() is None
        for generation in (Generation("one", 1), Generation("two", 2)):
            await world.homeserver.keep_generation(generation)
            assert await world.homeserver.generation() == generation

    async def test_typing_and_receipts_are_taken(self, world: World) -> None:
        room_id = await shared_room(world)
        event_id = await world.alice.say(room_id, "hi")
        await world.homeserver.set_typing(room_id, typing=True)
        await world.homeserver.set_typing(room_id, typing=False)
        await world.homeserver.mark_read(room_id, event_id)


CAT = File("cat.png", "image/png", png(1000, 900))
NOTES = File("notes.txt", "text/plain", b"milk, bread")
LIMIT = 100_000


@pytest.mark.anyio
class FilesContract:
    async def test_a_file_that_a_person_shows_is_told_and_read(self, world: World) -> None:
        room_id = await shared_room(world)
        position = (await world.homeserver.hydrate()).position
        mxc = await world.alice.upload(NOTES)
        await world.alice.write(room_id, content_of(NOTES, mxc, "what is missing?"))
        delta = await sync_until(world.homeserver, position, says("what is missing?"))
        (message,) = of_room(delta, room_id).messages
        expected = SharedFile(mxc, "notes.txt", "text/plain", len(NOTES.data))
        assert (message.file, message.msgtype) == (expected, "m.text")
        assert await world.homeserver.contents.download(expected, limit=LIMIT) == NOTES

    async def test_a_large_picture_is_read_as_a_small_one(self, world: World) -> None:
        shared = SharedFile(await world.alice.upload(CAT), "cat.png", "image/png", len(CAT.data))
        found = await world.homeserver.contents.download(shared, limit=2**20, picture=True)
        width, height = size_of(found.data)
        assert (found.name, found.mime_type) == ("cat.png", "image/png")
        assert 0 < width <= 800
        assert 0 < height <= 600
        whole = await world.homeserver.contents.download(shared, limit=2**20)
        assert whole.data == CAT.data

    async def test_what_is_too_large_or_gone_is_refused(self, world: World) -> None:
        contents = world.homeserver.contents
        shared = SharedFile(await world.alice.upload(NOTES), "notes.txt", "text/plain")
        with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
            await contents.download(shared, limit=len(NOTES.data) - 1)
        with pytest.raises(HomeserverRefused, match="M_NOT_FOUND"):
            await contents.download(replace(shared, mxc=f"{shared.mxc}0"), limit=LIMIT)
        with pytest.raises(HomeserverRefused, match="M_NOT_FOUND"):
            await contents.download(
                replace(shared, mxc=f"{shared.mxc}0"), limit=LIMIT, picture=True
            )

    async def test_an_uploaded_file_can_be_read(self, world: World) -> None:
        shared = await world.homeserver.contents.upload(NOTES)
        assert replace(shared, mxc="") == SharedFile("", "notes.txt", "text/plain", 11)
        assert await world.homeserver.contents.download(shared, limit=LIMIT) == NOTES

    async def test_a_repeated_upload_is_another_file(self, world: World) -> None:
        first = await world.homeserver.contents.upload(NOTES)
        assert (await world.homeserver.contents.upload(NOTES)).mxc != first.mxc
