"""`surfaces-bot inbox`: what waits, what was given up, and trying it again."""

import json
import time
from functools import partial
from pathlib import Path

import anyio
import pytest

from actors.model import EventId, InboundMessage, RoomId, UserId
from actors.writes import AcceptMessage, CountAttempt, FinishMessage, Write
from adapter.sqlite.inline import InlineStore
from supervisor import cli
from supervisor.commands import invocation
from supervisor.lock import instance_lock
from supervisor.settings import VARIABLES

SECRET = "what alice wrote"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(invocation, "configure_logging", lambda **_: None)
    return tmp_path


def message(name: str, room: str = "!room:x") -> InboundMessage:
    sent_ms = 1_800_000_000_000
    return InboundMessage(
        EventId(name), RoomId(room), UserId("@alice:x"), sent_ms, "m.text", SECRET
    )


@pytest.fixture
def database(here: Path) -> Path:
    """One message is done, one waits, two are dead."""
    path = here / "lambda_matrix.db"
    store = InlineStore(path, clock=lambda: time.time() - 7_500)
    dead = (EventId("$dead"), EventId("$\x1b[2J"))
    writes: list[Write] = [
        *(AcceptMessage(message(name)) for name in ("$done", "$waiting", *dead)),
        FinishMessage(EventId("$done")),
        *(CountAttempt(name) for name in dead for _ in range(4)),
        *(FinishMessage(name, dead=True) for name in dead),
    ]
    anyio.run(partial(store.commit, writes))
    store.close()
    return path


def ends_with(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(("inbox", *arguments))
    assert isinstance(end.value.code, int)
    return end.value.code


def states(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, int]]:
    assert ends_with("--json", *arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(row["event_id"], row["state"], row["attempts"]) for row in rows]


@pytest.mark.usefixtures("database")
def test_the_table_names_everything_but_what_people_wrote(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends_with() == 0
    text = capsys.readouterr().out
    assert [line.rstrip() for line in text.splitlines()] == [
        "state    age        attempts  sender, room, event",
        "waiting  2 h 5 min  0         @alice:x",
        "                              !room:x",
        "                              $waiting",
        "dead     2 h 5 min  4         @alice:x",
        "                              !room:x",
        "                              $dead",
        "dead     2 h 5 min  4         @alice:x",
        "                              !room:x",
        "                              $\\x1b[2J",
        "",
        "1 waiting, 2 dead; the bot is not running",
        "to try a dead message again: surfaces-bot inbox --retry '$…'",
    ]


@pytest.mark.usefixtures("database")
def test_bodies_are_in_no_form_of_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("--dead",), ("--json",), ("--retry", "$dead")):
        assert ends_with(*arguments) == 0
    assert SECRET not in capsys.readouterr().out


@pytest.mark.usefixtures("database")
def test_dead_ones_can_be_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert states(capsys, "--dead") == [("$dead", "dead", 4), ("$\x1b[2J", "dead", 4)]
    assert [name for name, _state, _attempts in states(capsys)] == ["$waiting", "$dead", "$\x1b[2J"]


@pytest.mark.usefixtures("database")
def test_a_dead_message_can_be_made_to_wait_again(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    assert ends_with("--retry", "$dead") == 0
    assert capsys.readouterr().out == "$dead waits again: the bot handles it when it runs again\n"
    assert ("$dead", "waiting", 0) in states(capsys)
    assert ends_with("--retry", "$dead") == 0
    assert capsys.readouterr().out == "$dead is already waiting\n"
    with instance_lock(here / "matrix_store"):
        assert ends_with("--retry", "$\x1b[2J") == 0
    told = "$\\x1b[2J waits again: the bot handles it within a minute\n"
    assert capsys.readouterr().out == told


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ("$done", "$done is already handled: it needs no retry"),
        (
            "$other",
            "there is no message $other: `surfaces-bot inbox --dead` lists the dead messages",
        ),
    ],
)
def test_what_is_not_dead_cannot_be_tried_again(
    event: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = states(capsys)
    assert ends_with("--retry", event) == 1
    assert capsys.readouterr().err == f"surfaces-bot: {sentence}\n"
    assert states(capsys) == before


@pytest.mark.parametrize("event", ["", "abc"])
def test_an_event_id_that_the_shell_has_eaten_is_wrong_usage(
    event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with("--retry", event) == 2
    assert "single quotes" in " ".join(capsys.readouterr().err.split())


def test_an_empty_inbox_is_said_in_a_sentence(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    InlineStore(here / "lambda_matrix.db").close()
    assert ends_with() == 0
    assert ends_with("--dead") == 0
    told = "no message is waiting, and none is dead\nno message is dead\n"
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("arguments", [(), ("--retry", "$dead")])
def test_without_a_database_there_is_none_to_look_at(
    arguments: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(*arguments) == 1
    assert "there is no database at lambda_matrix.db" in capsys.readouterr().err
    assert list(here.iterdir()) == []
    (here / "lambda_matrix.db").touch()
    assert ends_with(*arguments) == 1
    assert "lambda_matrix.db holds no inbox" in capsys.readouterr().err
