"""A place for tests in which containers and machines are started.

Such a test is skipped where a program is missing or the machine forbids what it does. That is
always tried, and the reason has what the machine said.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from anyio.from_thread import BlockingPortal

from demo.child_program import ChildProgram
from demo.synapse import plain_environment
from tests.packaging.conftest import ROOT

ENOUGH_BYTES: Final = 4 * 1024**3
HELD: Final = "held"
HOLD: Final = f"""
mount -t tmpfs tmpfs /dev/shm || exit
test -z "$2" || mount -t tmpfs tmpfs "$1" || exit
echo {HELD}
exec sleep infinity
"""
NAMESPACES: Final = (
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
    *(() if os.geteuid() == 0 else ("--map-root-user", "--map-auto")),
)  # fmt: skip
PROBE_LIMIT_S: Final = 30
COMMAND_LIMIT_S: Final = 60


class Space:
    """Namespaces of processes and mounts, and a folder in memory.

    All in it ends with the space, however that ends: programs, mounts, files.
    """

    def __init__(self, folder: Path, first_process: int) -> None:
        self.folder = folder
        self._there = ("nsenter", "--all", "--wd", f"--target={first_process}")

    def __call__(
        self,
        *command: str | Path,
        environment: Mapping[str, str] = {},
        limit_s: float = COMMAND_LIMIT_S,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; its output has all that it said."""
        return subprocess.run(
            (*self._there, *command),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def do(self, *command: str | Path, limit_s: float = COMMAND_LIMIT_S) -> str:
        """What a command says that must succeed."""
        done = self(*command, limit_s=limit_s)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()


@contextmanager
def own_space(portal: BlockingPortal) -> Iterator[Space]:
    """A new space, if this machine allows it."""
    require_programs("unshare", "nsenter", "mount")
    folder = Path(tempfile.mkdtemp(prefix="surfaces-space-"))
    log = folder / "log"
    in_memory = "in memory" if _memory_available() >= ENOUGH_BYTES else ""
    try:
        program = ChildProgram(
            (*NAMESPACES, "sh", "-c", HOLD, "sh", str(folder), in_memory),
            folder=ROOT,
            log=log,
            environment=plain_environment(),
            remove_folder=folder,
        )
        try:
            wait_until(
                lambda: program.exit_code() is not None or HELD in log.read_text(),
                "namespaces",
                limit_s=PROBE_LIMIT_S,
            )
            if program.exit_code() is not None:
                pytest.skip(f"this machine allows no namespaces: {log.read_text().strip()}")
            space = Space(folder, _child_of(program.pid))
            yield space
            space("sh", "-c", f"rm -rf {folder}/*")
        finally:
            portal.call(program.kill)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_programs(*programs: str) -> None:
    """Skip the test where programs are missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")


@contextmanager
def in_time(what: str) -> Iterator[None]:
    """Skip the test where making something takes too long, as far away from all packages."""
    try:
        yield
    except subprocess.TimeoutExpired as late:
        pytest.skip(f"this machine needs more than {late.timeout:g} s for a step of {what}")


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The last thing that a command said."""
    return (done.stdout.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def wait_until(holds: Callable[[], bool], what: str, *, limit_s: float) -> None:
    """Wait for what another program does. `what` is in the failure."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.1)


def _child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(child)


def _memory_available() -> int:
    (kib,) = (
        line.split()[1]
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        if line.startswith("MemAvailable:")
    )
    return int(kib) * 1024
