"""The session file: kept for its owner, ignored when it is not ours."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from actors.model import UserId
from adapter.matrix.session import Session, SessionFile

HOMESERVER = "https://example.org"
pytestmark = pytest.mark.anyio

ME = UserId("@bot:example.org")
SESSION = Session(HOMESERVER, ME, "SURFACESBOT", "syt_token")


async def load(file: SessionFile) -> Session | None:
    return await file.load(homeserver=HOMESERVER, user_id=ME)


async def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = SessionFile(tmp_path)
    await file.save(Session(HOMESERVER, ME, "SURFACESBOT", "an older one"))
    await file.save(SESSION)
    assert await load(file) == SESSION
    assert [it.name for it in os.scandir(tmp_path)] == ["session.json"]


async def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "store")
    await file.save(SESSION)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


async def test_the_token_is_not_in_its_repr() -> None:
    assert "syt_token" not in repr(SESSION)


async def test_no_file_is_no_session_and_no_complaint(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert await load(SessionFile(tmp_path / "absent")) is None
    assert logs == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is damaged"),
        (b"\xff\x00", "it is damaged"),
        (b'{"homeserver": 1}', "it is damaged"),
        (b"[" * 50_000, "it is damaged"),
        (
            msgspec.json.encode(replace(SESSION, user_id=UserId("@other:example.org"))),
            "it belongs to another account",
        ),
        (
            msgspec.json.encode(replace(SESSION, homeserver="https://elsewhere.org")),
            "it belongs to another homeserver",
        ),
        (
            msgspec.json.encode(replace(SESSION, access_token="a\r\nb")),
            "its access token is malformed",
        ),
    ],
)
async def test_a_file_that_is_not_ours_is_ignored_with_a_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = SessionFile(tmp_path)
    file.path.write_bytes(content)
    with capture_logs() as logs:
        assert await load(file) is None
    assert [it["reason"] for it in logs] == [reason]


async def test_a_folder_in_its_place_is_ignored(tmp_path: Path) -> None:
    file = SessionFile(tmp_path)
    file.path.mkdir()
    with capture_logs() as logs:
        assert await load(file) is None
        await file.save(SESSION)
    assert [it["event"] for it in logs] == ["session_ignored", "session_not_saved"]
    assert [it.name for it in os.scandir(tmp_path)] == ["session.json"]


async def test_a_removed_session_is_gone(tmp_path: Path) -> None:
    file = SessionFile(tmp_path)
    await file.save(SESSION)
    file.remove()
    file.remove()
    assert await load(file) is None
