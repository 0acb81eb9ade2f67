"""Pictures of the status page of a real bot, which serves people on a homeserver of this machine.

The bot asks a real model. It has lost its homeserver for a while, and answers a long question while
the pictures are made.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import anyio
from playwright.async_api import Browser, ViewportSize

from demo.narrator import Narrator
from demo.person import Event, Person
from demo.stage import Stage, set_up
from pictures.browser import Look, headless
from tests.browser.scripts import READY

DESK: Final = ViewportSize(width=1180, height=1330)
PHONE: Final = ViewportSize(width=390, height=844)
LOOKS: Final = {
    "status-light": Look(DESK, "light"),
    "status-dark": Look(DESK, "dark"),
    "status-phone-light": Look(PHONE, "light", scale=2),
    "status-phone-dark": Look(PHONE, "dark", scale=2),
}
NAMES: Final = ("carol", "dan", "erin", "frank")
"""The people besides alice and bob."""
CHATS: Final = ("Holiday plans", "Thesis", "Recipes")
OUTAGE_S: Final = 8
QUIET_S: Final = 20
QUESTION: Final = "Tell me a long story of a fox."
_LIMIT_S: Final = 60


async def make_status_pages(folder: Path, narrator: Narrator) -> None:
    """Write a PNG for each look into the folder. Raises BrowserMissing."""
    async with (
        headless() as browser,
        set_up(narrator, with_model=True) as stage,
        AsyncExitStack() as stack,
    ):
        narrator.tell("people get their chats, and the bot loses its homeserver for a while")
        people = [stage.alice, stage.bob]
        for name in NAMES:
            await stage.synapse.register(name, stage.password)
            login = Person.logged_in(stage.synapse.url, name, stage.password)
            people.append(await stack.enter_async_context(login))
        await stage.bot.start_and_go_live()
        rooms = [await _settle_in(person, stage) for person in people]
        await _lose_the_homeserver(stage)
        for name in CHATS:
            await stage.alice.ask(rooms[0], f"!new {name}", timeout_s=_LIMIT_S)
        for person, room in zip(people[1:], rooms[1:], strict=True):
            await person.ask(room, "Hello, who are you?", timeout_s=_LIMIT_S)
        await anyio.sleep(QUIET_S)
        await stage.alice.say(rooms[0], QUESTION)
        await stage.alice.wait_for(_is_typing, what="the bot at work on the answer")
        await _take(browser, f"http://{stage.bot.environment['STATUS_BIND']}/", folder)


async def _settle_in(person: Person, stage: Stage) -> str:
    """Invite the bot, accept both invites, and return the room of the first chat."""
    await person.create_room(is_direct=True, invite=[stage.bot.user_id])
    invites = [await person.wait_for_invite(timeout_s=_LIMIT_S) for _ in range(2)]
    for invite in invites:
        await person.join(invite.room_id)
    (chat,) = (invite.room_id for invite in invites if not invite.is_space)
    return chat


async def _lose_the_homeserver(stage: Stage) -> None:
    await stage.synapse.stop()
    await stage.bot.wait_for_state("degraded", timeout_s=_LIMIT_S)
    await anyio.sleep(OUTAGE_S)
    await stage.synapse.start()
    await stage.bot.wait_for_state("live", timeout_s=_LIMIT_S)


def _is_typing(event: Event) -> bool:
    return event.type == "m.typing" and bool(event.content["user_ids"])


async def _take(browser: Browser, address: str, folder: Path) -> None:
    for name, look in LOOKS.items():
        async with await browser.new_context(
            viewport=look.viewport,
            color_scheme=look.theme,
            device_scale_factor=look.scale,
            reduced_motion="reduce",
        ) as context:
            page = await context.new_page()
            await page.goto(address)
            await page.locator(READY).wait_for()
            await page.get_by_role("radio", name="15 min").check()
            await page.evaluate("scrollTo(0, 0)")
            await page.screenshot(path=folder / f"{name}.png")
