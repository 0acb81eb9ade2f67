"""All files are lost while people wait for answers: the rooms say what is to be finished."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import anyio
import pytest

from actors.gaps import UNHURRIED_ROOMS
from actors.model import EventId, OutboundKind, OutboundMessage, ReplyState, RoomId
from actors.platform import Ask, Delta, Done, Text
from actors.port_errors import PlatformUnreachable
from actors.reply_texts import ENGLISH
from actors.rules.wording import worded
from adapter.matrix.contents import message_content
from tests.simulation.edits import shown
from tests.simulation.faults import Fault
from tests.stepping.harness import BOT, Home, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio

HOUR_S = 3600.0
WORDS = "Once upon a time there was a bot that told a story without an end. "


def story(sentences: int, every_s: float = 1.0) -> Callable[[Ask], AsyncGenerator[Delta, None]]:
    """An answer that takes so many sentences, one after another."""

    async def tell(_: Ask) -> AsyncGenerator[Delta, None]:
        for number in range(sentences):
            await anyio.sleep(every_s)
            yield Text(f"{number}. {WORDS}")
        yield Done()

    return tell


async def told_otherwise(ask: Ask) -> AsyncGenerator[Delta, None]:
    """A whole story in other words."""
    async for delta in story(900, every_s=0.05)(ask):
        yield Text(delta.text.replace("Once", "Twice")) if isinstance(delta, Text) else delta


def whole(sentences: int) -> str:
    """The text of a whole story."""
    return "".join(f"{number}. {WORDS}" for number in range(sentences)).strip()


def storyteller(sentences: int = 20) -> ScriptedPlatform:
    """A platform that answers the message "story" with a story."""
    platform = ScriptedPlatform()
    platform.script["story"] = story(sentences)
    return platform


def states(world: World, room_id: RoomId) -> list[tuple[str, str]]:
    """The question and the state of each answer in a room, as a client shows them now."""
    marks = [
        it.content.get("io.surfaces.reply") for it in shown(world.server.room(room_id).timeline)
    ]
    answers = [mark for mark in marks if isinstance(mark, dict) and "to" in mark]
    return [(str(mark["to"]), str(mark["state"])) for mark in answers]


def cover(world: World, room_id: RoomId, boot: str = "boot-1") -> None:
    """Let the server handle a live edit of the newest answer only now."""
    anchor = list(shown(world.server.room(room_id).timeline))[-1].original
    mark = anchor.content["io.surfaces.reply"]
    assert isinstance(mark, dict)
    txn_id = f"{mark['to']}.{mark['part']}~{boot}.99"
    late = OutboundMessage(
        txn_id, room_id, "A beginning", kind=OutboundKind.LIVE, target=anchor.event_id
    )
    world.server.send(BOT, room_id, message_content(late), txn_id)


def txns(world: World, room_id: RoomId) -> list[str]:
    """What the transaction ids of the bot's messages end with, after the question's event id."""
    ids = (event.txn_id for event in world.server.room(room_id).timeline if event.sender == BOT)
    return [txn_id.partition(".")[2] for txn_id in ids if txn_id and txn_id.startswith("$")]


def unanswered(count: int) -> str:
    """What a room is asked about so many old questions."""
    return worded(ENGLISH.unanswered, count=count).body


async def home_of_alice(world: World) -> Home:
    """A home in which a question was answered."""
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "first")
        await quiet()
    assert world.alice.replies(home.chat) == ("You said: first",)
    return home


async def cut_off(world: World, home: Home, seconds: float, text: str = "story") -> EventId:
    """A question whose answer was cut off by a kill while it grew."""
    async with world.live(platform=storyteller()):
        question = world.alice.say(home.chat, text)
        await quiet(seconds)
    assert states(world, home.chat)[-1] == (question, "live")
    return question


@pytest.mark.parametrize(
    ("platform", "answer"),
    [(storyteller(), whole(20)), (ScriptedPlatform(), "You said: story")],
    ids=["growing again", "at once"],
)
async def test_an_answer_that_was_cut_off_is_finished_in_its_own_message(
    platform: ScriptedPlatform, answer: str
) -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", answer)
    assert states(world, home.chat)[-1] == (question, "done")


@pytest.mark.parametrize("how", ["a command", "an edit"])
async def test_a_question_that_was_asked_again_while_it_was_in_work_is_not_asked_once_more(
    how: str,
) -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        world.alice.say(home.chat, "!settings edits on")
        await quiet()
        question = world.alice.say(home.chat, "story")
        await quiet(1)
        if how == "an edit":
            world.alice.edit(home.chat, question, "story")
        else:
            world.alice.say(home.chat, "!retry")
        await quiet(60)
    before, platform = world.alice.replies(home.chat), storyteller()
    assert before[-1] == whole(20)
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(60)
    assert world.alice.replies(home.chat) == before
    assert platform.asks == []


@pytest.mark.parametrize("seconds", [1, 8])
async def test_a_question_that_was_forgotten_while_it_was_in_work_is_not_answered(
    seconds: float,
) -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        world.alice.say(home.chat, "story")
        await quiet(seconds)
        world.alice.say(home.chat, "!forget")
        await quiet(60)
    before, platform = world.alice.replies(home.chat), storyteller()
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(60)
    assert world.alice.replies(home.chat) == before
    assert platform.asks == []


async def test_each_part_of_an_answer_that_was_cut_off_is_finished() -> None:
    world, platform = World(), storyteller(900)
    platform.script["story"] = story(900, every_s=0.05)
    home = await home_of_alice(world)
    async with world.live(platform=platform):
        question = world.alice.say(home.chat, "story")
        await quiet(40)
    before = states(world, home.chat)[1:]
    assert before == [(question, "live")] * len(before)
    assert len(before) > 1
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(200)
    replies = world.alice.replies(home.chat)[1:]
    assert "".join(replies).replace("\n", "") == whole(900).replace("\n", "")
    assert states(world, home.chat)[1:] == [(question, "done")] * len(replies)
    assert len(replies) > len(before)


async def test_answers_in_several_rooms_and_in_a_thread_are_finished() -> None:
    world, platform = World(), storyteller()
    async with world.live(platform=platform) as run:
        home, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        root = world.alice.say(home.chat, "root")
        await quiet()
        relation = {"rel_type": "m.thread", "event_id": root}
        content = {"msgtype": "m.text", "body": "story", "m.relates_to": relation}
        asked = [world.alice.send_raw(home.chat, content), world.bob.say(of_bob.chat, "story")]
        await quiet(8)
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(60)
    for person, room_id, question in zip(
        (world.alice, world.bob), (home.chat, of_bob.chat), asked, strict=True
    ):
        assert person.replies(room_id)[-1] == whole(20)
        assert states(world, room_id)[-1] == (question, "done")
    assert states(world, home.chat)[0] == (root, "done")


@pytest.mark.parametrize("when", ["before the loss", "while the bot is down"])
async def test_a_cut_off_answer_to_a_redacted_question_is_taken_back(when: str) -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.alice.redact(home.chat, question)
    if when == "before the loss":
        world.lose_store()
    platform = storyteller()
    async with world.live(platform=platform):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first",)
    assert platform.asks == []


async def test_a_cut_off_answer_is_finished_however_old_its_question_is() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.server.skip(30 * HOUR_S)
    world.lose_store()
    async with world.live(platform=storyteller()):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


async def test_an_answer_is_finished_although_the_room_was_asked_about_later_questions() -> None:
    world, platform = World(), storyteller()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    for number in range(30):
        world.alice.say(home.chat, f"old {number}")
    world.server.skip(2 * HOUR_S)
    for seconds in (5, 60, 60):
        world.lose_store()
        async with world.live(platform=platform):
            await quiet(seconds)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20), unanswered(30))
    assert (question, "done") in states(world, home.chat)
    assert len(platform.asks) == 2


async def test_the_question_of_a_cut_off_answer_may_be_far_back() -> None:
    world = World()
    world.bounds = replace(world.bounds, unanswered_pages=2)
    home = await home_of_alice(world)
    world.alice.invite(home.chat, world.bob.user_id)
    world.bob.join(home.chat)
    async with world.live(platform=storyteller()):
        question = world.alice.say(home.chat, "story")
        for number in range(20):
            world.bob.say(home.chat, f"to alice {number}")
        await quiet(8)
    world.lose_store()
    async with world.live(platform=storyteller()):
        await quiet(60)
    assert world.alice.replies(home.chat)[-1] == whole(20)
    assert states(world, home.chat)[1:] == [(question, "done")]


@pytest.mark.parametrize(("pages", "messages"), [(2, 5_000), (10, 30)])
async def test_a_cut_off_answer_is_finished_however_much_others_have_said(
    pages: int, messages: int
) -> None:
    world, platform = World(), storyteller()
    world.bounds = replace(world.bounds, unanswered_pages=pages, gap_messages=messages)
    home = await home_of_alice(world)
    world.alice.invite(home.chat, world.bob.user_id)
    world.bob.join(home.chat)
    question = await cut_off(world, home, 8)
    waiting = world.alice.say(home.chat, "and then")
    for number in range(100):
        world.bob.say(home.chat, f"to alice {number}")
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(90)
    assert whole(20) in world.alice.replies(home.chat)
    assert states(world, home.chat)[1:] == [(question, "done"), (waiting, "done")]


async def test_questions_of_the_last_hour_are_answered_in_order() -> None:
    world = World()
    home = await home_of_alice(world)
    for number in range(20):
        world.alice.say(home.chat, f"while down {number}")
    world.lose_store()
    async with world.live():
        await quiet(60)
    answers = [f"You said: while down {number}" for number in range(20)]
    assert world.alice.replies(home.chat) == ("You said: first", *answers)


async def test_what_waited_behind_the_question_in_work_is_answered_after_it() -> None:
    """The bot's newest message is the answer to an earlier question."""
    world, platform = World(), ScriptedPlatform()
    platform.takes_s = 10
    home = await home_of_alice(world)
    async with world.live(platform=platform):
        for text in ("one", "two", "three"):
            world.alice.say(home.chat, text)
        await quiet(15)
    assert world.alice.replies(home.chat)[1:] == ("You said: one",)
    world.lose_store()
    async with world.live():
        await quiet(60)
    answers = [f"You said: {text}" for text in ("one", "two", "three")]
    assert world.alice.replies(home.chat)[1:] == tuple(answers)


