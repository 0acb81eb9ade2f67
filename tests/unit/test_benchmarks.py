import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import trio
import trio.testing

from actors.model import (
    ChatContext,
    ChatId,
    Marker,
    PlatformChatId,
    RoomId,
    RoomKind,
    RoomMeta,
    UserId,
    UserMeta,
)
from actors.rows import to_row
from actors.rules.marker import marker_content
from actors.rules.reply_mark import REPLY_TYPE
from benchmarks import cells, histories
from benchmarks.course import COLD_STARTERS, ECHOES, TALKERS, rotated
from benchmarks.plot import plot
from benchmarks.questions import Moment, Questions, seconds_between, tokens_of
from benchmarks.results import (
    BARE,
    CELLS,
    COLD,
    ECHO,
    FAR,
    GROWN,
    LIMIT,
    OURS,
    PAGE,
    PLAIN,
    QUESTION,
    START,
    STREAM,
    WARM,
    WARM_QUARTER,
    Results,
    Side,
)
from benchmarks.rows import rows_of
from benchmarks.showing import markdown, ratio_cells, tables, target_cells
from benchmarks.starts import CONTESTANTS as STARTERS
from benchmarks.streaming import states_of
from benchmarks.targets import TARGETS, Target, broken_claims, judgements
from benchmarks.topology import owners_for

WALL = Target(
    "no slower than bare",
    Side(COLD, OURS, "wall_s"),
    Side(COLD, BARE, "wall_s"),
    at_most=1.15,
)


def of_walls(ours: list[float], bare: list[float]) -> Results:
    results = Results()
    for one, other in zip(ours, bare, strict=True):
        results.add(COLD, OURS, wall_s=one)
        results.add(COLD, BARE, wall_s=other)
    return results


def test_a_ratio_is_one_of_medians_so_that_an_outlier_decides_nothing() -> None:
    results = of_walls([1.1, 1.1, 50.0], [1.0, 1.0, 0.1])
    (judgement,) = judgements(results, 600, [WALL])
    assert judgement.measured == pytest.approx(1.1)
    assert judgement.verdict == "met"


def test_a_target_that_is_missed_says_so() -> None:
    (judgement,) = judgements(of_walls([1.2], [1.0]), 600, [WALL])
    assert judgement.target.limit == "≤ 1.15"
    assert judgement.verdict == "NOT MET, although claimed"


def test_a_target_from_below_is_met_from_its_limit_on() -> None:
    twice = Target("twice as fast", WALL.under, WALL.over, at_least=2)
    assert [it.met for it in judgements(of_walls([1], [2]), 600, [twice])] == [True]
    assert [it.met for it in judgements(of_walls([1], [1.9]), 600, [twice])] == [False]


def test_a_target_may_limit_the_difference_instead_of_the_ratio() -> None:
    more = Target("half a second more", WALL.over, WALL.under, at_most_more=0.5)
    assert more.limit == "≤ 0.5 more"
    assert [it.met for it in judgements(of_walls([10.5], [10.0]), 600, [more])] == [True]
    assert [it.met for it in judgements(of_walls([0.6], [0.05]), 600, [more])] == [False]


def test_only_a_target_that_is_claimed_and_applies_fails_a_run_that_misses_it() -> None:
    hoped = replace(WALL, sentence="hoped for", claimed=False)
    later = replace(WALL, sentence="with many rooms", from_rooms=2_500)
    judged = list(judgements(of_walls([3.0], [1.0]), 600, [hoped, WALL, later]))
    assert [it.verdict for it in judged] == [
        "not met",
        "NOT MET, although claimed",
        "from 2500 rooms on",
    ]
    assert broken_claims(judged) == ["cold start: no slower than bare: 3.00, claimed ≤ 1.15"]
    assert broken_claims(judgements(of_walls([1.0], [1.0]), 2_500, [hoped, WALL, later])) == []


def test_a_target_for_more_rooms_than_there_are_is_neither_met_nor_missed() -> None:
    many = Target("at many rooms", WALL.over, WALL.under, at_most=0.1, from_rooms=2_500)
    results = of_walls([1.0], [1.0])
    assert [it.verdict for it in judgements(results, 600, [many])] == ["from 2500 rooms on"]
    assert [it.verdict for it in judgements(results, 2_500, [many])] == [
        "NOT MET, although claimed"
    ]


def test_what_was_not_measured_is_not_judged() -> None:
    results = Results()
    results.add(ECHO, OURS, messages_per_s=1.0)
    assert list(judgements(results, 2_500, TARGETS)) == []


def test_percentiles_are_samples() -> None:
    results = Results()
    for latency_s in (5.0, 1.0, 4.0, 2.0, 3.0):
        results.add(ECHO, OURS, latency_s=latency_s)
    key = (ECHO, OURS, "latency_s")
    found = [results.percentile(*key, share) for share in (0, 0.5, 0.8, 0.81, 0.99, 1)]
    assert found == [1.0, 3.0, 4.0, 5.0, 5.0, 5.0]


def test_the_json_has_every_sample() -> None:
    said = json.loads(json.dumps(of_walls([1.0, 3.0], [2.0, 2.0]).as_json()))
    assert [(it["contestant"], it["median"], it["samples"]) for it in said] == [
        (OURS, {"wall_s": 2.0}, {"wall_s": [1.0, 3.0]}),
        (BARE, {"wall_s": 2.0}, {"wall_s": [2.0, 2.0]}),
    ]


