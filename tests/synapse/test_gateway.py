"""The gateway against a real homeserver."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec
import pytest
from nio import AsyncClient  # type: ignore[import-untyped]

from actors.model import (
    MARKER_TYPE,
    ChatId,
    EventId,
    Invite,
    Marker,
    OutboundMessage,
    PlatformChatId,
    RoomId,
    RoomKind,
    UserId,
)
from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    SessionRevoked,
)
from actors.ports import NewRoom
from adapter.matrix.bodies import Created
from adapter.matrix.connection import path_to
from adapter.matrix.gateway import Gateway
from adapter.matrix.provisioning import create_room_body
from adapter.matrix.session import Session, SessionFile
from demo.client import Refused
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, unique

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Account:
    """A bot account, and gateways to it."""

    url: str
    user_id: UserId
    folder: Path
    stack: AsyncExitStack

    def gateway(self, *, user_id: str = "", **options: object) -> Gateway:
        gateway = Gateway(self.url, UserId(user_id or self.user_id), **options)  # type: ignore[arg-type]
        self.stack.push_async_callback(gateway.close)
        return gateway

    def stored(self, password: str | None = PASSWORD, *, visiting: bool = False) -> Gateway:
        file = SessionFile(self.folder)
        return self.gateway(sessions=file, password=password, visiting=visiting)

    def token(self) -> str:
        session = msgspec.json.decode(SessionFile(self.folder).path.read_bytes(), type=Session)
        return session.access_token


MakeAccount: TypeAlias = Callable[[ThrowawaySynapse], Awaitable[Account]]


@pytest.fixture
async def make_account(tmp_path: Path) -> AsyncIterator[MakeAccount]:
    async with AsyncExitStack() as stack:

        async def make(homeserver: ThrowawaySynapse) -> Account:
            user_id = UserId(await homeserver.register(unique("bot"), PASSWORD))
            return Account(homeserver.url, user_id, tmp_path / "store", stack)

        yield make


@pytest.fixture
async def account(synapse: ThrowawaySynapse, make_account: MakeAccount) -> Account:
    return await make_account(synapse)


@pytest.fixture
async def gateway(account: Account) -> Gateway:
    gateway = account.stored()
    assert await gateway.log_in() == "password"
    return gateway


def space_of(person: Person) -> NewRoom:
    marker = Marker(RoomKind.SPACE, UserId(person.user_id), next_chat_index=2)
    return NewRoom(marker, "Her Space")


def chat_of(person: Person, space: RoomId) -> NewRoom:
    marker = Marker(
        RoomKind.CHAT,
        UserId(person.user_id),
        chat_id=ChatId("C1"),
        space_id=space,
        platform_chat_id=PlatformChatId("p-1"),
    )
    return NewRoom(marker, "Chat 1", "what it is about")


async def joined_chat(gateway: Gateway, person: Person) -> RoomId:
    room_id = await gateway.create_room(chat_of(person, RoomId("!space")))
    await gateway.invite(room_id, UserId(person.user_id))
    await person.join(room_id)
    return room_id


async def say_some(person: Person, room_id: RoomId, what: str, how_many: int) -> list[str]:
    texts = [f"{what} {number}" for number in range(how_many)]
    for text in texts:
        await person.say(room_id, text)
    return texts


async def leave_a_chat(gateway: Gateway, person: Person) -> tuple[RoomId, str]:
    """Leave a room in which something was said, and answer it and a position before that."""
    room_id = await joined_chat(gateway, person)
    since = (await gateway.hydrate()).position
    await person.say(room_id, "before")
    await gateway.leave(room_id)
    return room_id, since


async def come_back(
    gateway: Gateway, person: Person, room_id: RoomId, *, meanwhile: int, since_then: int
) -> list[str]:
    """Join a room again in which somebody goes on talking, and answer what is said since."""
    await say_some(person, room_id, "meanwhile", meanwhile)
    await person.invite(room_id, gateway.me)
    await gateway.join(room_id)
    return await say_some(person, room_id, "later", since_then)


async def rename_us(account: Account, room_id: RoomId, name: str) -> None:
    """Give the bot another name in a room, by another client of its account."""
    member = {"membership": "join", "displayname": name}
    async with Person.logged_in(account.url, account.user_id[1:].partition(":")[0], PASSWORD) as us:
        await us.set_state(room_id, "m.room.member", member, us.user_id)


async def said_since(gateway: Gateway, since: str, room_id: RoomId) -> tuple[list[str], bool]:
    """What a sync and the gap before it tell of a room, and whether we left it and came back."""
    (room,) = (await gateway.sync(since, 10)).rooms
    assert room.gap_from is not None
    gap = await gateway.messages_before(room_id, room.gap_from, stop_at=since, limit=1000)
    return [it.body for it in (*gap.messages, *room.messages)], gap.rejoined


class TestLoggingIn:
    async def test_a_stored_session_is_used_again(self, account: Account) -> None:
        assert await account.stored().log_in() == "password"
        token = account.token()
        assert await account.stored(password=None).log_in() == "stored session"
        assert account.token() == token

    async def test_a_revoked_session_is_replaced_under_the_same_device(
        self, account: Account
    ) -> None:
        first, second = account.stored(), account.gateway(password=PASSWORD)
        await first.log_in()
        assert await second.log_in() == "password"
        await second.log_out()
        with pytest.raises(SessionRevoked):
            await first.probe()
        assert await first.log_in() == "password"
        await first.probe()

    async def test_a_wrong_password_is_refused_with_a_sentence(self, account: Account) -> None:
        with pytest.raises(CredentialsRefused, match=r"refuses the password of @.*MATRIX_PASSWORD"):
            await account.gateway(password="not this one").log_in()

    async def test_without_password_and_session_the_text_says_what_to_do(
        self, account: Account
    ) -> None:
        with pytest.raises(CredentialsRefused, match="set MATRIX_PASSWORD or MATRIX_ACCESS_TOKEN"):
            await account.stored(password=None).log_in()

    async def test_an_access_token_is_enough(self, account: Account, gateway: Gateway) -> None:
        by_token = account.gateway(access_token=account.token())
        assert await by_token.log_in() == "access token"
        await by_token.log_out()
        await gateway.probe()

    async def test_a_dead_access_token_says_what_to_do(self, account: Account) -> None:
        with pytest.raises(CredentialsRefused, match="or a new MATRIX_ACCESS_TOKEN"):
            await account.gateway(access_token="syt_made_up").log_in()
        assert await account.gateway(access_token="x", password=PASSWORD).log_in() == "password"

    async def test_somebody_else_s_access_token_is_refused(
        self, account: Account, alice: Person
    ) -> None:
        with pytest.raises(CredentialsRefused, match="check MATRIX_USER_ID"):
            await account.gateway(access_token=alice.access_token).log_in()

    async def test_a_misspelt_user_id_is_corrected(self, account: Account) -> None:
        misspelt = account.user_id.replace("@bot", "@BOT")
        with pytest.raises(CredentialsRefused, match="correct MATRIX_USER_ID"):
            await account.gateway(user_id=misspelt, password=PASSWORD).log_in()

    async def test_a_visitor_never_disturbs_a_bot_that_runs(
        self, account: Account, gateway: Gateway
    ) -> None:
        token = account.token()
        visitor = account.gateway(password=PASSWORD, visiting=True)
        assert await visitor.log_in() == "password"
        await visitor.probe()
        await visitor.log_out()
        with pytest.raises(SessionRevoked):
            await visitor.probe()
        guest = account.stored(visiting=True)
        assert await guest.log_in() == "stored session"
        await guest.log_out()
        await gateway.probe()
        assert account.token() == token

    async def test_a_client_that_is_logged_in_can_be_attached(
        self, account: Account, gateway: Gateway
    ) -> None:
        client = AsyncClient(account.url, account.user_id)
        client.restore_login(account.user_id, "SURFACESBOT", account.token())
        attached = Gateway.attach(client)
        assert attached.me == account.user_id
        assert await attached.log_in() == "access token"
        await attached.close()
        assert await attached.joined_rooms() == frozenset()
        await client.close()


class TestRooms:
    async def test_a_space_and_its_chat_read_back_as_they_were_made(
        self, gateway: Gateway, alice: Person
    ) -> None:
        space, chat_wanted = space_of(alice), chat_of(alice, RoomId("!later"))
        space_id = await gateway.create_room(space)
        chat_id = await gateway.create_room(chat_of(alice, space_id))
        await gateway.link(space_id, chat_id)
        seen, chat = await gateway.read_room(space_id), await gateway.read_room(chat_id)
        assert seen.is_space
        assert (seen.creator, seen.marker, seen.name) == (gateway.me, space.marker, space.name)
        assert seen.children == {chat_id}
        assert not chat.is_space
        assert chat.marker == chat_of(alice, space_id).marker
        assert chat.name == chat_wanted.name
        assert chat.parents == {space_id}
        assert (chat.others, chat.member_count) == ((), 1)

    async def test_a_marker_and_a_name_are_written(self, gateway: Gateway, alice: Person) -> None:
        room_id = await joined_chat(gateway, alice)
        marker = Marker(
            RoomKind.CHAT,
            UserId(alice.user_id),
            chat_id=ChatId("C7"),
            space_id=RoomId("!other"),
            archived=True,
        )
        await gateway.write_marker(room_id, marker)
        await gateway.set_name(room_id, "Großer Chat / № 7?")
        seen = await gateway.read_room(room_id)
        assert (seen.marker, seen.name) == (marker, "Großer Chat / № 7?")
        assert (seen.others, seen.member_count) == ((alice.user_id,), 2)

    @pytest.mark.parametrize("version", ["10", "11", "12"])
    async def test_the_owner_may_rename_and_invite_and_no_more(
        self, gateway: Gateway, alice: Person, bob: Person, version: str
    ) -> None:
        body = create_room_body(chat_of(alice, RoomId("!space:localhost")), gateway.me, version)
        room_id = await create(gateway, body | {"room_version": version})
        await gateway.invite(room_id, UserId(alice.user_id))
        await alice.join(room_id)
        await alice.set_state(room_id, "m.room.name", {"name": "Mine"})
        await alice.invite(room_id, bob.user_id)
        await bob.join(room_id)
        await bob.say(room_id, "hello")
        for kind, state_key in FORBIDDEN:
            await assert_refused(alice, room_id, kind, state_key)
        marker = await marker_event_id(alice, room_id)
        assert not await can_redact(alice, room_id, marker)
        seen = await gateway.read_room(room_id)
        assert (seen.room_version, seen.name) == (version, "Mine")
        assert seen.marker == chat_of(alice, RoomId("!space:localhost")).marker

    @pytest.mark.parametrize("version", ["10", "11", "12"])
    async def test_only_the_bot_fills_a_space(
        self, gateway: Gateway, alice: Person, version: str
    ) -> None:
        body = create_room_body(space_of(alice), gateway.me, version)
        space_id = await create(gateway, body | {"room_version": version})
        await gateway.invite(space_id, UserId(alice.user_id))
        await alice.join(space_id)
        await gateway.link(space_id, RoomId("!chat:localhost"))
        await assert_refused(alice, space_id, "m.space.child", "!chat:localhost")
        assert (await gateway.read_room(space_id)).children == {"!chat:localhost"}

    async def test_an_invite_that_is_refused_is_refused(
        self, gateway: Gateway, alice: Person, bob: Person
    ) -> None:
        levels = {"invite": 50}
        room = await alice.create_room(invite=[gateway.me], power_level_content_override=levels)
        await gateway.join(RoomId(room))
        with pytest.raises(HomeserverRefused) as refusal:
            await gateway.invite(RoomId(room), UserId(bob.user_id))
        assert refusal.value.status == 403

    async def test_a_room_that_we_have_left_is_not_read(
        self, gateway: Gateway, alice: Person
    ) -> None:
        room_id = await joined_chat(gateway, alice)
        await gateway.leave(room_id)
        with pytest.raises(HomeserverRefused, match="not in this room"):
            await gateway.read_room(room_id)
        await gateway.forget(room_id)
        with pytest.raises(HomeserverRefused):
            await gateway.read_room(room_id)
        assert await gateway.joined_rooms() == frozenset()


FORBIDDEN = [
    (MARKER_TYPE, ""),
    (MARKER_TYPE, "@owner"),
    ("m.space.child", "!chat:localhost"),
    ("m.room.tombstone", ""),
    ("m.room.encryption", ""),
    ("m.room.power_levels", ""),
    ("m.room.server_acl", ""),
    ("m.room.history_visibility", ""),
]


async def create(gateway: Gateway, body: dict[str, object]) -> RoomId:
    answer = await gateway._http.request("POST", path_to("createRoom"), Created, body)
    return RoomId(answer.room_id)


async def create_many(gateway: Gateway, room: NewRoom) -> None:
    for _ in range(20):
        await gateway.create_room(room)


async def assert_refused(person: Person, room_id: str, kind: str, state_key: str) -> None:
    key = person.user_id if state_key == "@owner" else state_key
    content = {
        "via": ["localhost"],
        "algorithm": "m.megolm.v1.aes-sha2",
        "allow": ["*"],
        "history_visibility": "shared",
        "replacement_room": "!new:localhost",
    }
    with pytest.raises(Refused) as refusal:
        await person.set_state(room_id, kind, content, key)
    assert refusal.value.errcode == "M_FORBIDDEN", kind


async def marker_event_id(person: Person, room_id: str) -> str:
    return next(
        str(it["event_id"]) for it in await person.state(room_id) if it["type"] == MARKER_TYPE
    )


async def can_redact(person: Person, room_id: str, event_id: str) -> bool:
    try:
        await person.request(
            "PUT", f"/rooms/{quote(room_id, safe='')}/redact/{quote(event_id, safe='')}/t1", {}
        )
    except Refused:
        return False
    return True


async def unread_in(gateway: Gateway, room_id: RoomId) -> dict[str, int]:
    """The numbers of messages that the bot's account has not read, by thread."""
    uncached = {"not_rooms": [f"!{unique('nonce')}:localhost"]}
    wanted = {"room": {**uncached, "timeline": {"unread_thread_notifications": True}}}
    path = path_to("sync", timeout=0, filter=json.dumps(wanted))
    answer = await gateway._http.request("GET", path, dict[str, Any])
    room = answer["rooms"]["join"][room_id]
    threads = {"main": room["unread_notifications"], **room.get("unread_thread_notifications", {})}
    return {thread: counts["notification_count"] for thread, counts in threads.items()}