async def test_notices_and_answers_to_commands_hide_no_question() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.takes_s = 600
    home = await home_of_alice(world)
    async with world.live(platform=platform):
        world.alice.say(home.chat, "one")
        await quiet()
        world.alice.say(home.chat, "!chats")
        await quiet()
    assert len(world.alice.replies(home.chat)) == 2
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat)[2:] == ("You said: one",)


async def test_older_questions_are_asked_about_once_however_often_files_are_lost() -> None:
    world, platform = World(), ScriptedPlatform()
    home = await home_of_alice(world)
    for number in range(3):
        world.alice.say(home.chat, f"old {number}")
    world.server.skip(2 * HOUR_S)
    for text in ("", "", "young", ""):
        if text:
            world.alice.say(home.chat, text)
        world.lose_store()
        world.server.forget_transactions()
        async with world.live(platform=platform):
            await quiet(60)
    assert [text for _, text, _ in platform.asked] == ["young"]
    assert world.alice.replies(home.chat)[1:] == (unanswered(3), "You said: young")


async def test_retry_asks_the_last_old_question_again() -> None:
    world = World()
    home = await home_of_alice(world)
    world.alice.say(home.chat, "old")
    world.server.skip(2 * HOUR_S)
    world.lose_store()
    async with world.live():
        await quiet(60)
        world.alice.say(home.chat, "!retry")
        await quiet(60)
    assert world.alice.replies(home.chat)[1:] == (unanswered(1), "You said: old")


