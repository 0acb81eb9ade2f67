"""Requests through a proxy, over real sockets: an http URL is passed on, an https URL tunnelled."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web

from actors.model import UserId
from actors.port_errors import HomeserverUnavailable
from adapter.matrix.gateway import Gateway
from adapter.proxy import Proxy
from supervisor.app.findings import check_homeserver
from tests.certificates import Certificate
from tests.http_proxy import HttpProxy

pytestmark = pytest.mark.anyio

TOKEN: Final = "syt_secret"
NAME: Final = "matrix.example.org"
CREDENTIALS: Final = "me:hush-hush"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    assert "Proxy-Authorization" not in request.headers
    if request.path.endswith("/versions"):
        return web.json_response({"versions": ["v1.11"]})
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    return web.json_response({"joined_rooms": [request.path]})


@asynccontextmanager
async def server_behind(
    proxy_options: dict[str, str], tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpProxy]:
    """A proxy in front of a small homeserver."""
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        async with HttpProxy(runner.addresses[0][1], **proxy_options) as proxy:
            yield proxy
    finally:
        await runner.cleanup()


async def joined_rooms(url: str, proxy_url: str) -> frozenset[str]:
    gateway = Gateway(
        url, UserId("@bot:example.org"), access_token=TOKEN, proxy=Proxy.of(proxy_url)
    )
    gateway._http.resume(gateway.me, "SURFACESBOT", TOKEN)
    try:
        return await gateway.joined_rooms()
    finally:
        await gateway.close()


async def test_a_request_for_an_http_url_is_passed_on_with_its_prefix() -> None:
    async with server_behind({"credentials": CREDENTIALS}) as proxy:
        through = proxy.url_with(CREDENTIALS)
        path = "/a/prefix/_matrix/client/v3/joined_rooms"
        assert await joined_rooms(f"http://{NAME}/a/prefix", through) == {path}
        assert proxy.asked == [f"GET http://{NAME}{path} HTTP/1.1"]
        assert (await check_homeserver(f"http://{NAME}", Proxy.of(through))).ok


async def test_a_request_for_an_https_url_goes_through_a_tunnel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Certificate.made(tmp_path / "server.pem", name=NAME)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.pem)
    trusting = ssl.create_default_context(cafile=certificate.pem)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    async with server_behind({"credentials": CREDENTIALS}, tls) as proxy:
        through = proxy.url_with(CREDENTIALS)
        assert await joined_rooms(f"https://{NAME}", through)
        assert proxy.asked == [f"CONNECT {NAME}:443 HTTP/1.1"]
        assert not any(TOKEN in line for line in proxy.seen)
        assert (await check_homeserver(f"https://{NAME}", Proxy.of(through))).ok


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("options", "given", "says"),
    [
        ({"credentials": CREDENTIALS}, "", "wants a user name and a password"),
        ({"credentials": CREDENTIALS}, "me:wrong-one", "does not accept the user name and"),
    ],
)
async def test_a_proxy_that_wants_a_login_is_named_with_the_remedy(
    scheme: str, options: dict[str, str], given: str, says: str
) -> None:
    async with server_behind(options) as proxy:
        through = proxy.url_with(given) if given else proxy.url
        with pytest.raises(HomeserverUnavailable) as error:
            await joined_rooms(f"{scheme}://{NAME}", through)
        assert str(error.value).startswith(f"the proxy {proxy.url} {says}")
        assert "wrong-one" not in str(error.value)
        finding = await check_homeserver(f"{scheme}://{NAME}", Proxy.of(through))
        assert says in finding.what


async def test_a_proxy_that_opens_no_tunnel_is_named_with_its_answer() -> None:
    async with server_behind({"answers": "403 Forbidden"}) as proxy:
        with pytest.raises(HomeserverUnavailable) as error:
            await joined_rooms(f"https://{NAME}", proxy.url_with(CREDENTIALS))
        assert str(error.value) == (
            f"the proxy {proxy.url} opens no way to the homeserver: 403 Forbidden"
        )


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there_is_named_without_its_password(scheme: str) -> None:
    async with server_behind({}) as proxy:
        url, through = proxy.url, proxy.url_with(CREDENTIALS)
    with pytest.raises(HomeserverUnavailable) as error:
        await joined_rooms(f"{scheme}://{NAME}", through)
    assert str(error.value) == f"the proxy {url} cannot be reached: connection refused"


async def test_a_proxy_whose_name_is_unknown_is_named() -> None:
    with pytest.raises(HomeserverUnavailable) as error:
        await joined_rooms(f"https://{NAME}", "http://proxy.invalid:3128")
    assert str(error.value) == (
        "the proxy http://proxy.invalid:3128 cannot be reached: cannot resolve proxy.invalid"
    )


async def test_a_server_that_breaks_off_behind_a_proxy_is_told_with_the_proxy() -> None:
    async with HttpProxy(1, answers="200 OK") as proxy:
        with pytest.raises(HomeserverUnavailable) as error:
            await joined_rooms(f"https://{NAME}", proxy.url)
        assert f"(through the proxy {proxy.url})" in str(error.value)


def test_a_proxy_can_be_shown_without_its_password() -> None:
    proxy = Proxy.of("http://me:hush-hush@proxy.example.org:3128/")
    assert proxy.address == "http://proxy.example.org:3128"
    assert "hush" not in repr(proxy)
