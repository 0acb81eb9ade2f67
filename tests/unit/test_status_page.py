"""The page's files: the picture agrees with the table, and nothing comes from elsewhere."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from actors.platform_state import PlatformState
from actors.rules.room_states import RoomState
from supervisor.lifecycle import TABLE, State
from supervisor.status import server

PAGE = Path(server.__file__).parent / "page"
FILES = sorted(path.name for path in PAGE.iterdir())


def picture() -> ET.Element:
    """The lifecycle as it is drawn."""
    html = (PAGE / "index.html").read_text()
    found = re.search(r'<svg id="lifecycle".*?</svg>', html, re.DOTALL)
    assert found is not None
    return ET.fromstring(found[0])  # noqa: S314 - our own file


def test_every_transition_of_the_table_is_drawn_and_no_other() -> None:
    drawn = {edge for path in picture().iter("path") for edge in path.get("data-edges", "").split()}
    assert drawn == {f"{row.src}-{row.dst}" for row in TABLE}


def test_every_state_is_drawn_and_has_a_colour() -> None:
    nodes = {node.get("data-state") for node in picture().iter("g")} - {None}
    assert nodes == set(State)
    css = (PAGE / "page.css").read_text()
    for state in State:
        assert f'[data-state="{state}"] {{ --state: ' in css
    for room_state in RoomState:
        assert f".room.{room_state} " in css
        assert f".swatch.{room_state} " in css


def test_every_state_of_the_platform_has_a_colour() -> None:
    css = (PAGE / "page.css").read_text()
    for state in PlatformState:
        assert f'[data-platform="{state}"]' in css


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_elsewhere(name: str) -> None:
    content = (PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")
    content = content.replace("/^https?:\\/\\//", "")
    assert not re.search(r"https?:|@import|//[a-z0-9-]+\.[a-z]", content)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_no_text_becomes_markup(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc",
        (PAGE / name).read_text(),
    )


def test_nothing_is_written_into_the_page_that_the_policy_forbids() -> None:
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", html)
