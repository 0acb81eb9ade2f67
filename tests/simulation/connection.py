"""Requests to the simulated server: their delays, faults, session and record."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, NoReturn, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from actors.model import RoomId, UserId
from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedForNow,
    RefusedUnclearly,
    SessionRevoked,
)
from tests.simulation.events import WriteRequest
from tests.simulation.faults import Fault, Faults
from tests.simulation.media import Media
from tests.simulation.server import SimulatedServer

T = TypeVar("T")

HANG_S: Final = 30.0
"""A request without an answer fails after this time, as in the gateway."""
ALLOWED_WHILE_SUSPENDED: Final = frozenset({"leave", "forget", "set_typing", "mark_read"})
"""The writing requests that Synapse still carries out for a suspended account."""
LATE_S: Final = 8.0
"""A request takes effect at most this long after the client has given it up."""
LATE_CREATION_S: Final = 50.0
"""The same for createRoom, which takes a homeserver longer."""
LATE_EDIT_S: Final = 60.0
"""The same for an edit of a growing answer, which may be handled long after the answer's end."""


class Gate:
    """Every request passes a gate on its way out and back. This one lets all requests pass."""

    async def before(self, method: str) -> None:
        """Let a request out; subclasses may block it."""

    async def after(self, method: str) -> None:
        """Let the answer of a successful request in; subclasses may block it."""

    async def step(self) -> None:
        """Let a step of a growing answer go on; subclasses may block it."""


class Connection:
    """The connection of one device. A request takes effect between its way out and its way back."""

    def __init__(
        self,
        server: SimulatedServer,
        me: UserId,
        device_id: str,
        *,
        faults: Faults,
        token: str | None,
        gate: Gate,
    ) -> None:
        self.device_id = device_id
        self.token = token
        self.before_password: Callable[[], object] = lambda: None
        """Called when a password is about to be sent. What it raises keeps it from being sent."""
        self._server = server
        self._me = me
        self._faults = faults
        self._gate = gate

    async def log_in(self) -> str:
        """Resume the session if its token is valid, else log in; return how."""
        await self._gate.before("log_in")
        fault = self._faults.choose("log_in")
        if fault is Fault.REFUSED:
            await checkpoint()
            raise CredentialsRefused("The homeserver refuses the password.")
        await self._outbound(fault)
        how, token = self._open_session()
        await self._inbound(fault)
        self.token = token
        await self._gate.after("log_in")
        return how

    @asynccontextmanager
    async def request(
        self, method: str, room_id: RoomId | None = None
    ) -> AsyncIterator[Fault | None]:
        """Send a request: the way out, the body at the server, and the way back."""
        await self._gate.before(method)
        fault = self._faults.choose(method, room_id)
        await self._outbound(fault)
        self.check()
        yield fault
        await self._inbound(fault)
        await self._gate.after(method)

    async def read(self, method: str, read: Callable[[], T], room_id: RoomId | None = None) -> T:
        """Send a request that reads, with one synchronous call."""
        async with self.request(method, room_id):
            return read()

    async def write(
        self,
        method: str,
        write: Callable[[], T],
        room_id: RoomId | None = None,
        *,
        late_s: float = LATE_S,
    ) -> T:
        """Send a request that writes, and record it in `server.writes`.

        `late_s` is how late it may take effect.
        """
        async with self.request(method, room_id) as fault:
            self.check_suspension(method)
            if fault is Fault.LATE:
                delay_s = self._faults.rng.uniform(0, late_s)
                self._server.later(delay_s, lambda: self._recorded(method, write, room_id))
                raise HomeserverUnavailable("The connection broke before anything was done.")
            return self._recorded(method, write, room_id)

    @property
    def media(self) -> Media:
        """The files of the server."""
        return self._server.media

    @property
    def bundles(self) -> bool:
        """Whether the server sends the newest edit with each message."""
        return self._server.bundles

    def check(self) -> None:
        """Raise HomeserverUnavailable in an outage, SessionRevoked without a valid token."""
        if self._server.down:
            raise HomeserverUnavailable("The homeserver is down.")
        if not self._server.sessions.is_good(self._me, self.device_id, self.token):
            raise SessionRevoked("M_UNKNOWN_TOKEN")

    def check_suspension(self, method: str) -> None:
        """Raise RefusedForNow if the account is suspended and this request is no exception."""
        if self._me in self._server.suspended and method not in ALLOWED_WHILE_SUSPENDED:
            raise RefusedForNow("The account is suspended", "wait")

    def _open_session(self) -> tuple[str, str | None]:
        """Return `resumed` or `password`, and the token, which the client gets with the answer."""
        if self._server.sessions.is_good(self._me, self.device_id, self.token):
            return "resumed", self.token
        self.before_password()
        if self._server.refuses_credentials:
            raise CredentialsRefused("The homeserver refuses the password.")
        token = self._server.sessions.log_in(self._me, self.device_id)
        self._server.wake()
        return "password", token

    def _recorded(self, action: str, write: Callable[[], T], room_id: RoomId | None) -> T:
        record = WriteRequest(self._server.now(), self._me, action, room_id)
        before = self._server.position
        try:
            answer = write()
        except (HomeserverRefused, RateLimited):
            self._server.writes.append(replace(record, refused=True))
            raise
        added = self._server.events[before:]
        touched = room_id if room_id or not added else added[0].room_id
        self._server.writes.append(replace(record, room_id=touched, events=len(added)))
        return answer

    async def _travel(self) -> None:
        await checkpoint()
        if self._server.slow_s > 0:
            await anyio.sleep(self._faults.rng.uniform(0, self._server.slow_s))
        if self._server.down:
            raise HomeserverUnavailable("The homeserver is down.")

    async def _outbound(self, fault: Fault | None) -> None:
        await self._travel()
        match fault:
            case Fault.REFUSE_BEFORE:
                raise HomeserverUnavailable("Connection refused.")
            case Fault.SERVER_ERROR:
                raise HomeserverUnavailable("502: Bad Gateway")
            case Fault.HANG_BEFORE:
                await _hang()
            case Fault.RATE_LIMITED:
                raise RateLimited(self._faults.retry_after_s)
            case Fault.REFUSED:
                raise HomeserverRefused(403, "M_FORBIDDEN", "Refused by chance.")
            case Fault.REFUSED_UNCLEARLY:
                raise RefusedUnclearly(400, "M_UNKNOWN", "Refused by chance.")
            case Fault.REFUSED_FOR_NOW:
                raise RefusedForNow("Refused by chance", "wait")
            case Fault.REVOKED:
                self._server.revoke_tokens(self._me)
            case Fault.AFTER_EFFECT | Fault.HANG_AFTER | Fault.LATE | None:
                pass

    async def _inbound(self, fault: Fault | None) -> None:
        await self._travel()
        if fault is Fault.AFTER_EFFECT:
            raise HomeserverUnavailable("The connection broke before the answer came.")
        if fault is Fault.HANG_AFTER:
            await _hang()


async def _hang() -> NoReturn:
    await anyio.sleep(HANG_S)
    raise HomeserverUnavailable(f"No answer within {HANG_S:g} s.")
