"""The stored session: `session.json` in the bot's folder, readable only by the bot's user."""

import contextlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from actors.model import UserId
from adapter.matrix.lenient import UNDECODABLE

SESSION_FILE_NAME: Final = "session.json"

_TOKEN: Final = re.compile(r"[!-~]+")

_log = structlog.get_logger("adapter.matrix.session")


@dataclass(frozen=True, slots=True)
class Session:
    """A login: the homeserver, the account, the device and the access token."""

    homeserver: str
    user_id: UserId
    device_id: str
    access_token: str = field(repr=False)


class SessionFile:
    """Keeps one session in a folder. Never raises: without a file the bot logs in again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SESSION_FILE_NAME

    def load(self, *, homeserver: str, user_id: UserId) -> Session | None:
        """The stored session; None if unreadable or for another account or homeserver."""
        try:
            session = msgspec.json.decode(self.path.read_bytes(), type=Session)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._ignore(f"it cannot be read: {error.strerror}")
            return None
        except UNDECODABLE:
            self._ignore("it is damaged")
            return None
        fault = _fault(session, homeserver, user_id)
        if fault is None:
            return session
        self._ignore(fault)
        return None

    def save(self, session: Session) -> None:
        """Replace the file atomically, readable only by the bot's user.

        The method does not flush to disk: a password login replaces a file that a power loss
        damages.
        """
        try:
            self._replace(msgspec.json.encode(session))
        except OSError as error:
            _log.warning("session_not_saved", reason=error.strerror)

    def remove(self) -> None:
        """Delete the stored session. A missing file is no error."""
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _ignore(self, reason: str) -> None:
        _log.warning("session_ignored", path=str(self.path), reason=reason)

    def _replace(self, content: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{SESSION_FILE_NAME}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)


def _fault(session: Session, homeserver: str, user_id: UserId) -> str | None:
    """The reason why this session cannot be used; None if it can."""
    if session.user_id != user_id:
        return "it belongs to another account"
    if session.homeserver != homeserver:
        return "it belongs to another homeserver"
    if not _TOKEN.fullmatch(session.access_token):
        return "its access token is malformed"
    return None
