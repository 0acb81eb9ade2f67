"""A real picture goes to a platform that takes pictures, and the platform shows one in return."""

from urllib.parse import quote

import pytest

from demo.person import Event, Person
from tests.pictures import png, size_of
from tests.synapse.conftest import MakeBot
from tests.synapse.home import history, move_in, upload
from tests.synapse.talk import launched

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

SMALL = (666, 600)
"""What Synapse makes of 1000 x 900 to fit into 800 x 600."""


async def download(person: Person, mxc: str) -> bytes:
    path = quote(mxc.removeprefix("mxc://"))
    url = f"{person._url}/_matrix/client/v1/media/download/{path}"
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with person._http.get(url, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_a_picture_is_seen_and_shown_again(make_bot: MakeBot, alice: Person) -> None:
    bot = await make_bot(command=launched("seeing"))
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    picture = png(1000, 900)
    mxc = await upload(alice, "cat.png", "image/png", picture)
    info = {"mimetype": "image/png", "size": len(picture)}
    content = {"msgtype": "m.image", "body": "what is it?", "filename": "cat.png", "url": mxc}
    await alice.send(home.chat, "m.room.message", {**content, "info": info})

    def is_last(event: Event) -> bool:
        return event.sender == bot.user_id and event.body == "what is it?"

    await alice.wait_for(is_last, what="the last part of the answer")
    said = [event for event in await history(alice, home.chat) if event.sender == bot.user_id]
    said = [event for event in said if event.type == "m.room.message"]
    assert [(event.content["msgtype"], event.body) for event in said] == [
        ("m.text", "I see 666 x 600."), ("m.image", "seen.png"), ("m.text", "what is it?"),
    ]  # fmt: skip
    shown = said[1].content
    seen = await download(alice, shown["url"])
    assert shown["info"] == {"mimetype": "image/png", "size": len(seen)}
    assert size_of(seen) == SMALL