class TestHydrating:
    @pytest.mark.parametrize("sliding", [True, False])
    async def test_every_joined_room_and_waiting_invite_is_there(
        self,
        gateway: Gateway,
        alice: Person,
        sliding: bool,  # noqa: FBT001
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not sliding:
            monkeypatch.setattr("adapter.matrix.rooms.SLIDING_SYNC_FEATURE", "unheard.of")
        space_id = await gateway.create_room(space_of(alice))
        chat_id = await gateway.create_room(chat_of(alice, space_id))
        await gateway.link(space_id, chat_id)
        await gateway.invite(chat_id, UserId(alice.user_id))
        hers = RoomId(await alice.create_room(invite=[gateway.me], is_direct=True))
        await gateway.join(hers)
        asked = RoomId(await alice.create_room(name="come in", invite=[gateway.me]))
        seen = await gateway.hydrate()
        by_id = {it.room_id: it for it in seen.snapshots}
        assert by_id.keys() == {space_id, chat_id, hers}
        assert by_id[space_id] == await gateway.read_room(space_id)
        assert by_id[chat_id].marker == chat_of(alice, space_id).marker
        assert by_id[chat_id].member_count == 2
        assert by_id[hers] == await gateway.read_room(hers)
        assert by_id[hers].others == (alice.user_id,)
        assert seen.invites == (Invite(asked, UserId(alice.user_id)),)
        assert not seen.unreadable
        assert seen.malformed == 0

    async def test_the_owner_of_a_legacy_space_is_told_by_its_members(
        self, gateway: Gateway, alice: Person
    ) -> None:
        body: dict[str, object] = {
            "preset": "private_chat",
            "name": "named, so without heroes",
            "creation_content": {"type": "m.space"},
            "invite": [alice.user_id],
        }
        space_id = await create(gateway, body)
        (seen,) = (await gateway.hydrate()).snapshots
        assert (seen.room_id, seen.others) == (space_id, (alice.user_id,))

    async def test_a_restart_gets_a_fresh_position(self, gateway: Gateway, alice: Person) -> None:
        await joined_chat(gateway, alice)
        before = await gateway.hydrate()
        room_id = await joined_chat(gateway, alice)
        await alice.say(room_id, "an old command")
        after = await gateway.hydrate()
        assert len(after.snapshots) == len(before.snapshots) + 1
        assert (await gateway.sync(after.position, 0)).rooms == ()

    async def test_nothing_falls_between_hydration_and_the_first_sync(
        self, gateway: Gateway, alice: Person
    ) -> None:
        room_id = await joined_chat(gateway, alice)
        position = (await gateway.hydrate()).position
        await alice.say(room_id, "the first")
        (room,) = (await gateway.sync(position, 10)).rooms
        assert [it.body for it in room.messages] == ["the first"]


class TestSyncing:
    async def test_messages_and_changes_come_down(self, gateway: Gateway, alice: Person) -> None:
        room_id = await joined_chat(gateway, alice)
        since = (await gateway.hydrate()).position
        event_id = await alice.say(room_id, "hello")
        await gateway.send(OutboundMessage("t1", room_id, "our own"))
        said = await gateway.sync(since, 10)
        (room,) = said.rooms
        assert [(it.event_id, it.body) for it in room.messages] == [(event_id, "hello")]
        assert (room.state_changed, room.gap_from) == (False, None)
        await alice.set_state(room_id, "m.room.name", {"name": "renamed"})
        renamed = await gateway.sync(said.next_batch, 10)
        assert renamed.rooms[0].state_changed
        await alice.leave(room_id)
        assert (await gateway.sync(renamed.next_batch, 10)).rooms[0].state_changed

    async def test_a_look_at_the_news_is_never_an_earlier_one(
        self, gateway: Gateway, alice: Person
    ) -> None:
        room_id = await joined_chat(gateway, alice)
        since = (await gateway.hydrate()).position
        for said in (["one"], ["one", "two"]):
            await alice.say(room_id, said[-1])
            (room,) = (await gateway.sync(since, 0)).rooms
            assert [message.body for message in room.messages] == said

    async def test_a_gap_is_filled_in_order(self, gateway: Gateway, alice: Person) -> None:
        room_id = await joined_chat(gateway, alice)
        since = (await gateway.hydrate()).position
        for number in range(170):
            await alice.say(room_id, str(number))
        (room,) = (await gateway.sync(since, 10)).rooms
        assert room.gap_from is not None
        missed = await gateway.messages_before(room_id, room.gap_from, stop_at=since, limit=1000)
        bodies = [it.body for it in (*missed.messages, *room.messages)]
        assert bodies == [str(number) for number in range(170)]
        newest = await gateway.messages_before(room_id, room.gap_from, stop_at=since, limit=3)
        assert newest.messages == missed.messages[-3:]

    async def test_another_name_of_ours_is_no_coming_back(
        self, gateway: Gateway, account: Account, alice: Person
    ) -> None:
        room_id = await joined_chat(gateway, alice)
        since = (await gateway.hydrate()).position
        await alice.say(room_id, "one")
        await rename_us(account, room_id, "Another name")
        await alice.say(room_id, "two")
        near = await gateway.sync(since, 10)
        (room,) = near.rooms
        assert ([it.body for it in room.messages], room.gap_from) == (["one", "two"], None)
        await alice.say(room_id, "three")
        await rename_us(account, room_id, "A third name")
        texts = await say_some(alice, room_id, "later", 60)
        assert await said_since(gateway, near.next_batch, room_id) == (["three", *texts], False)

    async def test_invites_joins_and_kicks_come_down(self, gateway: Gateway, alice: Person) -> None:
        since = (await gateway.hydrate()).position
        room_id = RoomId(await alice.create_room(invite=[gateway.me]))
        asked = await gateway.sync(since, 10)
        assert asked.invites == (Invite(room_id, UserId(alice.user_id)),)
        await gateway.join(room_id)
        joined = await gateway.sync(asked.next_batch, 10)
        assert [(it.room_id, it.state_changed) for it in joined.rooms] == [(room_id, True)]
        await alice.kick(room_id, gateway.me)
        assert (await gateway.sync(joined.next_batch, 10)).left == (room_id,)

    async def test_a_rescinded_invite_is_a_room_that_is_left(
        self, gateway: Gateway, alice: Person
    ) -> None:
        since = (await gateway.hydrate()).position
        room_id = RoomId(await alice.create_room(invite=[gateway.me]))
        asked = await gateway.sync(since, 10)
        await alice.kick(room_id, gateway.me)
        assert (await gateway.sync(asked.next_batch, 10)).left == (room_id,)

    async def test_a_transaction_is_carried_out_once(self, gateway: Gateway, alice: Person) -> None:
        room_id = await joined_chat(gateway, alice)
        message = OutboundMessage("a/b?c", room_id, "once", notice=True)
        assert await gateway.send(message) == await gateway.send(message)
        seen = await alice.wait_for(lambda event: event.body == "once")
        assert seen.content["msgtype"] == "m.notice"

    async def test_a_message_is_sent_even_if_its_thread_is_refused(
        self, gateway: Gateway, alice: Person
    ) -> None:
        room_id = await joined_chat(gateway, alice)
        unknown = EventId("$unheard-of")
        message = OutboundMessage("t1", room_id, "all the same", thread=unknown, reply_to=unknown)
        assert await gateway.send(message) == await gateway.send(message)
        seen = await alice.wait_for(lambda event: event.body == "all the same")
        assert "m.relates_to" not in seen.content

    async def test_a_redacted_message_has_no_text(self, gateway: Gateway, alice: Person) -> None:
        room_id = await joined_chat(gateway, alice)
        event_id = EventId(await alice.say(room_id, "secret"))
        assert await gateway.text_of(room_id, event_id) == "secret"
        assert await can_redact(alice, room_id, event_id)
        assert await gateway.text_of(room_id, event_id) == ""

    async def test_a_receipt_covers_the_threads_of_a_room(
        self, gateway: Gateway, alice: Person
    ) -> None:
        room_id = await joined_chat(gateway, alice)
        root = await alice.say(room_id, "root")
        relation = {"rel_type": "m.thread", "event_id": root}
        content = {"msgtype": "m.text", "body": "in the thread", "m.relates_to": relation}
        last = EventId(await alice.send(room_id, "m.room.message", content))
        assert await unread_in(gateway, room_id) == {"main": 1, root: 1}
        await gateway.mark_read(room_id, last)
        assert await unread_in(gateway, room_id) == {"main": 0}

    async def test_typing_and_reading_are_shown(self, gateway: Gateway, alice: Person) -> None:
        room_id = await joined_chat(gateway, alice)
        since = (await gateway.hydrate()).position
        await alice.say(room_id, "hello")
        (room,) = (await gateway.sync(since, 10)).rooms
        await gateway.set_typing(room_id, typing=True)
        await alice.wait_for(lambda it: it.content.get("user_ids") == [gateway.me])
        await gateway.set_typing(room_id, typing=False)
        await alice.wait_for(lambda it: it.content.get("user_ids") == [])
        await gateway.mark_read(room_id, room.messages[0].event_id)
        await alice.wait_for(lambda it: room.messages[0].event_id in it.content)


class TestAHomeserverInTrouble:
    async def test_a_homeserver_that_is_down_is_unavailable(
        self, own_synapse: ThrowawaySynapse, make_account: MakeAccount
    ) -> None:
        account = await make_account(own_synapse)
        gateway = account.stored()
        await gateway.log_in()
        await own_synapse.stop()
        with pytest.raises(HomeserverUnavailable, match="connection refused"):
            await gateway.probe()
        with pytest.raises(HomeserverUnavailable, match="connection refused"):
            await account.stored().log_in()
        await own_synapse.start()
        await gateway.probe()
        assert await account.stored(password=None).log_in() == "stored session"

    async def test_a_homeserver_that_hangs_is_given_up_in_time(
        self, own_synapse: ThrowawaySynapse, make_account: MakeAccount
    ) -> None:
        gateway = (await make_account(own_synapse)).stored()
        await gateway.log_in()
        own_synapse.pause()
        with pytest.raises(HomeserverUnavailable, match=r"timed out after 0\.5 s"):
            await gateway._http.request("GET", path_to("joined_rooms"), Created, timeout_s=0.5)
        own_synapse.resume()
        await gateway.probe()

    async def test_stock_limits_are_told_with_their_end(self, make_account: MakeAccount) -> None:
        async with ThrowawaySynapse(stock_limits=True) as homeserver:
            gateway = (await make_account(homeserver)).stored()
            await gateway.log_in()
            marker = Marker(RoomKind.SPACE, UserId("@somebody:localhost"))
            with pytest.raises(RateLimited) as limit:
                await create_many(gateway, NewRoom(marker, "one of many"))
            assert limit.value.retry_after_s > 1
            await gateway.close()
