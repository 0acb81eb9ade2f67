"""The command line: what it prints, and the code it ends with."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import anyio
import pytest
import structlog

from actors.port_errors import CredentialsRefused, HomeserverUnavailable, RefusedForNow
from actors.runtime.table import Outcome, Transition
from actors.runtime.transition_log import TransitionLog
from adapter.matrix.file_names import CHECKLIST_NAME
from adapter.sqlite.journal import SqliteJournal
from supervisor import cli, lifecycle
from supervisor.app import check as app_check
from supervisor.app.findings import Finding
from supervisor.commands import demo, explaining, invocation
from supervisor.lifecycle import MACHINE, State, Trigger
from supervisor.lock import LOCK_NAME, InstanceLock, instance_lock
from supervisor.settings import VARIABLES, Settings

ROOT = Path(__file__).parents[2]
Tell: TypeAlias = Callable[[Finding], None]
COMMANDS = (
    "run",
    "check",
    "demo",
    "reconcile",
    "log",
    "status",
    "inbox",
    "reset",
    "graph",
    "worker",
)
REPORT = {
    "joined_rooms": 3,
    "restored_room_meta": 1,
    "skipped_rooms": [{"room_id": "!a:x", "reason": "direct_chat"}],
    "conflicts": [{"room_id": "!b:x", "reason": "owner_ambiguous", "name": "[red]\x1b[2J"}],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIX_HOMESERVER", "https://matrix.example.org")
    monkeypatch.setenv("MATRIX_USER_ID", "@bot:example.org")
    monkeypatch.setenv("MATRIX_PASSWORD", "correct horse")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The tests here leave the process's logging alone; what would be set is kept.

    Each test begins as a process does, without what the library's entry points have set up.
    """
    structlog.reset_defaults()
    wishes: list[dict[str, object]] = []
    for module in (demo, explaining, invocation):
        monkeypatch.setattr(module, "configure_logging", lambda **wish: wishes.append(wish))
    return wishes


class Application(ModuleType):
    """In the place of the composition root: remembers what it was asked, answers as told."""

    def __init__(self) -> None:
        super().__init__("supervisor.app.run")
        self.answer: Callable[[], object] = lambda: 0
        self.asked: list[object] = []
        self.run_bot: Callable[[Settings, InstanceLock], Awaitable[object]] = self._run_bot
        self.reconcile_once: Callable[..., Awaitable[object]] = self._reconcile_once

    async def _run_bot(self, settings: Settings, _lock: InstanceLock) -> object:
        self.asked.append(settings)
        return self.answer()

    async def _reconcile_once(self, _settings: Settings, *, dry_run: bool) -> object:
        self.asked.append(dry_run)
        return self.answer()


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    made = Application()
    monkeypatch.setitem(sys.modules, "supervisor.app.run", made)
    return made


def ends_with(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code


def raising(error: Exception) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example_to_type(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(command, "--help") == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"  surfaces-bot {command}" in text or f"json surfaces-bot {command}" in text


def test_the_help_lists_exactly_the_commands_and_what_to_type_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends_with("--help") == 0
    text = capsys.readouterr().out
    listed = re.findall(r"^  (\w+) +\S", text.partition("Commands:\n")[2], re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    for expected in ("demo ", "check ", "run "):
        assert f"    surfaces-bot {expected}" in text
    assert "docs/configuration.md" in text
    assert ".env" in text


@pytest.mark.parametrize(
    "arguments",
    [(), ("bogus",), ("run", "--bogus"), ("log", "--limit", "0"), ("log", "--since", "soon")],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert ends_with(*arguments) == 2


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("log", "--limit", "0"), "use a number greater than 0"),
        (("log", "--limit", "ten"), "use a number greater than 0"),
        (("log", "--since", "soon"), "use 30s, 10m, 2h, 3d, or a date like 2026-01-31T12:00"),
        (("reset", "--mode", "foo"), "use local-only or server-leave-forget"),
        (("inbox", "--retry", "abc"), "an event id begins with $: put it in single quotes"),
    ],
)
def test_wrong_usage_is_told_in_words_of_our_own(
    arguments: tuple[str, ...], advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(*arguments) == 2
    option = arguments[1]
    assert f"Error: Invalid value for '{option}': {advice}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rooms", "room:x", "lifecycle "])
