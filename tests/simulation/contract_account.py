"""The contract of the port to the account's profile, for every implementation."""

import anyio
import pytest

from actors.own_account import KeptProfile, Profile
from tests.simulation.contract_world import World, shared_room

KEPT = KeptProfile(
    is_begun=True,
    given=Profile("Assistant", "mxc://localhost/one"),
    done=Profile("Assistant", "digest"),
    pictures={"digest": "mxc://localhost/one"},
)


@pytest.mark.anyio
class AccountContract:
    async def test_an_account_has_the_name_and_the_avatar_that_it_was_given(
        self, world: World
    ) -> None:
        account, me = world.homeserver.own_account, world.homeserver.me
        assert await account.profile() == Profile(me[1:].partition(":")[0])
        await account.set_own_name("Assistant")
        await account.set_own_avatar("mxc://localhost/one")
        assert await account.profile() == Profile("Assistant", "mxc://localhost/one")

    async def test_rooms_show_the_name(self, world: World) -> None:
        room_id = await shared_room(world)
        await world.homeserver.own_account.set_own_name("Assistant")
        contents = world.homeserver.contents
        for _ in range(400):  # a homeserver may write it into the rooms a little later
            if await contents.name_of(room_id, world.homeserver.me) == "Assistant":
                return
            await anyio.sleep(0.05)
        pytest.fail("the room does not show the name")

    async def test_what_is_kept_is_what_was_written_last(self, world: World) -> None:
        account = world.homeserver.own_account
        assert await account.kept_profile() == KeptProfile()
        for kept in (KEPT, KeptProfile(is_begun=True)):
            await account.keep_profile(kept)
            assert await account.kept_profile() == kept
