"""What can go wrong in the simulated world, and that it goes wrong as it is said to."""

from collections.abc import Callable

import anyio
import pytest

from actors.model import OutboundMessage, UserId
from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    PositionLost,
    RateLimited,
    RefusedForNow,
    RefusedUnclearly,
    SessionRevoked,
)
from tests.simulation.connection import LATE_CREATION_S
from tests.simulation.faults import Fault
from tests.simulation.limits import stock_creation_limit, stock_write_limit
from tests.simulation.stage import BOT, SPACE, Stage, simulate


@pytest.mark.parametrize(
    ("fault", "error", "created"),
    [
        (Fault.REFUSE_BEFORE, HomeserverUnavailable, 0),
        (Fault.SERVER_ERROR, HomeserverUnavailable, 0),
        (Fault.AFTER_EFFECT, HomeserverUnavailable, 1),
        (Fault.RATE_LIMITED, RateLimited, 0),
        (Fault.REFUSED, HomeserverRefused, 0),
        (Fault.REFUSED_UNCLEARLY, RefusedUnclearly, 0),
        (Fault.REFUSED_FOR_NOW, RefusedForNow, 0),
        (Fault.REVOKED, SessionRevoked, 0),
    ],
)
def test_a_planned_fault_raises_its_error_and_has_its_effect(
    fault: Fault, error: type[PortError], created: int
) -> None:
    async def play(stage: Stage) -> None:
        stage.faults.next("create_room", fault)
        with pytest.raises(error):
            await stage.bot.create_room(SPACE)
        assert stage.server.creations[BOT] == created
        assert stage.faults.fired == [("create_room", fault)]
        assert stage.faults.planned == 0

    simulate(play)


@pytest.mark.parametrize(("fault", "created"), [(Fault.HANG_BEFORE, 0), (Fault.HANG_AFTER, 1)])
def test_a_hanging_request_is_given_up_after_half_a_minute(fault: Fault, created: int) -> None:
    async def play(stage: Stage) -> None:
        stage.faults.next("create_room", fault)
        with pytest.raises(HomeserverUnavailable):
            await stage.bot.create_room(SPACE)
        assert anyio.current_time() == 30
        assert stage.server.creations[BOT] == created

    simulate(play)


def test_a_late_request_is_carried_out_after_it_was_given_up() -> None:
    async def play(stage: Stage) -> None:
        stage.faults.next("create_room", Fault.LATE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.server.run_postponed)
            with pytest.raises(HomeserverUnavailable):
                await stage.bot.create_room(SPACE)
            assert stage.server.creations[BOT] == 0
            await anyio.sleep(LATE_CREATION_S)
            assert stage.server.creations[BOT] == 1
            tasks.cancel_scope.cancel()

    simulate(play)


def test_a_request_cancelled_at_once_may_or_may_not_have_taken_effect() -> None:
    async def play(stage: Stage) -> int:
        stage.server.slow_s = 10
        with anyio.move_on_after(3):
            await stage.bot.create_room(SPACE)
        return stage.server.creations[BOT]

    assert {simulate(play, seed) for seed in range(10)} == {0, 1}


def test_a_fault_planned_for_a_room_spares_the_others() -> None:
    async def play(stage: Stage) -> None:
        other = await stage.bot.create_room(SPACE)
        stage.faults.next("read_room", Fault.REFUSED, room_id=other)
        await stage.bot.read_room(stage.room_id)
        with pytest.raises(HomeserverRefused):
            await stage.bot.read_room(other)
        await stage.bot.read_room(other)

    simulate(play)


def test_a_plan_for_a_method_that_does_not_exist_is_refused() -> None:
    async def play(stage: Stage) -> None:
        with pytest.raises(ValueError, match="creat_room"):
            stage.faults.next("creat_room", Fault.REFUSED)

    simulate(play)


def test_chance_brings_every_fault_and_healing_ends_them_all() -> None:
    async def play(stage: Stage) -> None:
        stage.faults.rates = dict.fromkeys(Fault, 1 / len(Fault))
        for number in range(200):
            with anyio.move_on_after(60):
                try:
                    await stage.bot.invite(stage.room_id, UserId(f"@guest{number}:sim.test"))
                except SessionRevoked:
                    stage.bot.connection.token = stage.server.sessions.log_in(BOT, "SURFACESBOT")
                except PortError:
                    pass
        assert {fault for _, fault in stage.faults.fired} == set(Fault)
        stage.faults.next("probe", Fault.REVOKED)
        stage.server.down = True
        stage.bot.healed()
        await stage.bot.log_in()
        await stage.bot.probe()

    simulate(play)


def test_by_chance_no_request_of_the_session_is_refused() -> None:
    async def play(stage: Stage) -> None:
        stage.faults.rates = {Fault.REFUSED: 1}
        await stage.bot.log_in()
        await stage.bot.sync((await stage.bot.hydrate()).position, 0)
        with pytest.raises(HomeserverRefused):
            await stage.bot.read_room(stage.room_id)

    simulate(play)


def fall_down(stage: Stage) -> None:
    stage.server.down = True


def revoke(stage: Stage) -> None:
    stage.server.revoke_tokens(BOT)


def forget(stage: Stage) -> None:
    stage.server.forget_positions()


