"""A person at the client: what they do there, and what they see."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Page, expect

WAIT_MS: Final = 30_000
"""For what needs the bot and the homeserver."""


@dataclass(slots=True)
class Client:
    """An open client. `picture` keeps what it shows, numbered in the order of the steps."""

    page: Page
    folder: Path
    complaints: list[str] = field(default_factory=list)
    steps: int = 0

    def listen(self) -> None:
        """Note the errors of the page."""
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def log_in(self, address: str, homeserver: str, user: str, password: str) -> None:
        """Open the page, and log in."""
        await self.page.goto(address)
        await self.page.get_by_label("Homeserver").fill(homeserver)
        await self.page.get_by_label("User").fill(user)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()
        await expect(self.page.locator("#client")).to_be_visible(timeout=WAIT_MS)

    async def start_chat(self, user_id: str) -> None:
        """Start a direct chat, and look at its room."""
        await self.page.get_by_label("Start a chat with").fill(user_id)
        await self.page.get_by_role("button", name="Start chat").click()
        await self.page.locator("#timeline").wait_for(timeout=WAIT_MS)

    def entry(self, section: str, name: str | re.Pattern[str] = "") -> Locator:
        """Entries of the list of rooms, in one of its sections."""
        listed = self.page.get_by_role("region", name=section).get_by_role("button")
        return listed.filter(has_text=name) if name else listed

    async def accept(self, name: str | re.Pattern[str]) -> None:
        """Accept an invite."""
        await self._look_at(self.entry("Invites", name))
        await self.page.get_by_role("button", name="Accept").click()
        await expect(self.page.locator(".door")).to_have_count(0, timeout=WAIT_MS)

    async def open(self, name: str | re.Pattern[str], section: str = "Rooms") -> None:
        """Look at a room."""
        await self._look_at(self.entry(section, name))
        await self.page.locator("#room > header h1").filter(has_text=name).wait_for()

    async def _look_at(self, entry: Locator) -> None:
        """Click an entry in one step: news draw the list anew, also between press and release."""
        await entry.first.dispatch_event("click", timeout=WAIT_MS)

    async def write(self, text: str) -> None:
        """Write a message in the room that is shown."""
        field = self.page.get_by_label("Message", exact=True)
        await field.fill(text)
        await field.press("Enter")

    async def reply(self, to: Locator, text: str) -> None:
        """Write a message as a reply to another one."""
        await to.hover()
        await to.get_by_role("button", name="Reply").click()
        await self.write(text)

    async def edit(self, message: Locator, text: str) -> None:
        """Change a message of one's own."""
        await message.hover()
        await message.get_by_role("button", name="Edit").click()
        await self.write(text)

    async def rename_room(self, name: str) -> None:
        """Rename the room that is shown, by the client's own means."""
        self.page.once("dialog", lambda dialog: dialog.accept(name))
        await self.page.get_by_role("button", name="Rename").click()

    async def leave(self) -> None:
        """Leave the room that is shown, and wait until the list has it no more."""
        name = await self.page.locator("#room > header h1").inner_text()
        await self.page.get_by_role("button", name="Leave").click()
        await expect(self.entry("Rooms", name)).to_have_count(0, timeout=WAIT_MS)

    def messages(self, *, mine: bool = False) -> Locator:
        """The messages in the room that is shown: the bot's, or one's own."""
        return self.page.locator(f'article[data-mine="{str(mine).lower()}"]')

    async def sees(self, text: str | re.Pattern[str]) -> Locator:
        """Wait until the newest message of the bot has these words."""
        newest = self.messages().last
        await expect(newest).to_contain_text(text, timeout=WAIT_MS)
        return newest

    async def ask(self, text: str, expected: str | re.Pattern[str]) -> Locator:
        """Write, and wait until the bot's newest message, which is a new one, has these words."""
        before = await self.messages().count()
        await self.write(text)
        await expect(self.messages().nth(before)).to_be_visible(timeout=WAIT_MS)
        return await self.sees(expected)

    async def rung(self) -> int:
        """How often the client has notified so far."""
        return int(await self.page.locator("body").get_attribute("data-notified") or 0)

    async def picture(self, step: str) -> None:
        """Keep what the client shows now."""
        self.steps += 1
        name = f"{self.steps:02}-{step.replace(' ', '-')}.png"
        await self.page.screenshot(path=self.folder / name)
