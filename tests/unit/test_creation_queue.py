"""Whose turn it is to get rooms."""

import math

import pytest

from actors.creation_queue import CreationQueue
from actors.model import UserId

ALICE, BOB, CAROL = UserId("@alice:a"), UserId("@bob:a"), UserId("@carol:a")


class Queue:
    """A queue with the bounds of these tests: a turn of 90 s, a grace of 5 s."""

    def __init__(self, *owners: UserId) -> None:
        self.queue = CreationQueue()
        for number, owner in enumerate(owners):
            self.queue.enter(owner, float(number), 0.0)

    def take(self, owner: UserId, now: float) -> bool:
        """Take the turn, and do nothing from then on."""
        is_taken = self.queue.takes_turn(owner, now, grace_s=5.0)
        self.queue.rest(owner, now, 90.0)
        return is_taken

    def pause(self, owner: UserId, now: float, for_s: float) -> None:
        self.queue.pause(owner, now, for_s, grace_s=5.0)

    def to_tell(self, owner: UserId, now: float) -> int | None:
        return self.queue.place_to_tell(owner, now, after_s=10.0, every_s=60.0, again_s=300.0)


def test_one_owner_has_the_turn_and_the_others_wait() -> None:
    queue = Queue(ALICE, BOB)
    assert queue.take(ALICE, 1)
    assert not queue.take(BOB, 2)
    assert queue.take(ALICE, 3)
    queue.queue.leave(ALICE, 4)
    assert queue.queue.next_owner(4) == BOB
    assert queue.take(BOB, 4)


def test_an_older_owner_is_waited_for_but_not_for_long() -> None:
    queue = Queue(ALICE, BOB)
    assert not queue.take(BOB, 5)
    assert queue.take(BOB, 5.1)
    assert not queue.take(ALICE, 5.2)


def test_the_oldest_request_is_served_first_in_whatever_order_they_come() -> None:
    queue = Queue(ALICE, BOB, CAROL)
    assert queue.take(ALICE, 0)
    assert not queue.take(CAROL, 30)
    assert not queue.take(BOB, 40)
    queue.queue.finish_round(ALICE, 60)
    assert queue.queue.next_owner(60) == BOB
    assert not queue.take(CAROL, 61)
    assert queue.take(BOB, 62)


def test_an_owner_that_has_got_a_chat_lets_others_go_before_its_next_one() -> None:
    queue = Queue(ALICE, BOB)
    assert queue.take(ALICE, 0)
    queue.queue.finish_round(ALICE, 1)
    assert not queue.take(ALICE, 1)
    assert queue.take(BOB, 2)
    queue.queue.enter(CAROL, 9.0, 2)
    queue.queue.finish_round(BOB, 3)
    assert queue.queue.next_owner(3) == CAROL


def test_a_newcomer_does_not_go_before_all_that_wait_for_another_chat() -> None:
    queue = Queue(ALICE)
    for now in range(3):
        assert queue.take(ALICE, now)
        queue.queue.finish_round(ALICE, now)
    queue.queue.enter(BOB, 1.0, 3)
    assert queue.queue.next_owner(3) == ALICE


def test_a_short_wait_for_the_homeserver_keeps_the_turn() -> None:
    queue = Queue(ALICE, BOB)
    assert queue.take(ALICE, 0)
    queue.pause(ALICE, 1, 20)
    assert not queue.take(BOB, 15)
    assert queue.queue.next_owner(15) is None
    assert not queue.take(ALICE, 15)
    assert queue.take(ALICE, 21)


def test_a_long_wait_for_the_homeserver_lets_others_go_first_and_then_comes_first() -> None:
    queue = Queue(ALICE, BOB, CAROL)
    assert queue.take(ALICE, 0)
    queue.queue.step_back(ALICE, 1, until=301)
    assert queue.queue.next_owner(1) == BOB
    assert queue.take(BOB, 2)
    queue.queue.step_back(BOB, 3, until=302)
    assert not queue.take(BOB, 200)
    assert not queue.take(CAROL, 299)
    assert queue.take(ALICE, 301)


def test_an_owner_that_cannot_go_on_holds_up_no_one() -> None:
    queue = Queue(ALICE, BOB)
    for now in range(0, 1000, 10):
        assert queue.take(ALICE, now)
        queue.queue.step_back(ALICE, now)
        assert queue.take(BOB, now + 1)
        queue.queue.step_back(BOB, now + 1)