@pytest.mark.parametrize(
    ("breakage", "error"),
    [(fall_down, HomeserverUnavailable), (revoke, SessionRevoked), (forget, PositionLost)],
)
def test_what_breaks_ends_a_sync_that_waits(
    breakage: Callable[[Stage], None], error: type[PortError]
) -> None:
    async def play(stage: Stage) -> None:
        position = (await stage.bot.hydrate()).position

        async def break_later() -> None:
            await anyio.sleep(10)
            breakage(stage)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(break_later)
            with pytest.raises(error):
                await stage.bot.sync(position, 30)
        assert anyio.current_time() == 10

    simulate(play)


def test_after_an_outage_the_server_answers_as_before() -> None:
    async def play(stage: Stage) -> None:
        stage.server.down = True
        with pytest.raises(HomeserverUnavailable):
            await stage.bot.probe()
        stage.server.down = False
        await stage.bot.probe()

    simulate(play)


def test_a_forgotten_position_is_lost() -> None:
    async def play(stage: Stage) -> None:
        position = (await stage.bot.hydrate()).position
        stage.server.forget_positions()
        with pytest.raises(PositionLost):
            await stage.bot.sync(position, 0)
        await stage.bot.sync((await stage.bot.hydrate()).position, 0)

    simulate(play)


def test_a_sync_waits_as_long_as_it_is_told_and_no_longer() -> None:
    async def play(stage: Stage) -> None:
        delta = await stage.bot.sync((await stage.bot.hydrate()).position, 30)
        assert anyio.current_time() == 30
        assert delta.rooms == ()

    simulate(play)


def test_an_unreadable_room_is_reported_and_not_read() -> None:
    async def play(stage: Stage) -> None:
        stage.server.unreadable[stage.room_id] = "503"
        hydration = await stage.bot.hydrate()
        assert hydration.unreadable == {stage.room_id: "503"}
        assert hydration.snapshots == ()
        with pytest.raises(HomeserverUnavailable, match="503"):
            await stage.bot.read_room(stage.room_id)

    simulate(play)


def test_refused_credentials_end_a_login_but_not_a_session() -> None:
    async def play(stage: Stage) -> None:
        stage.server.refuses_credentials = True
        assert await stage.bot.log_in() == "resumed"
        stage.server.revoke_tokens(BOT)
        with pytest.raises(CredentialsRefused):
            await stage.bot.log_in()

    simulate(play)


def test_a_stock_server_creates_ten_rooms_at_once_and_then_one_a_minute() -> None:
    async def play(stage: Stage) -> None:
        stage.server.creation_limit = stock_creation_limit()
        for _ in range(10):
            await stage.bot.create_room(SPACE)
        with pytest.raises(RateLimited) as caught:
            await stage.bot.create_room(SPACE)
        assert caught.value.retry_after_s == pytest.approx(60)
        await anyio.sleep(caught.value.retry_after_s)
        await stage.bot.create_room(SPACE)
        assert stage.server.creations[BOT] == 11

    simulate(play)


def test_a_repeated_transaction_costs_nothing_of_the_limit() -> None:
    async def play(stage: Stage) -> None:
        stage.server.write_limit = stock_write_limit()
        for number in range(10):
            await stage.bot.send(OutboundMessage(f"t{number}", stage.room_id, "hi"))
        await stage.bot.send(OutboundMessage("t0", stage.room_id, "hi"))
        with pytest.raises(RateLimited):
            await stage.bot.send(OutboundMessage("new", stage.room_id, "hi"))

    simulate(play)


def test_an_overlapping_sync_repeats_what_was_said_and_loses_nothing() -> None:
    async def play(stage: Stage) -> list[str]:
        stage.faults.overlap = 0.5
        stage.faults.shuffle = True
        position = (await stage.bot.hydrate()).position
        heard: list[str] = []
        for number in range(20):
            stage.alice.say(stage.room_id, str(number))
            delta = await stage.bot.sync(position, 30)
            position = delta.next_batch
            heard.extend(message.body for room in delta.rooms for message in room.messages)
        return heard

    heard = simulate(play)
    assert list(dict.fromkeys(heard)) == [str(number) for number in range(20)]
    assert len(heard) > 20


def test_the_same_seed_gives_the_same_history() -> None:
    async def play(stage: Stage) -> tuple[object, ...]:
        stage.server.slow_s = 2
        stage.faults.rates = {Fault.AFTER_EFFECT: 0.2, Fault.SERVER_ERROR: 0.2}

        async def chatter(name: str) -> None:
            for number in range(5):
                message = OutboundMessage(f"{name}{number}", stage.room_id, name)
                try:
                    await stage.bot.send(message)
                except HomeserverUnavailable:
                    await anyio.sleep(stage.server.rng.random())

        async with anyio.create_task_group() as tasks:
            for name in "abcd":
                tasks.start_soon(chatter, name)
        return (*stage.server.events, *stage.server.writes)

    assert simulate(play, 5) == simulate(play, 5)
    assert simulate(play, 5) != simulate(play, 6)


def test_a_planned_refusal_of_a_login_means_the_credentials() -> None:
    async def play(stage: Stage) -> None:
        stage.faults.next("log_in", Fault.REFUSED)
        with pytest.raises(CredentialsRefused):
            await stage.bot.log_in()

    simulate(play)
