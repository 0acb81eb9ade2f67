"""Files from and to the homeserver, over real sockets."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, TypeAlias

import anyio
import pytest
from aiohttp import web

from actors.bounds import Bounds
from actors.model import SharedFile, UserId
from actors.platform import File
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedForNow,
    RefusedUnclearly,
    SessionRevoked,
)
from adapter.matrix.gateway import Gateway
from tests.pictures import png

pytestmark = pytest.mark.anyio

TOKEN: Final = "syt_secret"
LIMIT: Final = 10_000
NOTES: Final = SharedFile("mxc://example.org/notes", "notes.txt", "text/plain", 5)
CAT: Final = SharedFile("mxc://example.org/cat", "cat.png", "image/png", 500_000)
DOWNLOAD: Final = "/_matrix/client/v1/media/download/example.org"
THUMBNAIL: Final = "/_matrix/client/v1/media/thumbnail/example.org"
OLDER: Final = "/_matrix/media/v3"
WHOAMI: Final = "/_matrix/client/v3/account/whoami"
CONFIG: Final = "/_matrix/client/v1/media/config"
UPLOAD: Final = "/_matrix/media/v3/upload"

Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answer(body: bytes | str, status: int = 200, **headers: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=data, status=status, headers=headers)

    return handle


def refused(status: int, errcode: str, **more: object) -> Answer:
    return answer(json.dumps({"errcode": errcode, "error": "no", **more}), status)


UNRECOGNIZED: Final = refused(404, "M_UNRECOGNIZED")
GONE: Final = refused(404, "M_NOT_FOUND")


class Server:
    """A homeserver with an answer for each path. Another path is unrecognized."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = {WHOAMI: answer('{"user_id": "@bot:example.org"}'), **answers}
        self.seen: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        return await self.answers.get(request.path, UNRECOGNIZED)(request)

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.seen]

    @asynccontextmanager
    async def gateway(self, bounds: Bounds = Bounds()) -> AsyncIterator[Gateway]:
        runner = web.ServerRunner(web.Server(self.handle))
        await runner.setup()
        try:
            await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
            me = UserId("@bot:example.org")
            gateway = Gateway(site.name, me, access_token=TOKEN, bounds=bounds)
            gateway._http.resume(gateway.me, "SURFACESBOT", TOKEN)
            try:
                yield gateway
            finally:
                await gateway.close()
        finally:
            await runner.cleanup()

    async def download(self, file: SharedFile, *, picture: bool = False) -> File:
        async with self.gateway() as gateway:
            return await gateway.contents.download(file, limit=LIMIT, picture=picture)

    async def upload(self, file: File) -> SharedFile:
        async with self.gateway() as gateway:
            return await gateway.contents.upload(file)


async def test_a_file_is_read_with_the_token_in_a_header() -> None:
    server = Server({f"{DOWNLOAD}/notes": answer("hello")})
    assert await server.download(NOTES) == File("notes.txt", "text/plain", b"hello")
    (request,) = server.seen
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(request.rel_url)


async def test_an_older_homeserver_is_asked_at_the_older_path() -> None:
    server = Server({f"{OLDER}/download/example.org/notes": answer("hello")})
    assert (await server.download(NOTES)).data == b"hello"
    assert len(server.paths) == 2


async def test_a_file_that_is_gone_is_not_asked_for_at_the_older_path() -> None:
    server = Server({f"{DOWNLOAD}/notes": GONE})
    with pytest.raises(HomeserverRefused, match="M_NOT_FOUND"):
        await server.download(NOTES)
    assert len(server.paths) == 1


async def test_a_picture_is_read_as_the_homeserver_s_small_version() -> None:
    server = Server({f"{THUMBNAIL}/cat": answer(png(8, 6))})
    assert await server.download(CAT, picture=True) == File("cat.png", "image/png", png(8, 6))
    query = dict(server.seen[0].rel_url.query)
    assert query == {"width": "800", "height": "600", "method": "scale", "animated": "false"}


