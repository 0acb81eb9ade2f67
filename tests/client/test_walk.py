"""What an owner does and sees in a client, from the first invite to a restart."""

import re

import pytest
from playwright.async_api import ViewportSize, expect

from demo.bot import BotProcess
from tests.chat_server import DONE, ChatServer, Reply, refusal, said, stopped
from tests.client.conftest import Household, LogIn, move_in
from tests.client.person import WAIT_MS

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MARKDOWN = """Here is **one** way:

1. `git status` shows what has changed
2. a [link](https://example.org)

```python
print("hello")
```"""


def answer(text: str, *, pause_s: float = 0.0) -> Reply:
    """An answer in a piece for each word."""
    words = re.findall(r"\S+\s*", text)
    return Reply((*map(said, words), stopped(), DONE), pause_s=pause_s)


PHONE = ViewportSize(width=390, height=844)
STORY = " ".join(f"The fox passes tree {number}." for number in range(1, 26))


async def test_from_the_first_invite_to_the_first_answer(
    log_in: LogIn, bot: BotProcess, model: ChatServer
) -> None:
    model.usual = answer(MARKDOWN)
    alice = await log_in()
    await alice.picture("logged in")
    await alice.start_chat(bot.user_id)
    greeting = await alice.sees("Hello! Your Space is ready")
    await alice.picture("greeted")
    await alice.entry("Invites", "Chats of").click()
    await alice.picture("invite to the Space")
    await alice.accept("Chats of")
    await expect(alice.page.get_by_label("Rooms of this Space")).to_contain_text("Chat 1")
    await alice.picture("Space")
    await alice.open("Assistant", "People")
    await greeting.get_by_role("link", name="Chat 1").click()
    await alice.picture("door of the chat")
    await alice.page.get_by_role("button", name="Accept").click()
    await alice.page.locator("#timeline").wait_for()
    await alice.picture("empty chat")
    shown = await alice.ask("How do I see what has changed?", "print")
    await expect(shown.locator("ol > li")).to_have_count(2)
    await expect(shown.locator("pre code")).to_have_text('print("hello")\n')
    await alice.picture("first answer")
    assert alice.complaints == []


async def test_an_answer_grows_in_one_message_and_rings_once(
    log_in: LogIn, lively_bot: BotProcess, model: ChatServer
) -> None:
    alice, model.usual = await log_in(), answer(STORY, pause_s=0.08)
    await move_in(alice, lively_bot)
    rung = await alice.rung()
    await alice.write("Tell me of the fox.")
    await expect(alice.page.get_by_label("Who types")).to_contain_text("Assistant is typing")
    await expect(alice.messages()).to_have_count(1, timeout=WAIT_MS)
    await expect(alice.messages().get_by_text("(edited)")).to_be_visible(timeout=WAIT_MS)
    await expect(alice.messages()).not_to_contain_text("tree 25.")
    await alice.picture("growing")
    await alice.sees("tree 25.")
    await alice.picture("whole")
    await expect(alice.messages()).to_have_count(1)
    assert await alice.rung() == rung + 1


async def test_a_chat_is_made_listed_and_renamed(household: Household) -> None:
    alice = household.alice
    await alice.ask("!help", "!archive")
    await alice.picture("help")
    await alice.ask("!status", "This is Chat 1. Your chats: 1 active, 0 archived.")
    await alice.ask("!new Thesis", "Thesis is ready. Accept the invite to it, then write there.")
    await alice.picture("new chat")
    listed = await alice.ask("!chats", "C2: Thesis")
    await listed.get_by_role("link", name="Thesis").click()
    await alice.page.get_by_role("button", name="Accept").click()
    await alice.ask("!rename My thesis", "This chat is now called My thesis.")
    await expect(alice.entry("Rooms", "My thesis")).to_be_visible()
    await alice.picture("renamed by command")
    await alice.rename_room("The thesis")
    await expect(alice.entry("Rooms", "The thesis")).to_be_visible(timeout=WAIT_MS)
    renamed = alice.page.locator("p.state").filter(has_text="changed the name to The thesis")
    await expect(renamed).to_have_count(1, timeout=WAIT_MS)
    status = await alice.ask("!status", "This is The thesis (C2). Your chats: 2 active")
    await alice.picture("renamed in the client")
    await alice.reply(status, "!usage")
    await alice.sees("No answer in this chat says how many tokens it took.")
    replied = alice.messages(mine=True).last
    await expect(replied.locator(".quoted")).to_have_text(re.compile("This is The thesis"))
    await expect(replied.locator(".body")).to_have_text("!usage")
    await alice.picture("command as a reply")
    assert alice.complaints == []


async def test_a_chat_goes_into_the_archive_and_is_opened_again(household: Household) -> None:
    alice = household.alice
    await alice.ask("!new Thesis", "Thesis is ready.")
    await alice.accept("Thesis")
    await alice.ask("!archive", "Archive Thesis (C2)? Write !yes within 60 seconds, or !no.")
    await alice.ask("!no", "All right, nothing was archived.")
    await alice.ask("!yes", "There is nothing to confirm; if I did ask you")
    await alice.ask("!archive", "within 60 seconds")
    await alice.ask("!yes", "Thesis (C2) is archived.")
    await alice.ask("Are you there?", "This chat is archived.")
    topic = alice.page.locator("#room > header .topic")
    await expect(topic).not_to_contain_text("Write here")
    await alice.picture("archived")
    await alice.leave()
    await alice.open("Chat 1")
    opened = await alice.ask("!open thesis", "is open again. Accept the invite to it")
    await alice.picture("opened again")
    await opened.get_by_role("link", name="Thesis").click()
    await alice.page.get_by_role("button", name="Accept").click()
    await alice.ask("And now?", "Hello")
    await alice.picture("back in the chat")
    assert alice.complaints == []