async def test_young_commands_are_carried_out_and_old_ones_are_not() -> None:
    world = World()
    home = await home_of_alice(world)
    world.alice.say(home.chat, "!new Old")
    world.server.skip(2 * HOUR_S)
    world.alice.say(home.chat, "!new Young")
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert [name for name in names_of_chats(world) if name in {"Old", "Young"}] == ["Young"]
    assert len(world.alice.replies(home.chat)) == 2


async def test_a_command_that_a_later_one_has_passed_is_not_carried_out() -> None:
    """It was too old after a loss of the database, whose restored copy does not know of that."""
    world = World()
    home = await home_of_alice(world)
    old = world.copy_of_store()
    world.alice.say(home.chat, "!status")
    world.server.skip(2 * HOUR_S)
    world.lose_store()
    async with world.live():
        await quiet(70)
        world.alice.say(home.chat, "!chats")
        await quiet(70)
    replies = world.alice.replies(home.chat)
    assert replies[-1].startswith("Your chats")
    world.store = old
    world.alice.say(home.chat, "!new Garden")
    world.alice.say(home.chat, "!help")
    async with world.live():
        await quiet(60)
    later = world.alice.replies(home.chat)[len(replies) :]
    assert len(later) == 2
    assert not any(text.startswith("This is") for text in later)