@pytest.mark.parametrize(
    "none", [GONE, UNRECOGNIZED, refused(400, "M_UNKNOWN")], ids=["gone", "older", "none"]
)
async def test_a_picture_without_a_small_version_is_read_itself_if_it_is_not_large(
    none: Answer,
) -> None:
    server = Server({f"{THUMBNAIL}/cat": none, f"{DOWNLOAD}/cat": answer(png(8, 6))})
    small = replace(CAT, size=900)
    assert (await server.download(small, picture=True)).data == png(8, 6)
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await server.download(CAT, picture=True)


async def test_a_file_that_says_that_it_is_too_large_is_not_read() -> None:
    server = Server({f"{DOWNLOAD}/notes": answer("hello")})
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await server.download(replace(NOTES, size=LIMIT + 1))
    assert server.seen == []


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 4_000)
    except ConnectionError:
        return response


@pytest.mark.parametrize("large", [endless, answer(b"x" * (LIMIT + 1))], ids=["endless", "long"])
async def test_a_file_that_is_larger_than_it_says_is_not_read_to_its_end(large: Answer) -> None:
    server = Server({f"{DOWNLOAD}/notes": large})
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await server.download(NOTES)


async def test_a_file_of_just_the_limit_is_read() -> None:
    server = Server({f"{DOWNLOAD}/notes": answer(b"x" * LIMIT)})
    assert len((await server.download(NOTES)).data) == LIMIT


async def test_a_redirect_to_the_place_of_the_file_is_followed() -> None:
    server = Server({
        f"{DOWNLOAD}/notes": answer("", 307, Location="/elsewhere"),
        "/elsewhere": answer("hello"),
    })  # fmt: skip
    assert (await server.download(NOTES)).data == b"hello"


async def test_what_the_bytes_are_counts_more_than_what_the_message_says() -> None:
    server = Server({f"{DOWNLOAD}/notes": answer(png(2, 2))})
    assert (await server.download(NOTES)).mime_type == "image/png"


async def broken_off(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


BAD_GATEWAY: Final = refused(502, "M_UNKNOWN")


@pytest.mark.parametrize(
    "failing",
    [BAD_GATEWAY, broken_off, answer("<html>", 504), refused(504, "M_NOT_YET_UPLOADED")],
    ids=["502", "broken off", "proxy", "not yet"],
)
async def test_a_file_that_the_homeserver_fails_to_give_is_to_blame_itself(
    failing: Answer,
) -> None:
    server = Server({f"{DOWNLOAD}/notes": failing})
    with pytest.raises(RefusedUnclearly):
        await server.download(NOTES)
    assert server.paths[-1] == WHOAMI


async def test_a_homeserver_that_answers_nothing_is_to_blame_itself() -> None:
    server = Server({f"{DOWNLOAD}/notes": BAD_GATEWAY, WHOAMI: BAD_GATEWAY})
    with pytest.raises(HomeserverUnavailable):
        await server.download(NOTES)


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=7_000), RateLimited),
        (refused(403, "M_USER_SUSPENDED"), RefusedForNow),
        (refused(403, "M_FORBIDDEN"), HomeserverRefused),
    ],
    ids=["limited", "suspended", "forbidden"],
)
async def test_other_refusals_mean_the_same_as_everywhere(
    failing: Answer, error: type[Exception]
) -> None:
    server = Server({f"{DOWNLOAD}/notes": failing})
    with pytest.raises(error) as raised:
        await server.download(NOTES)
    assert type(raised.value) is error


async def test_a_revoked_session_is_told() -> None:
    dead = refused(401, "M_UNKNOWN_TOKEN")
    server = Server({f"{DOWNLOAD}/notes": dead, WHOAMI: dead})
    with pytest.raises(SessionRevoked):
        await server.download(NOTES)


