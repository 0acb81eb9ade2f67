"""The homeserver is not straight ahead: it is below a path, behind a proxy, or moved."""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.certificates import Certificate
from tests.http_proxy import HttpProxy
from tests.synapse.conftest import MakeBot
from tests.synapse.home import move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import Answer, FaultProxy, Forward, Request
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

NAME: Final = "matrix.example.org"
CREDENTIALS: Final = "me:hush-hush"


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


@pytest.mark.parametrize("slashes", ["", "/", "//"])
async def test_a_homeserver_below_a_path_is_served_like_any_other(
    synapse: ThrowawaySynapse, make_bot: MakeBot, alice: Person, slashes: str
) -> None:
    async with FaultProxy(synapse.url, prefix="/some/matrix") as proxy:
        bot = await make_bot(homeserver_url=f"{proxy.url}{slashes}")
        checked = await surfaces_bot(bot, "check")
        assert (checked.code, checked.err) == (0, "")
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        assert await home.ask("hello") == "hello"
        assert await bot.terminate() == 0
        await bot.start_and_go_live()
        assert await home.ask("again") == "again"
        assert any(request.name == "GET sync" for request in proxy.forwarded)
        assert any("msc3575" in request.name for request in proxy.forwarded)
        assert proxy.strays == []


async def test_a_homeserver_that_has_moved_is_named_with_its_path(
    synapse: ThrowawaySynapse, make_bot: MakeBot
) -> None:
    async with FaultProxy(synapse.url, prefix="/new") as there, FaultProxy(synapse.url) as here:

        async def move(request: Request, _forward: Forward) -> Answer:
            target = f"{there.url}/_matrix/client/v3/{request.name.partition(' ')[2]}"
            return Answer(308, b"", {"Location": target})

        here.when("*", move)
        bot = await make_bot(homeserver_url=here.url)
        bot.start()
        lost = await bot.wait_for_state("degraded")
        assert lost["reason"] == f"redirected: is MATRIX_HOMESERVER {there.url}?"


async def test_an_http_homeserver_is_reached_through_the_proxy_of_the_environment(
    synapse: ThrowawaySynapse, make_bot: MakeBot, alice: Person
) -> None:
    async with HttpProxy(port_of(synapse.url), credentials=CREDENTIALS) as proxy:
        bot = await make_bot(
            homeserver_url=f"http://{NAME}",
            command=launched("impatient"),
            http_proxy=proxy.url_with(CREDENTIALS),
            STATUS_BIND="127.0.0.1:0",
        )
        checked = await surfaces_bot(bot, "check")
        assert f"requests go through the proxy {proxy.url}, which http_proxy names" in checked.out
        assert checked.code == 0
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        assert await home.ask("hello") == "hello"
        assert all(line.split(" ")[1].startswith(f"http://{NAME}/") for line in proxy.asked)
        proxy.credentials = "me:another"
        lost = await bot.wait_for_state("degraded")
        assert lost["reason"].startswith(f"the proxy {proxy.url} does not accept the user name")
        proxy.credentials = CREDENTIALS
        await bot.wait_for_state("live")
        assert await home.ask("again") == "again"
        proxy.answers = "503 Service Unavailable"
        assert (await surfaces_bot(bot, "check")).code == 1
        assert await bot.terminate() == 0
    assert "hush-hush" not in bot.log.read_text() + checked.out + checked.err


async def test_an_https_homeserver_is_reached_through_a_tunnel(
    synapse: ThrowawaySynapse, make_bot: MakeBot, alice: Person, tmp_path: Path
) -> None:
    certificate = Certificate.made(tmp_path / "server.pem", name=NAME)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.pem)
    async with (
        FaultProxy(synapse.url, tls, prefix="/matrix") as server,
        HttpProxy(port_of(server.url), credentials=CREDENTIALS) as proxy,
    ):
        bot = await make_bot(
            homeserver_url=f"https://{NAME}/matrix",
            SSL_CERT_FILE=str(certificate.pem),
            HTTPS_PROXY=proxy.url_with(CREDENTIALS),
        )
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        assert await home.ask("hello") == "hello"
        assert set(proxy.asked) == {f"CONNECT {NAME}:443 HTTP/1.1"}
        assert server.strays == []
        assert (await surfaces_bot(bot, "reconcile", "--dry-run")).code == 0
        assert await bot.terminate() == 0
    assert "hush-hush" not in bot.log.read_text()


@pytest.mark.parametrize(
    "direct", [{}, {"NO_PROXY": "127.0.0.1"}, {"no_proxy": "*"}], ids=["loopback", "name", "all"]
)
async def test_a_homeserver_that_is_asked_directly_is_not_asked_through_the_proxy(
    synapse: ThrowawaySynapse, make_bot: MakeBot, direct: dict[str, str]
) -> None:
    async with HttpProxy(port_of(synapse.url)) as proxy:
        bot = await make_bot(HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url, **direct)
        assert (await surfaces_bot(bot, "check")).code == 0
        await bot.start_and_go_live()
        assert await bot.terminate() == 0
        assert proxy.asked == []


async def test_a_socks_proxy_ends_with_78_and_names_its_variable(make_bot: MakeBot) -> None:
    bot = await make_bot(homeserver_url=f"https://{NAME}", ALL_PROXY="socks5://localhost:1080")
    for command in ("run", "check"):
        done = await surfaces_bot(bot, command)
        assert done.code == 78
        assert "ALL_PROXY: names a socks5 proxy" in done.out + done.err
