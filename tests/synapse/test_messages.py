"""What is said in a chat room, and what comes back."""

from collections.abc import Mapping

import pytest

from demo.person import Person
from tests.synapse.conftest import MakeBot, MakePerson
from tests.synapse.home import Home, hear, history, move_in, words_of
from tests.synapse.proxy import FaultProxy, answering

pytestmark = pytest.mark.anyio

IMAGE = {"msgtype": "m.image", "body": "cat.png", "url": "mxc://localhost/cat"}


@pytest.mark.parametrize(
    "text",
    ["hello", "two\nlines", "   indented", "Привет, 世界 🍵", "<b>&amp;</b>", "\u202eturned"],
)
async def test_text_comes_back_as_it_was(commons: Home, text: str) -> None:
    assert await commons.ask(text) == text


async def test_a_long_answer_comes_in_pieces(commons: Home) -> None:
    text = "".join(f"{n:05}" for n in range(5000))
    first = await commons.ask(text)
    second = await hear(commons.owner, commons.bot, commons.chat)
    assert first + second == text


@pytest.mark.quick
async def test_the_answer_is_text_and_a_commands_answer_a_notice(commons: Home) -> None:
    await commons.ask("hello")
    await commons.ask("!help")
    events = await history(commons.owner, commons.chat)
    answers = [event for event in events if event.sender == commons.bot.user_id and event.body]
    assert [event.content["msgtype"] for event in answers[-2:]] == ["m.text", "m.notice"]


@pytest.mark.quick
async def test_answers_come_in_the_order_of_the_messages(home: Home) -> None:
    texts = [f"number {n}" for n in range(12)]
    for text in texts:
        await home.owner.say(home.chat, text)
    await home.owner.wait_for(
        lambda event: event.sender == home.bot.user_id and event.body == texts[-1],
        what="the last answer",
    )
    assert await words_of(home.owner, home.chat, home.bot.user_id) == texts


async def test_a_message_is_shown_as_read(commons: Home) -> None:
    sent = await commons.owner.say(commons.chat, "read me")
    await commons.owner.wait_for(
        lambda event: (
            event.type == "m.receipt"
            and commons.bot.user_id in event.content.get(sent, {}).get("m.read", {})
        ),
        what="a read receipt",
    )
    await hear(commons.owner, commons.bot, commons.chat)


@pytest.mark.parametrize("msgtype", ["m.image", "m.location", "org.example.unheard.of"])
async def test_what_is_no_text_gets_a_polite_line(commons: Home, msgtype: str) -> None:
    assert (
        await answer_to(commons, IMAGE | {"msgtype": msgtype})
        == "I can't read messages of this kind. Please write to me instead."
    )


async def test_a_sticker_gets_a_polite_line(commons: Home) -> None:
    sticker = {"body": "a cat", "url": "mxc://localhost/cat", "info": {}}
    answer = await answer_to(commons, sticker, kind="m.sticker")
    assert answer == "I can't read messages of this kind. Please write to me instead."


async def test_an_encrypted_message_is_said_to_be_unreadable_once(home: Home) -> None:
    secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "x"}
    line = await answer_to(home, secret, kind="m.room.encrypted")
    assert line.startswith("I can't read encrypted messages")
    await home.owner.send(home.chat, "m.room.encrypted", secret)
    assert await home.ask("in the clear") == "in the clear"
    words = await words_of(home.owner, home.chat, home.bot.user_id)
    assert words == [line, "in the clear"]


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ({"body": "what is it?"}, "what is it?"),
        ({"body": "!status"}, "This is Chat 1"),
        ({"body": "cat.png"}, "I can't read messages of this kind. Please write to me instead."),
    ],
)
async def test_the_caption_of_a_picture_is_text(
    commons: Home, content: Mapping[str, str], answer: str
) -> None:
    told = await answer_to(commons, {**IMAGE, "filename": "cat.png", **content})
    assert told.startswith(answer)


@pytest.mark.quick
async def test_a_question_in_a_thread_is_answered_there_and_a_reply_confirms(home: Home) -> None:
    root = await home.owner.say(home.chat, "the root")
    assert await hear(home.owner, home.bot, home.chat) == "the root"
    thread = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
    answers = []
    for body in ("!archive", "!yes"):
        asked = (await history(home.owner, home.chat))[-1]
        relation = {**thread, "m.in_reply_to": {"event_id": asked.event_id}}
        quote = f"> <{home.bot.user_id}> {asked.body}\n\n"
        content = {"msgtype": "m.text", "body": quote + body, "m.relates_to": relation}
        question = await home.owner.send(home.chat, "m.room.message", content)
        await hear(home.owner, home.bot, home.chat)
        answers.append((await history(home.owner, home.chat))[-1])
        assert answers[-1].content["m.relates_to"] == {
            **thread,
            "m.in_reply_to": {"event_id": question},
        }
    assert answers[-1].body.startswith("Chat 1 is archived")


