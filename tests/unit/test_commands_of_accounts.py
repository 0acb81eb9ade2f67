"""Shell commands with MATRIX_ACCOUNTS: for one account, for each in turn, or for all at once."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.lock import instance_lock
from supervisor.settings import VARIABLES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def surfaces_bot(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command with two accounts, whose files the test may change."""
    folder = tmp_path / "accounts"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.env").write_text(f"MATRIX_USER_ID=@{name}:example.org\n")
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment = {
        **plain,
        "MATRIX_ACCOUNTS": str(folder),
        "MATRIX_HOMESERVER": "https://matrix.example.org",
        "MATRIX_PASSWORD": "correct horse",
        "MATRIX_DB_PATH": "postgresql://127.0.0.1:9/nowhere",
        "PYTHONPATH": str(ROOT),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "supervisor", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


SurfacesBot = Callable[..., subprocess.CompletedProcess[str]]


def test_a_command_for_each_account_in_turn_ends_with_the_worst_code(
    surfaces_bot: SurfacesBot, tmp_path: Path
) -> None:
    with instance_lock(tmp_path / "matrix_store" / "two"):
        done = surfaces_bot("status", "--healthy")
    assert done.stdout.splitlines() == [
        "one:",
        "no bot is running on matrix_store/one",
        "",
        "two:",
        "a bot is running on matrix_store/two",
    ]
    assert done.returncode == 1


def test_a_command_for_one_account_leaves_the_others_alone(
    surfaces_bot: SurfacesBot, tmp_path: Path
) -> None:
    with instance_lock(tmp_path / "matrix_store" / "two"):
        done = surfaces_bot("--account", "two", "status", "--healthy")
    assert done.stdout == "a bot is running on matrix_store/two\n"
    assert done.returncode == 0


@pytest.mark.parametrize("command", ["log", "inbox", "reconcile"])
def test_other_commands_need_one_account(surfaces_bot: SurfacesBot, command: str) -> None:
    done = surfaces_bot(command)
    assert done.returncode == 78
    assert "MATRIX_ACCOUNTS: names many accounts" in done.stderr
    assert "--account NAME" in done.stderr


@pytest.mark.parametrize("command", ["run", "worker"])
def test_nothing_runs_while_the_settings_of_an_account_are_wrong(
    surfaces_bot: SurfacesBot, tmp_path: Path, command: str
) -> None:
    with (tmp_path / "accounts" / "two.env").open("a") as file:
        file.write("BOT_PLATFORM=webhook\nLOG_LEVEL=loud\n")
    done = surfaces_bot(command)
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1:3] for line in lines] == [
        ["two", "LOG_LEVEL"],
        ["two", "WEBHOOK_URL"],
    ]


def test_what_is_wrong_names_the_account(surfaces_bot: SurfacesBot) -> None:
    done = surfaces_bot("--account", "two", "log")
    assert done.returncode == 1
    assert done.stderr.startswith("surfaces-bot: two: ")


def test_help_needs_no_account(surfaces_bot: SurfacesBot) -> None:
    assert surfaces_bot("log", "--help").returncode == 0