def test_a_turn_whose_owner_never_comes_back_ends_by_itself() -> None:
    queue = Queue(ALICE, BOB)
    assert queue.take(ALICE, 0)
    assert not queue.take(BOB, 89)
    assert queue.take(BOB, 96)
    assert not queue.take(ALICE, 97)


def test_the_queue_is_what_the_store_says() -> None:
    queue = Queue(ALICE, BOB)
    assert queue.take(ALICE, 0)
    queue.queue.keep({BOB: 1.0, CAROL: 0.5}, 10)
    assert [queue.queue.place_of(owner) for owner in (CAROL, BOB)] == [1, 2]


def test_an_owner_is_told_to_look_again_once() -> None:
    queue = Queue(ALICE).queue
    assert queue.looks_again(ALICE, 0, 5)
    assert not queue.looks_again(ALICE, 1, 5)
    assert queue.looks_again(ALICE, 1, 0.2)
    assert queue.looks_again(ALICE, 6, 5)
    assert queue.looks_again(BOB, 6, 5), "an owner that is not in the queue has no other call"


def test_the_last_in_the_queue_is_told_its_place_first_and_one_at_a_time() -> None:
    queue = Queue(ALICE, BOB, CAROL)
    assert queue.take(ALICE, 0)
    assert not queue.take(BOB, 0)
    assert not queue.take(CAROL, 0)
    assert queue.to_tell(CAROL, 9) is None
    assert queue.to_tell(BOB, 10) is None
    assert queue.to_tell(CAROL, 10) == 3
    queue.queue.note_told(CAROL, 10, 3)
    assert queue.to_tell(BOB, 69) is None
    assert queue.to_tell(BOB, 70) == 2


def test_places_are_told_more_often_while_the_owner_with_the_turn_has_to_wait() -> None:
    queue = Queue(ALICE, BOB, CAROL)
    assert queue.take(ALICE, 0)
    assert not queue.take(BOB, 0)
    assert not queue.take(CAROL, 0)
    queue.queue.note_told(CAROL, 10, 3)
    queue.pause(ALICE, 11, 60)
    assert queue.to_tell(BOB, 12) == 2
    assert queue.to_tell(BOB, 62) is None, "the wait is over too soon"


def test_a_new_place_is_told_later_and_an_old_one_never_again() -> None:
    queue = Queue(ALICE, BOB, CAROL)
    assert queue.take(ALICE, 0)
    for owner, place in ((CAROL, 3), (BOB, 2)):
        assert not queue.take(owner, 0)
        queue.queue.note_told(owner, 10, place)
    assert queue.to_tell(CAROL, 1000) is None
    queue.queue.leave(ALICE, 1000)
    assert queue.take(BOB, 1000)
    assert queue.to_tell(CAROL, 309) is None
    assert queue.to_tell(CAROL, 1000) == 2


def test_the_turn_of_an_owner_that_is_at_work_never_ends() -> None:
    queue = Queue(ALICE, BOB)
    assert queue.queue.takes_turn(ALICE, 0, grace_s=5.0)
    assert not queue.take(BOB, 1000)
    queue.queue.rest(ALICE, 1000, 5.0)
    queue.queue.rest(ALICE, 1000, 90.0)
    assert not queue.take(BOB, 1004)
    assert queue.take(BOB, 1011)


def test_an_owner_that_need_not_be_told_takes_no_time_from_the_others() -> None:
    queue = Queue(ALICE, BOB, CAROL)
    assert queue.take(ALICE, 0)
    assert not queue.take(BOB, 0)
    assert not queue.take(CAROL, 0)
    queue.queue.note_told(CAROL, 10)
    assert queue.to_tell(BOB, 10) == 2


@pytest.mark.parametrize("until", [math.inf, 100.0])
def test_a_stranger_to_the_queue_changes_nothing(until: float) -> None:
    queue = Queue(ALICE)
    queue.queue.step_back(BOB, 0, until)
    queue.queue.finish_round(BOB, 0)
    queue.pause(BOB, 0, 5)
    queue.queue.rest(BOB, 0, 5)
    queue.queue.note_told(BOB, 0)
    queue.queue.leave(BOB, 0)
    assert queue.take(ALICE, 0)
