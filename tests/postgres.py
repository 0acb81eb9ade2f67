"""A PostgreSQL server for tests, on a socket in a folder of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest

MISSING: Final = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
_USERS: Final = ("postgres", "nobody")
"""PostgreSQL refuses to run as root: then the server runs as the first of these that exists."""
_SETTINGS: Final = {
    "listen_addresses": "''",
    "fsync": "off",  # a kill of the server loses nothing that the system has
    "shared_buffers": "16MB",
    "max_connections": "200",
    "autovacuum": "off",
}


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None if it is not installed."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _unprivileged() -> str | None:
    """The user to run the server as; None for the user of the tests."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return next(user for user in _USERS if user in known)


class Cluster:
    """A server that can be stopped, killed and started again. `database` makes databases."""

    def __init__(self, folder: Path, bin_folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = {**_SETTINGS, **settings}
        self._bin = bin_folder
        self._user = _unprivileged()
        self._made = 0

    def initialize(self) -> None:
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "--username=bot", "--auth=trust", "--encoding=UTF8", "--no-sync")

    def start(self) -> None:
        given = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        options = f"-k {self.folder} {given}"
        self._run(
            "pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={options}"
        )

    def stop(self, mode: str = "fast") -> None:
        """End all sessions and stop; with the mode `immediate`, nothing is written to the disk."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def kill(self) -> None:
        """Kill every process of the server, as a loss of power would."""
        pid_file = self.folder / "data/postmaster.pid"
        postmaster = int(pid_file.read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGSTOP)  # or it starts another one meanwhile, which stays alive
        pids = [postmaster, *_children(postmaster)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(map(is_alive, pids)):
            time.sleep(0.01)
        # A killed process counts as a running server until its parent has waited for it.
        for lock in (pid_file, self.folder / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def database(self, *, encoding: str = "UTF8", locale: str = "C") -> str:
        """The URL of a new, empty database."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE '{locale}'"
                " TEMPLATE template0".encode()
            )
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, and end its sessions."""
        name = urlsplit(url).path[1:]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, name: str) -> str:
        return f"postgresql://bot@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, f"--pgdata={self.folder / 'data'}", *arguments],
            user=self._user,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process runs. A killed one does not, also before its parent has waited for it."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextmanager
def pgbouncer(cluster: Cluster) -> Iterator[Path]:
    """PgBouncer in front of a server, in transaction mode; the folder of its socket.

    Skips the test if it is missing.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    folder = Path(mkdtemp(prefix="surfaces-pgb-"))
    (folder / "users").write_text('"bot" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={cluster.folder}\n[pgbouncer]\nlisten_addr =\n"
        f"listen_port = 5432\nunix_socket_dir = {folder}\nauth_type = trust\n"
        f"auth_file = {folder / 'users'}\npool_mode = transaction\ndefault_pool_size = 3\n"
        "ignore_startup_parameters = options\n"
    )
    user = _unprivileged()
    if user is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    command = [program, "--quiet", str(folder / "pgbouncer.ini")]
    with subprocess.Popen(command, user=user, cwd=folder) as running:
        try:
            while not _accepts(folder / ".s.PGSQL.5432"):
                assert running.poll() is None
                time.sleep(0.01)
            yield folder
        finally:
            running.kill()
    shutil.rmtree(folder)


def _accepts(path: Path) -> bool:
    """Whether a program accepts connections on a socket. The file is there a moment earlier."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        return True
    return False


@contextmanager
def throwaway_cluster(**settings: str) -> Iterator[Cluster]:
    """A running server, with these settings. Skips the test if PostgreSQL is missing."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip(MISSING)
    # The path of a socket is limited to 107 bytes.
    folder = Path(mkdtemp(prefix="surfaces-pg-"))
    cluster = Cluster(folder, bin_folder, **settings)
    try:
        cluster.initialize()
        cluster.start()
        yield cluster
        with suppress(subprocess.CalledProcessError):
            cluster.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
