"""Whether a database and a homeserver still belong together."""

import msgspec
import pytest

from actors.model import Generation, RoomId, StoredGeneration, UserId
from actors.ports import Hydration
from actors.rules.generation import Doubt, agreed, doubt_about, prepared
from actors.snapshots import RoomSnapshot
from actors.writes import (
    SINCE_LOST,
    SINCE_OWN,
    VOID_QUEUES,
    DeleteRow,
    OpenGap,
    VoidQueue,
    opened_at,
    since_known,
)
from adapter.matrix.evidence import generation_in
from supervisor.serving.fresh_start import beginnings, doubt_writes, loss_writes, sharpened

ME, OTHER = UserId("@bot:x"), UserId("@other:x")
FIRST, SECOND, THIRD = (Generation(f"g{number}", number) for number in (1, 2, 3))
SETTLED = StoredGeneration(ME, SECOND, highest=2)
CUT_OFF = StoredGeneration(ME, SECOND, coming=THIRD, highest=3)
UNSURE = StoredGeneration(ME, coming=FIRST, highest=1)


@pytest.mark.parametrize(
    ("stored", "seen", "doubt"),
    [
        (None, None, None),
        (None, FIRST, Doubt.DATABASE),
        (SETTLED, SECOND, None),
        (SETTLED, THIRD, Doubt.DATABASE),
        (SETTLED, FIRST, Doubt.HOMESERVER),
        (SETTLED, None, Doubt.HOMESERVER),
        (SETTLED, Generation("of another history", 2), Doubt.HOMESERVER),
        (CUT_OFF, SECOND, None),
        (CUT_OFF, THIRD, None),
        (CUT_OFF, Generation("g4", 4), Doubt.DATABASE),
        (CUT_OFF, None, Doubt.HOMESERVER),
        (UNSURE, None, None),
        (UNSURE, FIRST, None),
        (StoredGeneration(ME), None, None),
        (StoredGeneration(OTHER, SECOND, highest=2), SECOND, Doubt.ACCOUNT),
        (StoredGeneration(OTHER), None, Doubt.ACCOUNT),
    ],
)
def test_a_difference_is_a_reason_for_doubt(
    stored: StoredGeneration | None, seen: Generation | None, doubt: Doubt | None
) -> None:
    assert doubt_about(stored, seen, ME) == doubt


@pytest.mark.parametrize("stored", [None, SETTLED, CUT_OFF, UNSURE, StoredGeneration(OTHER, THIRD)])
@pytest.mark.parametrize("seen", [None, FIRST, THIRD])
def test_after_an_agreement_there_is_no_doubt(
    stored: StoredGeneration | None, seen: Generation | None
) -> None:
    assert doubt_about(agreed(stored, seen, ME), seen, ME) is None


def test_a_generation_that_is_prepared_is_newer_than_all_before() -> None:
    assert prepared(SETTLED, "new").coming == Generation("new", 3)
    restored = agreed(StoredGeneration(ME, Generation("g9", 9), highest=9), FIRST, ME)
    assert prepared(restored, "new").coming == Generation("new", 10)


def test_an_attempt_without_an_answer_is_made_again_with_the_same_generation() -> None:
    assert prepared(CUT_OFF, "new") == CUT_OFF


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"id": 1, "count": 2}', b"no json"])
def test_account_data_that_the_bot_did_not_write_are_no_known_generation(content: bytes) -> None:
    assert doubt_about(SETTLED, generation_in(content), ME) is Doubt.HOMESERVER


def test_the_account_data_hold_the_generation() -> None:
    assert generation_in(msgspec.json.encode(SECOND)) == SECOND


HERE, GONE = RoomId("!here"), RoomId("!gone")
NOW = 1_700_000_000.0


