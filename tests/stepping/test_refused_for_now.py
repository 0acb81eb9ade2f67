"""A refusal of the account is waited out with everything kept; one of a single room stays there."""

import anyio
import pytest

from actors.port_errors import RefusedForNow
from adapter.matrix.errors import error_for
from supervisor.lifecycle import State, Trigger
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Home, Run, World, quiet
from tests.stepping.scripted import Drive, told

pytestmark = pytest.mark.anyio

LONG = 1800


async def suspended(run: Run, home: Home) -> None:
    """Suspend the account and let the bot notice that by a reply."""
    run.world.server.suspended.add(BOT)
    run.world.alice.say(home.chat, "first")
    await quiet(5)
    assert run.state() is State.DEGRADED


async def unsuspended(run: Run) -> None:
    run.world.server.suspended.clear()
    await quiet(90)
    assert run.state() is State.LIVE


def steps(world: World) -> list[str]:
    return [row.trigger for row in world.journal.records if row.machine == "lifecycle"]


async def test_nothing_is_lost_while_the_account_is_suspended() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await suspended(run, home)
        bobs = world.bob.direct_chat_with(BOT)
        for text in ("second", "!new Garden", "!rename Kitchen"):
            world.alice.say(home.chat, text)
        await quiet(LONG)
        assert not any("first" in reply for reply in world.alice.replies(home.chat))
        await unsuspended(run)
        said = world.alice.replies(home.chat)
        assert [it for it in said if it.startswith("You said")] == [
            "You said: first",
            "You said: second",
        ]
        assert "This chat is now called Kitchen." in said
        assert [it for it in said if it.startswith("Garden (C2) is ready")]
        assert "Your Space is ready" in world.bob.replies(bobs)[-1]


@pytest.mark.parametrize("text", ["!new Garden", "!rename Kitchen", "!archive"])
async def test_a_command_that_is_refused_with_the_account_is_carried_out_later(text: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        before = len(world.alice.replies(home.chat))
        world.server.suspended.add(BOT)
        world.alice.say(home.chat, text)
        await quiet(LONG)
        assert run.state() is State.DEGRADED
        await unsuspended(run)
        (answer,) = world.alice.replies(home.chat)[before:]
        assert "suspended" not in answer


async def test_an_invite_is_answered_later_also_by_a_bot_without_any_room() -> None:
    world = World()
    world.server.suspended.add(BOT)
    direct = world.alice.direct_chat_with(BOT)
    async with world.live() as run:
        await quiet(LONG)
        assert run.state() is State.DEGRADED
        assert steps(world).count(Trigger.RECOVERED) == 0
        await unsuspended(run)
        assert len(world.server.invites(ALICE)) == 2
        assert "Your Space is ready" in world.alice.replies(direct)[-1]


async def test_a_creation_that_is_refused_with_the_account_makes_one_room_later() -> None:
    world = World()
    direct = world.alice.direct_chat_with(BOT)
    async with world.live() as run:
        run.homeserver.faults.next("create_room", Fault.REFUSED_FOR_NOW, times=2)
        await quiet(60)
        assert world.creations() == 2
        (hello,) = world.alice.replies(direct)
        assert "Your Space is ready" in hello


async def test_the_bot_stays_degraded_as_long_as_it_may_not_write() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        before = len(steps(world))
        await suspended(run, home)
        await quiet(LONG)
        assert steps(world)[before:] == [Trigger.HOMESERVER_LOST]
        assert world.journal.records[-1].reason == "The account is suspended: wait"
        assert run.supervisor.attempts > 20
        await unsuspended(run)
        assert steps(world)[before:].count(Trigger.HOMESERVER_LOST) == 1


async def test_nothing_is_written_to_find_out() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await suspended(run, home)
        before = world.server.position
        await quiet(LONG)
        assert world.server.position == before


async def test_a_restart_keeps_what_waits_for_the_account() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await suspended(run, home)
    async with world.live() as run:
        await quiet(LONG)
        assert run.state() is State.DEGRADED
        await unsuspended(run)
        assert world.alice.replies(home.chat)[-1] == "You said: first"


# ---------------------------------------------------------------- one room only


@pytest.mark.parametrize("fault", [Fault.REFUSED_FOR_NOW, Fault.REFUSED_UNCLEARLY])
async def test_one_room_that_refuses_oddly_keeps_its_reply_and_stops_nobody(fault: Fault) -> None:
    world = World()
    async with world.live() as run:
        alices, bobs = await run.settle_in(world.alice), await run.settle_in(world.bob)
        before = len(steps(world))
        run.homeserver.faults.next("send", fault, room_id=alices.chat, times=40)
        world.alice.say(alices.chat, "hello")
        await quiet(300)
        world.bob.say(bobs.chat, "hello")
        await quiet()
        assert world.bob.replies(bobs.chat)[-1] == "You said: hello"
        assert "You said: hello" not in world.alice.replies(alices.chat)
        await quiet(LONG)
        assert world.alice.replies(alices.chat)[-1] == "You said: hello"
        assert steps(world)[before:] == []


@pytest.mark.parametrize("fault", [Fault.REFUSED_FOR_NOW, Fault.REFUSED_UNCLEARLY])
async def test_one_room_that_cannot_be_joined_stops_no_other_intent(fault: Fault) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        odd = world.alice.direct_chat_with(BOT)
        run.homeserver.faults.next("join", fault, room_id=odd, times=6)
        await quiet()
        world.alice.say(home.chat, "!new Garden")
        await quiet(10)
        assert [it for it in world.alice.replies(home.chat) if it.startswith("Garden")]
        assert world.server.room(odd).membership(BOT) == "invite"
        await quiet(LONG)
        assert world.server.room(odd).membership(BOT) == "join"
        assert run.state() is State.LIVE


async def test_an_invite_behind_one_that_must_wait_is_answered_at_once() -> None:
    world = World()
    odd, plain = world.alice.direct_chat_with(BOT), world.alice.direct_chat_with(BOT)
    async with world.boot() as run:
        run.homeserver.faults.next("join", Fault.REFUSED_UNCLEARLY, room_id=odd, times=9)
        await run.go_live()
        run.let_run()
        await quiet(5)
        assert world.server.room(odd).membership(BOT) == "invite"
        assert "Your Space is ready" in world.alice.replies(plain)[-1]


async def test_a_room_that_refuses_with_the_accounts_code_is_not_quarantined() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("set_name", Fault.REFUSED_FOR_NOW, room_id=home.chat, times=5)
        world.alice.say(home.chat, "!rename Kitchen")
        await quiet(LONG)
        assert world.alice.replies(home.chat)[-1] == "This chat is now called Kitchen."
        assert "failed_repeatedly" not in [row.trigger for row in world.journal.records]


@pytest.mark.parametrize("fault", [Fault.REFUSED_FOR_NOW, Fault.REFUSED_UNCLEARLY])
async def test_messages_that_cannot_be_fetched_now_are_not_given_up(fault: Fault) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.go_down()
        await quiet()
        for number in range(15):
            world.alice.say(home.chat, f"{number}")
        run.homeserver.faults.next("messages_before", fault, room_id=home.chat, times=2)
        world.come_back()
        await quiet(LONG)
        said = [it for it in world.alice.replies(home.chat) if it.startswith("You said")]
        assert said == [f"You said: {number}" for number in range(15)]


async def test_an_unclear_refusal_of_a_creation_is_told_once_and_tried_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.REFUSED_UNCLEARLY, times=3)
        world.alice.say(home.chat, "!new Garden")
        await quiet(120)
        waits, ready = world.alice.replies(home.chat)[-2:]
        assert "as soon as it does (Refused by chance)." in waits
        assert ready.startswith("Garden (C2) is ready")
        assert world.creations() == 3


