"""The profile of the bot's account as homeservers show it, over real sockets."""

import pytest

from actors.own_account import KeptProfile, Profile
from actors.port_errors import HomeserverRefused
from adapter.matrix.own_account import kept_in
from tests.unit.test_wire_sessions import ME, Scripted, homeserver, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("shown", "profile"),
    [
        ({}, Profile()),
        ({"displayname": None, "avatar_url": None}, Profile()),
        ({"displayname": 1, "avatar_url": []}, Profile()),
        ({"displayname": "Helper", "avatar_url": "mxc://a/b"}, Profile("Helper", "mxc://a/b")),
    ],
)
async def test_a_profile_may_lack_parts(shown: dict[str, object], profile: Profile) -> None:
    server = Scripted()
    server.good[ME] = shown
    async with homeserver(server) as gateway:
        assert await gateway.own_account.profile() == profile


async def test_an_account_without_a_profile_has_neither_name_nor_avatar() -> None:
    server = Scripted()
    server.plan(ME, 404, problem("M_NOT_FOUND"))
    server.plan(ME, 403, problem("M_FORBIDDEN"))
    async with homeserver(server) as gateway:
        assert await gateway.own_account.profile() == Profile()
        with pytest.raises(HomeserverRefused):
            await gateway.own_account.profile()


@pytest.mark.parametrize("content", [b"[]", b'{"is_begun": "yes"}', b'{"pictures": {"a": 1}}'])
def test_account_data_of_another_form_say_nothing(content: bytes) -> None:
    assert kept_in(content) == KeptProfile()


def test_account_data_may_have_further_fields() -> None:
    assert kept_in(b'{"is_begun": true, "later": 1}') == KeptProfile(is_begun=True)
