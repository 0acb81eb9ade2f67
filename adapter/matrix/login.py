"""How the bot gets a session: a token it was given, the one it stored, or its password."""

import secrets
from dataclasses import dataclass, field
from typing import Final

import structlog

from actors.model import UserId
from actors.ports import CredentialsRefused, HomeserverRefused, PortError, SessionRevoked
from adapter.matrix.bodies import Acknowledged, LoggedIn, WhoAmI
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.session import Session, SessionFile

_FORBIDDEN: Final = 403
_DEVICE_NAME: Final = "surfaces-bot"

_log = structlog.get_logger("adapter.matrix.login")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are and how we prove it.

    A visitor uses a stored session without ever writing one, and takes a device of its own for a
    password login: logging in with the bot's own would end the session of a bot that runs.
    """

    homeserver: str
    user_id: UserId
    device_id: str
    session_file: SessionFile | None = None
    password: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    visiting: bool = False


class Login:
    """Logs one account in over a connection, and out again where that is ours to do."""

    def __init__(self, connection: Connection, credentials: Credentials) -> None:
        self._connection = connection
        self._credentials = credentials
        self._unsaved = False

    async def log_in(self) -> str:
        """Give the connection a session that works: `access token`, `stored session`, `password`.

        Raises CredentialsRefused, and what a request raises but SessionRevoked.
        """
        ours = self._credentials
        if ours.access_token and await self._accepts(ours.access_token, ours.device_id):
            return "access token"
        stored = self._stored()
        if stored and await self._accepts(stored.access_token, stored.device_id):
            return "stored session"
        if ours.password is None:
            raise CredentialsRefused(self._dead_end())
        await self._log_in_by_password(ours.password)
        return "password"

    async def log_out(self) -> None:
        """End a session that this login made and did not store; leave any other alone."""
        if not self._unsaved:
            return
        self._unsaved = False
        await self._connection.request("POST", path_to("logout"), Acknowledged, {})
        self._connection.forget()

    def _stored(self) -> Session | None:
        file = self._credentials.session_file
        if file is None:
            return None
        return file.load(homeserver=self._credentials.homeserver, user_id=self._credentials.user_id)

    async def _accepts(self, access_token: str, device_id: str) -> bool:
        """Resume with a token that still works; False where the homeserver knows it no more."""
        me = self._credentials.user_id
        self._connection.resume(me, device_id, access_token)
        try:
            who = await self._connection.request("GET", path_to("account", "whoami"), WhoAmI)
        except SessionRevoked as error:
            _log.info("session_not_accepted", reason=str(error))
            return False
        except PortError:
            self._connection.forget()  # nobody knows yet whose token it is
            raise
        if who.user_id != me:
            self._connection.forget()
            raise CredentialsRefused(
                f"the access token belongs to {who.user_id}, not to {me}: "
                "check MATRIX_USER_ID and MATRIX_ACCESS_TOKEN"
            )
        self._connection.resume(me, who.device_id or device_id, access_token)
        return True

    def _dead_end(self) -> str:
        if self._credentials.access_token:
            return (
                "the homeserver does not accept the access token any more: "
                "set MATRIX_PASSWORD, or a new MATRIX_ACCESS_TOKEN"
            )
        return "there is no session to resume: set MATRIX_PASSWORD or MATRIX_ACCESS_TOKEN"

    async def _log_in_by_password(self, password: str) -> None:
        me, visiting = self._credentials.user_id, self._credentials.visiting
        device_id = _visitors_device() if visiting else self._credentials.device_id
        self._connection.forget()
        try:
            answer = await self._password_login(me, password, device_id)
        except HomeserverRefused as error:
            raise CredentialsRefused(await self._refusal(error, password)) from error
        if answer.user_id != self._credentials.user_id:
            await self.log_out()
            raise CredentialsRefused(
                f"the homeserver knows this account as {answer.user_id}: correct MATRIX_USER_ID"
            )
        self._keep(answer)

    def _keep(self, answer: LoggedIn) -> None:
        file = self._credentials.session_file
        if file is None or self._credentials.visiting:
            return
        session = Session(
            homeserver=self._credentials.homeserver,
            user_id=UserId(answer.user_id),
            device_id=answer.device_id,
            access_token=answer.access_token,
        )
        file.save(session)
        self._unsaved = False

    async def _password_login(self, user: str, password: str, device_id: str) -> LoggedIn:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
            "device_id": device_id,
            "initial_device_display_name": _DEVICE_NAME,
        }
        answer = await self._connection.request("POST", path_to("login"), LoggedIn, body)
        self._connection.resume(answer.user_id, answer.device_id, answer.access_token)
        self._unsaved = True
        return answer

    async def _refusal(self, error: HomeserverRefused, password: str) -> str:
        me = self._credentials.user_id
        if error.status != _FORBIDDEN:
            return f"the homeserver does not log {me} in with a password: {error}"
        known = await self._known_as(password)
        if known not in {None, me}:
            return (
                f"the homeserver does not let {me} in, but {known} with the same password: "
                "correct MATRIX_USER_ID"
            )
        # A deactivated account has no password any more, and Synapse says no more than this.
        return (
            f"the homeserver refuses the password of {me}: check MATRIX_PASSWORD and "
            "MATRIX_USER_ID, and that the account is not deactivated"
        )

    async def _known_as(self, password: str) -> str | None:
        """Who logs in by the name alone: the homeserver adds its own server part.

        None where nobody does.
        """
        name = self._credentials.user_id[1:].partition(":")[0]
        try:
            answer = await self._password_login(name, password, _visitors_device())
            await self.log_out()
        except PortError:
            return None
        return answer.user_id


def _visitors_device() -> str:
    return f"VISIT{secrets.token_hex(5)}"