async def test_an_unclear_refusal_of_upkeep_keeps_its_note() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.set_state(BOT, home.space, "m.space.child", {}, home.chat)
        run.homeserver.faults.next("link", Fault.REFUSED_UNCLEARLY, times=2)
        await quiet(60)
        assert world.server.room(home.space).content("m.space.child", home.chat).get("via")


async def test_a_command_that_is_refused_unclearly_says_why() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("set_name", Fault.REFUSED_UNCLEARLY)
        world.alice.say(home.chat, "!rename Kitchen")
        await quiet()
        assert (
            world.alice.replies(home.chat)[-1]
            == "The homeserver did not let me do that (Refused by chance)."
        )


@pytest.mark.parametrize("method", ["mark_read", "set_typing"])
async def test_a_refused_receipt_does_not_matter(method: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next(method, Fault.REFUSED_FOR_NOW, times=5)
        world.alice.say(home.chat, "hello")
        await quiet(5)
        assert run.state() is State.LIVE
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


# ---------------------------------------------------------------- the lifecycle


@pytest.mark.parametrize("activity", ["log_in", "hydrate", "reconcile", "serve"])
async def test_a_refusal_for_now_is_waited_out_in_every_state(activity: str) -> None:
    drive = Drive()
    refusal = error_for(401, {}, b'{"errcode": "M_USER_LOCKED", "soft_logout": true}')
    assert isinstance(refusal, RefusedForNow)
    drive.activities.plan(activity, refusal)
    while (step := await drive.step()).dst is not State.DEGRADED:
        pass
    assert told(step)[1:] == (
        Trigger.HOMESERVER_LOST,
        State.DEGRADED,
        "the homeserver has locked this account (M_USER_LOCKED): its administrator can unlock it",
    )
    while drive.supervisor.state is not State.LIVE:
        await drive.step()


async def test_a_pause_that_the_refusal_asks_for_is_kept() -> None:
    drive = Drive()
    await drive.go_to(State.LIVE)
    drive.activities.plan("serve", RefusedForNow("full", "wait", retry_after_s=300))
    await drive.walk(State.DEGRADED)
    started = anyio.current_time()
    await drive.walk(State.HYDRATE)
    assert anyio.current_time() - started >= 300


async def test_an_account_without_rooms_accepts_one_invite_to_find_out() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        world.server.suspended.add(BOT)
        for person in (world.alice, world.bob):
            person.direct_chat_with(BOT)
        assert (await run.step()).dst is State.DEGRADED
        world.server.suspended.clear()
        await run.bot.activities.probe()
        assert [action for action, _ in world.writes()].count("join") == 1
