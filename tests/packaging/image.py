"""The image of deploy/Containerfile, built and run by podman with storage of its own."""

import re
import resource
import shlex
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import pytest

from tests.packaging.conftest import ROOT
from tests.packaging.debian import TRUST
from tests.packaging.space import COMMAND_LIMIT_S, PROBE_LIMIT_S, Space, last_line, require_programs

BASE: Final = "localhost/small-debian"
SHORT_NAME: Final = "surfaces-bot"
IMAGE: Final = f"localhost/{SHORT_NAME}"
NAME: Final = "bot"
BUILD_LIMIT_S: Final = 140
NOTHING_ELSE: Final = ("--read-only-tmpfs=false", "--health-interval=disable")
"""No folders in memory beside /dev, and no timer of systemd that checks the health."""
WAYS: Final = tuple(
    (driver, runtime) for driver in ("overlay", "vfs") for runtime in ("crun", "runc")
)


class Podman:
    """podman with one kind of storage and one runtime."""

    def __init__(self, space: Space, driver: str, runtime: str) -> None:
        self._space = space
        self._own = (
            "podman",
            f"--root={space.folder / driver}",
            f"--runroot={space.folder / 'run'}",
            f"--tmpdir={space.folder / 'tmp'}",
            f"--storage-driver={driver}",
            f"--runtime={runtime}",
            f"--runtime-flag=root={space.folder / 'oci'}",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
        )

    def __call__(
        self, *arguments: str | Path, limit_s: float = COMMAND_LIMIT_S
    ) -> CompletedProcess[str]:
        """Run a command of podman; its output has all that it said."""
        return self._space(*self._own, *arguments, limit_s=limit_s)

    def do(self, *arguments: str | Path, limit_s: float = COMMAND_LIMIT_S) -> str:
        """What a command of podman says that must succeed."""
        return self._space.do(*self._own, *arguments, limit_s=limit_s)

    def import_base(self, debian: Path) -> CompletedProcess[str]:
        """Make an image of the small Debian."""
        changes = (f"--change=ENV {name}={value}" for name, value in TRUST.items())
        return self("import", *changes, debian, BASE)

    def try_out(self) -> CompletedProcess[str]:
        """Do what the tests do, building and running, with a program that does nothing."""
        file = self._space.folder / "Containerfile"
        self._space.do("sh", "-c", f"printf 'FROM {BASE}\nRUN true\n' > {file}")
        options = ("--rm", *as_this_machine_allows())
        built = self("build", *options, "--file", file, limit_s=PROBE_LIMIT_S)
        if built.returncode != 0:
            return built
        return self("run", *options, BASE, "true", limit_s=PROBE_LIMIT_S)

    def build(self) -> None:
        """Build the image as deploy/Containerfile says, on the small Debian."""
        build, *arguments = shown("build")
        here = (f"--build-arg=BASE={BASE}", "--layers=false", *as_this_machine_allows())
        self.do(build, *here, *arguments, limit_s=BUILD_LIMIT_S)

    def start(self, settings: Path) -> None:
        """Start the bot in a container that may write nothing but its volume, and in memory."""
        exact = {".env": str(settings), SHORT_NAME: IMAGE}
        run, *arguments = (exact.get(word, word) for word in shown("run"))
        here = ("--detach", f"--name={NAME}", "--log-driver=k8s-file", *as_this_machine_allows())
        self.do(run, *here, *NOTHING_ELSE, *arguments)

    def inside(self, *command: str) -> str:
        """What a program says that the bot's user runs in the container."""
        return self("exec", NAME, *command).stdout.strip()

    def once(self, program: str, *arguments: str) -> str:
        """What a program says that the image's user runs in a container of its own."""
        options = ("--rm", "--no-healthcheck", f"--entrypoint={program}", *as_this_machine_allows())
        return self.do("run", *options, IMAGE, *arguments)

    def said(self) -> str:
        """The output of the bot."""
        return self("logs", NAME).stdout


def usable_podman(space: Space, debian: Path) -> Podman:
    """The first kind of podman that runs a container on this machine."""
    require_programs("podman")
    refusals = []
    for driver, runtime in WAYS:
        podman = Podman(space, driver, runtime)
        done = podman.import_base(debian)
        if done.returncode == 0:
            done = podman.try_out()
        if done.returncode == 0:
            return podman
        refusals.append(f"{driver} with {runtime}: {last_line(done)}")
    pytest.skip(f"podman runs no container on this machine: {'; '.join(refusals)}")


def shown(command: str) -> list[str]:
    """The arguments of podman's command that deploy/Containerfile shows."""
    text = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^#   podman ({command} [^…\n]+)$", text, re.MULTILINE)
    return shlex.split(line)


def as_this_machine_allows() -> tuple[str, ...]:
    """Options that need no rights: the network of this machine, and limits no higher than its."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    hard = {name: resource.getrlimit(limit)[1] for name, limit in limits.items()}
    return ("--network=host", *(f"--ulimit={name}={value}" for name, value in hard.items()))
