"""When many rooms fail the same way."""

from actors.model import RoomId
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
