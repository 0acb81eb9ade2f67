"""Pictures of a conversation with a real bot, in the client that the tests use.

The homeserver and the bot are real. What the model says is written here.
"""

import re
from pathlib import Path
from typing import Final

from playwright.async_api import ViewportSize, expect

from demo.narrator import Narrator
from demo.stage import Stage, set_up
from pictures.browser import headless
from tests.chat_server import DONE, ChatServer, Reply, said, stopped
from tests.client.bundle import served_client
from tests.client.person import Client

WINDOW: Final = ViewportSize(width=980, height=700)
THEMES: Final = ("light", "dark")
CHATS: Final = ("Thesis", "Recipes")
QUESTION: Final = "What should I see in Lisbon in two days?"
ANSWER: Final = """**Two days are enough for a good start:**

1. *Alfama* on foot, early, before tram 28 is full
2. *Belém*: the tower, the monastery, and a warm pastel de nata"""
NEXT_QUESTION: Final = "And where do people hear fado?"
NEXT_ANSWER: Final = (
    "In small houses in Alfama and Mouraria, after nine in the evening. Many take no bookings, so"
)


async def make_conversation(folder: Path, narrator: Narrator) -> None:
    """Write a PNG for each theme. Raises BrowserMissing, ClientMissing and SynapseMissing."""
    async with headless() as browser, ChatServer() as model, set_up(narrator) as stage:
        with served_client() as address:
            narrator.tell("alice talks with the bot in a client")
            stage.bot.environment.update(BOT_PLATFORM="openai", OPENAI_BASE_URL=f"{model.url}/v1")
            await stage.bot.start_and_go_live()
            async with await browser.new_context(
                viewport=WINDOW, reduced_motion="reduce"
            ) as context:
                alice = Client(await context.new_page(), folder)
                await alice.log_in(address, stage.synapse.url, "alice", stage.password)
                await _talk(alice, stage, model)
                for theme in THEMES:
                    await alice.page.emulate_media(color_scheme=theme)
                    await alice.page.screenshot(path=folder / f"conversation-{theme}.png")


async def _talk(alice: Client, stage: Stage, model: ChatServer) -> None:
    """Make some chats, and talk in the first one; the last answer still grows."""
    await alice.start_chat(stage.bot.user_id)
    await alice.sees("Your Space is ready")
    await alice.accept("Chats of")
    await alice.accept("Chat 1")
    for name in CHATS:
        await alice.ask(f"!new {name}", f"{name} is ready")
        await alice.accept(name)
        await alice.open("Chat 1")
    await alice.rename_room("Lisbon")
    await alice.open("Lisbon")
    model.usual = Reply((said(ANSWER), stopped(), DONE))
    await alice.ask(QUESTION, "pastel de nata")
    await alice.ask("!settings temperature 0.7", "temperature: 0.7")
    pieces = tuple(said(word) for word in re.findall(r"\S+\s*", NEXT_ANSWER))
    model.usual = Reply(pieces, hangs=True, pause_s=0.2)
    await alice.ask(NEXT_QUESTION, "Many take no bookings")
    await alice.page.mouse.move(0, 0)
    await expect(alice.page.get_by_role("status")).to_have_count(0)
    await expect(alice.page.get_by_label("Who types")).to_contain_text("is typing")
