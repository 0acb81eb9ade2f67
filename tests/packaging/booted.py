"""A small Debian with systemd as its first process, which systemd-nspawn runs."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import pytest

from tests.packaging.conftest import ROOT, UV
from tests.packaging.debian import TRUST
from tests.packaging.space import PROBE_LIMIT_S, Space, last_line, require_programs

UNIT: Final = ROOT / "deploy/surfaces-bot.service"
PROGRAMS: Final = "/opt/surfaces-bot"
BOOT_LIMIT_S: Final = 60
RUNNING: Final = {"running", "degraded"}
# systemd-nspawn leaves a folder in /run after a kill.
PREPARE: Final = """
mkdir -p "$1" /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
tar --extract --numeric-owner --directory="$1" --file="$2"
"""
BOOT: Final = """
console=$1
shift
"$@" >"$console" 2>&1 &
echo $!
"""


class Booted:
    """The running Debian. It shares this machine's network."""

    def __init__(self, space: Space, root: Path, first_process: str) -> None:
        self._space = space
        self._root = root
        self._there = ("nsenter", "--all", f"--target={first_process}")

    def __call__(self, *command: str, environment: Mapping[str, str] = {}) -> CompletedProcess[str]:
        """Run a command in it, as root."""
        return self._space(*self._there, *command, environment=environment)

    def do(self, *command: str, environment: Mapping[str, str] = {}) -> str:
        """What a command says that must succeed."""
        done = self(*command, environment=environment)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def put(self, file: Path, folder: str, *, mode: str = "0755") -> None:
        """Copy a file of this machine into a folder."""
        self._space.do("install", f"--mode={mode}", file, f"{self._root}{folder}/{file.name}")


def boot(space: Space, debian: Path) -> Booted:
    """Start a small Debian, if this machine allows it."""
    if os.geteuid() != 0:
        pytest.skip("systemd-nspawn must be run as root")
    require_programs("systemd-nspawn", "tar")
    root = space.folder / "root"
    space.do("sh", "-e", "-c", PREPARE, "sh", root, debian)
    nspawn = ("systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit")
    tried = space(*nspawn, "--pipe", "true", limit_s=PROBE_LIMIT_S)
    if tried.returncode != 0:
        pytest.skip(f"systemd-nspawn runs nothing on this machine: {last_line(tried)}")
    console = space.folder / "console"
    whole = (*nspawn, "--boot", "--console=pipe")
    pid = space.do("sh", "-c", BOOT, "sh", console, *whole)
    return Booted(space, root, _first_process(space, pid, console))


def _first_process(space: Space, nspawn: str, console: Path) -> str:
    """The id of the process that is systemd, once it has started everything."""
    deadline = time.monotonic() + BOOT_LIMIT_S
    while True:
        first = space("cat", f"/proc/{nspawn}/task/{nspawn}/children").stdout.strip()
        asked = space("nsenter", "--all", f"--target={first}", "systemctl", "is-system-running")
        if last_line(asked) in RUNNING:
            return first
        if time.monotonic() > deadline:
            said = f"{last_line(asked)}; {last_line(space('cat', console))}"
            pytest.skip(f"systemd does not start on this machine: {said}")
        time.sleep(0.1)


def install_bot(machine: Booted, wheel: Path) -> None:
    """Install the wheel and the unit, where the unit says that they belong."""
    for file in (UV, wheel, ROOT / "requirements.lock"):
        machine.put(file, "/root")
    here = {"VIRTUAL_ENV": PROGRAMS, "UV_NO_CACHE": "1", **TRUST}
    for step in (
        ("venv", "--python=/usr/bin/python3", PROGRAMS),
        ("pip", "sync", "--require-hashes", "/root/requirements.lock"),
        ("pip", "install", "--no-deps", "--offline", f"/root/{wheel.name}"),
    ):
        machine.do("/root/uv", *step, environment=here)
    machine.put(UNIT, "/etc/systemd/system", mode="0644")
    machine.do("systemctl", "daemon-reload")