def test_a_machine_that_cannot_be_is_wrong_usage(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with("log", "--machine", name) == 2
    assert "lifecycle or room:!id" in capsys.readouterr().err


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads(Path(cli.__file__).parents[1].joinpath("pyproject.toml").read_text())
    assert ends_with("--version") == 0
    assert capsys.readouterr().out == f"surfaces-bot {project['project']['version']}\n"


@pytest.mark.parametrize("command", ["run", "check", "reconcile"])
def test_refused_settings_end_with_78_and_a_line_for_each_mistake(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(command) == 78
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split(":")[:2] for line in told.err.splitlines()] == [
        ["surfaces-bot", " MATRIX_USER_ID"],
        ["surfaces-bot", " MATRIX_HOMESERVER"],
        ["surfaces-bot", " MATRIX_PASSWORD"],
    ]


@pytest.mark.usefixtures("configured")
def test_run_ends_with_what_the_bot_ends_with(application: Application) -> None:
    application.answer = lambda: 78
    assert ends_with("run") == 78
    application.answer = lambda: 0
    assert ends_with("run") == 0
    assert len(application.asked) == 2


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("command", ["run", "reconcile"])
def test_a_second_instance_ends_with_75_before_it_does_anything(
    command: str, application: Application, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance_lock(here / "matrix_store"):
        assert ends_with(command) == 75
    assert application.asked == []
    assert "is already running" in capsys.readouterr().err


@pytest.mark.usefixtures("configured")
def test_a_dry_run_needs_no_lock_and_leaves_no_file(application: Application, here: Path) -> None:
    application.answer = lambda: REPORT
    assert ends_with("reconcile", "--dry-run") == 0
    assert list(here.iterdir()) == []
    with instance_lock(here / "matrix_store"):
        assert ends_with("reconcile", "--dry-run") == 0
    assert application.asked == [True, True]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CredentialsRefused("check MATRIX_PASSWORD"), 78),
        (HomeserverUnavailable("connection refused"), 1),
        (RefusedForNow("the account is suspended", "its administrator can lift that"), 1),
        (ExceptionGroup("tasks", [ExceptionGroup("", [HomeserverUnavailable("gone")])]), 1),
        (ExceptionGroup("tasks", [ValueError("a"), HomeserverUnavailable("b")]), 70),
        (RuntimeError("the bot is wrong"), 70),
        (ModuleNotFoundError("No module named 'cachetools'", name="cachetools"), 78),
        (ImportError("cannot import name 'x' from 'nio'", name="nio.crypto"), 78),
        (ImportError("cannot import name 'x' from 'actors.model'", name="actors.model"), 70),
        (ImportError("without a name"), 70),
    ],
)
def test_each_kind_of_failure_has_its_code_and_one_line(
    application: Application,
    error: Exception,
    code: int,
    capsys: pytest.CaptureFixture[str],
    quiet: list[dict[str, object]],
) -> None:
    application.answer = raising(error)
    assert ends_with("reconcile") == code
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("surfaces")]
    assert len(said) == 1
    assert quiet


@pytest.mark.usefixtures("configured")
def test_a_homeserver_that_is_away_is_named_as_what_is_away(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    application.answer = raising(HomeserverUnavailable("timed out after 30 s"))
    assert ends_with("reconcile", "--dry-run") == 1
    assert capsys.readouterr().err == (
        "surfaces-bot: the homeserver is unavailable (timed out after 30 s): "
        "`surfaces-bot check` shows details\n"
    )


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("command", ["run", "check", "reconcile"])
def test_vodozemac_without_the_rest_of_its_extra_ends_with_78_and_what_to_do(
    command: str, here: Path
) -> None:
    (here / "vodozemac").mkdir()
    (here / "vodozemac" / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": f"{here}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "supervisor", command],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("surfaces-bot"))
    assert "vodozemac is installed without matrix-nio's extra e2e" in line
    assert "uninstall vodozemac" in line
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("configured")
def test_the_lock_is_free_after_a_failure(application: Application, here: Path) -> None:
    application.answer = raising(RuntimeError("the bot is wrong"))
    assert ends_with("run") == 70
    with instance_lock(here / "matrix_store"):
        pass


