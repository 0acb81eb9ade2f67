"""`make pictures`: write the pictures of the project anew, all or those that are named."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio

from demo.model_server import ModelsMissing
from demo.narrator import Narrator, plain_console
from demo.synapse import SynapseMissing
from pictures.avatars import FOLDER as AVATARS
from pictures.avatars import make_avatars
from pictures.browser import BrowserMissing
from pictures.cast import Cast, Output
from pictures.conversation import make_conversation
from pictures.recording import ProgramFailed, recorded
from pictures.status_page import make_status_pages
from pictures.svg import drawn
from tests.client.bundle import ClientMissing

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
CAST: Final = "demo.cast"
COLUMNS: Final = 100
VISIBLE_ROWS: Final = 30
ALL_ROWS: Final = 200
"""The terminal of the recording has so many rows that it never scrolls; the picture scrolls."""
TITLE: Final = "A recording of make demo: the bot loses all its files, and nothing is missing"


def drawn_demo(cast: str) -> str:
    """The picture of a recording of the demo."""
    return drawn(Cast.read(cast), visible_rows=VISIBLE_ROWS, title=TITLE)


def make_demo(folder: Path) -> None:
    """Record the demo, and draw it."""
    program = str(Path(sys.executable).with_name("surfaces-bot"))
    seen = recorded([program, "demo"], columns=COLUMNS, rows=ALL_ROWS)
    cast = replace(seen, outputs=(Output(0.0, "$ make demo\r\n"), *seen.outputs)).text()
    (folder / CAST).write_text(cast, encoding="utf-8")
    (folder / CAST).with_suffix(".svg").write_text(drawn_demo(cast), encoding="utf-8")


def main(*wanted: str) -> None:
    """Make the pictures of the demo, the status page, a conversation, the bot and its rooms."""
    narrator = Narrator(plain_console())
    FOLDER.mkdir(exist_ok=True)
    if not wanted or "demo" in wanted:
        with narrator.waiting("a recording of the demo"):
            make_demo(FOLDER)
        narrator.tell(f"{CAST} and its picture")
    if not wanted or "status" in wanted:
        anyio.run(make_status_pages, FOLDER, narrator)
    if not wanted or "conversation" in wanted:
        anyio.run(make_conversation, FOLDER, narrator)
    if not wanted or "avatars" in wanted:
        make_avatars(AVATARS)
        narrator.tell("the pictures of the bot and its rooms")
    narrator.tell(f"the pictures are in {FOLDER}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (
        BrowserMissing,
        ClientMissing,
        ModelsMissing,
        ProgramFailed,
        SynapseMissing,
    ) as error:
        sys.exit(str(error))
