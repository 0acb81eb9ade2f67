"""A throw-away PostgreSQL on a unix socket, run by an unprivileged user."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

_FOLDERS: Final = tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
_USER: Final = "postgres"


def programs() -> Path | None:
    """The folder with the programs of PostgreSQL; None if it is not installed."""
    found = shutil.which("initdb", path=os.pathsep.join(map(str, _FOLDERS)))
    return None if found is None else Path(found).parent


@contextmanager
def throwaway_cluster() -> Iterator[str]:
    """A cluster, as the URL of its database. What is written is not safe from a power cut."""
    home = Path(mkdtemp(prefix="pg"))  # the path of a socket has no more than 107 characters
    if os.geteuid() == 0:
        shutil.chown(home, _USER)
    try:
        _run("initdb", "-D", f"{home}/data", "-A", "trust", "-U", "bot", "--no-sync", "-E", "UTF8")
        options = f"-k {home} -h '' -c fsync=off"
        start = ("-D", f"{home}/data", "-w", "-o", options, "-l", f"{home}/log", "start")
        _run("pg_ctl", *start)
        try:
            yield f"postgresql://bot@/postgres?host={home}"
        finally:
            _run("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


def _run(program: str, *arguments: str) -> None:
    folder = programs()
    assert folder is not None, "PostgreSQL is not installed"
    command: Sequence[str] = [str(folder / program), *arguments]
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        command = ["runuser", "-u", _USER, "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