def test_the_tables_show_what_was_measured_and_leave_the_rest_empty() -> None:
    results = of_walls([1.0], [2.5])
    ((title, cells),) = tables(results)
    assert title == COLD
    assert [row[:3] for row in cells[1:]] == [[OURS, "1.00", ""], [BARE, "2.50", ""]]
    assert ratio_cells(results)[1:] == [[OURS, "1.00"], [BARE, "2.50"]]
    shown = markdown(target_cells(list(judgements(results, 600, [WALL]))))
    assert "| cold start | no slower than bare | ≤ 1.15 | 0.40 | yes | met |" in shown


def test_the_plot_is_an_image_with_a_bar_for_each_contestant_and_a_dot_for_each_sample() -> None:
    drawn = plot(of_walls([1.0, 3.0], [4.0, 4.0]), "600 rooms & more")
    picture = ET.fromstring(drawn)  # noqa: S314  we have just made it
    space = "{http://www.w3.org/2000/svg}"
    bars = picture.findall(f"{space}rect")[1:]
    assert len(picture.findall(f"{space}circle")) == 4
    assert [float(bar.attrib["width"]) for bar in bars] == pytest.approx([240.0, 480.0])
    assert picture.findall(f"{space}text")[-1].text == "600 rooms & more"


def test_everybody_is_first_in_some_round() -> None:
    orders = [rotated(ECHOES, number) for number in range(len(ECHOES))]
    assert {order[0] for order in orders} == set(ECHOES)
    assert all(set(order) == set(ECHOES) for order in orders)


@pytest.mark.parametrize("rooms", [1, 40, 600, 2_500])
def test_a_quarter_of_the_rooms_is_a_quarter_of_the_owners(rooms: int) -> None:
    owners = owners_for(rooms)
    assert owners["bot"] == max(1, rooms // 5)
    assert owners["quarter"] == pytest.approx(max(1, owners["bot"] / 4), abs=0.5)


def test_the_others_write_the_rows_that_the_bot_writes() -> None:
    owner, space, room = UserId("@a:b"), RoomId("!space"), RoomId("!room")
    chat_id, conversation = ChatId("C3"), PlatformChatId("p")
    chat = Marker(RoomKind.CHAT, owner, chat_id, space, conversation)
    assert {key: json.loads(row) for key, row in rows_of(room, "N", marker_content(chat))} == {
        "matrix_room:!room": to_row(
            RoomMeta(RoomKind.CHAT, chat_id, "N", owner, space, conversation)
        ),
        "chat:@a:b:C3": to_row(ChatContext(owner, chat_id, "matrix", room, "N")),
    }
    home = Marker(RoomKind.SPACE, owner, next_chat_index=4)
    assert {key: json.loads(row) for key, row in rows_of(space, "S", marker_content(home))} == {
        "matrix_room:!space": to_row(RoomMeta(RoomKind.SPACE, None, "S", owner, space, None)),
        "matrix_user:@a:b": to_row(UserMeta(space, 4)),
    }


def test_a_program_adds_the_time_before_and_after_the_platforms_work() -> None:
    at = {Moment.ARRIVED: 1.0, Moment.ASKED: 1.25, Moment.SAID: 9.0, Moment.SENT: 9.5}
    assert seconds_between(at) == {"to_platform_s": 0.25, "to_message_s": 0.5}


def test_a_moment_is_the_first_time_at_which_the_question_is_seen_in_a_place() -> None:
    asking = Questions()
    asking.expect("why?")
    asking.note(Moment.SENT, b"an answer to another question")
    assert asking.at == {}
    asking.note(Moment.SENT, b"why? because of that")
    first = dict(asking.at)
    asking.note(Moment.SENT, b"why? because of that")
    asking.note(Moment.ARRIVED, b'"body": "why?"')
    assert list(asking.at) == [Moment.SENT, Moment.ARRIVED]
    assert asking.at[Moment.SENT] == first[Moment.SENT]
    asking.expect("and why not?")
    assert asking.at == {}


def test_the_platform_says_the_whole_answer_in_tokens() -> None:
    tokens = tokens_of("a long answer, word by word, and so on to its end")
    assert "".join(tokens) == "a long answer, word by word, and so on to its end"
    assert len({len(token) for token in tokens[:-1]}) == 1


def test_idle_rooms_and_histories_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, count in (
        (cells, "ROOMS", 20),
        (cells, "ACTIVATED", 5),
        (histories, "ROOMS", 3),
    ):
        monkeypatch.setattr(module, name, count)
    clock = trio.testing.MockClock(autojump_threshold=0)
    measured = trio.run(cells.measure, clock=clock)
    assert all(value > 0 for value in measured.values())
    assert measured["history_bytes"] > 20 * 600


def test_targets_compare_those_who_take_part() -> None:
    takes_part = {
        COLD: {it.name for it in COLD_STARTERS},
        FAR: {it.name for it in COLD_STARTERS},
        ECHO: {it.name for it in ECHOES},
        WARM: {OURS},
        WARM_QUARTER: {OURS},
        QUESTION: {*(it.name for it in TALKERS), LIMIT},
        STREAM: {GROWN, PLAIN},
        PAGE: {GROWN, PLAIN},
        CELLS: {OURS, LIMIT},
        START: {*STARTERS},
    }
    for side in (side for target in TARGETS for side in (target.over, target.under)):
        assert side.contestant in takes_part[side.scenario]


def test_the_states_of_an_answer_are_those_of_its_messages_and_edits() -> None:
    def said(to: str, state: str, **more: object) -> dict[str, object]:
        return {"content": {REPLY_TYPE: {"to": to, "state": state}, **more}}

    late = {REPLY_TYPE: {"to": "$1", "state": "done"}}
    events = [said("$1", "live"), said("$2", "done"), said("$1", "live", **{"m.new_content": late})]
    answer = {"rooms": {"join": {"!r": {"timeline": {"events": events}}}}}
    assert states_of(answer, "!r", "$1") == ["live", "done"]
    assert states_of(answer, "!other", "$1") == []
