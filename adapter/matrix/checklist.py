"""A file with the rooms that a reset still has to leave or forget.

It lets the next reset continue after an interruption.
"""

import contextlib
import os
from pathlib import Path

import msgspec
import structlog

from actors.model import RoomId, UserId
from actors.port_errors import StoreUnavailable
from adapter.matrix.file_names import CHECKLIST_NAME
from adapter.matrix.lenient import UNDECODABLE

_log = structlog.get_logger("adapter.matrix.checklist")


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """The first line: the account and its rooms. Each later line is the id of a finished room."""

    homeserver: str
    user_id: UserId
    rooms: list[RoomId]


class Checklist:
    """One account's rooms to leave and forget. Writing raises StoreUnavailable on failure."""

    def __init__(self, folder: Path, *, homeserver: str, user_id: UserId) -> None:
        self.path = folder / CHECKLIST_NAME
        self._homeserver = homeserver
        self._user_id = user_id

    def remaining(self) -> tuple[RoomId, ...]:
        """The rooms that an interrupted reset did not finish; empty if no reset was interrupted."""
        try:
            head, *done = self.path.read_bytes().splitlines()
            plan = msgspec.json.decode(head, type=_Head)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, *UNDECODABLE) as error:
            _log.warning("checklist_ignored", path=str(self.path), reason=str(error))
            return ()
        if (plan.homeserver, plan.user_id) != (self._homeserver, self._user_id):
            _log.warning(
                "checklist_ignored", path=str(self.path), reason="it belongs to another account"
            )
            return ()
        finished = {_decoded(line) for line in done}
        return tuple(room_id for room_id in plan.rooms if room_id not in finished)

    def begin(self, rooms: tuple[RoomId, ...]) -> None:
        """Write the rooms that the reset is going to process. Durable on return."""
        head = msgspec.json.encode(_Head(self._homeserver, self._user_id, list(rooms)))
        fresh = self.path.with_name(f"{CHECKLIST_NAME}.{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(head + b"\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise StoreUnavailable(f"{self.path} cannot be written ({error.strerror})") from error

    def mark_done(self, room_id: RoomId) -> None:
        """Record that a room is finished.

        A power loss may lose the record: processing the room again is harmless.
        """
        try:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(room_id) + b"\n")
        except OSError as error:
            raise StoreUnavailable(f"{self.path} cannot be written ({error.strerror})") from error


def _decoded(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=str)
    except UNDECODABLE:  # an interruption cut off the last line
        return None
