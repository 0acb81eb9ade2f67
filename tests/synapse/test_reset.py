"""`reset` on a real homeserver: out of the bot's rooms and no others, even when it is cut off."""

import json
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import quote

import anyio
import pytest
from anyio.abc import Process

from adapter.matrix.file_names import CHECKLIST_NAME
from demo.bot import BotProcess
from demo.client import Json
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import MakeBot, MakePerson, account_of
from tests.synapse.home import Home, move_in
from tests.synapse.program import plain_environment
from tests.synapse.proxy import FaultProxy, after, before, rate_limited, refused

pytestmark = pytest.mark.anyio

LEAVE, FORGET = "POST rooms/*/leave", "POST rooms/*/forget"


@dataclass(frozen=True, slots=True)
class Estate:
    """A bot that is stopped, with Spaces and chats of two people, and rooms of other kinds.

    `account` is the bot's account in a client of its own.
    """

    bot: BotProcess
    proxy: FaultProxy
    account: Person
    homes: tuple[Home, ...]
    managed: frozenset[str]
    foreign: frozenset[str]

    async def start(self, *arguments: str) -> Process:
        """Begin `surfaces-bot reset` with the bot's settings."""
        return await anyio.open_process(
            [sys.executable, "-m", "supervisor", "reset", *arguments],
            env=plain_environment() | self.bot.environment | {"LOG_LEVEL": "WARNING"},
            cwd=self.bot.folder,
        )

    async def reset(self, *arguments: str) -> tuple[int, str]:
        """Run it to its end; its exit code and all that it says."""
        process = await self.start("--mode", "server-leave-forget", *arguments)
        assert process.stdout is not None
        assert process.stderr is not None
        with anyio.fail_after(60):
            said = b"".join([*[part async for part in process.stdout]])
            said += b"".join([*[part async for part in process.stderr]])
            return await process.wait(), said.decode()

    async def reset_killed(self, pattern: str, kill: str, skip: int) -> None:
        """Run it, and kill it just before or just after one request takes effect."""
        process = await self.start("--mode", "server-leave-forget", "--yes")

        async def end() -> None:
            process.kill()

        around = before if kill == "before" else after
        rule = self.proxy.when(pattern, around(end), skip=skip, times=1)
        with anyio.fail_after(60):
            assert await process.wait() == -9
        assert rule.hits == 1
        self.proxy.heal()

    async def joined(self) -> set[str]:
        return set(await self.account.joined_rooms())

    async def left_but_remembered(self) -> set[str]:
        """The managed rooms that the account has left and still knows of."""
        # Synapse repeats its answer to an initial sync that it has just given.
        nonce = f"!{uuid.uuid4().hex}:localhost"
        wanted = quote(json.dumps({"room": {"include_leave": True, "not_rooms": [nonce]}}))
        answer = await self.account.request("GET", f"/sync?timeout=0&filter={wanted}")
        rooms: Json = answer["rooms"].get("leave", {})
        return set(rooms) & self.managed


@pytest.fixture
async def estate(
    synapse: ThrowawaySynapse, make_bot: MakeBot, make_person: MakePerson
) -> AsyncIterator[Estate]:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(synapse.url))
        bot = await make_bot(homeserver_url=proxy.url)
        await bot.start_and_go_live()
        homes = [await move_in(await make_person(name), bot) for name in ("alice", "bob")]
        rooms = [room for home in homes for room in (home.space, home.chat)]
        rooms += [await homes[0].new_chat() for _ in range(2)]
        assert await bot.terminate() == 0
        account = await stack.enter_async_context(account_of(synapse, bot))
        group = await homes[0].owner.create_room(invite=[bot.user_id, homes[1].owner.user_id])
        await homes[1].owner.join(group)
        await account.join(group)
        own = await account.create_room(name="Chat 9")
        foreign = {group, own, *(home.door for home in homes)}
        proxy.forwarded.clear()
        yield Estate(bot, proxy, account, tuple(homes), frozenset(rooms), frozenset(foreign))


def files(bot: BotProcess) -> dict[str, int]:
    return {
        str(path.relative_to(bot.folder)): path.stat().st_mtime_ns
        for path in bot.folder.rglob("*")
        if path.is_file()
    }


async def test_managed_rooms_are_left_and_forgotten_and_foreign_ones_are_not(
    estate: Estate,
) -> None:
    before_it = files(estate.bot)
    code, said = await estate.reset("--dry-run")
    assert code == 0, said
    assert files(estate.bot) == before_it
    assert estate.proxy.writes == []
    assert await estate.joined() == estate.managed | estate.foreign
    listed, _, alone = said.partition("Rooms that stay as they are:")
    assert all(f"  {room_id}  " in listed for room_id in estate.managed)
    assert all(f"  {room_id}  " in alone for room_id in estate.foreign)

    code, said = await estate.reset("--yes")
    assert code == 0, said
    assert await estate.joined() == estate.foreign
    assert await estate.left_but_remembered() == set()
    assert {request.room_id for request in estate.proxy.writes} == estate.managed
    # The note of an orderly shutdown is there only if nothing was left to do just then.
    assert re.search(r"Left 6 rooms, forgot 6; removed [34] files\.", said), said
    assert not estate.bot.database.exists()
    assert {path.name for path in estate.bot.store.iterdir()} == {"instance.lock"}

    await estate.bot.start_and_go_live()
    old = estate.homes[0]
    assert old.chat in await old.owner.joined_rooms()
    new = await move_in(old.owner, estate.bot)
    assert not {new.space, new.chat} & estate.managed
    assert estate.bot.kv()[f"chat:{old.owner.user_id}:C1"]["surface_ref"] == new.chat


async def test_a_run_that_is_killed_is_finished_by_the_next(estate: Estate) -> None:
    """Killed again and again, each time a little further on."""
    for pattern, kill, skip in (
        (LEAVE, "before", 0),
        (LEAVE, "after", 0),
        (FORGET, "before", 0),
        (FORGET, "after", 0),
        (LEAVE, "after", 1),
        (FORGET, "after", 2),
    ):
        await estate.reset_killed(pattern, kill, skip)
        assert estate.bot.database.exists()
    assert (estate.bot.store / CHECKLIST_NAME).exists()
    code, said = await estate.reset("--yes")
    assert code == 0, said
    assert await estate.joined() == estate.foreign
    assert await estate.left_but_remembered() == set()
    assert not (estate.bot.store / CHECKLIST_NAME).exists()


async def test_what_the_homeserver_refuses_or_delays_is_not_given_up(estate: Estate) -> None:
    stubborn = estate.homes[0].chat
    limited = estate.proxy.when(LEAVE, rate_limited(retry_after_ms=300), times=2)
    estate.proxy.when(LEAVE, refused(), matches=lambda request: request.room_id == stubborn)
    estate.proxy.when(FORGET, refused(), times=1)
    code, said = await estate.reset("--yes")
    assert code == 1
    assert limited.hits == 2
    assert f"  {stubborn}  403 M_FORBIDDEN: refused by a test" in said
    assert await estate.joined() == estate.foreign | {stubborn}
    remembered = await estate.left_but_remembered()
    assert len(remembered) == 1
    assert estate.bot.database.exists()

    estate.proxy.heal()
    code, said = await estate.reset("--yes")
    assert code == 0, said
    told = said.partition("an unfinished reset has left them):")[2].partition("Rooms that")[0]
    assert set(told.split()) == remembered
    assert await estate.joined() == estate.foreign
    assert await estate.left_but_remembered() == set()
