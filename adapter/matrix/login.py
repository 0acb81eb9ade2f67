"""Getting a session: by access token, by stored session or by password."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from actors.model import UserId
from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    SessionRevoked,
)
from adapter.matrix.bodies import Acknowledged, LoggedIn, LoginFlows, WhoAmI
from adapter.matrix.connection import WHOAMI, Connection, path_to
from adapter.matrix.session import Session, Sessions

_REFUSED_CODE: Final = "M_FORBIDDEN"
"""The only code of a refused login that is about the password."""
_LOGIN_TYPE: Final = "m.login.password"
_DEVICE_NAME: Final = "surfaces-bot"

_log = structlog.get_logger("adapter.matrix.login")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account, and the ways to prove its identity.

    A visiting process may use a stored session but never writes one. Its password login uses a
    random device id: a login with the bot's device id would end the session of a running bot.
    """

    homeserver: str
    user_id: UserId
    device_id: str
    sessions: Sessions | None = None
    password: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    visiting: bool = False


class Login:
    """Logs one account in over a connection, and ends a session that it did not store."""

    def __init__(self, connection: Connection, credentials: Credentials) -> None:
        self._connection = connection
        self._credentials = credentials
        self._unsaved = False

    async def log_in(self) -> str:
        """Give the connection a valid session.

        Returns its source: `access token`, `stored session` or `password`. Raises
        CredentialsRefused, and what a request raises except SessionRevoked. Without a password, a
        token is given up only after it was refused `Bounds.token_asks` times.
        """
        how = await self._with_a_token()
        if how is not None:
            return how
        if self._credentials.password is None:
            raise CredentialsRefused(self._no_session_reason())
        try:
            await self._log_in_by_password(self._credentials.password)
        except CredentialsRefused:
            self._connection.revoked_token = ""  # the last hope: that was a mistake
            how = await self._with_a_token()
            if how is None:
                raise
            return how
        return "password"

    async def _with_a_token(self) -> str | None:
        """Resume the given or the stored session; None if the homeserver accepts neither."""
        given, bounds, stored = self._credentials, self._connection.bounds, await self._stored()
        is_only_way = given.password is None and not given.visiting
        for left in reversed(range(bounds.token_asks if is_only_way else 1)):
            known = False
            for how, token, device_id in self._sessions(stored):
                known = True
                if not is_only_way and token == self._connection.revoked_token:
                    continue
                if await self._accepts(token, device_id):
                    return how
            if left and known:
                await anyio.sleep(bounds.token_again_s)
        return None

    def _sessions(self, stored: Session | None) -> Iterator[tuple[str, str, str]]:
        """The source, the token and the device id of each session that may still be good."""
        given = self._credentials
        if given.access_token:
            yield "access token", given.access_token, given.device_id
        if stored is not None:
            yield "stored session", stored.access_token, stored.device_id

    async def log_out(self) -> None:
        """End a session that `log_in` created and did not store; leave any other session alone."""
        if not self._unsaved:
            return
        self._unsaved = False
        await self._connection.request("POST", path_to("logout"), Acknowledged, {})
        self._connection.forget()

    async def _stored(self) -> Session | None:
        given = self._credentials
        if given.sessions is None:
            return None
        return await given.sessions.load(homeserver=given.homeserver, user_id=given.user_id)

    async def _accepts(self, access_token: str, device_id: str) -> bool:
        """Resume with a token. False if the homeserver no longer accepts it."""
        me = self._credentials.user_id
        self._connection.resume(me, device_id, access_token)
        try:
            account = await self._connection.request("GET", WHOAMI, WhoAmI)
        except SessionRevoked as error:
            _log.info("session_not_accepted", reason=str(error))
            return False
        except PortError:
            self._connection.forget()  # its account is not confirmed yet
            raise
        if account.user_id != me:
            self._connection.forget()
            raise CredentialsRefused(
                f"the access token belongs to {account.user_id}, not to {me}: "
                "check MATRIX_USER_ID and MATRIX_ACCESS_TOKEN"
            )
        self._connection.resume(me, account.device_id or device_id, access_token)
        return True

    def _no_session_reason(self) -> str:
        if self._credentials.access_token:
            return (
                "the homeserver no longer accepts the access token: "
                "set MATRIX_PASSWORD, or a new MATRIX_ACCESS_TOKEN"
            )
        return "there is no session to resume: set MATRIX_PASSWORD or MATRIX_ACCESS_TOKEN"

    async def _log_in_by_password(self, password: str) -> None:
        me, visiting = self._credentials.user_id, self._credentials.visiting
        device_id = _random_device_id() if visiting else self._credentials.device_id
        self._connection.forget()
        try:
            answer = await self._password_login(me, password, device_id)
        except HomeserverRefused as error:
            raise await self._refusal(error, password) from error
        except SessionRevoked as error:
            raise HomeserverUnavailable(f"the login is refused like a session: {error}") from error
        if answer.user_id != self._credentials.user_id:
            await self.log_out()
            raise CredentialsRefused(
                f"the homeserver knows this account as {answer.user_id}: correct MATRIX_USER_ID"
            )
        await self._keep(answer)

    async def _keep(self, answer: LoggedIn) -> None:
        sessions = self._credentials.sessions
        if sessions is None or self._credentials.visiting:
            return
        session = Session(
            homeserver=self._credentials.homeserver,
            user_id=UserId(answer.user_id),
            device_id=answer.device_id or self._credentials.device_id,
            access_token=answer.access_token,
        )
        self._unsaved = False  # from now on, another process may use it
        await sessions.save(session)

    async def _password_login(self, user: str, password: str, device_id: str) -> LoggedIn:
        body = {
            "type": _LOGIN_TYPE,
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
            "device_id": device_id,
            "initial_device_display_name": _DEVICE_NAME,
        }
        answer = await self._connection.request("POST", path_to("login"), LoggedIn, body)
        self._connection.resume(answer.user_id, answer.device_id or device_id, answer.access_token)
        self._unsaved = True
        return answer

    async def _refusal(self, error: HomeserverRefused, password: str) -> PortError:
        """The error for a refused password login. Any code but one leaves the password in order."""
        me = self._credentials.user_id
        if error.errcode != _REFUSED_CODE:
            return await self._refusal_without_blame(error)
        known = await self._known_as(password)
        if known not in {None, me}:
            return CredentialsRefused(
                f"the homeserver refuses {me} but accepts {known} with the same password: "
                "correct MATRIX_USER_ID"
            )
        # A deactivated account has no password, and Synapse gives no other reason.
        return CredentialsRefused(
            f"the homeserver refuses the password of {me}: check MATRIX_PASSWORD and "
            "MATRIX_USER_ID, and that the account is not deactivated"
        )

    async def _refusal_without_blame(self, error: HomeserverRefused) -> PortError:
        """Waiting helps, unless the homeserver says that it has no logins with a password."""
        me = self._credentials.user_id
        if await self._offers_passwords():
            return HomeserverUnavailable(f"the login of {me} is refused for now: {error}")
        return CredentialsRefused(
            f"the homeserver refuses the password login of {me}, and offers none: "
            f"set MATRIX_ACCESS_TOKEN ({error})"
        )

    async def _offers_passwords(self) -> bool:
        """Whether logins with a password exist. Without a clear answer, they do."""
        try:
            offered = await self._connection.request("GET", path_to("login"), LoginFlows)
        except HomeserverRefused as refusal:
            return refusal.errcode != "M_UNRECOGNIZED"
        except PortError:
            return True
        return not offered.flows or _LOGIN_TYPE in {flow.type for flow in offered.flows}

    async def _known_as(self, password: str) -> str | None:
        """The user id that the homeserver logs in for the localpart of the configured user id.

        The homeserver adds its own server name. None if that login fails.
        """
        name = self._credentials.user_id[1:].partition(":")[0]
        try:
            answer = await self._password_login(name, password, _random_device_id())
            await self.log_out()
        except PortError:
            return None
        return answer.user_id


def _random_device_id() -> str:
    return f"VISIT{secrets.token_hex(5)}"
