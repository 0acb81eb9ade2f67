"""`check`, against a small homeserver that remembers who came and went."""

import resource
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from actors.encryption import ROW
from actors.model import UserId
from actors.writes import PutRow
from adapter.matrix.session import Session, SessionFile
from adapter.sqlite.inline import InlineStore
from supervisor.app import check as app_check
from supervisor.app.findings import Finding, check_homeserver, check_paths
from supervisor.settings import VARIABLES, Settings, settings_from

BOT = UserId("@bot:example.org")
PASSWORD = "correct horse"
pytestmark = pytest.mark.anyio


class SmallHomeserver:
    """Versions, whoami, login and logout. `devices` maps the tokens that are good to devices."""

    def __init__(self) -> None:
        self.devices: dict[str, str] = {"tok-bot": "SURFACESBOT"}
        self.logged_in: list[str] = []
        self.limited = False
        self.encrypts: object = None
        self.keys: object = {}
        self.refuses_login: dict[str, object] | None = None
        self.refuses_account: dict[str, object] | None = None
        self.on_login: Callable[[], object] = lambda: None
        self.versions: Callable[[], web.Response] = lambda: web.json_response(
            {
                "versions": ["v1.1", "v1.11"],
                "unstable_features": {"io.element.e2ee_forced.private": self.encrypts},
            }
        )
        app = web.Application()
        app.router.add_get("/_matrix/client/versions", self._versions)
        app.router.add_get("/_matrix/client/v3/account/whoami", self._whoami)
        app.router.add_get("/_matrix/client/v3/joined_rooms", self._joined_rooms)
        app.router.add_put("/_matrix/client/v3/rooms/{rest:.*}", self._write)
        app.router.add_post("/_matrix/client/v3/login", self._log_in)
        app.router.add_post("/_matrix/client/v3/logout", self._log_out)
        app.router.add_post("/_matrix/client/v3/keys/query", self._keys)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _versions(self, _request: web.Request) -> web.Response:
        return self.versions()

    def _device(self, request: web.Request) -> str | None:
        return self.devices.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    async def _whoami(self, request: web.Request) -> web.Response:
        device = self._device(request)
        if device is None:
            return web.json_response({"errcode": "M_UNKNOWN_TOKEN", "error": "?"}, status=401)
        return web.json_response({"user_id": BOT, "device_id": device})

    async def _joined_rooms(self, _request: web.Request) -> web.Response:
        return web.json_response({"joined_rooms": ["!a", "!b"]})

    async def _write(self, _request: web.Request) -> web.Response:
        refusal = self.refuses_account or {"errcode": "M_FORBIDDEN", "error": "not yours"}
        return web.json_response(refusal, status=403)

    async def _log_in(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.on_login()
        if self.limited:
            answer = {"errcode": "M_LIMIT_EXCEEDED", "error": "?", "retry_after_ms": 7000}
            return web.json_response(answer, status=429)
        if self.refuses_login is not None:
            return web.json_response(self.refuses_login, status=403)
        user = body["identifier"]["user"]
        if body["password"] != PASSWORD or user not in {BOT, "bot"}:
            return web.json_response({"errcode": "M_FORBIDDEN", "error": "?"}, status=403)
        self.logged_in.append(body["device_id"])
        self.devices[f"tok-{len(self.logged_in)}"] = body["device_id"]
        token = f"tok-{len(self.logged_in)}"
        answer = {"user_id": BOT, "device_id": body["device_id"], "access_token": token}
        return web.json_response(answer)

    async def _keys(self, request: web.Request) -> web.Response:
        assert (await request.json())["device_keys"] == {BOT: []}
        return web.json_response(self.keys)

    async def _log_out(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        del self.devices[token]
        return web.json_response({})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def homeserver() -> AsyncIterator[SmallHomeserver]:
    small = SmallHomeserver()
    async with small.server:
        yield small


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def settings_for(url: str, **more: str) -> Settings:
    given = {"MATRIX_HOMESERVER": url, "MATRIX_USER_ID": BOT, **more}
    return settings_from(Settings, {"MATRIX_PASSWORD": PASSWORD} | given)


async def check(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    await app_check.check(settings, findings.append)
    return findings


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.ok]


def files_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_all_is_well_and_nothing_is_left_behind(
    homeserver: SmallHomeserver, here: Path
) -> None:
    findings = await check(settings_for(homeserver.url))
    assert wrong(findings) == []
    assert any("logs in with the password" in finding.what for finding in findings)
    assert any("override_ratelimit" in finding.advice for finding in findings)
    assert not any("encrypt" in finding.what for finding in findings)
    assert homeserver.devices == {"tok-bot": "SURFACESBOT"}
    assert files_in(here) == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("stream", "notes"), [("auto", 0), ("off", 1)])
async def test_it_is_told_that_answers_are_shown_only_when_they_are_complete(
    homeserver: SmallHomeserver, stream: str, notes: int
) -> None:
    findings = await check(settings_for(homeserver.url, BOT_STREAM=stream))
    told = [finding for finding in findings if "BOT_STREAM" in finding.what]
    assert [finding.note for finding in told] == [True] * notes
    assert wrong(findings) == []


@pytest.mark.usefixtures("here")
async def test_each_thing_is_told_before_the_homeserver_is_asked_for_the_next(
    homeserver: SmallHomeserver,
) -> None:
    told: list[Finding] = []
    told_by_then: list[int] = []
    answer = homeserver.versions

    def versions() -> web.Response:
        told_by_then.append(len(told))
        return answer()

    homeserver.versions = versions
    homeserver.on_login = lambda: told_by_then.append(len(told))
    await app_check.check(settings_for(homeserver.url), told.append)
    assert told_by_then == [4, 5]


@pytest.mark.usefixtures("here")
async def test_a_password_login_takes_a_device_of_its_own(homeserver: SmallHomeserver) -> None:
    for _ in range(2):
        assert wrong(await check(settings_for(homeserver.url))) == []
    first, second = homeserver.logged_in
    assert "SURFACESBOT" not in {first, second}
    assert first != second


async def test_the_stored_session_is_used_and_kept(homeserver: SmallHomeserver, here: Path) -> None:
    file = SessionFile(here / "matrix_store")
    await file.save(Session(homeserver.url, BOT, "SURFACESBOT", "tok-bot"))
    before = file.path.read_bytes()
    findings = await check(settings_for(homeserver.url))
    assert wrong(findings) == []
    assert any("stored session" in finding.what for finding in findings)
    assert homeserver.logged_in == []
    assert homeserver.devices == {"tok-bot": "SURFACESBOT"}
    assert file.path.read_bytes() == before


async def test_a_dead_stored_session_does_not_matter_while_the_password_is_good(
    homeserver: SmallHomeserver, here: Path
) -> None:
    file = SessionFile(here / "matrix_store")
    await file.save(Session(homeserver.url, BOT, "SURFACESBOT", "tok-dead"))
    assert wrong(await check(settings_for(homeserver.url))) == []
    assert "tok-dead" in file.path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
async def test_an_access_token_is_never_logged_out(homeserver: SmallHomeserver) -> None:
    settings = settings_for(homeserver.url, MATRIX_ACCESS_TOKEN="tok-bot", MATRIX_PASSWORD="")
    assert wrong(await check(settings)) == []
    assert homeserver.devices == {"tok-bot": "SURFACESBOT"}


@pytest.mark.usefixtures("here")
async def test_a_wrong_password_is_refused_for_good(homeserver: SmallHomeserver) -> None:
    (finding,) = wrong(await check(settings_for(homeserver.url, MATRIX_PASSWORD="guess")))
    assert finding.refused
    assert "MATRIX_PASSWORD" in finding.what


async def test_a_login_that_is_refused_for_an_unknown_reason_says_that_the_bot_would_wait(
    homeserver: SmallHomeserver,
    here: Path,  # noqa: ARG001
) -> None:
    homeserver.refuses_login = {"errcode": "M_WHO_KNOWS", "error": "?"}
    (finding,) = wrong(await check(settings_for(homeserver.url)))
    assert "M_WHO_KNOWS" in finding.what
    assert finding.advice.startswith("the bot itself would wait and try again")
    assert not finding.refused


@pytest.mark.usefixtures("here")
async def test_a_wrong_server_part_is_told_from_a_wrong_password(
    homeserver: SmallHomeserver,
) -> None:
    settings = settings_for(homeserver.url, MATRIX_USER_ID="@bot:elsewhere.org")
    (finding,) = wrong(await check(settings))
    assert finding.refused
    assert finding.what == (
        "the homeserver refuses @bot:elsewhere.org but accepts @bot:example.org with the same "
        "password: correct MATRIX_USER_ID"
    )
    assert homeserver.devices == {"tok-bot": "SURFACESBOT"}
    assert "SURFACESBOT" not in homeserver.logged_in


@pytest.mark.usefixtures("here")
async def test_a_login_that_is_limited_may_be_tried_later(homeserver: SmallHomeserver) -> None:
    homeserver.limited = True
    (finding,) = wrong(await check(settings_for(homeserver.url)))
    assert not finding.refused
    assert "7 s" in finding.advice


CONSENT: Final[dict[str, object]] = {
    "errcode": "M_CONSENT_NOT_GIVEN",
    "consent_uri": "https://x.org/consent?u=bot",
}
FULL: Final[dict[str, object]] = {
    "errcode": "M_RESOURCE_LIMIT_EXCEEDED",
    "admin_contact": "mailto:a@x.org",
}


@pytest.mark.usefixtures("here")
async def test_an_account_that_may_log_in_but_not_write_is_found_out(
    homeserver: SmallHomeserver,
) -> None:
    homeserver.refuses_account = CONSENT
    (finding,) = wrong(await check(settings_for(homeserver.url)))
    assert not finding.refused
    assert finding.advice == "open https://x.org/consent?u=bot and agree to them"


@pytest.mark.usefixtures("here")
async def test_a_login_that_is_refused_for_now_says_what_ends_that(
    homeserver: SmallHomeserver,
) -> None:
    homeserver.refuses_login = FULL
    (finding,) = wrong(await check(settings_for(homeserver.url)))
    assert not finding.refused
    assert finding.advice == "its administrator (mailto:a@x.org) can change that"


@pytest.mark.usefixtures("here")
async def test_a_homeserver_that_is_away_is_said_once_and_the_login_not_tried(
    unused_url: str,
) -> None:
    (finding,) = wrong(await check(settings_for(unused_url)))
    assert "cannot be reached (Connection refused)" in finding.what
    assert not finding.refused


@pytest.fixture
async def unused_url() -> str:
    server = TestServer(web.Application())
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    await server.close()
    return url


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html>welcome</html>"},
        {"text": "{}"},
        {"text": "[]"},
        {"text": '{"versions": []}'},
        {"body": b"\xff\xfe"},
    ],
)
async def test_an_answer_that_is_not_matrix_is_told_from_one_that_is(
    homeserver: SmallHomeserver, answer: dict[str, object]
) -> None:
    homeserver.versions = lambda: web.Response(**answer)  # type: ignore[arg-type]
    finding = await check_homeserver(homeserver.url)
    assert not finding.ok
    assert "not Matrix" in finding.what


