"""What is in deploy/ fits the program: metrics that exist, files that exist, a unit that loads."""

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

from actors.bounds import Bounds
from actors.meter import REPLY_OUTCOMES, Meter
from actors.platform_state import PlatformState
from supervisor.commands.exits import ExitCode
from supervisor.lifecycle import State
from supervisor.lock import instance_lock
from supervisor.notify import KEEP_ALIVE_EVERY_S, STARTUP_MARGIN_S
from supervisor.settings import VARIABLES
from supervisor.status.history import History
from supervisor.status.metrics import exposition
from tests.browser.stage import live

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
UNIT = (DEPLOY / "surfaces-bot.service").read_text()
SUFFIXES = {"s": 1, "min": 60}


def families() -> set[str]:
    """The names that /metrics has, those of histograms' and counters' samples included."""
    text = exposition(live(), Meter(), History()).decode()
    return set(re.findall(r"^# TYPE (\w+) \w+$", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["alerts.yml", "grafana-dashboard.json"])
def test_only_metrics_that_exist_are_asked_for(name: str) -> None:
    text = (DEPLOY / name).read_text()
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", found)
        for found in re.findall(r"\b(?:surfaces_bot|process)_\w+", text)
    }
    assert asked
    assert asked <= families()


@pytest.mark.parametrize("name", ["alerts.yml", "grafana-dashboard.json"])
def test_only_states_that_exist_are_asked_for(name: str) -> None:
    text = (DEPLOY / name).read_text().replace('\\"', '"')
    states = re.findall(r'surfaces_bot_state\{[^}]*state="(\w+)"', text)
    assert states
    assert set(states) <= set(State)


LABELLED: Final = {
    "surfaces_bot_platform_state": {state.value for state in PlatformState},
    "surfaces_bot_replies_total": set(REPLY_OUTCOMES),
}
"""The metrics with a label `state` beside the bot's own, and its values."""


@pytest.mark.parametrize("metric", LABELLED)
def test_only_states_of_the_platform_and_of_replies_that_exist_are_asked_for(metric: str) -> None:
    text = (DEPLOY / "alerts.yml").read_text()
    found = re.findall(rf'{metric}\{{state(?:=~?|!=)"([\w|]+)"\}}', text)
    asked = {state for each in found for state in each.split("|")}
    assert asked
    assert asked <= LABELLED[metric]


def test_the_dashboard_colours_every_state_of_the_platform() -> None:
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    (panel,) = (each for each in dashboard["panels"] if each["title"] == "Platform")
    coloured = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
    assert coloured == set(PlatformState)


def test_every_panel_of_the_dashboard_is_in_its_place() -> None:
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + dx, place["y"] + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        assert all(target["expr"] for target in panel["targets"])
        taken |= cells


def test_every_alert_says_what_to_do() -> None:
    text = (DEPLOY / "alerts.yml").read_text()
    alerts = text.split("- alert: ")[1:]
    assert len(alerts) >= 10
    for alert in alerts:
        assert re.search(r"^ +summary: \S", alert, re.MULTILINE)
        assert re.search(r"^ +action: \S", alert, re.MULTILINE)
        assert re.search(r"severity: (critical|warning|info) ", alert)


def seconds(setting: str) -> float:
    """A time in the unit."""
    found = re.search(rf"^{setting}=(\d+)(s|min)$", UNIT, re.MULTILINE)
    assert found is not None
    return float(found[1]) * SUFFIXES[found[2]]


def test_the_units_times_leave_room_for_what_the_program_takes() -> None:
    assert seconds("WatchdogSec") >= 2 * KEEP_ALIVE_EVERY_S
    assert seconds("TimeoutStartSec") >= 2 * KEEP_ALIVE_EVERY_S
    assert STARTUP_MARGIN_S >= 2 * KEEP_ALIVE_EVERY_S
    assert seconds("TimeoutStopSec") > 2 * Bounds().stop_within_s


def test_what_waiting_does_not_mend_is_not_tried_again() -> None:
    found = re.search(r"^RestartPreventExitStatus=(.*)$", UNIT, re.MULTILINE)
    assert found is not None
    assert set(map(int, found[1].split())) == {ExitCode.USAGE, ExitCode.REFUSED}


