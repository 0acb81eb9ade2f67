"""What keeps a start with very many rooms bounded, quick and visible."""

import gc
from xml.etree import ElementTree as ET

import anyio
import pytest
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.bounds import Bounds
from actors.progress import Progress
from benchmarks.growth_plot import Line, Panel, plot
from benchmarks.synthetic import SyntheticRooms, change_at
from supervisor.loading import filling


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.mark.anyio
async def test_progress_is_logged_every_five_seconds() -> None:
    progress = Progress("reading_rooms", 100)
    with capture_logs() as logged:
        for done in range(12):
            progress.note(done)
            await anyio.sleep(1)
    assert [(it["event"], it["done"], it["of"]) for it in logged] == [
        ("reading_rooms", 5, 100),
        ("reading_rooms", 10, 100),
    ]


@pytest.mark.parametrize(("rooms", "times"), [(1, 1), (10_000, 1), (10_001, 2), (100_000, 10)])
def test_the_time_for_a_round_grows_with_its_rooms(rooms: int, times: int) -> None:
    bounds = Bounds(round_within_s=7)
    assert bounds.round_within(rooms) == 7 * times


def test_no_garbage_is_collected_while_many_objects_are_made() -> None:
    assert gc.isenabled()
    with filling():
        assert not gc.isenabled()
        with filling():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_synthetic_room_follows_from_its_number_and_the_seed() -> None:
    rooms, same, other = SyntheticRooms(20), SyntheticRooms(20), SyntheticRooms(20, seed=1)
    assert rooms.state(7) == same.state(7)
    assert rooms.room_id(7) != other.room_id(7)


def test_a_renamed_synthetic_room_is_news_until_the_next_position() -> None:
    rooms = SyntheticRooms(20)
    before = rooms.position
    rooms.changes.rename([7, 7])
    assert rooms.name_of(7) == "Renamed 2"
    news = b"".join(rooms.sync(before))
    assert rooms.room_id(7).encode() in news
    assert b'"join"' not in b"".join(rooms.sync(rooms.position))


def test_a_position_of_another_homeserver_is_odd() -> None:
    with pytest.raises(ValueError, match="s1_2_3"):
        change_at("s1_2_3")


def test_the_plot_has_a_line_for_each_scenario() -> None:
    lines = [Line("cold", [(1_000, 1.0), (100_000, 90.0)]), Line("warm", [(1_000, 0.5)])]
    text = plot([Panel("CPU", "s", lines)], "a caption")
    root = ET.fromstring(text)  # noqa: S314  the text is our own
    shown = [it.text for it in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"CPU, s", "cold", "warm", "a caption"} <= set(shown)