async def test_what_the_model_gets_and_how_the_bot_speaks_is_set_in_the_chat(
    household: Household,
) -> None:
    alice = household.alice
    await alice.ask("!model", "model-1 (answers here)")
    await alice.ask("!system Answer like a pirate", "This chat has instructions now")
    await alice.ask("!settings stream off", "Answers here come only when they are complete.")
    await alice.ask("!settings temperature 0.7", "temperature: 0.7")
    await alice.ask("!settings", "The settings of this chat:")
    await alice.picture("settings")
    await alice.ask("Hello?", "Hello")
    await alice.ask("!retry", "Hello")
    await alice.ask("!usage", "token")
    await alice.ask("!forget", "I have forgotten what was said here so far.")
    await alice.picture("forgotten")
    await alice.ask("!language ru", "вам по-русски")
    await alice.ask("!help", "О ваших чатах:")
    await alice.picture("in Russian")
    await alice.ask("!language default", "English")
    await alice.ask("!dance", "I don't know the command !dance.")
    await alice.picture("unknown command")


async def test_an_answer_is_stopped_and_a_question_is_changed(household: Household) -> None:
    alice, model = household.alice, household.model
    model.usual = answer(STORY, pause_s=0.3)
    await alice.write("Tell me of the fox.")
    await expect(alice.messages()).to_have_count(1, timeout=WAIT_MS)
    await alice.write("!stop")
    await expect(alice.messages().last).to_contain_text("I have stopped.", timeout=WAIT_MS)
    await alice.picture("stopped")
    model.usual = answer("Blue.")
    await alice.ask("!settings edits on", "If you edit your last message, I answer it again.")
    await alice.ask("What colour is the sea?", "Blue.")
    model.usual = answer("Green.")
    await alice.edit(alice.messages(mine=True).last, "What colour is the forest?")
    await alice.sees("Green.")
    await alice.picture("question changed")


async def test_an_owner_who_left_comes_back_by_a_second_invite(
    household: Household, bot: BotProcess
) -> None:
    alice = household.alice
    await alice.ask("Remember me.", "Hello")
    await alice.start_chat(bot.user_id)
    await alice.sees("You are in both: write in the chat, and I answer there, not here.")
    await alice.picture("second direct chat")
    await alice.ask("Hello?", "I answer in your chats, and commands work only there.")
    await alice.picture("written in the direct chat")
    await alice.open("Chat 1")
    await alice.leave()
    await alice.start_chat(bot.user_id)
    greeting = await alice.sees("Accept the invites that you see")
    await alice.picture("third direct chat")
    await greeting.get_by_role("link", name="Chat 1").click()
    await alice.page.get_by_role("button", name="Accept").click()
    await expect(alice.messages(mine=True)).to_have_text(re.compile("Remember me."))
    await expect(alice.messages()).to_have_count(1)
    await alice.ask("Here I am again.", "Hello")
    await expect(alice.entry("Spaces")).to_have_count(1)
    await alice.picture("back")


async def test_a_bot_that_is_killed_in_an_answer_ends_it_in_its_message(
    household: Household, bot: BotProcess
) -> None:
    alice, household.model.usual = household.alice, answer(STORY, pause_s=0.3)
    await alice.write("Tell me of the fox.")
    await expect(alice.messages().first).to_contain_text("tree 1.", timeout=WAIT_MS)
    await bot.kill()
    await alice.picture("killed")
    await alice.write("Are you still there?")
    household.model.usual = answer(STORY)
    await bot.start_and_go_live()
    await expect(alice.messages()).to_have_count(2, timeout=WAIT_MS)
    await expect(alice.messages().first).to_contain_text("tree 25.", timeout=WAIT_MS)
    await alice.picture("restarted")
    assert alice.complaints == []


async def test_an_owner_sees_why_an_answer_does_not_come(household: Household) -> None:
    alice, model = household.alice, household.model
    model.usual = refusal(401, {"error": {"message": "Incorrect API key provided"}})
    await alice.ask("Hello?", "What I answer with is not set up correctly")
    await alice.picture("refused")
    model.usual = answer("Here I am.")
    await expect(alice.messages().last).to_contain_text("Here I am.", timeout=4 * WAIT_MS)
    await alice.picture("answered late")


async def test_every_room_and_the_bot_have_a_picture(household: Household) -> None:
    pictures = household.alice.page.locator("nav .avatar img")
    await expect(pictures).to_have_count(3, timeout=WAIT_MS)
    assert await pictures.evaluate_all("them => them.every((it) => it.naturalWidth > 0)")


async def test_on_a_phone_nothing_is_wider_than_the_screen(
    log_in: LogIn, bot: BotProcess, model: ChatServer
) -> None:
    model.usual = answer(MARKDOWN)
    alice = await log_in(viewport=PHONE)
    await alice.picture("logged in")
    await alice.start_chat(bot.user_id)
    greeting = await alice.sees("Hello! Your Space is ready")
    await alice.picture("greeted")
    await greeting.get_by_role("link", name="Chat 1").click()
    await alice.page.get_by_role("button", name="Accept").click()
    await alice.ask("How do I see what has changed?", "print")
    await alice.picture("answer")
    await alice.ask("!help", "!archive")
    await alice.picture("help")
    assert await alice.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await alice.page.get_by_role("button", name="All rooms").click()
    await alice.picture("rooms")