def names_of_chats(world: World) -> list[object]:
    """The names of all rooms on the server."""
    return [room.content("m.room.name").get("name") for room in world.server.rooms.values()]


async def test_a_command_whose_answer_was_lost_creates_no_second_room() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.boot() as run:
        await run.go_live()
        run.homeserver.faults.next("send", Fault.REFUSE_BEFORE, room_id=home.chat, times=99)
        run.let_run()
        world.alice.say(home.chat, "!new Garden")
        await quiet(5)
    assert names_of_chats(world).count("Garden") == 1
    world.lose_store()
    async with world.live():
        await quiet(200)
    assert names_of_chats(world).count("Garden") == 1
    assert world.alice.replies(home.chat)[-1].startswith("Garden (C2) is ready")


async def test_what_others_say_to_each_other_is_neither_answered_nor_asked_about() -> None:
    world, platform = World(), ScriptedPlatform()
    home = await home_of_alice(world)
    world.alice.invite(home.chat, world.bob.user_id)
    world.bob.join(home.chat)
    world.bob.say(home.chat, "old, to alice")
    world.bob.say(home.chat, f"old, to {BOT}")
    world.server.skip(2 * HOUR_S)
    world.bob.say(home.chat, "young, to alice")
    world.bob.say(home.chat, f"young, to {BOT}")
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(60)
    assert [text for _, text, _ in platform.asked] == [f"young, to {BOT}"]
    assert unanswered(1) in world.alice.replies(home.chat)


async def test_a_first_start_and_a_start_with_all_files_read_no_room_again() -> None:
    world = World()
    direct = world.alice.direct_chat_with(BOT)
    world.server.set_membership(BOT, direct, BOT, "join")
    world.alice.say(direct, "hello?")
    for _ in range(2):
        async with world.boot() as run:
            run.homeserver.faults.next("recent", Fault.SERVER_ERROR)
            await run.go_live()
            run.let_run()
            await quiet(30)
            assert run.homeserver.faults.planned == 1
            home = await run.settle_in(world.alice)
            world.alice.say(home.chat, "hello")
            await quiet()
        assert set(world.alice.replies(home.chat)) == {"You said: hello"}


async def test_a_new_question_does_not_wait_for_what_was_missed_elsewhere() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        chats = sorted(await run.more_chats(world.alice, home, 12))
        for room_id in chats:
            world.alice.say(room_id, "hello")
        await quiet(20)
        for room_id in chats:
            world.alice.say(room_id, "missed")
    world.lose_store()
    async with world.boot() as run:
        for room_id in chats[:-1]:
            run.homeserver.faults.next("recent", Fault.HANG_BEFORE, room_id=room_id)
        await run.go_live()
        run.let_run()
        await quiet()
        world.alice.say(chats[-1], "new")
        await quiet(5)
        assert world.alice.replies(chats[-1])[-1] == "You said: new"
        reading = [room for room in chats if run.bot.services.registry.gaps.doubt(room)]
        assert len(reading) == len(chats) - 1
        assert run.homeserver.faults.planned == len(chats) - 1 - UNHURRIED_ROOMS
        await quiet(300)
    for room_id in chats[:-1]:
        assert world.alice.replies(room_id)[-1] == "You said: missed"