def test_a_homeserver_without_any_known_room_was_begun_anew() -> None:
    assert sharpened(Doubt.HOMESERVER, [], [GONE]) is Doubt.NEW_HOMESERVER
    assert sharpened(Doubt.HOMESERVER, [HERE], [GONE]) is Doubt.NEW_HOMESERVER
    assert sharpened(Doubt.HOMESERVER, [HERE], [HERE, GONE]) is Doubt.HOMESERVER
    assert sharpened(Doubt.HOMESERVER, [], []) is Doubt.HOMESERVER
    assert sharpened(Doubt.EVENT, [], [GONE]) is Doubt.EVENT
    assert sharpened(None, [], [GONE]) is None


def hydration() -> Hydration:
    crowd = RoomSnapshot(RoomId("!crowd"), OTHER, 1, member_count=3)
    space = RoomSnapshot(RoomId("!space"), ME, 1, is_space=True, member_count=2)
    linked = RoomSnapshot(HERE, ME, 1, parents=frozenset({RoomId("!space")}), member_count=5)
    return Hydration("s9", (crowd, space, linked))


def test_a_right_database_gets_a_gap_for_each_room_in_which_the_bot_answers() -> None:
    writes = list(doubt_writes(Doubt.HOMESERVER, hydration(), [], {}, NOW))
    assert writes == [VoidQueue("gaps"), OpenGap(HERE, since_known(NOW), "s9")]


@pytest.mark.parametrize(
    ("doubt", "since"), [(Doubt.EVENT, since_known(NOW)), (Doubt.DATABASE, SINCE_OWN)]
)
def test_a_room_that_can_t_be_read_may_be_one_in_which_the_bot_answers(
    doubt: Doubt, since: str
) -> None:
    seen = Hydration("s9", (), unreadable={HERE: "500"})
    assert OpenGap(HERE, since, "s9") in list(doubt_writes(doubt, seen, [], {}, NOW))


@pytest.mark.parametrize("since", [SINCE_OWN, SINCE_LOST, since_known(NOW - 1)])
def test_a_gap_that_begins_at_no_position_keeps_its_beginning(since: str) -> None:
    gaps = [OpenGap(HERE, since, "s5"), OpenGap(GONE, "s1", "s5")]
    known = beginnings(Doubt.POSITION, gaps, [])
    assert known == {HERE: since}
    writes = list(doubt_writes(Doubt.POSITION, hydration(), [], known, NOW))
    assert writes == [VoidQueue("gaps"), OpenGap(HERE, since, "s9")]


def test_the_inbox_knows_what_came_before_the_gap_of_a_room_with_messages_that_wait() -> None:
    gaps = [OpenGap(HERE, "s1", "s5"), OpenGap(GONE, "s1", "s5")]
    assert beginnings(Doubt.POSITION, gaps, [HERE]) == {HERE: since_known(0)}
    assert beginnings(Doubt.DATABASE, gaps, [HERE]) == {}


def test_an_old_database_loses_what_waits_in_it() -> None:
    known = beginnings(Doubt.DATABASE, [OpenGap(HERE, since_known(NOW - 1), "s5")], [])
    writes = list(doubt_writes(Doubt.DATABASE, hydration(), ["chat:@a:x:C1"], known, NOW))
    assert writes == [*VOID_QUEUES, OpenGap(HERE, SINCE_OWN, "s9")]


def test_a_gap_says_when_it_opened() -> None:
    assert opened_at(since_known(12.0), NOW) == 12.0
    assert opened_at("*", NOW) == NOW, "of an earlier release"


@pytest.mark.parametrize("doubt", [Doubt.ACCOUNT, Doubt.NEW_HOMESERVER])
def test_a_foreign_database_loses_its_cache_as_well(doubt: Doubt) -> None:
    keys = ["chat:@a:x:C1", "matrix_room:!r", "matrix_user:@a:x", "of another program"]
    writes = list(doubt_writes(doubt, hydration(), keys, {}, NOW))
    gap = OpenGap(HERE, SINCE_LOST, "s9")
    assert writes == [*VOID_QUEUES, *map(DeleteRow, keys[:3]), gap]


def test_a_lost_database_gets_a_gap_for_each_room_in_which_the_bot_answers() -> None:
    assert list(loss_writes(hydration())) == [OpenGap(HERE, SINCE_LOST, "s9")]
