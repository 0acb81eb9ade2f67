"""One bot per store folder: a lock that the system drops when its holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from supervisor.settings import SettingsRefused

LOCK_NAME: Final = "instance.lock"
HOLDER_NAME: Final = "instance.pid"
_GRACE_S: Final = 0.2
"""Somebody who only looks holds the lock for an instant: that must keep nobody out."""


class InstanceLocked(Exception):
    """Another process works on this store. Stop with exit 75; `pid` is None where it is unknown."""

    def __init__(self, store_path: Path, pid: int | None) -> None:
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{who} is already running on {store_path}: stop it first")
        self.pid = pid


class InstanceLock:
    """The lock of a store folder while it is held. Made by `instance_lock`."""

    def __init__(self, store_path: Path) -> None:
        self._store_path = store_path
        self._lock = _acquired(store_path)
        self._file = _identity(store_path)
        self.lost: InstanceLocked | None = None
        """Somebody else holds the folder."""

    def keep(self) -> bool:
        """Take the lock anew where its file was deleted: that let others in. Whether it was so.

        Raises as `instance_lock` does; where somebody else has it by now, it is `lost`.
        """
        if self._file is not None and self._file == _identity(self._store_path):
            return False
        try:
            fresh = _acquired(self._store_path)
        except InstanceLocked as locked:
            self.lost = locked
            raise
        self._lock.release()
        self._lock, self._file = fresh, _identity(self._store_path)
        _sign(self._store_path)
        return True

    def release(self) -> None:
        """Let others in."""
        if self.lost is None:
            with suppress(OSError):
                (self._store_path / HOLDER_NAME).unlink(missing_ok=True)
        self._lock.release()


@contextmanager
def instance_lock(store_path: Path) -> Iterator[InstanceLock]:
    """Hold the store folder, which is created if need be, with nobody else's access to it.

    Raises InstanceLocked where somebody holds it, SettingsRefused where the folder cannot
    be used.
    """
    lock = InstanceLock(store_path)
    try:
        _sign(store_path)
        yield lock
    finally:
        lock.release()


def _acquired(store_path: Path) -> FileLock:
    lock = FileLock(store_path / LOCK_NAME, timeout=_GRACE_S, mode=0o600)
    try:
        store_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InstanceLocked(store_path, holder(store_path)) from None
    except OSError as error:
        raise SettingsRefused(
            f"MATRIX_STORE_PATH: {store_path} cannot be used ({error.strerror}): "
            "name a folder that the bot may write to"
        ) from error
    return lock


def _identity(store_path: Path) -> tuple[int, int] | None:
    """What tells the lock's file from another one of the same name; None where there is none."""
    try:
        found = (store_path / LOCK_NAME).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_running(store_path: Path) -> bool:
    """Whether somebody holds the store folder now. Writes nothing."""
    try:
        descriptor = os.open(store_path / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def running_since(store_path: Path) -> datetime | None:
    """When the process that holds the store folder began; None where nobody holds it.

    A holder who could not sign is thought to have begun with the epoch. Writes nothing.
    """
    if not is_running(store_path):
        return None
    try:
        signed = (store_path / HOLDER_NAME).stat().st_mtime
    except OSError:
        signed = 0.0
    return datetime.fromtimestamp(signed, UTC)


def _sign(store_path: Path) -> None:
    # A note for people, so a full disk must not keep the bot from running; but what a killed
    # holder left there has to go in any case, or the note would name the wrong process.
    holder = store_path / HOLDER_NAME
    with suppress(OSError):
        holder.unlink(missing_ok=True)
        holder.write_text(f"{os.getpid()}\n", encoding="ascii")


def holder(store_path: Path) -> int | None:
    """The process that signed, if it is alive; None where nobody did or it is gone.

    Until a new holder has signed, the note is a dead one's. Writes nothing.
    """
    try:
        pid = int((store_path / HOLDER_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 and _alive(pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # somebody else's, so there is one
        return True
    except (OSError, OverflowError):
        return False
    return True
