"""The bot is killed around the writes of onboarding and of `!new`, with and without its files.

The kills of one group happen together, side by side on bots of their own, before the first test
that looks at one of them. `tests/stepping/test_creation.py` kills the bot at every instant: before
a request, while it is on its way, and after it. Here the homeserver carries each request out and
its answer is lost; a createRoom is lost before that as well.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Final, TypeAlias

import anyio
import pytest
from typing_extensions import override

from demo.bot import BotProcess
from demo.comparison import differences
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, newcomer, unique
from tests.synapse.home import accept, hear, knock, move_in, words_of
from tests.synapse.proxy import FaultProxy, after, before
from tests.synapse.rebuilding import Reconciler, Rooms, rooms_of_owners
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

JOIN: Final = "POST rooms/*/join"
CREATE: Final = "POST createRoom"
INVITE: Final = "POST rooms/*/invite"
MARK: Final = "PUT rooms/*/state/io.surfaces.room/*"
LINK: Final = "PUT rooms/*/state/m.space.child/*"
SEND: Final = "PUT rooms/*/send/m.room.message/*"

ONBOARDING: Final = (JOIN, CREATE, INVITE, CREATE, LINK, INVITE, SEND)
"""Join the door; the Space with its high-water mark; its invite; the chat, linked; its invite."""
NEW_CHAT: Final = (MARK, CREATE, LINK, INVITE, SEND)
STORIES: Final = {"onboarding": ONBOARDING, "new": NEW_CHAT}

LANES: Final = 2
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Point:
    """Where the bot is killed: right before or right after one request of a story."""

    story: str
    nth: int
    moment: str
    files_lost: bool = False

    @override
    def __str__(self) -> str:
        step = self.pattern.removesuffix("/*").rpartition("/")[2].removeprefix("POST ")
        loss = "-files_lost" if self.files_lost else ""
        return f"{self.story}-{self.moment}_{self.nth + 1}_{step}{loss}"

    @property
    def pattern(self) -> str:
        return STORIES[self.story][self.nth]

    @property
    def earlier(self) -> int:
        """How many requests of the same name come before it in its story."""
        return STORIES[self.story][: self.nth].count(self.pattern)


@dataclass(frozen=True, slots=True)
class Group:
    """The kills that are done together."""

    name: str
    points: tuple[Point, ...]

    @override
    def __str__(self) -> str:
        return self.name


def killed_after(story: str) -> list[Point]:
    """A kill after each request of a story."""
    return [Point(story, nth, "after") for nth in range(len(STORIES[story]))]


def killed_before_creating(story: str) -> list[Point]:
    """A kill before each createRoom of a story."""
    steps = enumerate(STORIES[story])
    return [Point(story, nth, "before") for nth, step in steps if step == CREATE]


CREATED: Final = Point("new", NEW_CHAT.index(CREATE), "after")
LOST: Final = replace(CREATED, files_lost=True)

KILLS: Final = (
    Group("one", (CREATED,)),
    Group("onboarding", (*killed_before_creating("onboarding"), *killed_after("onboarding"))),
    Group(
        "new",
        (
            *killed_before_creating("new"),
            *(point for point in killed_after("new") if point != CREATED),
        ),
    ),
)
LOSSES: Final = (
    Group("one-files_lost", (LOST,)),
    Group(
        "onboarding-files_lost",
        tuple(
            replace(point, files_lost=True)
            for point in killed_after("onboarding")
            if point.pattern == CREATE
        ),
    ),
)
"""Of the promise nothing is left then: the owner invites again, or writes at the door."""


@dataclass(slots=True)
class Outcome:
    """What came of one kill."""

    owner: str = ""
    rooms: Rooms = field(default_factory=Rooms)
    """What the owner has on the server in the end."""
    told: list[str] = field(default_factory=list)
    """What the bot has said about the promise that the kill interrupted."""
    failure: Exception | None = None


@dataclass(slots=True)
class Lane:
    """One bot with an account and a proxy of its own, killed at one point after another."""

    homeserver: ThrowawaySynapse
    bot: BotProcess
    proxy: FaultProxy
    account: Person
    admin: Person
    people: AsyncExitStack
    outcomes: dict[Point, Outcome] = field(default_factory=dict)
    rooms_created: int = 0
    intents_done: int = 0
    drift: list[str] = field(default_factory=list)
    """Where its rows differ in the end from what a rebuild makes of the rooms."""

    async def run(self, points: Sequence[Point]) -> None:
        await self.bot.start_and_go_live(PATIENCE_S)
        for point in points:
            outcome = self.outcomes[point] = Outcome()
            try:
                await self._run_point(point, outcome)
            except Exception as failure:  # noqa: BLE001  told by the point's own test
                outcome.failure = failure
                await self._begin_anew()
        await self._take_stock()

    async def _take_stock(self) -> None:
        rooms = await rooms_of_owners(self.account)
        for outcome in self.outcomes.values():
            outcome.rooms = rooms.get(outcome.owner, Rooms())
        self.rooms_created = await rooms_created_by(self.admin, self.bot.user_id)
        self.intents_done = rooms_promised(self.bot.database)
        login = Reconciler.logged_in(self.homeserver.url, self.bot.user_id, PASSWORD)
        async with login as reconciler:
            rebuilt, _ = await reconciler.rebuild()
        self.drift = differences(rebuilt, self.bot.kv())

    async def _run_point(self, point: Point, outcome: Outcome) -> None:
        owner = await newcomer(self.people, self.homeserver, "owner")
        outcome.owner = owner.user_id
        if point.story == "onboarding":
            killed = self._kill_at(point)
            door = await knock(owner, self.bot)
            await self._start_again(point, killed)
            if point.files_lost and not point.earlier:
                door = await knock(owner, self.bot)
            elif point.files_lost:
                await owner.say(door, "is anybody there?")
            await accept(owner, self.bot, is_space=True, timeout_s=PATIENCE_S)
            chat = await accept(owner, self.bot, is_space=False, timeout_s=PATIENCE_S)
            if not point.files_lost:
                await hear(owner, self.bot, door, timeout_s=PATIENCE_S)
            await self._order_chat(owner, chat)
            outcome.told = await words_of(owner, door, self.bot.user_id)
        else:
            home = await move_in(owner, self.bot)
            killed = self._kill_at(point)
            await owner.say(home.chat, "!new")
            await self._start_again(point, killed)
            await accept(owner, self.bot, is_space=False, timeout_s=PATIENCE_S)
            await hear(owner, self.bot, home.chat, timeout_s=PATIENCE_S)
            await self._order_chat(owner, home.chat)
            outcome.told = await words_of(owner, home.chat, self.bot.user_id)

    async def _order_chat(self, owner: Person, chat: str) -> None:
        """Whatever has happened, the next `!new` is carried out."""
        await owner.discard_events()
        await owner.new_invites()
        await owner.say(chat, "!new")
        await accept(owner, self.bot, is_space=False)
        await hear(owner, self.bot, chat)

    def _kill_at(self, point: Point) -> anyio.Event:
        killed = anyio.Event()

        async def kill() -> None:
            await self.bot.kill()
            killed.set()

        around = before if point.moment == "before" else after
        self.proxy.when(point.pattern, around(kill), skip=point.earlier, times=1)
        return killed

    async def _start_again(self, point: Point, killed: anyio.Event) -> None:
        with anyio.fail_after(PATIENCE_S):
            await killed.wait()
        self.proxy.heal()
        if point.files_lost:
            self.bot.wipe()
        await self.bot.start_and_go_live()

    async def _begin_anew(self) -> None:
        """A point that failed must not spoil those after it."""
        self.proxy.heal()
        await self.bot.__aexit__(None, None, None)
        await self.bot.start_and_go_live()


def rooms_promised(database: Path) -> int:
    """How many intents have been carried out that are about a room each."""
    with closing(sqlite3.connect(database)) as connection:
        count = connection.execute(
            "SELECT count(*) FROM intents WHERE step = 'done'"
            " AND json_extract(body, '$.kind') IN ('space', 'first_chat', 'chat')"
        )
        return int(count.fetchone()[0])


async def rooms_created_by(admin: Person, user_id: str) -> int:
    """How many rooms of the server somebody has created, as its administrator sees it."""
    answer = await admin._call("GET", "/_synapse/admin/v1/rooms?limit=10000", None)
    return sum(room["creator"] == user_id for room in answer["rooms"])


Play: TypeAlias = Callable[[Group], Awaitable[list[Lane]]]
"""Does the kills of a group, or answers what came of them when they are done."""


@pytest.fixture(scope="module")
async def play(
    synapse: ThrowawaySynapse, admin: Person, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Play]:
    played: dict[Group, list[Lane]] = {}
    async with AsyncExitStack() as stack:

        async def play_once(group: Group) -> list[Lane]:
            if group not in played:
                played[group] = [
                    await make_lane(stack, synapse, admin, tmp_path_factory.mktemp("lane"))
                    for _ in range(min(LANES, len(group.points)))
                ]
                async with anyio.create_task_group() as side_by_side:
                    for first, lane in enumerate(played[group]):
                        side_by_side.start_soon(lane.run, group.points[first::LANES])
            return played[group]

        yield play_once


async def make_lane(
    stack: AsyncExitStack, homeserver: ThrowawaySynapse, admin: Person, folder: Path
) -> Lane:
    localpart = unique("bot")
    user_id = await homeserver.register(localpart, PASSWORD)
    login = Person.logged_in(homeserver.url, localpart, PASSWORD)
    account = await stack.enter_async_context(login)
    proxy = await stack.enter_async_context(FaultProxy(homeserver.url))
    bot = BotProcess(
        homeserver_url=proxy.url,
        user_id=user_id,
        password=PASSWORD,
        folder=folder / "bot",
        command=launched("hasty"),
    )
    await stack.enter_async_context(bot)
    return Lane(homeserver, bot, proxy, account, admin, stack)


def for_each_point(*groups: Group) -> pytest.MarkDecorator:
    cases = [
        pytest.param(group, point, id=str(point)) for group in groups for point in group.points
    ]
    return pytest.mark.parametrize(("group", "point"), cases)


def for_each(*groups: Group) -> pytest.MarkDecorator:
    cases = [pytest.param(group, id=str(group)) for group in groups]
    return pytest.mark.parametrize("group", cases)


def outcome_of(lanes: list[Lane], point: Point) -> Outcome:
    """What came of a kill. Raises what went wrong on the way."""
    outcome = next(lane.outcomes[point] for lane in lanes if point in lane.outcomes)
    if outcome.failure is not None:
        raise outcome.failure
    return outcome


async def test_the_writes_of_onboarding_and_of_new_are_these(
    synapse: ThrowawaySynapse, make_bot: MakeBot, alice: Person
) -> None:
    async with FaultProxy(synapse.url) as proxy:
        bot = await make_bot(homeserver_url=proxy.url, command=launched("hasty"))
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        assert steps(proxy) == list(ONBOARDING)
        await home.new_chat()
        await hear(alice, bot, home.chat)
        assert steps(proxy) == [*ONBOARDING, *NEW_CHAT]


def steps(proxy: FaultProxy) -> list[str]:
    """The writes so far; what only shows the bot, or that it is at work, is none of them.

    Two equal ones in a row are one step: upkeep may list a room at the same moment.
    """
    shown = ("/receipt/", "/typing/", "/account_data/", "profile/", "upload")
    names = [write.name for write in proxy.writes if not any(part in write.name for part in shown)]
    return [name for name, _ in groupby(names)]


@for_each_point(*KILLS)
async def test_a_kill_leaves_one_space_and_the_right_chats(
    play: Play, group: Group, point: Point
) -> None:
    rooms = outcome_of(await play(group), point).rooms
    chats = {"onboarding": 2, "new": 3}[point.story]
    assert len(rooms.spaces) == 1
    assert {chat_id: len(of_id) for chat_id, of_id in rooms.chats.items()} == {
        f"C{number}": 1 for number in range(1, chats + 1)
    }
    assert rooms.listed == {room_id for of_id in rooms.chats.values() for room_id in of_id}


@for_each_point(*KILLS)
async def test_a_promise_that_a_kill_interrupted_is_announced_once(
    play: Play, group: Group, point: Point
) -> None:
    told = outcome_of(await play(group), point).told
    if point.story == "onboarding":
        assert [text.startswith("Hello!") for text in told] == [True]
    else:
        assert [text.partition(" is ready")[0] for text in told] == ["Chat 2", "Chat 3"]


@for_each_point(*LOSSES)
async def test_a_kill_and_the_loss_of_all_files_leave_one_space_and_no_chat_twice(
    play: Play, group: Group, point: Point
) -> None:
    rooms = outcome_of(await play(group), point).rooms
    assert len(rooms.spaces) == 1
    assert {len(of_id) for of_id in rooms.chats.values()} == {1}
    assert rooms.listed == {room_id for of_id in rooms.chats.values() for room_id in of_id}


@for_each(*KILLS)
async def test_as_many_rooms_are_created_as_intents_are_carried_out(
    play: Play, group: Group
) -> None:
    for lane in await play(group):
        assert lane.rooms_created == lane.intents_done
        assert lane.rooms_created == sum(it.rooms.count for it in lane.outcomes.values())


@for_each(*KILLS, *LOSSES)
async def test_the_rows_are_those_that_a_rebuild_makes(play: Play, group: Group) -> None:
    lanes = await play(group)
    assert [lane.drift for lane in lanes] == [[] for _ in lanes]