@pytest.mark.usefixtures("configured")
def test_a_bug_leaves_its_traceback_in_the_log(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    application.answer = raising(RuntimeError("the bot is wrong"))
    assert ends_with("run") == 70
    told = capsys.readouterr()
    assert "RuntimeError: the bot is wrong" in told.out + told.err
    assert "this is a bug" in told.err


@pytest.mark.usefixtures("configured")
def test_run_logs_from_info_on_and_commands_only_what_is_wrong(
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    quiet: list[dict[str, object]],
) -> None:
    application.answer = lambda: 0
    ends_with("run")
    ends_with("graph", "--plain")
    application.answer = lambda: REPORT
    ends_with("reconcile")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    ends_with("reconcile")
    assert [wish["level"] for wish in quiet] == ["INFO", "WARNING", "DEBUG"]
    assert quiet[0]["secrets"] == ("correct horse",)


@pytest.mark.usefixtures("configured")
def test_the_report_is_told_in_tables_and_harmlessly(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    application.answer = lambda: REPORT
    assert ends_with("reconcile") == 0
    text = capsys.readouterr().out
    for expected in ("joined rooms", "direct_chat", "owner_ambiguous", "!b:x", "[red]\\x1b[2J"):
        assert expected in text
    assert "\x1b" not in text


@pytest.mark.usefixtures("configured")
def test_the_report_as_json_is_the_report(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    application.answer = lambda: REPORT
    assert ends_with("reconcile", "--json") == 0
    assert json.loads(capsys.readouterr().out) == REPORT


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (Finding(ok=True, what="all is well", advice="sleep"), 0),
        (Finding(ok=False, what="nobody answers", advice="look"), 1),
        (Finding(ok=False, what="no such password", refused=True), 78),
    ],
)
def test_check_prints_a_line_for_each_finding_and_ends_accordingly(
    finding: Finding,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def look(_settings: Settings, tell: Tell, _progress: Callable[[int], None]) -> None:
        tell(Finding(ok=True, what="first " * 60))
        tell(finding)

    monkeypatch.setattr(app_check, "check", look)
    assert ends_with("check") == code
    _first, second, *more = capsys.readouterr().out.splitlines()
    assert more == []
    assert second.startswith("ok " if finding.ok else "WRONG ")
    assert finding.what in second
    assert finding.advice in second


async def all_is_well(_settings: Settings, tell: Tell, _progress: Callable[[int], None]) -> None:
    tell(Finding(ok=True, what="all is well"))


async def journal_of_a_suspended_bot(path: Path) -> None:
    async with SqliteJournal.open(path) as journal:
        log = TransitionLog(journal, "boot-1", lambda: 1_700_000_000)
        reason = "the account is suspended: its administrator can lift that"
        lost = (State.LIVE, Trigger.HOMESERVER_LOST, State.DEGRADED)
        await log.write(log.decided(MACHINE, *lost, reason, failed=True))


@pytest.mark.usefixtures("configured")
def test_check_says_what_only_the_running_bot_knows(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app_check, "check", all_is_well)
    anyio.run(journal_of_a_suspended_bot, here / "lambda_journal.db")
    assert ends_with("check") == 0
    capsys.readouterr()
    with instance_lock(here / "matrix_store"):
        assert ends_with("check") == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert last == (
        "WRONG the running bot is degraded: the account is suspended: "
        "its administrator can lift that"
    )


@pytest.mark.usefixtures("configured")
def test_check_says_no_more_about_a_bot_without_a_journal(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_check, "check", all_is_well)
    with instance_lock(here / "matrix_store"):
        assert ends_with("check") == 0


@pytest.mark.usefixtures("configured")
def test_check_prints_each_line_as_soon_as_it_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    async def look(_settings: Settings, tell: Tell, _progress: Callable[[int], None]) -> None:
        for what in ("one", "two"):
            tell(Finding(ok=True, what=what))
            said.append(capsys.readouterr().out)

    monkeypatch.setattr(app_check, "check", look)
    assert ends_with("check") == 0
    assert said == ["ok    one\n", "ok    two\n"]


@pytest.mark.usefixtures("configured")
def test_check_tells_the_progress_of_a_slow_platform_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def look(_settings: Settings, tell: Tell, progress: Callable[[int], None]) -> None:
        for second in range(1, 25):
            progress(second)
        tell(Finding(ok=True, what="it answers"))

    monkeypatch.setattr(app_check, "check", look)
    assert ends_with("check") == 0
    said = capsys.readouterr()
    assert said.out == "ok    it answers\n"
    assert said.err == "".join(
        f"surfaces-bot: asking the platform echo, {seconds} s so far\n" for seconds in (10, 20)
    )


@pytest.mark.usefixtures("configured")
def test_check_prints_no_secret_that_a_server_repeats(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def look(settings: Settings, tell: Tell, _progress: Callable[[int], None]) -> None:
        (secret,) = settings.secrets
        tell(Finding(ok=False, what=f"the server says: bad key {secret}", advice=secret))

    monkeypatch.setattr(app_check, "check", look)
    assert ends_with("check") == 1
    assert capsys.readouterr().out == ("WRONG the server says: bad key [redacted]: [redacted]\n")


@pytest.mark.parametrize("arguments", [(), ("--keep",), ("--model",), ("--keep", "--model")])
def test_demo_needs_no_settings_and_ends_as_the_story_ends(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bool, bool]] = []

    async def tell_story(*, keep: bool, with_model: bool) -> int:
        asked.append((keep, with_model))
        return 1

    monkeypatch.setattr("demo.story.tell_story", tell_story)
    assert ends_with("demo", *arguments) == 1
    assert asked == [("--keep" in arguments, "--model" in arguments)]


def test_demo_says_where_it_is_to_be_had_when_the_program_was_installed_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("demo", "demo.story"):
        monkeypatch.setitem(sys.modules, module, None)
    assert ends_with("demo") == 1
    assert capsys.readouterr().err == (
        "surfaces-bot: the demo is part of the source tree and not of the installed program: "
        "clone the repository and run `make demo` in it\n"
    )


def test_demo_hides_no_other_missing_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "demo.story", raising=False)
    monkeypatch.setitem(sys.modules, "demo.stage", None)
    assert ends_with("demo") == 70
    assert "ModuleNotFoundError" in capsys.readouterr().err


def at(age: timedelta) -> str:
    return (datetime.now(UTC) - age).isoformat(timespec="milliseconds")


def records() -> tuple[Transition, ...]:
    """What the journal has, as old as it is when asked."""
    return (
        Transition(
            at(timedelta(days=2)), "b1", "lifecycle", "login", "logged_in", "hydrate", Outcome.OK,
            "password", 1, 1500,
        ),
        Transition(
            at(timedelta(minutes=5)), "b1", "room:!a", "ready", "failed_repeatedly", "quarantined",
            Outcome.ERROR, "\x1b[2J [bold]boom", 3, 3_725_000,
        ),
        Transition(
            at(timedelta(minutes=1)), "b1", "lifecycle", "hydrate", "reconciled", "hydrate",
            Outcome.DENIED, "", 1, 200,
        ),
    )  # fmt: skip


@pytest.fixture
def journal(here: Path) -> Path:
    path = here / "lambda_journal.db"

    async def write() -> None:
        async with SqliteJournal.open(path) as opened:
            for record in records():
                await opened.append(record)

    anyio.run(write)
    return path


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert ends_with("log", "--json", *arguments) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("journal")
def test_the_log_as_json_has_the_contracts_keys_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = rows_of(capsys)
    keys = "seq at boot machine src trigger dst outcome reason attempt dwell_ms"
    assert " ".join(rows[0]) == keys
    assert [row["trigger"] for row in rows] == ["logged_in", "failed_repeatedly", "reconciled"]


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (("--limit", "2"), [2, 3]),
        (("--machine", "lifecycle"), [1, 3]),
        (("--machine", "room:!a"), [2]),
        (("--machine", "lifecycle", "--limit", "1"), [3]),
        (("--since", "1h"), [2, 3]),
        (("--since", "3d"), [1, 2, 3]),
        (("--since", "150s"), [3]),
        (("--since", "1h", "--limit", "1"), [3]),
        (("--since", "2999-01-01"), []),
        (("--since", "2020-01-01T00:00:00Z"), [1, 2, 3]),
    ],
)
def test_the_log_can_be_narrowed(
    arguments: tuple[str, ...], seqs: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row["seq"] for row in rows_of(capsys, *arguments)] == seqs


