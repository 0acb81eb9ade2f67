"""When many rooms fail the same way."""

from typing_extensions import override

from actors.model import RoomId
from actors.runtime.cells import Activity
from actors.runtime.letters import Address
from actors.runtime.restart import CorrelationBreaker, Failures

BREAKER = CorrelationBreaker()

ROOMS = tuple(RoomId(f"!{number}") for number in range(BREAKER.at_least + 1))


def test_a_room_that_failed_long_ago_is_not_among_those_that_fail_now() -> None:
    failures = Failures[RoomId](BREAKER)
    long_ago, *now = ROOMS
    failures.shared(long_ago, KeyError(), 0.0, active=lambda: 1)
    found = [failures.shared(room, KeyError(), 1000.0, active=lambda: len(now)) for room in now]
    assert found[-1] == {*now}
    assert not any(found[:-1])


def test_thousands_of_rooms_that_fail_alike_share_the_failure() -> None:
    failures, rooms = Failures[RoomId](BREAKER), [RoomId(f"!{number}") for number in range(4000)]
    found = [failures.shared(room, KeyError(), 0.0, active=lambda: len(rooms)) for room in rooms]
    assert found[-1] == {*rooms}


def test_a_look_at_the_active_actors_costs_no_look_at_all_of_them() -> None:
    now, busy = 0.0, CountingSet()
    activity = Activity(lambda: now, busy)
    for number in range(10_000):
        activity.note(Address("room", str(number)))
    now = 10.0
    counts = {activity.count("room", 30.0) for _ in range(10_000)}
    assert (counts, busy.looks) == ({10_000}, 0)
    now = 40.0
    assert activity.count("room", 30.0) == 0
    assert busy.looks == 10_000
    assert activity.count("owner", 30.0) == 0


def test_an_actor_that_is_busy_for_long_stays_active() -> None:
    now, busy = 0.0, {Address("room", "busy")}
    activity = Activity(lambda: now, busy)
    for name in ("busy", "idle"):
        activity.note(Address("room", name))
    now = 100.0
    assert activity.count("room", 30.0) == 1
    busy.clear()
    now = 140.0
    activity.forget(30.0)
    assert activity.count("room", 30.0) == 0


class CountingSet(set[Address]):
    """Counts how often it is looked into."""

    looks = 0

    @override
    def __contains__(self, each: object) -> bool:
        self.looks += 1
        return super().__contains__(each)
