"""Restored backups of the homeserver and of the database, and databases that are foreign."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from actors.model import Generation, Intent, IntentKind, IntentStep, Nonce, UserId
from actors.port_errors import StoreUnavailable
from actors.rules.generation import Doubt
from actors.writes import (
    AcceptMessage,
    CloseGap,
    DropMessage,
    FinishMessage,
    ForgetMessage,
    KeepGeneration,
    PutIntent,
    PutRow,
    QueueMessage,
    SavePosition,
    Write,
)
from adapter.sqlite.inline import InlineStore
from supervisor.lifecycle import State
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Home, Run, ScriptedPlatform, World, quiet
from tests.stepping.test_gaps import answers
from tests.store.values import inbound, outbound

pytestmark = pytest.mark.anyio


@contextmanager
def started_from_now() -> Iterator[list[str]]:
    """The reasons for which reading started from now."""
    reasons: list[str] = []
    with capture_logs() as logs:
        yield reasons
        reasons += [log["reason"] for log in logs if log["event"] == "started_from_now"]


async def talked(world: World, run: Run) -> Home:
    """A home in which a question was answered."""
    home = await run.settle_in(world.alice)
    world.alice.say(home.chat, "first")
    await quiet()
    assert world.alice.replies(home.chat) == ("You said: first",)
    return home


async def test_after_a_restore_of_the_homeserver_every_message_is_answered_once() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
    backup = world.server.backup()
    async with world.live():
        for number in range(40):
            world.alice.say(home.chat, f"lost {number}")
            await quiet()
    world.server.restore(backup)
    for number in range(20):
        world.alice.say(home.chat, f"while down {number}")
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
            for number in range(20):
                world.alice.say(home.chat, f"after {number}")
            await quiet(60)
    expected = [f"while down {number}" for number in range(20)]
    expected += [f"after {number}" for number in range(20)]
    replies = ("You said: first", *(f"You said: {text}" for text in expected))
    assert world.alice.replies(home.chat) == replies
    assert reasons == [Doubt.HOMESERVER]


async def test_a_homeserver_restored_during_an_outage_is_noticed_as_well() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        backup = world.server.backup()
        await quiet(200)
        world.alice.say(home.chat, "lost")
        await quiet(200)
        world.go_down()
        await quiet()
        world.server.restore(backup)
        world.alice.say(home.chat, "in the outage")
        world.come_back()
        await quiet(120)
        world.alice.say(home.chat, "after it")
        await quiet()
        assert world.alice.replies(home.chat) == (
            "You said: first",
            "You said: in the outage",
            "You said: after it",
        )


async def test_a_backup_from_after_the_last_generation_is_betrayed_by_a_missing_event() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        await quiet(2)
        backup = world.server.backup()
        world.alice.say(home.chat, "lost")
        await quiet(2)
    world.server.restore(backup)
    world.alice.say(home.chat, "while down")
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
    assert reasons == [Doubt.EVENT]
    assert world.alice.replies(home.chat) == ("You said: first", "You said: while down")


async def test_an_old_database_repeats_nothing_and_undoes_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        world.alice.say(home.chat, "!rename Old")
        await quiet()
        old = world.copy_of_store()
    async with world.live():
        await quiet()
        for number in range(5):
            world.alice.say(home.chat, f"answered {number}")
        world.alice.say(home.chat, "!rename New")
        await quiet()
        world.alice.rename(home.chat, "Newest")
        world.alice.say(home.chat, "!new Second")
        await quiet()
    said, created = world.alice.replies(home.chat), world.creations()
    world.store, world.token = old, None
    world.server.forget_transactions()
    world.alice.say(home.chat, "while down")
    with started_from_now() as reasons:
        async with world.live():
            await quiet(60)
    assert reasons == [Doubt.DATABASE]
    assert world.alice.replies(home.chat) == (*said, "You said: while down")
    assert world.server.room(home.chat).content("m.room.name") == {"name": "Newest"}
    assert world.creations() == created
    rows = await world.rows()
    assert {str(row["name"]) for key, row in rows.items() if row and key.startswith("chat:")} == {
        "Newest",
        "Second",
    }


async def test_what_waits_in_an_old_database_is_not_carried_out() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
    old = world.copy_of_store()
    intent = Intent(Nonce("new.$old"), ALICE, IntentKind.CHAT, IntentStep.WANTED, home.chat)
    message = replace(inbound("old", home.chat), body="old question")
    await old.commit(
        [AcceptMessage(message), QueueMessage(outbound("old", home.chat)), PutIntent(intent)]
    )
    async with world.live():
        await quiet()
    said, created = world.alice.replies(home.chat), world.creations()
    world.store = old
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat) == said
    assert world.creations() == created


async def test_a_homeserver_begun_anew_leaves_nothing_of_the_old_one() -> None:
    world = World()
    nothing = world.server.backup()
    async with world.live() as run:
        await talked(world, run)
        await quiet(60)
    world.server.restore(nothing)
    world.token = None
    with started_from_now() as reasons:
        async with world.live() as run:
            await quiet()
            assert await world.rows() == {}
            home = await run.settle_in(world.alice)
            world.alice.say(home.chat, "!chats")
            await quiet()
            assert world.alice.replies(home.chat) == ("Your chats:\nC1: Chat 1",)
    assert reasons == [Doubt.NEW_HOMESERVER]


async def test_a_database_of_another_account_is_emptied() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
    await quiet()
    stored = await world.store.generation()
    assert stored is not None
    foreign = KeepGeneration(replace(stored, account=UserId("@other:sim.test")))
    await world.store.commit([foreign, PutRow("chat:@x:sim.test:C1", {"name": "foreign"})])
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
            assert "chat:@x:sim.test:C1" not in await world.rows()
            world.alice.say(home.chat, "hello")
            await quiet()
    assert reasons == [Doubt.ACCOUNT]
    assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_a_database_of_the_first_release_is_trusted_and_gets_a_generation() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
    world.server.generations.clear()
    world.store._database._connection.execute("DELETE FROM meta WHERE key = 'generation'")  # type: ignore[attr-defined]
    world.alice.say(home.chat, "while down")
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
    assert reasons == []
    assert world.alice.replies(home.chat)[-1] == "You said: while down"
    stored = await world.store.generation()
    assert stored is not None
    assert stored.current == world.server.generations[BOT]


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.AFTER_EFFECT])
async def test_a_generation_that_was_cut_off_is_no_sign_of_a_backup(fault: Fault) -> None:
    """A crash between the homeserver and the database leaves two generations that may be right."""
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
    async with world.boot() as run:
        await run.go_live()
        run.homeserver.faults.next("keep_generation", fault, times=9)
        run.let_run()
        await quiet()
    world.alice.say(home.chat, "while down")
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
    assert reasons == []
    assert world.alice.replies(home.chat)[-1] == "You said: while down"
    stored = await world.store.generation()
    assert stored is not None
    assert (stored.current, stored.coming) == (world.server.generations[BOT], None)


async def test_a_second_look_after_a_doubt_is_calm() -> None:
    world = World()
    async with world.live() as run:
        await talked(world, run)
    world.server.generations[BOT] = Generation("of nobody", 0)
    async with world.boot() as run:
        await run.go_to(State.RECONCILE)
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
    assert reasons == []


async def test_a_generation_is_replaced_only_when_something_has_happened() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        await quiet(300)
        calm = world.server.generations[BOT]
        await quiet(3600)
        assert world.server.generations[BOT] == calm
        world.alice.say(home.chat, "more")
        await quiet(run.bot.services.bounds.generation_s + run.bot.services.bounds.poll_s)
        assert world.server.generations[BOT].count == calm.count + 1


async def test_a_homeserver_that_refuses_account_data_is_believed() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
    world.alice.say(home.chat, "while down")
    async with world.boot() as run:
        run.homeserver.faults.next("generation", Fault.REFUSED, times=5)
        run.homeserver.faults.next("keep_generation", Fault.REFUSED, times=5)
        await run.go_live()
        run.let_run()
        await quiet(600)
        assert world.alice.replies(home.chat)[-1] == "You said: while down"
        assert run.homeserver.faults.planned == 8


async def test_a_room_that_is_gone_is_no_sign_of_a_backup() -> None:
    """The newest known event may be in a room that was purged."""
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        world.alice.say(home.chat, "!new Second")
        await quiet()
        (second,) = world.alice.join_all()
        world.alice.say(second, "newest")
        await quiet()
    world.server.purge(second)
    world.alice.say(home.chat, "while down")
    with started_from_now() as reasons:
        async with world.live():
            await quiet()
    assert reasons == []
    assert world.alice.replies(home.chat)[-1] == "You said: while down"


@pytest.mark.parametrize("count", [3, 30], ids=["in one sync", "with a gap"])
async def test_a_copy_of_the_same_generation_repeats_nothing_that_has_an_answer(
    count: int,
) -> None:
    """A copy from a moment ago, or what a loss of power leaves: the answers are in the room."""
    world, platform = World(), ScriptedPlatform()
    async with world.live() as run:
        home = await talked(world, run)
        await quiet(5)
        old = world.copy_of_store()
        for number in range(count):
            world.alice.say(home.chat, f"answered {number}")
        world.alice.say(home.chat, "!rename New")
        await quiet(5)
        world.alice.rename(home.chat, "Newest")
    said = world.alice.replies(home.chat)
    world.store = old
    world.server.forget_transactions()
    world.alice.say(home.chat, "while down")
    async with world.live(platform=platform):
        await quiet(60)
    assert world.alice.replies(home.chat) == (*said, "You said: while down")
    assert [text for _, text, _ in platform.asked] == ["while down"]
    assert world.server.room(home.chat).content("m.room.name") == {"name": "Newest"}


async def test_what_the_inbox_had_no_room_for_is_answered_after_the_loss_of_the_position() -> None:
    """While many messages wait, the bot's own last message is an answer to an earlier one."""
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(world.bounds, inbox_limit=2)
    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        platform.takes_s = 30
        for number in range(4):
            world.alice.say(home.chat, f"read {number}")
        await quiet(5)
        for number in range(4):
            world.alice.say(home.chat, f"unread {number}")
        await quiet(40)
        assert world.alice.replies(home.chat) == ("You said: first", "You said: read 0")
    world.server.forget_positions()
    async with world.live():
        await quiet(60)
    texts = [f"{what} {number}" for what in ("read", "unread") for number in range(4)]
    assert sorted(world.alice.replies(home.chat)[1:]) == [f"You said: {text}" for text in texts]


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_what_waits_in_a_room_for_days_is_answered_after_the_loss_of_the_position(
    lost: str,
) -> None:
    """The bot answered an earlier message meanwhile, and the rest is older than what it keeps."""
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(world.bounds, inbox_room_limit=2)
    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        platform.takes_s = 30
        for number in range(4):
            world.alice.say(home.chat, str(number))
            await quiet(1)
        await quiet(30)
    assert world.alice.replies(home.chat) == ("You said: first", "You said: 0")
    if lost == "before":
        world.server.forget_positions()
    async with world.live(platform=platform):
        await quiet(1)
    world.server.skip(world.bounds.keep_s + 2 * world.bounds.skew_s)
    if lost == "after":
        world.server.forget_positions()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat)[1:] == answers(4)