@pytest.mark.usefixtures("journal")
def test_the_timeline_says_where_from_where_to_why_and_how_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends_with("log") == 0
    text = capsys.readouterr().out
    for expected in (
        "login → hydrate",
        "logged_in: password",
        "1.5 s",
        "ready → quarantined",
        "room:!a failed_repeatedly: \\x1b[2J [bold]boom (attempt 3)",
        "1 h 2 min",
        "denied: reconciled",
    ):
        assert expected in text
    assert "\x1b" not in text
    *lines, blank, _diagnosis, _bug = text.splitlines()
    assert len(lines) == 1 + len(records())
    assert blank == ""


@pytest.mark.usefixtures("journal")
def test_that_no_step_is_as_asked_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with("log", "--machine", "room:!nope") == 0
    assert "No change matches" in capsys.readouterr().out
    assert ends_with("log", "--machine", "room:!a") == 0
    assert "No change matches" not in capsys.readouterr().out


def test_no_journal_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with("log") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "there is no journal at lambda_journal.db" in told.err


@pytest.mark.parametrize(("command", "code"), [("log", 1), ("graph", 1), ("status", 0)])
def test_a_damaged_journal_is_named_with_what_becomes_of_it(
    command: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lambda_journal.db").write_bytes(b"no journal " * 500)
    assert ends_with(command) == code
    told = capsys.readouterr().err
    assert "lambda_journal.db is damaged (file is not a database)" in told
    assert "at its next start the bot keeps it" in told


@pytest.mark.parametrize("bind", ["", "127.0.0.1:0", "127.0.0.1:1", "[::]:8484"])
def test_a_bot_is_healthy_while_it_leaves_signs_of_life(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bind: str,
) -> None:
    monkeypatch.setenv("STATUS_BIND", bind)
    assert ends_with("status", "--healthy") == 1
    assert capsys.readouterr().out == "no bot is running on matrix_store\n"
    with instance_lock(here / "matrix_store") as lock:
        assert ends_with("status", "--healthy") == 0
        assert capsys.readouterr().out == "a bot is running on matrix_store\n"
        os.utime(here / "matrix_store" / LOCK_NAME, (1000, 1000))
        assert ends_with("status", "--healthy") == 1
        assert "has been stuck for" in capsys.readouterr().out
        lock.touch()
        assert ends_with("status", "--healthy") == 0


def test_a_reset_that_was_cut_off_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "matrix_store"
    folder.mkdir()
    assert ends_with("status") == 0
    assert "reset" not in capsys.readouterr().out
    (folder / CHECKLIST_NAME).touch()
    assert ends_with("status") == 0
    assert "a reset was interrupted" in capsys.readouterr().out


def test_the_graph_shows_every_row_of_both_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with("graph") == 0
    text = capsys.readouterr().out
    assert text.count("stateDiagram-v2") == 2
    assert text.count("```") == 4
    for row in lifecycle.TABLE:
        assert re.search(rf"{row.src} --> {row.dst}: .*\b{row.trigger}\b", text)
    assert "[*] --> unchecked" in text
    assert "stopped --> [*]" in text


@pytest.mark.usefixtures("journal")
def test_the_graph_marks_where_the_bot_and_its_rooms_are(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with("graph") == 0
    assert "stopped: stopped (now)" in capsys.readouterr().out
    with instance_lock(here / "matrix_store"):
        assert ends_with("graph") == 0
        bot, room = capsys.readouterr().out.split("title: A room")
        assert ends_with("graph", "--plain") == 0
        assert "classDef" not in capsys.readouterr().out
    assert "    hydrate: hydrate (now)\n" in bot
    assert "    class hydrate now\n" in bot
    assert "    quarantined: quarantined (1 room)\n" in room