def test_systemd_takes_the_unit_as_it_is(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")
    unit = tmp_path / "surfaces-bot.service"
    program = re.search(r"^ExecStart=(\S+)", UNIT, re.MULTILINE)
    assert program is not None
    unit.write_text(UNIT.replace(program[1], sys.executable))
    done = subprocess.run(
        (analyze, "verify", str(unit)), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def health_check() -> list[str]:
    """The command of the image's health check."""
    found = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert found is not None
    command: list[str] = json.loads(found[1])
    assert command[0] == "surfaces-bot"
    return [sys.executable, "-m", "supervisor", *command[1:]]


def is_healthy(folder: Path, **settings: str) -> bool:
    done = subprocess.run(
        health_check(),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, 1}
    return done.returncode == 0


@pytest.mark.parametrize("bind", ["", "127.0.0.1:0", "0.0.0.0:9000", "[::]:8484"])
def test_the_health_check_follows_the_settings_and_needs_no_status_page(
    tmp_path: Path, bind: str
) -> None:
    (tmp_path / ".env").write_text(f"STATUS_BIND={bind}\nMATRIX_STORE_PATH=elsewhere\n")
    assert not is_healthy(tmp_path)
    with instance_lock(tmp_path / "elsewhere"):
        assert is_healthy(tmp_path)
        assert not is_healthy(tmp_path, MATRIX_STORE_PATH="matrix_store")


def test_nothing_in_deploy_is_tied_to_the_default_port_but_comments() -> None:
    for path in DEPLOY.iterdir():
        told = [line for line in path.read_text().splitlines() if "8484" in line]
        assert all(line.startswith("#") for line in told), path.name


def test_the_container_is_made_of_files_that_exist() -> None:
    text = CONTAINERFILE
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert names
    assert all((ROOT / name).exists() for name in names)
    assert text.count("--require-hashes") == 2
    ignored = (ROOT / ".dockerignore").read_text()
    let_in = re.findall(r"^!(.+)$", ignored, re.MULTILINE)
    assert all(any(fnmatch(name, pattern) for pattern in let_in) for name in names)


@pytest.mark.parametrize("name", ["Containerfile", "compose.yml"])
def test_the_image_is_built_in_the_format_that_keeps_its_health_check(name: str) -> None:
    builds = re.findall(r"podman build (.+)", (DEPLOY / name).read_text())
    assert builds
    assert all("--format docker" in words for words in builds)


def test_the_unit_for_two_processes_differs_only_in_what_each_has_of_its_own() -> None:
    pair = (DEPLOY / "surfaces-bot@.service").read_text()
    ours, theirs = (text[text.index("[Unit]") :].splitlines() for text in (UNIT, pair))
    changed = [line for line in theirs if line not in ours]
    assert [line.partition("=")[0] for line in changed if not line.startswith("#")] == [
        "Description",
        "EnvironmentFile",
        "RestartSec",
        "StateDirectory",
        "WorkingDirectory",
    ]
    assert all("%i" in line for line in changed if "RestartSec" not in line and line[0] != "#")
    assert len(theirs) == len(ours) + 1


def test_the_processes_in_the_compose_file_share_all_but_their_folders() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yml").read_text())["services"]
    one, other = services["bot-a"], services["bot-b"]
    assert {name for name in one if one[name] != other[name]} == {"volumes"}
    assert set(one["environment"]) <= {*VARIABLES, "PGPASSWORD"}


def test_no_file_system_of_the_bot_in_a_container_may_be_written_but_its_volume() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yml").read_text())["services"]
    assert services["bot-a"]["read_only"] is True
    (run,) = re.findall(r"^#   podman run ([^…\n]+)$", CONTAINERFILE, re.MULTILINE)
    assert "--read-only" in run.split()


def test_a_password_of_any_characters_may_be_given_to_the_compose_file() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yml").read_text())["services"]
    environment = services["bot-a"]["environment"]
    assert environment["PGPASSWORD"] == services["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert "$" not in environment["MATRIX_DB_PATH"]
