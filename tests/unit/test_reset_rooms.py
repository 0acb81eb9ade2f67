"""Which rooms a reset leaves, and that it gets out of them whatever happens on the way."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from actors.model import (
    ChatId,
    Marker,
    PlatformChatId,
    RoomId,
    RoomKind,
    RoomMeta,
    UserId,
    UserMeta,
)
from actors.port_errors import HomeserverUnavailable, RefusedForNow, StoreUnavailable
from actors.ports import NewRoom
from actors.rows import StoredRows
from adapter.matrix.checklist import Checklist
from adapter.matrix.file_names import CHECKLIST_NAME
from adapter.matrix.reset import ATTEMPTS, Departed, Departure, Progress, depart, departure
from tests.simulation.faults import Fault
from tests.simulation.limits import stock_write_limit
from tests.simulation.people import Person
from tests.simulation.stage import ALICE, BOT, SPACE, Stage, simulate

NOTHING = StoredRows({}, {}, {}, ())
URL = "https://sim.test"


def checklist(folder: Path, user_id: UserId = BOT) -> Checklist:
    return Checklist(folder, homeserver=URL, user_id=user_id)


async def home(stage: Stage, chats: int = 2) -> tuple[RoomId, list[RoomId]]:
    """Give Alice a Space and some chats."""
    space = await stage.bot.create_room(SPACE)
    made = []
    for number in range(1, chats + 1):
        new = NewRoom(chat_marker(space, number), f"Chat {number}")
        chat = await stage.bot.create_room(new)
        await stage.bot.link(space, chat)
        made.append(chat)
    return space, made


def chat_marker(space: RoomId, number: int) -> Marker:
    return Marker(
        RoomKind.CHAT,
        ALICE,
        chat_id=ChatId(f"C{number}"),
        space_id=space,
        platform_chat_id=PlatformChatId(f"p{number}"),
    )


async def planned(
    stage: Stage, stored: StoredRows = NOTHING, left_over: tuple[RoomId, ...] = ()
) -> Departure:
    return departure(await stage.bot.hydrate(), stored, BOT, left_over)


async def carried_out(
    stage: Stage, folder: Path, tell: Callable[[Progress], None] = lambda _: None
) -> Departed:
    """One run of a reset."""
    todo = checklist(folder)
    plan = await planned(stage, left_over=todo.remaining())
    return await depart(stage.bot, plan, todo, random=random.Random(1), tell=tell)  # noqa: S311


def forgotten(stage: Stage) -> set[RoomId]:
    return {room_id for room_id, user_id in stage.server.forgotten if user_id == BOT}


class TestWhichRooms:
    def test_chats_come_before_their_space_and_foreign_rooms_stay(self) -> None:
        async def play(stage: Stage) -> None:
            space, chats = await home(stage)
            plan = await planned(stage)
            assert list(plan.leave.items()) == [
                (chats[0], f"{ALICE}: C1"),
                (chats[1], f"{ALICE}: C2"),
                (space, f"{ALICE}: Space"),
            ]
            assert plan.alone == {stage.room_id: "direct_chat"}
            assert plan.forget == ()

        simulate(play)

    def test_a_legacy_space_and_its_chat_are_recognised_by_their_links(self) -> None:
        async def play(stage: Stage) -> None:
            former = Person(stage.server, BOT)
            space = former.create_room("Alice", is_space=True)
            chat, loose = former.create_room("Chat 1"), former.create_room("Chat 2")
            former.set_child(space, chat)
            undecided = await planned(stage)
            assert undecided.leave == {}
            assert undecided.alone[space] == "owner_ambiguous"
            rows = replace(NOTHING, users={ALICE: UserMeta(space, 2)})
            plan = await planned(stage, rows)
            assert list(plan.leave) == [chat, space]
            assert plan.alone[loose] == "unlinked"

        simulate(play)

    def test_our_marker_is_enough_even_where_the_room_cannot_be_decided(self) -> None:
        async def play(stage: Stage) -> None:
            space, (chat, other) = await home(stage)
            stage.server.evict(space, BOT)
            Person(stage.server, BOT).write_marker(other, {"version": 99})
            plan = await planned(stage)
            assert plan.leave == {chat: f"{ALICE}: C1", other: "marked by the bot"}

        simulate(play)

    def test_a_room_that_was_upgraded_goes_with_its_replacement(self) -> None:
        async def play(stage: Stage) -> None:
            space, _ = await home(stage, chats=0)
            legacy = Person(stage.server, BOT).create_room("Chat 1")
            await stage.bot.invite(legacy, ALICE)
            stage.alice.join(legacy)
            stage.server.grant(legacy, ALICE, 100)
            replacement = stage.alice.upgrade(legacy)
            stage.alice.invite(replacement, BOT)
            await stage.bot.join(replacement)
            stage.server.grant(replacement, BOT, 100)
            await stage.bot.write_marker(replacement, chat_marker(space, 1))
            assert (await planned(stage)).leave == {
                replacement: f"{ALICE}: C1",
                legacy: "upgraded since",
                space: f"{ALICE}: Space",
            }

        simulate(play)

    def test_a_room_that_cannot_be_read_is_left_alone(self) -> None:
        async def play(stage: Stage) -> None:
            _space, (chat, _other) = await home(stage)
            stage.server.unreadable[chat] = "502"
            plan = await planned(stage)
            assert chat not in plan.leave
            assert plan.alone[chat] == "unreadable: 502"
            again = await planned(stage, left_over=(chat,))
            assert again.leave[chat] == "left over from an unfinished reset"

        simulate(play)

    def test_a_row_alone_makes_no_room_ours(self) -> None:
        async def play(stage: Stage) -> None:
            meta = RoomMeta(RoomKind.CHAT, ChatId("C1"), "x", ALICE, RoomId("!s"), None)
            rows = replace(NOTHING, rooms={stage.room_id: meta})
            assert (await planned(stage, rows)).leave == {}

        simulate(play)


class TestLeaving:
    def test_managed_rooms_are_left_and_forgotten_and_no_others(self, tmp_path: Path) -> None:
        async def play(stage: Stage) -> None:
            space, chats = await home(stage)
            outcome = await carried_out(stage, tmp_path)
            assert outcome == Departed(left=3, forgotten=3)
            assert await stage.bot.joined_rooms() == {stage.room_id}
            assert forgotten(stage) == {space, *chats}
            assert checklist(tmp_path).remaining() == ()

        simulate(play)

    def test_where_nothing_is_ours_nothing_is_written(self, tmp_path: Path) -> None:
        async def play(stage: Stage) -> None:
            assert await carried_out(stage, tmp_path) == Departed()

        simulate(play)
        assert list(tmp_path.iterdir()) == []

    def test_rate_limits_are_waited_for_and_told(self, tmp_path: Path) -> None:
        async def play(stage: Stage) -> None:
            await home(stage, chats=20)
            stage.server.write_limit = stock_write_limit()
            told: list[Progress] = []
            outcome = await carried_out(stage, tmp_path, told.append)
            assert outcome == Departed(left=21, forgotten=21)
            assert any(progress.waits_s > 0 for progress in told)
            assert told[0] == Progress(0, 21)
            assert told[-1] == Progress(21, 21)

        simulate(play)

    @pytest.mark.parametrize(
        "fault", [Fault.REFUSE_BEFORE, Fault.AFTER_EFFECT, Fault.RATE_LIMITED, Fault.SERVER_ERROR]
    )
    @pytest.mark.parametrize("method", ["leave", "forget", "joined_rooms"])
    def test_a_request_that_fails_now_and_then_is_repeated(
        self, method: str, fault: Fault, tmp_path: Path
    ) -> None:
        async def play(stage: Stage) -> None:
            await home(stage)
            stage.faults.next(method, fault, times=2)
            outcome = await carried_out(stage, tmp_path)
            assert outcome == Departed(left=3, forgotten=3)
            assert stage.faults.planned == 0
            assert await stage.bot.joined_rooms() == {stage.room_id}

        simulate(play)

    def test_a_room_that_is_not_let_go_is_named_and_the_others_go_on(self, tmp_path: Path) -> None:
        async def play(stage: Stage) -> None:
            space, (chat, other) = await home(stage)
            stage.faults.next("leave", Fault.REFUSED, room_id=chat)
            outcome = await carried_out(stage, tmp_path)
            assert (outcome.left, outcome.forgotten) == (2, 2)
            assert list(outcome.still_in) == [chat]
            assert forgotten(stage) == {space, other}
            assert checklist(tmp_path).remaining() == (chat,)
            assert await carried_out(stage, tmp_path) == Departed(left=1, forgotten=1)

        simulate(play)

    def test_a_room_that_is_left_but_not_forgotten_is_told_apart(self, tmp_path: Path) -> None:
        async def play(stage: Stage) -> None:
            _space, (chat, _other) = await home(stage)
            stage.faults.next("forget", Fault.REFUSED, room_id=chat)
            outcome = await carried_out(stage, tmp_path)
            assert outcome.still_in == {}
            assert list(outcome.remembered) == [chat]
            assert checklist(tmp_path).remaining() == (chat,)

        simulate(play)

    def test_the_list_of_joined_rooms_is_believed_more_than_an_answer(self, tmp_path: Path) -> None:
        async def play(stage: Stage) -> None:
            _space, (chat,) = await home(stage, chats=1)

            def come_back(progress: Progress) -> None:
                if progress.done == progress.total:
                    stage.server._set_member(stage.server.room(chat), BOT, BOT, "join")

            outcome = await carried_out(stage, tmp_path, come_back)
            assert (outcome.left, outcome.forgotten) == (2, 2)
            assert list(outcome.still_in) == [chat]

        simulate(play)

    def test_a_homeserver_that_is_away_ends_it_and_a_second_run_goes_on(
        self, tmp_path: Path
    ) -> None:
        async def play(stage: Stage) -> None:
            space, chats = await home(stage)
            stage.faults.next("leave", Fault.SERVER_ERROR, room_id=chats[1], times=ATTEMPTS)
            with pytest.raises(HomeserverUnavailable):
                await carried_out(stage, tmp_path)
            assert checklist(tmp_path).remaining() == (chats[1], space)
            assert await carried_out(stage, tmp_path) == Departed(left=2, forgotten=2)
            assert forgotten(stage) == {space, *chats}

        simulate(play)

    def test_a_refused_account_ends_it_at_once_and_a_second_run_goes_on(
        self, tmp_path: Path
    ) -> None:
        async def play(stage: Stage) -> None:
            space, chats = await home(stage)
            stage.faults.next("leave", Fault.REFUSED_FOR_NOW, room_id=chats[1])
            with pytest.raises(RefusedForNow):
                await carried_out(stage, tmp_path)
            assert checklist(tmp_path).remaining() == (chats[1], space)
            assert await carried_out(stage, tmp_path) == Departed(left=2, forgotten=2)

        simulate(play)


@pytest.mark.parametrize("seconds", [0.001 * 1.5**step for step in range(12)])
def test_cut_off_at_any_moment_a_second_run_finishes(seconds: float, tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        space, chats = await home(stage, chats=4)
        with anyio.move_on_after(seconds):
            await carried_out(stage, tmp_path)
        await carried_out(stage, tmp_path)
        assert await stage.bot.joined_rooms() == {stage.room_id}
        assert forgotten(stage) == {space, *chats}
        assert checklist(tmp_path).remaining() == ()

    simulate(play)


class TestChecklist:
    ROOMS = (RoomId("!a"), RoomId("!b"), RoomId("!c"))

    def test_it_remembers_what_is_not_done_in_order(self, tmp_path: Path) -> None:
        todo = checklist(tmp_path / "store")
        assert todo.remaining() == ()
        todo.begin(self.ROOMS)
        todo.mark_done(self.ROOMS[1])
        assert todo.remaining() == (self.ROOMS[0], self.ROOMS[2])
        assert [path.name for path in (tmp_path / "store").iterdir()] == [CHECKLIST_NAME]

    def test_a_line_that_was_not_finished_counts_for_nothing(self, tmp_path: Path) -> None:
        todo = checklist(tmp_path)
        todo.begin(self.ROOMS)
        todo.mark_done(self.ROOMS[0])
        with todo.path.open("ab") as file:
            file.write(b'"!b')
        assert todo.remaining() == self.ROOMS[1:]

    @pytest.mark.parametrize("content", [b"", b"rubbish\n", b"\xff\n", b'{"rooms": ["!a"]}\n'])
    def test_one_that_cannot_be_read_is_as_good_as_none(
        self, content: bytes, tmp_path: Path
    ) -> None:
        todo = checklist(tmp_path)
        todo.path.write_bytes(content)
        assert todo.remaining() == ()

    def test_a_folder_in_its_place_is_as_good_as_none(self, tmp_path: Path) -> None:
        todo = checklist(tmp_path)
        todo.path.mkdir()
        assert todo.remaining() == ()

    def test_another_accounts_is_not_ours(self, tmp_path: Path) -> None:
        checklist(tmp_path).begin(self.ROOMS)
        assert checklist(tmp_path, ALICE).remaining() == ()

    def test_where_it_cannot_be_written_nothing_is_begun(self, tmp_path: Path) -> None:
        (tmp_path / "store").touch()
        todo = checklist(tmp_path / "store")
        with pytest.raises(StoreUnavailable, match=CHECKLIST_NAME):
            todo.begin(self.ROOMS)
        with pytest.raises(StoreUnavailable, match=CHECKLIST_NAME):
            todo.mark_done(self.ROOMS[0])