async def test_messages_that_the_inbox_has_forgotten_are_not_answered_again() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        for number in range(30):
            world.alice.say(home.chat, f"old {number}")
        await quiet(60)
    said = world.alice.replies(home.chat)
    world.server.skip(world.bounds.keep_s + 2 * world.bounds.skew_s)
    async with world.live():
        await quiet(60)
    assert await world.store.newest_event() is None
    world.server.forget_positions()
    world.server.forget_transactions()
    world.alice.say(home.chat, "new")
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat) == (*said, "You said: new")


@pytest.mark.parametrize("how", ["position", "homeserver", "database"])
async def test_what_is_read_after_a_doubt_stays_within_the_limit_of_its_room(how: str) -> None:
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(world.bounds, inbox_limit=20, inbox_room_limit=10, gap_page=5)
    async with world.live() as run:
        home = await talked(world, run)
    old, backup = world.copy_of_store(), world.server.backup()
    async with world.live():
        await quiet(100)
        world.alice.say(home.chat, "later")
        await quiet(100)
    match how:
        case "position":
            world.server.forget_positions()
        case "homeserver":
            world.server.restore(backup)
        case _:
            world.store = old
    for number in range(60):
        world.alice.say(home.chat, str(number))
    platform.takes_s = 1.0
    for _ in range(8):  # kills, in the middle of it
        async with world.live(platform=platform) as run:
            for _ in range(20):
                await quiet(0.45)
                waiting = (await world.store.waiting_counts()).get(home.chat, 0)
                assert waiting <= world.bounds.inbox_room_limit
                assert run.bot.activities.backlog.paused == ""
    assert world.alice.replies(home.chat)[-60:] == answers(60)
    assert await world.store.gaps() == ()


