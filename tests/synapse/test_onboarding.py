"""From an invite to a Space with a first chat, by the real bot on a real homeserver."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest

from demo.bot import BotProcess
from demo.client import Refused
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, account_of, newcomer, unique
from tests.synapse.home import MARKER, Home, accept, hear, history, knock, move_in

pytestmark = pytest.mark.anyio

SOMETHING = {"algorithm": "m.megolm.v1.aes-sha2", "via": ["localhost"], "replacement_room": "!r"}


@pytest.fixture(
    scope="module",
    params=["10", pytest.param("12", marks=pytest.mark.quick)],
    ids="rooms of version {}".format,
)
async def fresh(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Home]:
    """Somebody who has just moved in. Only looked at, never changed."""
    homeserver: ThrowawaySynapse = request.getfixturevalue(
        "synapse_of_version_10" if request.param == "10" else "synapse"
    )
    async with AsyncExitStack() as stack:
        bot = BotProcess(
            homeserver_url=homeserver.url,
            user_id=await homeserver.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("fresh") / "bot",
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        yield await move_in(await newcomer(stack, homeserver, "alice"), bot)


class TestWhatAnInviteBrings:
    """The rooms as the owner finds them; in both room versions."""

    async def test_the_markers_say_exactly_what_the_rooms_are(self, fresh: Home) -> None:
        space, chat = await fresh.marker(fresh.space), await fresh.marker(fresh.chat)
        assert space.pop("intent")
        assert chat.pop("intent")
        owner = fresh.owner.user_id
        assert space == {"version": 1, "kind": "space", "owner": owner, "next_chat_index": 2}
        assert chat == {
            "version": 1,
            "kind": "chat",
            "owner": owner,
            "chat_id": "C1",
            "space_id": fresh.space,
            "platform_chat_id": fresh.row(fresh.chat)["platform_chat_id"],
            "archived": False,
        }

    async def test_the_database_says_the_same(self, fresh: Home) -> None:
        owner, conversation = fresh.owner.user_id, fresh.row(fresh.chat)["platform_chat_id"]
        localpart = owner[1:].partition(":")[0]
        common = {"matrix_user_id": owner, "space_id": fresh.space}
        assert conversation
        assert fresh.bot.kv() == {
            f"matrix_user:{owner}": {"space_id": fresh.space, "next_chat_index": 2},
            f"matrix_room:{fresh.space}": {
                **common,
                "room_type": "space",
                "chat_id": None,
                "display_name": f"Chats of {localpart}",
                "platform_chat_id": None,
            },
            f"matrix_room:{fresh.chat}": {
                **common,
                "room_type": "chat",
                "chat_id": "C1",
                "display_name": "Chat 1",
                "platform_chat_id": conversation,
            },
            f"chat:{owner}:C1": {
                "user_id": owner,
                "chat_id": "C1",
                "platform": "matrix",
                "surface_ref": fresh.chat,
                "name": "Chat 1",
                "is_archived": False,
            },
        }

    async def test_the_space_and_the_chat_point_to_each_other(self, fresh: Home) -> None:
        alice = fresh.owner
        child = await alice.state_of(fresh.space, "m.space.child", fresh.chat)
        parent = await alice.state_of(fresh.chat, "m.space.parent", fresh.space)
        assert child == {"via": ["localhost"], "suggested": True, "order": "000001"}
        assert parent == {"via": ["localhost"], "canonical": True}

    async def test_the_rooms_are_the_bots_private_and_named(self, fresh: Home) -> None:
        for room, name, rule in (
            (fresh.space, "Chats of ", "invite"),
            (fresh.chat, "Chat 1", "restricted"),
        ):
            events = {event["type"]: event for event in await fresh.owner.state(room)}
            assert events["m.room.create"]["sender"] == fresh.bot.user_id
            assert events["m.room.join_rules"]["content"]["join_rule"] == rule
            assert events["m.room.name"]["content"]["name"].startswith(name)
            assert "m.room.encryption" not in events

    async def test_the_rooms_are_of_the_homeservers_version(
        self, fresh: Home, request: pytest.FixtureRequest
    ) -> None:
        version = request.node.callspec.params["fresh"]
        for room in (fresh.space, fresh.chat):
            create = await fresh.owner.state_of(room, "m.room.create")
            assert create is not None
            assert create["room_version"] == version

    async def test_only_the_space_is_one(self, fresh: Home) -> None:
        kinds = [
            (await fresh.owner.state_of(room, "m.room.create") or {}).get("type")
            for room in (fresh.space, fresh.chat)
        ]
        assert kinds == ["m.space", None]

    async def test_the_bot_says_at_the_door_where_to_go(self, fresh: Home) -> None:
        assert "Chat 1" in fresh.greeting
        links = re.findall(r"https://matrix\.to/#/(\S+)\?via=localhost", fresh.greeting)
        assert links == [fresh.space, fresh.chat]

    async def test_clients_notify_of_the_greeting_and_show_named_links(self, fresh: Home) -> None:
        said = [it for it in await history(fresh.owner, fresh.door) if it.body]
        (greeting,) = [it.content for it in said if it.sender == fresh.bot.user_id]
        assert greeting["msgtype"] == "m.text"
        link = f'<a href="https://matrix.to/#/{fresh.chat}?via=localhost">Chat 1</a>'
        assert link in greeting["formatted_body"]
        assert "<strong>!help</strong>" in greeting["formatted_body"]

    async def test_the_owner_can_rename_and_invite(self, fresh: Home) -> None:
        alice = fresh.owner
        for room in (fresh.space, fresh.chat):
            await alice.set_state(room, "m.room.name", {"name": await alice.name_of(room)})
            await alice.invite(room, f"@{unique('guest')}:localhost")

    @pytest.mark.parametrize(
        "type_",
        [
            "m.room.encryption",
            "m.room.power_levels",
            "m.room.tombstone",
            "m.space.child",
            MARKER,
        ],
    )
    async def test_the_owner_cannot_write_what_recovery_relies_on(
        self, fresh: Home, type_: str
    ) -> None:
        for room in (fresh.space, fresh.chat):
            for state_key in ("", fresh.owner.user_id, fresh.bot.user_id):
                with pytest.raises(Refused) as refusal:
                    await fresh.owner.set_state(room, type_, SOMETHING, state_key)
                assert refusal.value.status == 403


@pytest.mark.quick
async def test_a_second_invite_invites_again_and_makes_nothing(home: Home, admin: Person) -> None:
    alice, bot = home.owner, home.bot
    for room in (home.chat, home.space):
        await alice.leave(room)
    before = await admin.rooms_on_server()
    second_door = await knock(alice, bot)
    assert await accept(alice, bot, is_space=True) == home.space
    assert await accept(alice, bot, is_space=False) == home.chat
    assert home.space in await hear(alice, bot, second_door)
    assert await admin.rooms_on_server() == before + 1
    assert await home.ask("still here?") == "still here?"


async def test_a_second_invite_by_somebody_who_is_in_all_rooms_is_answered_too(
    home: Home,
) -> None:
    second_door = await knock(home.owner, home.bot)
    assert home.space in await hear(home.owner, home.bot, second_door)
    assert await home.owner.new_invites() == []


@pytest.mark.quick
async def test_each_owner_has_a_space_of_their_own(home: Home, bob: Person) -> None:
    bobs = await move_in(bob, home.bot)
    assert {home.space, home.chat}.isdisjoint({bobs.space, bobs.chat})
    assert bobs.row(bobs.chat)["chat_id"] == "C1"
    with pytest.raises(Refused):
        await bob.state(home.chat)


async def test_an_invite_from_somebody_not_allowed_is_rejected(
    make_bot: MakeBot, alice: Person, bob: Person, admin: Person
) -> None:
    bot = await make_bot(MATRIX_ALLOWED_USERS=f"{alice.user_id},@carol:localhost")
    await bot.start_and_go_live()
    before = await admin.rooms_on_server()
    door = await knock(bob, bot)
    await bob.wait_for(
        lambda event: event.state_key == bot.user_id and event.content.get("membership") == "leave",
        what="a rejected invite",
    )
    assert await bob.membership(door, bot.user_id) == "leave"
    await move_in(alice, bot)
    assert await bob.new_invites() == []
    assert await admin.rooms_on_server() == before + 4
    assert not any(bob.user_id in key for key in bot.kv())


async def test_a_message_in_a_direct_chat_brings_a_space_too(
    synapse: ThrowawaySynapse, bot: BotProcess, alice: Person
) -> None:
    door = await knock(alice, bot)
    async with account_of(synapse, bot) as earlier_program:
        await earlier_program.join(door)
    await bot.start_and_go_live()
    await alice.say(door, "is anybody there?")
    await accept(alice, bot, is_space=True)
    chat = await accept(alice, bot, is_space=False)
    assert chat in await hear(alice, bot, door)
    assert await alice.ask(chat, "here?") == "here?"


async def test_invites_that_came_while_the_bot_was_away_make_one_space(
    bot: BotProcess, alice: Person, admin: Person
) -> None:
    before = await admin.rooms_on_server()
    doors = [await knock(alice, bot) for _ in range(2)]
    await bot.start_and_go_live()
    await accept(alice, bot, is_space=True)
    chat = await accept(alice, bot, is_space=False)
    for door in doors:
        await hear(alice, bot, door)
    assert await alice.ask(chat, "here?") == "here?"
    assert await admin.rooms_on_server() == before + 4


async def test_a_member_of_the_space_joins_a_chat_without_an_invite(home: Home) -> None:
    """The invite to the new chat is rejected, and the chat that was joined is left."""
    second = await home.new_chat()
    for room in (second, home.chat):
        await home.owner.leave(room)
        await home.owner.join(room)
        assert await home.owner.ask(room, "hello") == "hello"


async def test_the_space_follows_the_owners_name_and_language_until_it_is_renamed(
    home: Home,
) -> None:
    alice = home.owner
    await alice.request("PUT", f"/profile/{alice.user_id}/displayname", {"displayname": "Алиса"})
    await eventually_named(home, "Chats of Алиса")
    assert (await home.ask("!language ru")).startswith("Теперь во всех ваших чатах")
    await eventually_named(home, "Чаты: Алиса")
    await alice.set_state(home.space, "m.room.name", {"name": "Mine"})
    await alice.request("PUT", f"/profile/{alice.user_id}/displayname", {"displayname": "Alice"})
    assert (await home.ask("!status")).startswith("Это «Chat 1»")
    assert await alice.name_of(home.space) == "Mine"


async def eventually_named(home: Home, name: str) -> None:
    while await home.owner.name_of(home.space) != name:
        await anyio.sleep(0.05)
