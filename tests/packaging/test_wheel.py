"""The wheel, as it is built, and as it runs in an environment without the source tree."""

import os
import re
import subprocess
import tomllib
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

import pytest

from demo.synapse import free_port
from tests.packaging.conftest import ROOT, UV, make, new_environment

pytestmark = pytest.mark.slow

PACKAGES: Final = ("actors", "adapter", "supervisor")
COMMAND_LIMIT_S: Final = 60

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of an environment that has the wheel and what it requires."""
    return new_environment(tmp_path_factory.mktemp("installed") / "venv", wheel)


@pytest.fixture
def run(environment: Path, tmp_path: Path) -> Run:
    """Run an installed program in an empty folder, with nothing in its environment but settings."""

    def run(program: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [environment / program, *arguments],
            cwd=tmp_path,
            env={"PATH": os.defpath, "HOME": str(tmp_path), "LANG": "C.UTF-8", **settings},
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )

    return run


def files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_has_the_files_of_the_three_packages_and_no_others(wheel: Path) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in files(wheel) if ".dist-info" not in PurePosixPath(name).parts[0]}
    assert packed == sources
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed
    assert "adapter/sqlite/schema.sql" in packed
    assert "supervisor/status/page/index.html" in packed


def test_it_says_under_which_licence_it_is_and_brings_the_text(wheel: Path) -> None:
    found = files(wheel)
    (metadata,) = [body for name, body in found.items() if name.endswith(".dist-info/METADATA")]
    (text,) = [body for name, body in found.items() if name.endswith("/licenses/LICENSE")]
    described = message_from_bytes(metadata)
    assert described["License-Expression"] == "Apache-2.0"
    assert described["License-File"] == "LICENSE"
    assert described["Author"] == "The surfaces-bot authors"
    assert text == (ROOT / "LICENSE").read_bytes()


def test_the_program_says_which_version_it_is(run: Run) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    done = run("surfaces-bot", "--version")
    assert (done.returncode, done.stdout) == (0, f"surfaces-bot {project['version']}\n")


def test_the_locked_versions_are_enough_for_every_extra(wheel: Path, tmp_path: Path) -> None:
    programs = new_environment(tmp_path / "venv", wheel, lock="requirements-extras.lock")
    (metadata,) = [body for name, body in files(wheel).items() if name.endswith("/METADATA")]
    extras = ",".join(message_from_bytes(metadata).get_all("Provides-Extra", []))
    assert extras
    here = {"VIRTUAL_ENV": str(programs.parent)}
    make(UV, "pip", "install", "--offline", "--no-index", f"{wheel}[{extras}]", environment=here)


def test_the_program_lists_its_commands(run: Run) -> None:
    done = run("surfaces-bot", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^  (run|check|status) +\S", done.stdout, re.MULTILINE) == [
        "run",
        "check",
        "status",
    ]


def test_check_names_each_setting_that_is_missing(run: Run) -> None:
    done = run("surfaces-bot", "check")
    assert (done.returncode, done.stdout) == (78, "")
    lines = done.stderr.splitlines()
    assert all(line.startswith("surfaces-bot: MATRIX_") for line in lines)
    for setting in ("MATRIX_HOMESERVER", "MATRIX_USER_ID", "MATRIX_PASSWORD"):
        assert len([line for line in lines if setting in line]) == 1


def test_check_says_that_a_homeserver_does_not_answer(run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run(
        "surfaces-bot",
        "check",
        MATRIX_HOMESERVER=url,
        MATRIX_USER_ID="@bot:example.org",
        MATRIX_PASSWORD="made up",
    )
    assert (done.returncode, done.stderr) == (1, "")
    (wrong,) = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert url in wrong


def test_demo_says_that_it_is_in_the_source_tree(run: Run) -> None:
    done = run("surfaces-bot", "demo")
    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert "source tree" in sentence
    assert "`make demo`" in sentence


def test_the_reset_of_the_contract_has_its_help(run: Run) -> None:
    done = run("python", "-m", "adapter.matrix.reset", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: surfaces-bot reset")
    assert "--mode" in done.stdout