async def test_a_file_without_a_valid_address_is_not_asked_for() -> None:
    server = Server({})
    for mxc in ("", "mxc://../x", "https://example.org/x"):
        with pytest.raises(HomeserverRefused, match="M_NOT_FOUND"):
            await server.download(replace(NOTES, mxc=mxc))
    assert server.seen == []


def uploading(limit: int | None = 100, answers: Answer | None = None) -> Server:
    config = {} if limit is None else {"m.upload.size": limit}
    given = answers or answer('{"content_uri": "mxc://example.org/new"}')
    return Server({CONFIG: answer(json.dumps(config)), UPLOAD: given})


async def test_a_file_is_uploaded_with_its_name_and_type() -> None:
    server = uploading()
    shared = await server.upload(File("a cat & more.png", "image/png", b"cat"))
    assert shared == SharedFile("mxc://example.org/new", "a cat & more.png", "image/png", 3)
    request = server.seen[-1]
    assert request.headers["Content-Type"] == "image/png"
    assert dict(request.rel_url.query) == {"filename": "a cat & more.png"}
    assert server.bodies[-1] == b"cat"


async def test_a_file_that_is_too_large_for_the_homeserver_is_not_uploaded() -> None:
    server = uploading(limit=2)
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await server.upload(File("cat.png", "image/png", b"cat"))
    assert server.paths == [CONFIG]


async def test_the_limit_is_asked_for_once_and_again_after_a_refusal() -> None:
    server = uploading()
    file = File("cat.png", "image/png", b"cat")
    async with server.gateway() as gateway:
        await gateway.contents.upload(file)
        await gateway.contents.upload(file)
        assert server.paths.count(CONFIG) == 1
        server.answers[UPLOAD] = answer("<html>Too Large</html>", 413)
        with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
            await gateway.contents.upload(file)
        server.answers[CONFIG] = UNRECOGNIZED
        server.answers[UPLOAD] = answer('{"content_uri": "mxc://example.org/new"}')
        assert (await gateway.contents.upload(file)).mxc == "mxc://example.org/new"
    assert server.paths[-3:] == [CONFIG, f"{OLDER}/config", UPLOAD]


@pytest.mark.parametrize("uri", ["", "https://example.org/x", "mxc://../x"])
async def test_an_upload_without_a_valid_address_has_failed(uri: str) -> None:
    server = uploading(answers=answer(json.dumps({"content_uri": uri})))
    with pytest.raises(RefusedUnclearly):
        await server.upload(File("cat.png", "image/png", b"cat"))


@pytest.mark.parametrize(
    "failing", [BAD_GATEWAY, broken_off, answer("<html>", 502)], ids=["502", "broken off", "proxy"]
)
async def test_a_file_that_the_homeserver_fails_to_take_is_to_blame_itself(
    failing: Answer,
) -> None:
    server = uploading(answers=failing)
    with pytest.raises(RefusedUnclearly):
        await server.upload(File("cat.png", "image/png", b"cat"))
    server.answers[WHOAMI] = BAD_GATEWAY
    with pytest.raises(HomeserverUnavailable):
        await server.upload(File("cat.png", "image/png", b"cat"))


async def test_an_account_that_may_not_upload_for_now_is_told_so() -> None:
    server = uploading(answers=refused(403, "M_USER_SUSPENDED"))
    with pytest.raises(RefusedForNow):
        await server.upload(File("cat.png", "image/png", b"cat"))


async def test_reading_a_file_ends_in_time() -> None:
    given_up = anyio.Event()

    async def stuck(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await given_up.wait()
        return response

    server = Server({f"{DOWNLOAD}/notes": stuck})
    async with server.gateway(replace(Bounds(), media_s=0.2)) as gateway:
        with pytest.raises(RefusedUnclearly, match="timed out"):
            await gateway.contents.download(NOTES, limit=LIMIT)
        given_up.set()