@pytest.mark.parametrize("body", ["{me} !status", "Bot: !status", "\u200b！status", "!stаtus."])
async def test_a_command_is_what_a_person_would_call_one(commons: Home, body: str) -> None:
    me = commons.bot.user_id
    pill = f'<a href="https://matrix.to/#/{me}">Bot</a>: !status' if "Bot" in body else body
    html = {"format": "org.matrix.custom.html", "formatted_body": pill}
    content = {"msgtype": "m.text", "body": body.format(me=me), **html}
    assert (await answer_to(commons, content)).startswith("This is Chat 1")


@pytest.mark.parametrize("body", ["waves", "!help"])
async def test_an_emote_is_text_but_never_a_command(commons: Home, body: str) -> None:
    assert await answer_to(commons, {"msgtype": "m.emote", "body": body}) == body


async def test_what_needs_no_answer_gets_none(commons: Home) -> None:
    alice, room = commons.owner, commons.chat
    await commons.ask("before")
    sent = await alice.say(room, "mistyped")
    await hear(alice, commons.bot, room)
    new = {"msgtype": "m.text", "body": "corrected"}
    relation = {"rel_type": "m.replace", "event_id": sent}
    edit = {**new, "body": "* corrected", "m.new_content": new, "m.relates_to": relation}
    await alice.send(room, "m.room.message", {"msgtype": "m.notice", "body": "!help"})
    await alice.send(room, "m.room.message", edit)
    await alice.send(room, "m.room.message", {"msgtype": "m.text", "body": " \n"})
    await alice.send(room, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation"}})
    await alice.send(room, "org.example.other", {"msgtype": "m.text", "body": "!help"})
    assert await commons.ask("after") == "after"
    said = await words_of(alice, room, commons.bot.user_id)
    assert said[-3:] == ["before", "mistyped", "after"]


@pytest.mark.quick
async def test_a_guest_is_answered_but_commands_are_the_owners(home: Home, bob: Person) -> None:
    await home.owner.invite(home.chat, bob.user_id)
    await bob.join(home.chat)
    assert await bob.ask(home.chat, f"{home.bot.user_id} hello from bob") == "hello from bob"
    for command in ("!rename Mine", "!new", "!archive", "!yes"):
        answer = await bob.ask(home.chat, command)
        localpart = home.owner.user_id[1:].partition(":")[0]  # it is the display name
        assert answer == f"Only {localpart} can use commands in this chat."
        assert "Only" in answer
    assert await bob.new_invites() == []
    assert await home.owner.name_of(home.chat) == "Chat 1"
    assert home.bot.kv()[f"matrix_user:{home.owner.user_id}"]["next_chat_index"] == 2


async def test_a_guests_yes_does_not_answer_the_owners_question(home: Home, bob: Person) -> None:
    await home.owner.invite(home.chat, bob.user_id)
    await bob.join(home.chat)
    await home.ask("!archive")
    await bob.ask(home.chat, "!yes")
    assert home.chat_row("C1")["is_archived"] is False


async def test_people_among_themselves_are_let_be(home: Home, bob: Person) -> None:
    """A group with the bot among them is no direct chat and no chat of the bot's."""
    group = await home.owner.create_room(name="Group", invite=[home.bot.user_id, bob.user_id])
    await bob.join(group)
    directions = await hear(home.owner, home.bot, group)
    for words in ("!new", "hello?"):
        await bob.say(group, words)
    assert await home.ask("said after that") == "said after that"
    assert await words_of(bob, group, home.bot.user_id) == [directions]
    assert await bob.new_invites() == []


async def answer_to(home: Home, content: Mapping[str, object], kind: str = "m.room.message") -> str:
    """Send a message of any content to the first chat, and answer what comes back."""
    await home.owner.discard_events()
    await home.owner.send(home.chat, kind, dict(content))
    return await hear(home.owner, home.bot, home.chat)


async def test_a_room_that_cannot_be_read_holds_up_no_other(
    proxy: FaultProxy, make_bot: MakeBot, make_person: MakePerson
) -> None:
    bot = await make_bot(homeserver_url=proxy.url)
    await bot.start_and_go_live()
    home = await move_in(await make_person("alice"), bot)
    other = await home.new_chat()
    assert await bot.terminate() == 0
    texts = [f"number {n}" for n in range(60)]
    for text in texts:
        await home.owner.say(home.chat, text)
    proxy.when(
        "*",
        answering(500, {"errcode": "M_UNKNOWN", "error": "Internal server error"}),
        matches=lambda request: request.room_id == home.chat,
    )
    await bot.start_and_go_live()
    assert await home.owner.ask(other, "are you there?") == "are you there?"
    left_open = [event for event in bot.events() if event["event"] == "gap_left_open"]
    assert {event["room_id"] for event in left_open} == {home.chat}
    proxy.heal()
    await home.owner.wait_for(
        lambda event: event.sender == bot.user_id and event.body == texts[-1],
        timeout_s=60,
    )
    _ready, *answers = await words_of(home.owner, home.chat, bot.user_id)
    assert answers == texts
    assert [step.dst for step in bot.transitions()].count("degraded") == 0
