"""The name and the picture of the bot's account, and the pictures of its rooms, on a homeserver."""

from pathlib import Path
from urllib.parse import quote

import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from supervisor.app.look import AVATARS
from tests.pictures import png
from tests.synapse.conftest import MakeBot, account_of
from tests.synapse.home import Home, move_in

pytestmark = pytest.mark.anyio

NAMED = {"displayname", "avatar_url"}


async def profile_of(person: Person, user_id: str) -> dict[str, object]:
    """The name and the picture of an account, as its profile has them."""
    shown = await person.request("GET", f"/profile/{quote(user_id, safe='')}")
    return {key: value for key, value in shown.items() if key in NAMED}


async def bytes_of(person: Person, mxc: object) -> bytes:
    """A file of the homeserver, as a client reads it."""
    address = str(mxc).removeprefix("mxc://")
    url = f"{person._url}/_matrix/client/v1/media/download/{address}"
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with person._http.get(url, headers=headers) as answer:
        return await answer.read()


async def written_in(home: Home) -> list[set[str]]:
    """The events that are the state of the owner's rooms."""
    rooms = [await home.owner.state(room_id) for room_id in (home.space, home.chat)]
    return [{event["event_id"] for event in room} for room in rooms]


def shipped(name: str) -> bytes:
    return (AVATARS / f"{name}.png").read_bytes()


async def test_the_bot_and_its_rooms_have_pictures_and_a_loss_of_everything_writes_none(
    alice: Person, bot: BotProcess
) -> None:
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    shown = await profile_of(alice, bot.user_id)
    assert shown["displayname"] == "Assistant"
    assert await bytes_of(alice, shown["avatar_url"]) == shipped("bot")
    for room_id, name in ((home.space, "space"), (home.chat, "chat")):
        avatar = await alice.state_of(room_id, "m.room.avatar")
        assert avatar is not None
        assert await bytes_of(alice, avatar["url"]) == shipped(name)
    before = await written_in(home)
    await bot.kill()
    bot.wipe()
    await bot.start_and_go_live()
    assert await home.ask("hello") == "hello"
    assert await written_in(home) == before
    second = await home.new_chat()
    assert await profile_of(alice, bot.user_id) == shown
    first, later = [await alice.state_of(it, "m.room.avatar") for it in (home.chat, second)]
    assert later == first


async def test_a_name_that_somebody_gave_stays_and_other_settings_replace_our_own_picture(
    synapse: ThrowawaySynapse, alice: Person, make_bot: MakeBot, tmp_path: Path
) -> None:
    bot = await make_bot()
    await bot.start_and_go_live()
    await move_in(alice, bot)
    async with account_of(synapse, bot) as account:
        path = f"/profile/{quote(bot.user_id, safe='')}"
        await account.request("PUT", f"{path}/displayname", {"displayname": "Jeeves"})
        await bot.kill()
        bot.wipe()
        picture = tmp_path / "own.png"
        picture.write_bytes(png(64, 64))
        bot.environment |= {"BOT_NAME": "Helper", "BOT_AVATAR": str(picture)}
        await bot.start_and_go_live()
        written = await bot.wait_for_event("profile_written")
        assert written["name"] == ""
        shown = await profile_of(alice, bot.user_id)
    assert shown["displayname"] == "Jeeves"
    assert await bytes_of(alice, shown["avatar_url"]) == picture.read_bytes()
