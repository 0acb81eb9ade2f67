"""Rooms still to be left or forgotten, in a file: a reset that is cut off can be taken up again."""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from actors.model import RoomId, UserId
from actors.ports import StoreUnavailable
from adapter.matrix.errors import UNDECODABLE

CHECKLIST_NAME: Final = "unfinished-reset.jsonl"

_log = structlog.get_logger("adapter.matrix.checklist")


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """The first line: whose rooms these are. Each line after it is one that is done."""

    homeserver: str
    user_id: UserId
    rooms: list[RoomId]


class Checklist:
    """One account's rooms to leave and forget. Raises StoreUnavailable where it cannot write."""

    def __init__(self, folder: Path, *, homeserver: str, user_id: UserId) -> None:
        self.path = folder / CHECKLIST_NAME
        self._homeserver = homeserver
        self._user_id = user_id

    def left_over(self) -> tuple[RoomId, ...]:
        """What an earlier run did not come to; nothing where none was cut off."""
        try:
            head, *done = self.path.read_bytes().splitlines()
            plan = msgspec.json.decode(head, type=_Head)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, *UNDECODABLE) as error:
            _log.warning("checklist_ignored", path=str(self.path), reason=str(error))
            return ()
        if (plan.homeserver, plan.user_id) != (self._homeserver, self._user_id):
            _log.warning("checklist_ignored", path=str(self.path), reason="of another account")
            return ()
        ticked = {_decoded(line) for line in done}
        return tuple(room_id for room_id in plan.rooms if room_id not in ticked)

    def begin(self, rooms: tuple[RoomId, ...]) -> None:
        """Write down what is going to be done; durable on return."""
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

    def tick(self, room_id: RoomId) -> None:
        """Note that a room is done. It may be lost with the machine: doing it again is harmless."""
        try:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(room_id) + b"\n")
        except OSError as error:
            raise StoreUnavailable(f"{self.path} cannot be written ({error.strerror})") from error


def _decoded(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=str)
    except UNDECODABLE:  # the last one of a run that was cut off
        return None
