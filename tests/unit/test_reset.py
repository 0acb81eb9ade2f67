"""`surfaces-bot reset`: which files go, which stay, and when it does nothing at all."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path

import anyio
import pytest
from typing_extensions import override

from actors.model import EventId, InboundMessage, OutboundMessage, RoomId, UserId
from actors.port_errors import HomeserverUnavailable
from actors.writes import AcceptMessage, QueueMessage, Write
from adapter.matrix.reset import Departed, Departure, Progress
from adapter.sqlite.inline import InlineStore
from adapter.sqlite.journal import read_journal
from supervisor import cli
from supervisor.app import reset as app_reset
from supervisor.commands import invocation
from supervisor.lock import instance_lock
from supervisor.settings import VARIABLES, Settings

CHAT, SPACE, DOOR = RoomId("!chat:x"), RoomId("!space:x"), RoomId("!door:x")
DEPARTURE = Departure(
    leave={CHAT: "@alice:x: C1", SPACE: "@alice:x: Space"},
    forget=(RoomId("!gone:x"),),
    alone={DOOR: "direct_chat"},
)
SERVER = ("--mode", "server-leave-forget")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(invocation, "configure_logging", lambda **_: None)
    return tmp_path


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIX_HOMESERVER", "https://matrix.example.org")
    monkeypatch.setenv("MATRIX_USER_ID", "@bot:example.org")
    monkeypatch.setenv("MATRIX_PASSWORD", "correct horse")


class Terminal(StringIO):
    """Somebody at a keyboard, who types this."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda line: monkeypatch.setattr(sys, "stdin", Terminal(line))


def identities(here: Path) -> dict[Path, tuple[int, ...]]:
    """What tells whether a file was touched; reading one may change its access time."""
    stats = {path: path.stat() for path in here.rglob("*")}
    return {path: (it.st_ino, it.st_mode, it.st_size, it.st_mtime_ns) for path, it in stats.items()}


