"""One bot per store folder, by a file lock. The system releases the lock when its holder dies."""

import fcntl
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Final, final

import anyio
import structlog
from anyio.lowlevel import checkpoint

from actors.leadership import NO_LEASE, Lead, Standing
from supervisor.settings import SettingsRefused

if TYPE_CHECKING:
    from filelock import FileLock

_log = structlog.get_logger()

LOCK_NAME: Final = "instance.lock"
HOLDER_NAME: Final = "instance.pid"
_GRACE_S: Final = 0.2
"""`is_running` in another process holds the lock for an instant. Acquiring waits longer."""


class RunningElsewhere(Exception):
    """Another process is the bot. Stop with exit code 75."""


class InstanceLocked(RunningElsewhere):
    """Another process uses this store folder. `pid`: None if unknown."""

    def __init__(self, store_path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{holder} is already running on {store_path}: stop it first")
        self.pid = pid


class LedElsewhere(RunningElsewhere):
    """Another process leads the bot on its database."""

    def __init__(self, leader: str) -> None:
        super().__init__(f"{leader} leads the bot: stop it first")


class InstanceLock:
    """The held lock of a store folder. `instance_lock` creates it."""

    def __init__(self, store_path: Path) -> None:
        self._store_path = store_path
        self._lock = _acquired(store_path)
        self._file = _identity(store_path)
        self.touch()
        self.lost: InstanceLocked | None = None
        """Set when another process has taken over the folder."""

    def renew(self) -> bool:
        """Acquire the lock again if its file was deleted, because then it keeps no process out.

        Returns whether it was. Raises as `instance_lock` does. If another process has acquired the
        lock, it is also set as `lost`.
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
        _write_holder(self._store_path)
        return True

    def touch(self) -> None:
        """Leave a sign of life: the time of the lock file. A file that cannot be touched stays."""
        with suppress(OSError):
            os.utime(self._store_path / LOCK_NAME)

    def release(self) -> None:
        """Release the lock."""
        if self.lost is None:
            with suppress(OSError):
                (self._store_path / HOLDER_NAME).unlink(missing_ok=True)
        self._lock.release()


def this_process() -> str:
    """This process, for people."""
    return f"process {os.getpid()} on {gethostname()}"


@final
class LockLeadership:
    """Implements `actors.leadership.Leadership`: the holder of the instance lock leads.

    The lock is looked at every `every_s` seconds.
    """

    def __init__(self, lock: InstanceLock, every_s: float) -> None:
        self._lock = lock
        self._every_s = every_s

    @property
    def standing(self) -> Standing:
        """This process leads."""
        return Standing(leads=True, epoch=NO_LEASE, leader=this_process())

    async def lead(self) -> Lead:
        """Return at once."""
        await checkpoint()
        return Lead(NO_LEASE, f"process {os.getpid()} holds the instance lock")

    def remaining_s(self) -> float:
        """For ever: no process takes the files of one that holds the lock."""
        return math.inf

    async def keep(self) -> str:
        """Acquire the lock again if its file is deleted, until another process has it."""
        while self._lock.lost is None:
            await anyio.sleep(self._every_s)
            try:
                if self._lock.renew():
                    _log.warning("instance_lock_taken_anew", reason="its file had been deleted")
            except SettingsRefused as error:
                _log.warning("instance_lock_missing", reason=str(error))
            except InstanceLocked as error:
                _log.error("instance_lock_lost", reason=str(error))
        return str(self._lock.lost)

    async def resign(self) -> None:
        """Do nothing: the lock is held until the process ends."""
        await checkpoint()


@contextmanager
def instance_lock(store_path: Path) -> Iterator[InstanceLock]:
    """Hold the lock of the store folder.

    A missing folder is created, accessible only to the bot's user. Raises InstanceLocked
    if another process holds the lock, SettingsRefused if the folder cannot be used.
    """
    lock = InstanceLock(store_path)
    try:
        _write_holder(store_path)
        yield lock
    finally:
        lock.release()


def _acquired(store_path: Path) -> "FileLock":
    # Commands that only look whether a bot is running do without it.
    from filelock import FileLock, Timeout  # noqa: PLC0415

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
    """The numbers that tell the lock file from another one of its name; None without a file."""
    try:
        found = (store_path / LOCK_NAME).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_running(store_path: Path) -> bool:
    """Whether a process holds the lock of the store folder now. Writes nothing."""
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
    """When the process that holds the store folder began; None if no process holds it.

    The epoch if the holder could not write its process id. Writes nothing.
    """
    if not is_running(store_path):
        return None
    try:
        written_at = (store_path / HOLDER_NAME).stat().st_mtime
    except OSError:
        written_at = 0.0
    return datetime.fromtimestamp(written_at, UTC)


def silence_s(store_path: Path, now: float) -> float | None:
    """How long the holder of the store folder has left no sign of life; None without a holder.

    `now` is in seconds since the epoch. Writes nothing.
    """
    if not is_running(store_path):
        return None
    try:
        return max(0.0, now - (store_path / LOCK_NAME).stat().st_mtime)
    except OSError:
        return None


def _write_holder(store_path: Path) -> None:
    # The file informs people, so a full disk must not stop the bot. The file of a killed holder is
    # deleted in any case, because it would name the wrong process.
    holder = store_path / HOLDER_NAME
    with suppress(OSError):
        holder.unlink(missing_ok=True)
        holder.write_text(f"{os.getpid()}\n", encoding="ascii")


def holder(store_path: Path) -> int | None:
    """The process id in the holder file; None if there is none or the process is dead.

    Until a new holder has written its id, the file has the id of a dead one. Writes nothing.
    """
    try:
        pid = int((store_path / HOLDER_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 and _alive(pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # a process of another user
        return True
    except (OSError, OverflowError):
        return False
    return True