async def test_a_room_that_can_t_be_read_is_searched_when_it_can() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.lose_store()
    world.server.unreadable[home.chat] = "500: cannot be read"
    async with world.live(platform=storyteller()):
        await quiet(60)
        assert states(world, home.chat)[-1] == (question, "live")
        world.server.healed()
        await quiet(2000)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


async def test_a_position_that_is_lost_before_a_room_was_searched_changes_nothing() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.lose_store()
    world.server.unreadable[home.chat] = "500: cannot be read"
    async with world.live(platform=storyteller()):
        await quiet(60)
    world.server.forget_positions()
    world.server.forget_transactions()
    async with world.live(platform=storyteller()):
        await quiet(60)
        world.server.unreadable.clear()
        await quiet(2000)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


async def test_rooms_of_which_none_can_be_read_may_be_the_bots_own() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.lose_store()
    for room in world.server.rooms_of(BOT, "join"):
        if room.creator == BOT:
            world.server.unreadable[room.room_id] = "500: cannot be read"
    async with world.live(platform=storyteller()):
        await quiet(60)
        world.server.healed()
        await quiet(2000)
    assert states(world, home.chat)[-1] == (question, "done")


async def test_a_chat_that_was_archived_is_not_asked_about_old_questions() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        for text in ("!archive", "!yes"):
            world.alice.say(second, text)
            await quiet(5)
    said = world.alice.replies(second)
    world.alice.say(second, "old")
    world.server.skip(2 * HOUR_S)
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(second) == said


async def test_in_a_direct_chat_only_what_came_last_counts() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live():
        world.alice.say(home.direct, "answered")
        await quiet(5)
    said = world.alice.replies(home.direct)
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.direct) == said
    world.alice.say(home.direct, "old")
    world.server.skip(2 * HOUR_S)
    for text, answers in (("", 0), ("young", 1)):
        if text:
            world.alice.say(home.direct, text)
        world.lose_store()
        async with world.live():
            await quiet(60)
        assert len(world.alice.replies(home.direct)) == len(said) + answers


async def test_only_so_many_pages_are_read_for_questions_without_an_answer() -> None:
    world = World()
    world.bounds = replace(world.bounds, unanswered_pages=2)
    home = await home_of_alice(world)
    for number in range(40):
        world.alice.say(home.chat, f"old {number}")
    world.server.skip(2 * HOUR_S)
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat)[1:] == (unanswered(14),)


async def test_more_young_questions_than_the_inbox_takes_are_fetched_in_pieces() -> None:
    world = World()
    world.bounds = replace(world.bounds, inbox_room_limit=10, gap_page=5)
    home = await home_of_alice(world)
    world.alice.say(home.chat, "old")
    world.server.skip(2 * HOUR_S)
    for number in range(30):
        world.alice.say(home.chat, str(number))
    world.lose_store()
    async with world.live():
        for _ in range(20):
            await quiet(1)
            assert (await world.store.waiting_counts()).get(home.chat, 0) <= 10
    answers = (f"You said: {number}" for number in range(30))
    assert world.alice.replies(home.chat)[1:] == (unanswered(1), *answers)


async def test_the_end_that_a_late_edit_covers_is_shown_again_after_a_loss() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        world.alice.say(home.chat, "story")
        await quiet(60)
    cover(world, home.chat)
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    world.lose_store()
    async with world.live():
        await quiet(60)
    assert txns(world, home.chat).count("0.final.2") == 1


async def test_an_anchor_that_its_ended_answer_does_not_need_is_taken_back_after_a_loss() -> None:
    world, platform = World(), storyteller()
    home = await home_of_alice(world)
    async with world.live(platform=platform) as run:
        question = world.alice.say(home.chat, "hello")
        await quiet(5)
        superfluous = OutboundMessage(
            f"{question}.1", home.chat, "More", kind=OutboundKind.ANCHOR, state=ReplyState.LIVE
        )
        await run.homeserver.send(superfluous)
        await quiet(5)
    assert states(world, home.chat)[-1] == (question, "live")
    world.lose_store()
    async with world.live(platform=platform):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", "You said: hello")


