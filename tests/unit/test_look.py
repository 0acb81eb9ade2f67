"""The name and the pictures that the settings say."""

from pathlib import Path

import pytest

from actors.model import RoomKind
from actors.platform import File
from supervisor.app.look import AVATARS, look_of
from supervisor.settings import SettingsRefused, load_settings
from tests.environment import Environment
from tests.pictures import png, size_of
from tests.unit.test_settings import environment

__all__ = ["environment"]

PICTURES = ("bot", "chat", "space")
LARGEST = 10_000


def own(folder: Path, data: bytes = png(4, 4)) -> File:
    (folder / "own.picture").write_bytes(data)
    return File("own.picture", "image/png", data)


@pytest.mark.usefixtures("environment")
def test_the_bot_comes_with_a_name_and_pictures() -> None:
    look = look_of(load_settings())
    assert (look.name, look.is_chosen) == ("Assistant", False)
    assert look.picture is not None
    shown = [look.picture, look.rooms[RoomKind.CHAT], look.rooms[RoomKind.SPACE]]
    assert [(it.name, it.mime_type) for it in shown] == [
        (f"{name}.png", "image/png") for name in PICTURES
    ]


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_square_and_small_and_have_their_source(name: str) -> None:
    data = (AVATARS / f"{name}.png").read_bytes()
    width, height = size_of(data)
    assert width == height >= 128
    assert len(data) < LARGEST
    assert (AVATARS / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_the_name_is_in_the_language_of_the_bot(environment: Environment) -> None:
    environment.put(BOT_LOCALE="ru")
    assert look_of(load_settings()).name == "Ассистент"


@pytest.mark.parametrize("variable", ["BOT_NAME", "BOT_AVATAR"])
def test_what_the_operator_sets_counts_as_chosen(environment: Environment, variable: str) -> None:
    own(environment.folder)
    environment.put(**{variable: "own.picture"})
    assert look_of(load_settings()).is_chosen


def test_pictures_of_the_operator_take_the_place_of_ours(environment: Environment) -> None:
    picture = own(environment.folder)
    environment.put(
        BOT_NAME=" Helper ",
        BOT_AVATAR="own.picture",
        BOT_SPACE_AVATAR="own.picture",
        BOT_CHAT_AVATAR=str(environment.folder / "own.picture"),
    )
    look = look_of(load_settings())
    assert (look.name, look.picture) == ("Helper", picture)
    assert look.rooms == {RoomKind.SPACE: picture, RoomKind.CHAT: picture}


def test_a_picture_that_is_gone_after_the_start_is_left_out(environment: Environment) -> None:
    own(environment.folder)
    environment.put(BOT_CHAT_AVATAR="own.picture")
    settings = load_settings()
    (environment.folder / "own.picture").unlink()
    look = look_of(settings)
    assert (look.picture is None, list(look.rooms)) == (False, [RoomKind.SPACE])


def test_off_leaves_it_to_people(environment: Environment) -> None:
    environment.put(BOT_NAME="off", BOT_AVATAR="off", BOT_SPACE_AVATAR="off", BOT_CHAT_AVATAR="off")
    look = look_of(load_settings())
    assert (look.name, look.picture, look.rooms) == ("", None, {})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<svg></svg>", "is not a picture: name a PNG, JPEG, GIF or WebP file of 1 MiB at most"),
        (png(4, 4).ljust(1024 * 1024 + 1), "is not a picture: name a PNG"),
        (None, "cannot be read (No such file or directory): name a picture, or off"),
    ],
    ids=["an SVG", "a large one", "none"],
)
def test_what_is_no_picture_is_refused(
    environment: Environment, data: bytes | None, sentence: str
) -> None:
    if data is not None:
        own(environment.folder, data)
    environment.put(BOT_AVATAR="own.picture")
    with pytest.raises(SettingsRefused) as refusal:
        load_settings()
    assert refusal.value.lines[0].startswith(f"BOT_AVATAR: {sentence}")


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines"])
def test_a_name_is_short_and_on_one_line(environment: Environment, name: str) -> None:
    environment.put(BOT_NAME=name)
    with pytest.raises(SettingsRefused) as refusal:
        load_settings()
    assert refusal.value.lines == ("BOT_NAME: is not a name: use up to 100 characters on one line",)
