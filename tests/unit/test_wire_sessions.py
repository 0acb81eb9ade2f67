"""What is believed of a refused session or login, over real sockets."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest
from aiohttp import web

from actors.bounds import Bounds
from actors.model import OutboundMessage, RoomId, UserId
from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PortError,
    PositionLost,
    RateLimited,
    RefusedForNow,
    RefusedUnclearly,
    SessionRevoked,
)
from adapter.matrix.gateway import Gateway

pytestmark = pytest.mark.anyio

ME: Final = UserId("@bot:example.org")
OLD: Final = "old"
ROOM: Final = RoomId("!room")
HELLO: Final = OutboundMessage("txn", ROOM, "hello")
BOUNDS: Final = replace(Bounds(), token_again_s=0.0)
LOGGED_IN: Final = {"user_id": ME, "device_id": "SURFACESBOT", "access_token": "new"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Scripted:
    """A homeserver that gives planned answers first, by the end of a path, and then good ones."""

    def __init__(self) -> None:
        self.planned: dict[str, deque[tuple[int, object]]] = {}
        self.asked: list[str] = []
        self.good: dict[str, object] = {
            "whoami": {"user_id": ME, "device_id": "SURFACESBOT"},
            "login": LOGGED_IN,
            "txn": {"event_id": "$sent"},
        }

    def plan(self, ending: str, status: int, body: object, times: int = 1) -> None:
        self.planned.setdefault(ending, deque()).extend([(status, body)] * times)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        ending = request.path.rpartition("/")[2]
        self.asked.append(f"{request.method} {ending}")
        plan = self.planned.get(f"{request.method} {ending}") or self.planned.get(ending)
        status, body = plan.popleft() if plan else (200, self.good.get(ending, {}))
        return web.json_response(body, status=status)


@asynccontextmanager
async def homeserver(
    server: Scripted, *, password: str | None = None, token: str | None = OLD, resume: bool = True
) -> AsyncIterator[Gateway]:
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    try:
        await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
        gateway = Gateway(site.name, ME, access_token=token, password=password, bounds=BOUNDS)
        if resume and token:
            gateway._http.resume(ME, "SURFACESBOT", token)
        yield gateway
        await gateway.close()
    finally:
        await runner.cleanup()


def problem(errcode: str, **fields: object) -> dict[str, object]:
    return {"errcode": errcode, "error": "in words", **fields}


UNAUTHORIZED: Final = ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_UNAUTHORIZED", "M_UNRECOGNIZED")


@pytest.mark.parametrize("errcode", [*UNAUTHORIZED, "M_FORBIDDEN", "COM.EXAMPLE.ODD"])
async def test_a_401_that_the_session_survives_costs_the_request_nothing(errcode: str) -> None:
    server = Scripted()
    server.plan("txn", 401, problem(errcode))
    async with homeserver(server) as gateway:
        assert await gateway.send(HELLO) == "$sent"
        assert gateway._http.access_token == OLD
    assert server.asked == ["PUT txn", "GET whoami", "PUT txn"]


@pytest.mark.parametrize("errcode", [*UNAUTHORIZED, "M_FORBIDDEN"])
async def test_a_401_that_comes_again_blames_neither_the_request_nor_the_session(
    errcode: str,
) -> None:
    server = Scripted()
    server.plan("txn", 401, problem(errcode), times=2)
    async with homeserver(server) as gateway:
        with pytest.raises(HomeserverUnavailable, match="although the session is good"):
            await gateway.send(HELLO)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, problem("M_UNKNOWN_TOKEN"), SessionRevoked),
        (401, problem("M_USER_LOCKED", soft_logout=True), RefusedForNow),
        (403, problem("M_USER_DEACTIVATED"), CredentialsRefused),
        (502, "bad gateway", HomeserverUnavailable),
        (429, problem("M_LIMIT_EXCEEDED"), RateLimited),
    ],
)
async def test_a_401_means_what_whoami_says(
    status: int, body: object, error: type[PortError]
) -> None:
    server = Scripted()
    server.plan("txn", 401, problem("M_UNKNOWN_TOKEN"))
    server.plan("whoami", status, body)
    async with homeserver(server) as gateway:
        with pytest.raises(error):
            await gateway.send(HELLO)


async def test_the_deactivated_account_of_another_person_is_not_ours() -> None:
    server = Scripted()
    server.plan("invite", 403, problem("M_USER_DEACTIVATED"))
    async with homeserver(server) as gateway:
        with pytest.raises(HomeserverRefused, match="M_USER_DEACTIVATED"):
            await gateway.invite(ROOM, UserId("@gone:example.org"))


# ---------------------------------------------------------------- the login


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, problem("M_FORBIDDEN"), CredentialsRefused),
        (401, problem("M_FORBIDDEN"), CredentialsRefused),
        (403, problem("M_USER_DEACTIVATED"), CredentialsRefused),
        (403, problem("M_RESOURCE_LIMIT_EXCEEDED", admin_contact=None), RefusedForNow),
        (401, problem("M_USER_LOCKED", soft_logout=True), RefusedForNow),
        (403, problem("M_USER_SUSPENDED"), RefusedForNow),
        (403, problem("M_CONSENT_NOT_GIVEN", consent_uri="https://x.org"), RefusedForNow),
        (403, problem("ORG.MATRIX.MSC3866_USER_AWAITING_APPROVAL"), RefusedForNow),
        (403, problem("ORG_MATRIX_EXPIRED_ACCOUNT"), RefusedForNow),
        (429, problem("M_LIMIT_EXCEEDED"), RateLimited),
        (403, problem("M_LIMIT_EXCEEDED"), RateLimited),
        (500, problem("M_UNKNOWN"), HomeserverUnavailable),
        (400, problem("M_UNKNOWN"), HomeserverUnavailable),
        (401, problem("M_UNAUTHORIZED"), HomeserverUnavailable),
        (401, problem("M_UNKNOWN_TOKEN"), HomeserverUnavailable),
        (403, problem("M_NEVER_SEEN"), HomeserverUnavailable),
        (400, problem("M_INVALID_USERNAME"), HomeserverUnavailable),
    ],
)
async def test_only_one_code_of_a_login_is_about_the_password(
    status: int, body: object, error: type[PortError]
) -> None:
    server = Scripted()
    server.plan("POST login", status, body, times=2)
    server.good["login"] = {"flows": [{"type": "m.login.sso"}, {"type": "m.login.password"}]}
    async with homeserver(server, password="correct horse", token=None) as gateway:
        with pytest.raises(error) as caught:
            await gateway.log_in()
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("status", "flows", "error"),
    [
        (200, {"flows": [{"type": "m.login.sso"}]}, CredentialsRefused),
        (404, problem("M_UNRECOGNIZED"), CredentialsRefused),
        (200, {"flows": []}, HomeserverUnavailable),
        (200, {}, HomeserverUnavailable),
        (502, "bad gateway", HomeserverUnavailable),
        (403, problem("M_FORBIDDEN"), HomeserverUnavailable),
    ],
)
async def test_a_homeserver_without_passwords_is_known_by_what_it_offers(
    status: int, flows: object, error: type[PortError]
) -> None:
    server = Scripted()
    server.plan("POST login", 400, problem("M_UNKNOWN"))
    server.plan("GET login", status, flows)
    async with homeserver(server, password="correct horse", token=None) as gateway:
        with pytest.raises(error) as caught:
            await gateway.log_in()
    assert type(caught.value) is error


async def test_a_token_without_a_password_survives_refusals_that_pass() -> None:
    server = Scripted()
    server.plan("whoami", 401, problem("M_UNKNOWN_TOKEN"), times=BOUNDS.token_asks - 1)
    async with homeserver(server, resume=False) as gateway:
        assert await gateway.log_in() == "access token"
    assert server.asked == ["GET whoami"] * BOUNDS.token_asks


async def test_a_token_without_a_password_is_given_up_once_that_is_confirmed() -> None:
    server = Scripted()
    server.plan("whoami", 401, problem("M_UNKNOWN_TOKEN"), times=BOUNDS.token_asks)
    async with homeserver(server, resume=False) as gateway:
        with pytest.raises(CredentialsRefused, match="set MATRIX_PASSWORD, or a new"):
            await gateway.log_in()


async def test_a_session_that_was_revoked_for_certain_is_not_asked_about_again() -> None:
    server = Scripted()
    server.plan("txn", 401, problem("M_UNKNOWN_TOKEN"))
    server.plan("whoami", 401, problem("M_UNKNOWN_TOKEN"))
    async with homeserver(server, password="correct horse") as gateway:
        with pytest.raises(SessionRevoked):
            await gateway.send(HELLO)
        assert await gateway.log_in() == "password"
    assert server.asked == ["PUT txn", "GET whoami", "POST login"]


async def test_a_refused_password_gives_the_revoked_session_a_last_chance() -> None:
    server = Scripted()
    server.plan("txn", 401, problem("M_UNKNOWN_TOKEN"))
    server.plan("whoami", 401, problem("M_UNKNOWN_TOKEN"))
    server.plan("POST login", 403, problem("M_FORBIDDEN"), times=2)
    async with homeserver(server, password="an old one") as gateway:
        with pytest.raises(SessionRevoked):
            await gateway.send(HELLO)
        assert await gateway.log_in() == "access token"


# ---------------------------------------------------------------- reading and trying to write


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        ("M_UNKNOWN_POS", PositionLost),
        ("M_UNKNOWN", PositionLost),
        ("M_INVALID_PARAM", PositionLost),
        ("M_NEVER_SEEN", RefusedUnclearly),
        ("M_FORBIDDEN", HomeserverRefused),
    ],
)
async def test_a_position_is_given_up_only_for_a_code_that_means_it(
    errcode: str, error: type[PortError]
) -> None:
    server = Scripted()
    server.plan("sync", 400, problem(errcode))
    async with homeserver(server) as gateway:
        with pytest.raises(error) as caught:
            await gateway.sync("s1", 0)
    assert type(caught.value) is error


@pytest.mark.parametrize("errcode", ["M_FORBIDDEN", "M_UNKNOWN", "M_NEVER_SEEN"])
async def test_an_account_may_write_if_only_the_rules_of_the_room_refuse(errcode: str) -> None:
    server = Scripted()
    server.plan("@not-bot:example.org", 403, problem(errcode))
    async with homeserver(server) as gateway:
        await gateway.try_writing(ROOM)
    assert server.asked == ["PUT @not-bot:example.org"]


async def test_an_account_may_not_write_if_it_is_refused_before_the_rules() -> None:
    server = Scripted()
    server.plan("@not-bot:example.org", 403, problem("M_USER_SUSPENDED"))
    async with homeserver(server) as gateway:
        with pytest.raises(RefusedForNow):
            await gateway.try_writing(ROOM)