async def test_a_whole_answer_whose_last_part_was_not_sent_is_sent_whole() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.script["long"] = story(900, every_s=0.0)
    home = await home_of_alice(world)
    async with world.boot(platform=platform) as run:
        await run.go_live()
        run.let_run()
        question = world.alice.say(home.chat, "long")
        sent: list[str] = []
        while len(sent) < 1:
            await quiet(0.001)
            sent = [txn for txn in txns(world, home.chat) if txn == "0"][1:]
    world.lose_store()
    world.server.forget_transactions()
    async with world.live(platform=platform):
        await quiet(60)
    replies = world.alice.replies(home.chat)[1:]
    assert "".join(replies).replace("\n", "") == whole(900).replace("\n", "")
    assert states(world, home.chat)[1:] == [(question, "done")] * len(replies)
    assert len(replies) > 2


async def test_an_answer_that_was_lost_between_its_ends_has_the_words_of_one_attempt() -> None:
    world, platform = World(), storyteller()
    platform.script["story"] = story(900, every_s=0.05)
    home = await home_of_alice(world)
    async with world.boot(platform=platform) as run:
        await run.go_live()
        run.let_run()
        question = world.alice.say(home.chat, "story")
        await quiet(40)
        world.server.slow_s = 0.5
        while "0.final" not in txns(world, home.chat):
            await quiet(0.01)
    assert "1.final" not in txns(world, home.chat)
    world.server.slow_s = 0.0
    world.lose_store()
    again = storyteller()
    again.script["story"] = told_otherwise
    async with world.live(platform=again):
        await quiet(200)
    replies = world.alice.replies(home.chat)[1:]
    assert "".join(replies).replace("\n", "") == whole(900).replace("Once", "Twice").replace(
        "\n", ""
    )
    assert states(world, home.chat)[1:] == [(question, "done")] * len(replies)


# ------------------------------------------------------------ an old copy of the database


async def test_an_answer_that_grows_in_an_old_copy_is_finished_in_its_own_message() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        question = world.alice.say(home.chat, "story")
        await quiet(8)
        old = world.copy_of_store()
        await quiet(100)
        last = world.alice.say(home.chat, "story")
        await quiet(8)
    world.store = old
    async with world.live(platform=storyteller()):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20), whole(20))
    assert states(world, home.chat)[1:] == [(question, "done"), (last, "done")]


async def test_a_question_that_waits_in_an_old_copy_is_answered_if_the_room_has_no_answer() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        await quiet(70)
        question = world.alice.say(home.chat, "story")
        await quiet(1)
        old = world.copy_of_store()
        await quiet(4)
        world.server.generations[BOT] = replace(world.server.generations[BOT], count=99)
    assert states(world, home.chat)[-1] == (question, "live")
    world.store = old
    async with world.live(platform=storyteller()):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))


async def test_a_notice_of_an_outage_does_not_hide_questions_from_an_old_copy() -> None:
    world, platform = World(), ScriptedPlatform()
    home = await home_of_alice(world)
    old = world.copy_of_store()
    platform.check_fails = PlatformUnreachable("down")
    platform.fail("waits", *[PlatformUnreachable("down")] * 50)
    async with world.live(platform=platform):
        await quiet(70)
        world.alice.say(home.chat, "waits")
        await quiet(70)
    assert len(world.alice.replies(home.chat)) == 2
    world.store = old
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat)[2:] == ("You said: waits",)