async def test_a_copy_repeats_no_message_that_waits_in_it_and_has_its_answer() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        await quiet(70)
        platform.takes_s = 10
        world.alice.say(home.chat, "slow")
        await quiet(3)
        old = world.copy_of_store()
        await quiet(15)
    said = world.alice.replies(home.chat)
    world.store, world.token = old, None
    world.server.forget_transactions()
    with started_from_now() as reasons:
        async with world.live(platform=platform):
            await quiet(60)
    assert reasons == []
    assert world.alice.replies(home.chat) == said


async def test_a_room_that_can_t_be_read_after_a_restore_is_answered_when_it_can() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        await run.settle_in(world.bob)
    backup = world.server.backup()
    async with world.live():
        await quiet(100)
        world.alice.say(home.chat, "lost")
        await quiet(100)
    world.server.restore(backup)
    world.server.unreadable[home.chat] = "500: cannot be read"
    world.alice.say(home.chat, "while down")
    async with world.live():
        await quiet(60)
        world.alice.say(home.chat, "while up")
        await quiet(60)
        world.server.healed()
        await quiet(2000)
    assert world.alice.replies(home.chat) == tuple(
        f"You said: {text}" for text in ("first", "while down", "while up")
    )


async def test_what_waits_from_before_a_return_is_void_without_a_position() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        platform.takes_s = 100
        world.alice.say(home.chat, "before")
        await quiet(5)
    world.server.evict(home.chat, BOT)
    world.alice.invite(home.chat, BOT)
    world.server.set_membership(BOT, home.chat, BOT, "join")
    world.alice.say(home.chat, "after")
    world.server.forget_positions()
    async with world.live():
        await quiet(60)
    assert world.alice.replies(home.chat) == ("You said: first", "You said: after")