async def test_a_server_error_is_an_outage(homeserver: SmallHomeserver) -> None:
    homeserver.versions = lambda: web.Response(text="<html>502</html>", status=502)
    finding = await check_homeserver(homeserver.url)
    assert not finding.ok
    assert "502" in finding.what
    assert "the bot itself would wait" in finding.advice


async def test_a_name_that_nobody_has_is_unreachable() -> None:
    finding = await check_homeserver("http://nobody.invalid")
    assert not finding.ok
    assert "cannot be reached" in finding.what


def test_places_that_do_not_exist_yet_can_be_written_to_where_their_parent_can(here: Path) -> None:
    settings = settings_for("https://x.org", MATRIX_DB_PATH=str(here / "new" / "deeper" / "db"))
    assert wrong(check_paths(settings)) == []
    assert files_in(here) == []


def test_a_file_in_the_way_is_named(here: Path) -> None:
    (here / "file").touch()
    settings = settings_for("https://x.org", MATRIX_JOURNAL_PATH=str(here / "file" / "journal.db"))
    (finding,) = wrong(check_paths(settings))
    assert finding.what.startswith("MATRIX_JOURNAL_PATH")
    assert f"{here / 'file'} is a file" in finding.advice
    assert finding.refused


@pytest.mark.usefixtures("here")
def test_a_write_that_fails_is_not_blamed_on_permissions() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        findings = wrong(check_paths(settings_for("https://x.org")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [finding.advice for finding in findings] == [
        "File too large: fix that or name another path"
    ] * 3


async def test_a_homeserver_that_encrypts_new_rooms_is_wrong(
    homeserver: SmallHomeserver,
    here: Path,  # noqa: ARG001
) -> None:
    homeserver.encrypts = True
    (finding,) = wrong(await check(settings_for(homeserver.url)))
    assert "encrypts every new private room by default" in finding.what
    assert "encryption_enabled_by_default_for_room_type: off" in finding.advice
    assert not finding.refused


@pytest.mark.parametrize(("times", "is_wrong"), [(1, True), (0, False), ("x", False)])
async def test_an_encrypted_room_that_the_bot_has_noted_is_wrong(
    homeserver: SmallHomeserver, here: Path, times: object, *, is_wrong: bool
) -> None:
    store = InlineStore(here / "lambda_matrix.db")
    await store.commit([PutRow(ROW, {"times": times, "at": 0.0})])
    store.close()
    before = {path: path.stat().st_mtime_ns for path in files_in(here)}
    findings = wrong(await check(settings_for(homeserver.url)))
    assert len(findings) == is_wrong
    assert all("has encrypted the room that the bot created last" in it.what for it in findings)
    assert {path: path.stat().st_mtime_ns for path in files_in(here)} == before
    homeserver.encrypts = True
    assert len(wrong(await check(settings_for(homeserver.url)))) == 1


async def test_a_database_that_cannot_be_read_stops_no_other_check(
    homeserver: SmallHomeserver, here: Path
) -> None:
    (here / "lambda_matrix.db").write_bytes(b"no database" * 500)
    assert wrong(await check(settings_for(homeserver.url))) == []


async def test_devices_with_keys_are_named(
    homeserver: SmallHomeserver,
    here: Path,  # noqa: ARG001
) -> None:
    homeserver.keys = {"device_keys": {BOT: {"SURFACESBOT": {}, "OTHER": {}}}}
    findings = await check(settings_for(homeserver.url))
    assert wrong(findings) == []
    (note,) = (finding for finding in findings if "encryption keys" in finding.what)
    assert "(OTHER, SURFACESBOT)" in note.what
    assert note.note


@pytest.mark.parametrize("keys", [{"device_keys": None}, {"device_keys": {BOT: []}}, [], {}])
async def test_an_odd_answer_about_keys_stops_nothing(
    homeserver: SmallHomeserver,
    here: Path,  # noqa: ARG001
    keys: object,
) -> None:
    homeserver.keys = keys
    findings = await check(settings_for(homeserver.url))
    assert wrong(findings) == []
    assert not any("encryption keys" in finding.what for finding in findings)
