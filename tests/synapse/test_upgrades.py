"""Rooms that are upgraded by people, while the bot is live or away, with its files or without."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import anyio
import pytest

from demo.bot import BotProcess
from demo.comparison import differences
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, account_of
from tests.synapse.home import MARKER, hear, words_of
from tests.synapse.rebuilding import Reconciler, Rows, content_of, listed_in
from tests.synapse.topology import Topology

pytestmark = pytest.mark.anyio

PATIENCE_S = 30.0


@dataclass(slots=True)
class House:
    """A Space and two chats of version 10, which their owner has the power to upgrade."""

    bot: BotProcess
    me: Person
    """The bot's account."""
    owner: Person
    space: str
    chat: str
    other: str
    reconciler: Reconciler
    before: Rows = field(default_factory=dict)

    async def upgrade(self, room_id: str, version: str = "12") -> str:
        """Replace a room as a person does: the invite comes after the tombstone."""
        replacement = await self.owner.upgrade_room(room_id, version)
        await self.owner.invite(replacement, self.me.user_id)
        return replacement

    async def settles(self, chat: str, space: str = "") -> None:
        """Wait until C1 is in this room, everything is written, and a rebuild says the same."""
        missing = await self.missing(chat, space or self.space)
        with anyio.move_on_after(PATIENCE_S):
            while missing:
                await anyio.sleep(0.1)
                missing = await self.missing(chat, space or self.space)
        assert missing == []

    async def missing(self, chat: str, space: str) -> list[str]:
        """What is not yet as it must be."""
        if not {chat, space} <= await self.me.joined_rooms():
            return ["the bot is not in the new rooms"]
        rows = self.bot.kv()
        old = self.before[f"matrix_room:{self.chat}"]
        wanted = {**old, "space_id": space}
        if rows.get(f"matrix_room:{chat}") != wanted:
            return [f"the row is {rows.get(f'matrix_room:{chat}')}, and not {wanted}"]
        if rows[f"chat:{self.owner.user_id}:C1"]["surface_ref"] != chat:
            return ["the chat's row names another room"]
        marker = content_of(await self.me.state(chat), MARKER, self.me.user_id) or {}
        said = {"chat_id": "C1", "space_id": space, "owner": self.owner.user_id}
        if not marker.items() >= {**said, "platform_chat_id": old["platform_chat_id"]}.items():
            return [f"the marker is {marker}"]
        listed = set(listed_in(await self.me.state(space)))
        if listed != {chat, self.other}:
            return [f"the Space lists {listed}"]
        rebuilt, _ = await self.reconciler.rebuild()
        return differences(rebuilt, rows)


@pytest.fixture
async def house(
    synapse: ThrowawaySynapse, make_bot: MakeBot, alice: Person
) -> AsyncIterator[House]:
    """Its bot has been live, and is so still."""
    bot = await make_bot()
    async with AsyncExitStack() as stack:
        me = await stack.enter_async_context(account_of(synapse, bot))
        login = Reconciler.logged_in(synapse.url, bot.user_id, PASSWORD)
        reconciler = await stack.enter_async_context(login)
        topology, powers = Topology(me), {"users": {alice.user_id: 100, me.user_id: 100}}
        space = await topology.space(alice, version="10", power_level_content_override=powers)
        chat, other = [
            await topology.chat(
                space,
                alice,
                "",
                chat_id=chat_id,
                name=f"Chat of {chat_id}",
                version="10",
                power_level_content_override=powers,
            )
            for chat_id in ("C1", "C2")
        ]
        for room in (space, chat, other):
            await alice.join(room)
        await bot.start_and_go_live()
        assert await alice.ask(chat, "there?") == "there?"
        yield House(bot, me, alice, space, chat, other, reconciler, bot.kv())


async def away(bot: BotProcess, how: str) -> None:
    """Let the bot miss what comes now."""
    if how == "killed":
        await bot.kill()
    elif how != "live":
        assert await bot.terminate() == 0


async def back(bot: BotProcess, how: str) -> None:
    """Let it find out."""
    if how == "files lost":
        bot.wipe()
    if how != "live":
        await bot.start_and_go_live()


WHILE_AWAY = ("stopped", "killed", "files lost")
ABSENCES = pytest.mark.parametrize("how", ["live", "stopped", "files lost"])


@pytest.mark.parametrize("how", [pytest.param("live", marks=pytest.mark.quick), *WHILE_AWAY])
async def test_a_chat_moves_to_its_replacement_and_goes_on_there(house: House, how: str) -> None:
    await away(house.bot, how)
    replacement = await house.upgrade(house.chat)
    await back(house.bot, how)
    await house.settles(replacement)
    assert await house.owner.ask(replacement, "still you?") == "still you?"
    assert (await house.owner.ask(replacement, "!status")).startswith("This is Chat of C1 (C1)")


@ABSENCES
async def test_two_upgrades_in_a_row_lead_to_the_last_room(house: House, how: str) -> None:
    await away(house.bot, how)
    between = await house.upgrade(house.chat, "11")
    if how == "live":
        await house.settles(between)
    replacement = await house.upgrade(between)
    await back(house.bot, how)
    await house.settles(replacement)


@ABSENCES
async def test_an_upgraded_space_keeps_its_chats(house: House, how: str) -> None:
    await away(house.bot, how)
    replacement = await house.upgrade(house.space)
    await back(house.bot, how)
    await house.settles(house.chat, replacement)
    assert (await house.owner.ask(house.chat, "!new")).startswith("Chat 3 is ready")


async def test_space_and_chat_upgraded_at_once_find_each_other(house: House) -> None:
    async with anyio.create_task_group() as at_once:
        replacements: dict[str, str] = {}

        async def upgrade(room: str) -> None:
            replacements[room] = await house.upgrade(room)

        at_once.start_soon(upgrade, house.space)
        at_once.start_soon(upgrade, house.chat)
    await house.settles(replacements[house.chat], replacements[house.space])


async def test_a_replacement_that_somebody_else_only_claims_to_be_changes_nothing(
    house: House, bob: Person
) -> None:
    """The room that it names as its predecessor has no tombstone that names it."""
    heir = await bob.create_room(
        room_version="11",
        creation_content={"predecessor": {"room_id": house.chat, "event_id": "$none"}},
        invite=[house.me.user_id],
    )
    welcome = await hear(bob, house.bot, heir, timeout_s=2 * PATIENCE_S)
    assert welcome.startswith("Hello! Your Space is ready")
    assert await house.owner.ask(house.chat, "still you?") == "still you?"
    await house.settles(house.chat)
    assert f"matrix_room:{heir}" not in house.bot.kv()


async def test_a_tombstone_without_an_invite_leaves_the_chat_where_it_is(house: House) -> None:
    replacement = await house.owner.upgrade_room(house.chat, "12")
    assert await house.owner.ask(house.other, "!chats") == (
        "Your chats:\nC1: Chat of C1\nC2: Chat of C2"
    )
    assert await words_of(house.owner, replacement, house.me.user_id) == []
    await house.owner.invite(replacement, house.me.user_id)
    await house.settles(replacement)


async def test_an_invite_to_a_replacement_makes_no_second_space(
    house: House, admin: Person
) -> None:
    before = await admin.rooms_on_server()
    await house.settles(await house.upgrade(house.chat))
    assert await admin.rooms_on_server() == before + 1
    assert spaces_in(house.bot.kv()) == {house.space}


def spaces_in(rows: Rows) -> set[str]:
    return {row["space_id"] for key, row in rows.items() if key.startswith("matrix_user:")}