async def test_a_generation_that_could_not_be_seen_at_first_voids_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        await quiet(200)
    world.lose_store()
    async with world.boot() as run:
        run.homeserver.faults.next("generation", Fault.REFUSED_UNCLEARLY)
        run.homeserver.faults.next("keep_generation", Fault.REFUSED_UNCLEARLY)
        world.server.unreadable[home.chat] = "500"
        await run.go_live()
        run.let_run()
        await quiet(1)
        world.alice.say(home.chat, "meanwhile")
        await quiet(5)
        world.go_down()
        await quiet(60)
        with started_from_now() as reasons:
            world.come_back()
            world.server.unreadable.clear()
            await quiet(200)
        assert reasons == []
        assert world.alice.replies(home.chat)[-1] == "You said: meanwhile"


async def test_a_generation_is_kept_after_an_unclear_refusal() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        run.homeserver.faults.next("keep_generation", Fault.REFUSED_UNCLEARLY)
        before = world.server.generations[BOT]
        for text in ("second", "third"):
            await quiet(90)
            world.alice.say(home.chat, text)
        await quiet(90)
        assert world.server.generations[BOT].count > before.count


async def test_a_room_that_can_t_be_read_raises_no_doubt_and_stops_no_start() -> None:
    world = World()
    async with world.live() as run:
        home = await talked(world, run)
        await quiet(200)
    async with world.boot() as run:
        run.homeserver.faults.next("has_event", Fault.SERVER_ERROR, times=99)
        await run.go_live()
        run.let_run()
        world.alice.say(home.chat, "second")
        await quiet(60)
        assert world.alice.replies(home.chat)[-1] == "You said: second"


async def test_questions_that_wait_in_a_copy_are_taken_again_piece_by_piece() -> None:
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(world.bounds, inbox_room_limit=2, gap_page=1)
    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        platform.takes_s = 1000
        for text in ("second", "third"):
            world.alice.say(home.chat, text)
        await quiet(3)
        old = world.copy_of_store()
        await quiet(200)
    world.store, platform.takes_s = old, 0
    with started_from_now() as reasons:
        async with world.live(platform=platform):
            await quiet(60)
    assert reasons == [Doubt.DATABASE]
    answers = tuple(f"You said: {text}" for text in ("first", "second", "third"))
    assert world.alice.replies(home.chat) == answers


async def test_a_database_that_loses_its_newest_commits_is_read_again() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        position = await world.store.position()
        assert position is not None
        platform.takes_s = 30
        lost = world.alice.say(home.chat, "lost")
        await quiet(3)
        await world.store.commit([DropMessage(lost), ForgetMessage(lost), SavePosition(position)])
        world.alice.say(home.chat, "next")
        await quiet(120)
        assert run.supervisor.state is State.LIVE
    answers = tuple(f"You said: {text}" for text in ("first", "lost", "next"))
    assert world.alice.replies(home.chat) == answers


async def test_a_piece_of_a_gap_that_is_lost_before_the_next_position_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, platform = World(), ScriptedPlatform()
    world.bounds = replace(world.bounds, inbox_room_limit=2, gap_page=1)
    commit, lost = InlineStore.commit, list[Write]()

    async def loses_what_closes_a_gap(store: InlineStore, writes: Sequence[Write]) -> None:
        closing = [write for write in writes if isinstance(write, CloseGap)]
        if not lost and closing:
            lost.extend(closing)
            await commit(store, [])
            return
        if lost and len(lost) == 1 and any(isinstance(it, FinishMessage) for it in writes):
            lost.append(writes[0])
            raise StoreUnavailable("the connection was lost, and the newest commits with it")
        await commit(store, writes)

    async with world.live(platform=platform) as run:
        home = await talked(world, run)
        platform.takes_s = 1
        monkeypatch.setattr(InlineStore, "commit", loses_what_closes_a_gap)
        for number in range(4):
            world.alice.say(home.chat, str(number))
        await quiet(120)
        assert len(lost) == 2
    assert world.alice.replies(home.chat) == ("You said: first", *answers(4))