@pytest.fixture
def files(here: Path) -> set[str]:
    """What a bot that ran here has left, with a message in each queue."""
    store = InlineStore(here / "lambda_matrix.db")
    message = InboundMessage(EventId("$e"), CHAT, UserId("@alice:x"), 0, "m.text", "hi")
    writes: list[Write] = [
        AcceptMessage(message),
        QueueMessage(OutboundMessage("t", CHAT, "hello")),
    ]
    anyio.run(partial(store.commit, writes))
    store.close()
    folder = here / "matrix_store"
    with instance_lock(folder):
        pass
    made = (
        here / "lambda_matrix.db-wal",
        here / "lambda_matrix.db-shm",
        here / "lambda_matrix.db.corrupt-20260101T000000Z",
        here / "notes.txt",
        folder / "session.json",
        folder / "session.json.4711",
        folder / "session.json.bak",
        folder / "untouched.json",
        folder / "unfinished-reset.jsonl",
    )
    for path in made:
        path.write_text("")
    return names(here)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def ends_with(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(("reset", *arguments))
    assert isinstance(end.value.code, int)
    return end.value.code


BY_HAND = (
    "- Each owner leaves the old Space and its chats, and forgets them.",
    "- To start again, an owner invites the bot to a room, or writes to it in an old direct chat.",
    "  DELETE /_synapse/admin/v2/rooms/{room id}",
)


def assert_names_the_steps_by_hand(text: str, mode: str) -> None:
    lines = text.splitlines()
    assert set(BY_HAND) <= set(lines)
    of_the_bot = "- The bot's account leaves its Spaces and chats, and forgets them."
    assert any(line.startswith(of_the_bot) for line in lines) == (mode == "local-only")


@pytest.mark.parametrize("mode", ["local-only", "server-leave-forget"])
@pytest.mark.usefixtures("configured")
class TestStepsByHand:
    def test_they_are_named_after_a_reset_and_after_one_with_nothing_to_remove(
        self, mode: str, files: set[str], rooms: "Rooms", capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert files
        assert ends_with("--mode", mode, "--yes") == 0
        assert_names_the_steps_by_hand(capsys.readouterr().out, mode)
        rooms.planned = Departure({}, (), {})
        assert ends_with("--mode", mode, "--yes") == 0
        text = capsys.readouterr().out
        assert_names_the_steps_by_hand(text, mode)
        assert text.endswith("There is nothing to remove.\n")

    @pytest.mark.usefixtures("files", "rooms")
    def test_a_dry_run_names_them(self, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert ends_with("--mode", mode, "--dry-run") == 0
        assert_names_the_steps_by_hand(capsys.readouterr().out, mode)

    @pytest.mark.usefixtures("files", "rooms")
    def test_a_reset_that_is_declined_names_none(
        self, mode: str, types: Callable[[str], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        types("n\n")
        assert ends_with("--mode", mode) == 1
        text = capsys.readouterr().out
        assert text.endswith("Nothing was changed.\n")
        assert "Matrix client" not in text


class TestLocalOnly:
    def test_it_removes_exactly_what_it_names(
        self, here: Path, files: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ends_with("--yes") == 0
        gone = files - names(here)
        assert gone == {
            "lambda_matrix.db",
            "lambda_matrix.db-wal",
            "lambda_matrix.db-shm",
            "matrix_store/session.json",
            "matrix_store/session.json.4711",
            "matrix_store/untouched.json",
            "matrix_store/unfinished-reset.jsonl",
        }
        listed = capsys.readouterr().out.partition("Files to keep:")[0]
        assert {line.split()[-1] for line in listed.splitlines()[1:] if line} == gone

    def test_it_says_what_stays_and_what_is_lost(
        self, files: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert files
        assert ends_with("--yes") == 0
        text = capsys.readouterr().out
        kept = text.partition("Files to keep:")[2].splitlines()
        assert "  set aside    lambda_matrix.db.corrupt-20260101T000000Z" in kept
        assert "1 message not answered yet, 1 answer not sent yet" in text
        assert text.endswith(
            "The homeserver is unchanged. The next run rebuilds the database from the rooms.\n"
        )

    def test_a_dry_run_names_the_same_and_touches_nothing(
        self, here: Path, files: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = identities(here)
        assert ends_with("--dry-run") == 0
        assert identities(here) == before
        assert names(here) == files
        dry = capsys.readouterr().out
        assert dry.endswith("This was a dry run: nothing was changed.\n")
        ends_with("--yes")
        plan = dry.partition("This was")[0]
        assert capsys.readouterr().out.startswith(plan.partition("Files to keep:")[0])

    @pytest.mark.usefixtures("files")
    def test_a_dry_run_beside_a_running_bot_says_that_there_is_one(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with instance_lock(here / "matrix_store"):
            assert ends_with("--dry-run") == 0
        assert "A bot is running: stop it first." in capsys.readouterr().out

    @pytest.mark.usefixtures("files")
    def test_databases_that_were_set_aside_go_only_if_told_so(self, here: Path) -> None:
        assert ends_with("--yes", "--set-aside") == 0
        assert not list(here.glob("*.corrupt-*"))

    @pytest.mark.usefixtures("files")
    def test_the_journal_stays_and_gets_one_row(self, here: Path) -> None:
        assert ends_with("--yes") == 0
        (row,) = read_journal(here / "lambda_journal.db")
        made = row.transition
        assert (made.machine, made.src, made.trigger, made.dst) == (
            "lifecycle",
            "stopped",
            "reset",
            "stopped",
        )
        assert made.reason.startswith("local-only: left no room; removed lambda_matrix.db-wal, ")

    def test_a_second_run_finds_nothing_to_remove(
        self, here: Path, files: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert files
        ends_with("--yes")
        left = names(here)
        capsys.readouterr()
        assert ends_with("--yes") == 0
        assert capsys.readouterr().out.endswith("There is nothing to remove.\n")
        assert names(here) == left
        assert len(read_journal(here / "lambda_journal.db")) == 1

    @pytest.mark.usefixtures("files")
    def test_it_refuses_while_a_bot_is_running(
        self, here: Path, files: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with instance_lock(here / "matrix_store"):
            assert ends_with("--yes") == 75
        assert names(here) == files
        assert "is already running" in capsys.readouterr().err

    def test_without_a_terminal_and_without_yes_it_does_nothing(
        self, here: Path, files: set[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ends_with() == 2
        assert names(here) == files
        told = "reset asks before it acts, and there is no terminal: add --yes or --dry-run"
        assert capsys.readouterr().err == f"surfaces-bot: {told}\n"

    def test_somebody_who_says_no_keeps_everything(
        self, here: Path, files: set[str], types: Callable[[str], None]
    ) -> None:
        types("n\n")
        assert ends_with() == 1
        assert names(here) == files

    def test_somebody_who_says_yes_is_obeyed(
        self, here: Path, files: set[str], types: Callable[[str], None]
    ) -> None:
        types("y\n")
        assert ends_with() == 0
        assert "lambda_matrix.db" in files - names(here)

    def test_a_file_that_cannot_be_removed_is_named(
        self, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path, **_: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        (here / "lambda_matrix.db").touch()
        monkeypatch.setattr(Path, "unlink", refuse)
        assert ends_with("--yes") == 1
        told = capsys.readouterr().err
        assert "lambda_matrix.db cannot be removed (Permission denied)" in told

    def test_a_journal_that_cannot_be_written_does_not_stop_it(
        self, here: Path, files: set[str]
    ) -> None:
        (here / "lambda_journal.db").write_text("rubbish" * 1000)
        assert ends_with("--yes") == 0
        assert "lambda_matrix.db" in files - names(here)


class Rooms:
    """In the place of what talks to the homeserver: answers as told, remembers the deed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.departed: Departed | BaseException = Departed(left=2, forgotten=3)
        self.asked: list[Departure] = []
        self.planned = DEPARTURE
        monkeypatch.setattr(app_reset, "_departure", self._departure)
        monkeypatch.setattr(app_reset, "depart", self._depart)

    async def _departure(self, *_: object) -> Departure:
        return self.planned

    async def _depart(
        self, _settings: Settings, departure: Departure, tell: Callable[[Progress], None]
    ) -> Departed:
        self.asked.append(departure)
        tell(Progress(1, 3, waits_s=5.0))
        tell(Progress(3, 3))
        if isinstance(self.departed, BaseException):
            raise self.departed
        return self.departed


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    return Rooms(monkeypatch)


@pytest.mark.usefixtures("configured")
class TestServerLeaveForget:
    def test_a_dry_run_lists_the_rooms_and_leaves_none(
        self, rooms: Rooms, files: set[str], here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ends_with(*SERVER, "--dry-run") == 0
        assert rooms.asked == []
        assert names(here) == files
        assert [line.rstrip() for line in capsys.readouterr().out.splitlines()][:10] == [
            "Rooms to leave and forget:",
            "  !chat:x   @alice:x: C1",
            "  !space:x  @alice:x: Space",
            "",
            "Rooms to forget (an unfinished reset has left them):",
            "  !gone:x",
            "",
            "Rooms that stay as they are:",
            "  !door:x  direct_chat",
            "",
        ]

    @pytest.mark.usefixtures("files")
    def test_rooms_go_first_then_files_and_it_says_what_is_left_to_do(
        self, rooms: Rooms, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ends_with(*SERVER, "--yes") == 0
        assert rooms.asked == [DEPARTURE]
        assert "matrix_store/session.json" not in names(here)
        text = capsys.readouterr().out
        assert "Left 2 rooms, forgot 3; removed 7 files.\n" in text
        assert "still exist for their other members" in text
        assert "deleted" not in text
        (row,) = read_journal(here / "lambda_journal.db")
        assert row.transition.reason.startswith(
            "server-leave-forget: left 2 rooms, forgot 3; removed lambda"
        )

    def test_a_room_that_is_not_let_go_keeps_the_files(
        self, rooms: Rooms, files: set[str], here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rooms.departed = Departed(left=1, forgotten=2, still_in={SPACE: "403 M_FORBIDDEN: no"})
        assert ends_with(*SERVER, "--yes") == 1
        assert names(here) == files
        told = capsys.readouterr()
        assert "!space:x  403 M_FORBIDDEN: no" in told.out
        assert "the reset is not finished: run the same command again to continue it" in told.err

    @pytest.mark.usefixtures("files")
    def test_a_room_that_is_not_forgotten_is_told_and_the_rest_is_done(
        self, rooms: Rooms, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rooms.departed = Departed(left=2, forgotten=2, remembered={SPACE: "500"})
        assert ends_with(*SERVER, "--yes") == 0
        assert "left, but could not be forgotten" in capsys.readouterr().out
        assert "lambda_matrix.db" not in names(here)

    @pytest.mark.parametrize("end", [HomeserverUnavailable("502"), KeyboardInterrupt()])
    def test_cut_off_it_says_how_to_go_on(
        self,
        end: BaseException,
        rooms: Rooms,
        files: set[str],
        here: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        rooms.departed = end
        assert ends_with(*SERVER, "--yes") == 1
        assert names(here) == files
        told = "surfaces-bot: the reset is not finished: run the same command again to continue it"
        assert told in capsys.readouterr().err


@pytest.mark.usefixtures("rooms")
def test_leaving_rooms_takes_all_settings_and_local_files_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends_with(*SERVER, "--yes") == 78
    assert "MATRIX_HOMESERVER" in capsys.readouterr().err
    assert ends_with("--yes") == 0


def test_the_module_of_the_adapter_is_the_same_command(here: Path) -> None:
    command = [sys.executable, "-m", "adapter.matrix.reset", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("This was a dry run: nothing was changed.\n")
    assert names(here) == set()