@pytest.mark.parametrize("shown", ["in one sync", "behind a gap", "in a gap that is left open"])
@pytest.mark.parametrize("others", [0, 10])
async def test_an_answer_that_a_copy_of_the_same_generation_does_not_know_is_finished(
    shown: str, others: int
) -> None:
    """A loss of power takes back the newest commits: the question waits, its anchor is unknown."""
    world = World()
    home = await home_of_alice(world)
    world.alice.invite(home.chat, world.bob.user_id)
    world.bob.join(home.chat)
    async with world.live(platform=storyteller()):
        await quiet(70)
        question = world.alice.say(home.chat, "story")
        await quiet(0.5)
        copy = world.copy_of_store()
        for _ in range(2):
            for number in range(others):
                world.bob.say(home.chat, f"to alice {number}")
            await quiet(4)
    assert states(world, home.chat)[1:] == [(question, "live")]
    world.store = copy
    world.server.timeline_limit = 100 if shown == "in one sync" else 2
    async with world.boot() as run:
        if shown == "in a gap that is left open":
            run.homeserver.faults.next("messages_before", Fault.SERVER_ERROR, room_id=home.chat)
        await run.go_live()
        run.let_run()
        await quiet(60)
    texts = [text for sender, text in world.alice.messages(home.chat) if sender == BOT]
    assert texts == ["You said: first", "You said: story"]
    assert states(world, home.chat)[1:] == [(question, "done")]


async def test_an_answer_whose_message_was_taken_away_is_sent_anew() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        question = world.alice.say(home.chat, "story")
        await quiet(8)
        (anchor,) = await world.store.anchors(question)
        assert anchor.event_id is not None
        world.server.take_down(home.chat, anchor.event_id)
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


async def test_a_question_that_was_deleted_in_a_gap_without_a_beginning_is_not_asked() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    world.alice.redact(home.chat, question)
    after = world.alice.say(home.chat, "after")
    world.server.forget_positions()
    platform = storyteller()
    async with world.live(platform=platform):
        await quiet(60)
    assert [ask.key for ask in platform.asks] == [after]
    assert world.alice.replies(home.chat) == ("You said: first", "You said: after")


async def test_an_anchor_that_was_deleted_in_a_gap_without_a_beginning_is_not_edited() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 8)
    anchor = list(shown(world.server.room(home.chat).timeline))[-1].original
    world.server.take_down(home.chat, anchor.event_id)
    world.server.forget_positions()
    async with world.live(platform=storyteller()):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


async def test_an_answer_that_was_deleted_while_it_grew_is_a_new_message_after_a_loss() -> None:
    world = World()
    home = await home_of_alice(world)
    question = await cut_off(world, home, 12)
    anchor = list(shown(world.server.room(home.chat).timeline))[-1].original
    world.server.take_down(home.chat, anchor.event_id)
    world.lose_store()
    async with world.live(platform=storyteller()):
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", whole(20))
    assert states(world, home.chat)[-1] == (question, "done")


@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_an_answer_that_was_deleted_is_not_given_again_after_a_loss(parts: int) -> None:
    world = World()
    home = await home_of_alice(world)
    sentences = {1: 1, 2: 400, 3: 900}[parts]
    told = story(sentences, every_s=0.001)
    platform = ScriptedPlatform()
    platform.script["story"] = told
    async with world.live(platform=platform):
        world.alice.say(home.chat, "before")
        question = world.alice.say(home.chat, "story")
        await quiet(60)
    answer = [it.original for it in shown(world.server.room(home.chat).timeline)][-parts:]
    assert states(world, home.chat)[-parts:] == [(question, "done")] * parts
    world.server.take_down(home.chat, answer[-1].event_id)
    left = world.alice.replies(home.chat)
    after = world.alice.say(home.chat, "after")
    world.lose_store()
    platform = ScriptedPlatform()
    async with world.live(platform=platform):
        await quiet(60)
    assert [ask.key for ask in platform.asks] == [after]
    assert world.alice.replies(home.chat) == (*left, "You said: after")


async def test_a_question_that_was_asked_anew_is_not_answered_twice_after_a_loss() -> None:
    world = World()
    home = await home_of_alice(world)
    async with world.live(platform=storyteller()):
        world.alice.say(home.chat, "story")
        await quiet(12)
        retry = world.alice.say(home.chat, "!retry")
        await quiet(8)
    assert states(world, home.chat)[1:] == [(retry, "live")]
    world.lose_store()
    async with world.live(platform=storyteller()) as run:
        await quiet(100)
        assert run.bot.activities.meter.replies["done"] == 1
    assert states(world, home.chat)[1:] == [(retry, "done")]
    assert world.alice.replies(home.chat)[1:] == (whole(20),)
