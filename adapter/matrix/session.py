"""The stored session: a file in the bot's folder, readable only by the bot's user, or a row.

In the database, the session is that of every process of the bot: a takeover needs no login.
"""

import contextlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, final

import msgspec
import structlog
from anyio.lowlevel import checkpoint

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


class Sessions(Protocol):
    """The place of one session. Both methods may raise StoreUnavailable."""

    async def load(self, *, homeserver: str, user_id: UserId) -> Session | None:
        """The stored session; None if unreadable or for another account or homeserver."""
        ...

    async def save(self, session: Session) -> None:
        """Replace the stored session."""
        ...


class SessionRow(Protocol):
    """A text in the database."""

    async def read(self) -> str | None:
        """The text that was kept last. May raise StoreUnavailable."""
        ...

    async def keep(self, session: str) -> None:
        """Keep a text. May raise StoreUnavailable."""
        ...


@final
class SessionInDatabase:
    """Implements `Sessions` in the database.

    Processes on different machines may reach the homeserver by different URLs.
    """

    def __init__(self, row: SessionRow) -> None:
        self._row = row

    async def load(self, *, homeserver: str, user_id: UserId) -> Session | None:  # noqa: ARG002
        """The stored session."""
        stored = await self._row.read()
        if stored is None:
            return None
        return _usable(stored.encode(), "the database", None, user_id)

    async def save(self, session: Session) -> None:
        """Replace the stored session."""
        await self._row.keep(msgspec.json.encode(session).decode())


@final
class SessionFile:
    """Implements `Sessions` in a folder. Never raises: without a file the bot logs in again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SESSION_FILE_NAME

    async def load(self, *, homeserver: str, user_id: UserId) -> Session | None:
        """The stored session; None if unreadable or for another account or homeserver."""
        await checkpoint()
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _ignore(str(self.path), f"it cannot be read: {error.strerror}")
            return None
        return _usable(content, str(self.path), homeserver, user_id)

    async def save(self, session: Session) -> None:
        """Replace the file atomically, readable only by the bot's user.

        The method does not flush to disk: a password login replaces a file that a power loss
        damages.
        """
        await checkpoint()
        try:
            self._replace(msgspec.json.encode(session))
        except OSError as error:
            _log.warning("session_not_saved", reason=error.strerror)

    def remove(self) -> None:
        """Delete the stored session. A missing file is no error."""
        with contextlib.suppress(OSError):
            self.path.unlink()

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


def _ignore(place: str, reason: str) -> None:
    _log.warning("session_ignored", path=place, reason=reason)


def _usable(content: bytes, place: str, homeserver: str | None, user_id: UserId) -> Session | None:
    """The session in some bytes, unless it can't be used. `homeserver` is None for any URL."""
    try:
        session = msgspec.json.decode(content, type=Session)
    except UNDECODABLE:
        _ignore(place, "it is damaged")
        return None
    fault = _fault(session, homeserver, user_id)
    if fault is None:
        return session
    _ignore(place, fault)
    return None


def _fault(session: Session, homeserver: str | None, user_id: UserId) -> str | None:
    """The reason why this session cannot be used; None if it can."""
    if session.user_id != user_id:
        return "it belongs to another account"
    if homeserver not in {None, session.homeserver}:
        return "it belongs to another homeserver"
    if not _TOKEN.fullmatch(session.access_token):
        return "its access token is malformed"
    return None
