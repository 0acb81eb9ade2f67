"""What a person says in a message: without what a client adds to it."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import RoomId, UserId
from adapter.matrix.words import Words, is_captioned, plain_words, text_of_event, words_of

ME = UserId("@surfaces-bot:example.org")
PILL = '<a href="https://matrix.to/#/@surfaces-bot:example.org">Surfaces Bot</a>'
REPLY = {"m.in_reply_to": {"event_id": "$before"}}
IN_THREAD = {"rel_type": "m.thread", "event_id": "$root", "is_falling_back": True, **REPLY}
QUOTE_IN_HTML = (
    "<mx-reply><blockquote><a href='https://matrix.to/#/!r:x/$before'>In reply to</a> "
    "<a href='https://matrix.to/#/@bot:x'>@bot:x</a><br>Archive Chat 1?</blockquote></mx-reply>"
)


def said(body: str, **content: object) -> Words:
    return words_of({"msgtype": "m.text", "body": body, **content}, ME)


def replied(body: str, **content: object) -> Words:
    return said(body, **{"m.relates_to": REPLY, **content})


# ------------------------------------------------------------ replies


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("> <@bot:x> Archive Chat 1?\n\n!yes", Words("!yes", "Archive Chat 1?")),
        ("> <@bot:x> one\n> two\n> \n> three\n\nfour", Words("four", "one\ntwo\n\nthree")),
        ("> <@bot:x> one\n>\n> two\n\nthree", Words("three", "one\n\ntwo")),
        ("> * <@bob:x> waves\n\nhello", Words("hello", "waves")),
        ("> <@bob:x> sent an image.\n\nwhat is it?", Words("what is it?", "sent an image.")),
        ("> <@bot:x> one\r\n> two\r\n\r\n!yes", Words("!yes", "one\ntwo")),
        ("> <@a:x> > <@b:x> old\n> > older\n> \n> new\n\n!yes", Words("!yes", "new")),
        ("> <@a:x> > cited\n>> deeper\n\n!yes", Words("!yes", "> cited\n> deeper")),
        ("> <@bot:x> one\nwithout a blank line", Words("without a blank line", "one")),
        ("> <@bot:x> one\n\n> my own quote\nand text", Words("> my own quote\nand text", "one")),
        ("> <@bot:x> one\n\n\ntwo\n\nthree\n", Words("\ntwo\n\nthree\n", "one")),
        ("> no sender\n\n!yes", Words("!yes", "no sender")),
        ("!yes", Words("!yes")),
    ],
)
def test_the_quote_in_front_of_a_reply_is_not_the_persons_text(body: str, words: Words) -> None:
    assert replied(body) == words


def test_lines_that_look_like_a_quote_belong_to_a_person_who_replies_to_nothing() -> None:
    body = "> <@bot:x> to be or not to be\n\nwho said that?"
    assert said(body) == Words(body)
    assert said("> that\n\n!help") == Words("> that\n\n!help")


def test_a_reply_of_nothing_but_own_quoted_lines_is_kept() -> None:
    assert replied("> that is it") == Words("> that is it")


def test_where_the_html_has_no_quote_quoted_lines_are_the_persons_own() -> None:
    html = "<blockquote>first point</blockquote>I disagree"
    assert replied("> first point\n\nI disagree", formatted_body=html).quoted == ""
    assert replied("> <@bot:x> one\n\ntwo", formatted_body="two") == Words("two", "one")


def test_a_quote_that_only_the_html_marks_is_found() -> None:
    html = f"{QUOTE_IN_HTML}!yes"
    assert replied("> Archive Chat 1?\n\n!yes", formatted_body=html) == Words(
        "!yes", "Archive Chat 1?"
    )


def test_the_fallback_of_a_message_in_a_thread_is_taken_out_as_well() -> None:
    body = "> <@bot:x> the last word\n\nanother word"
    assert said(body, **{"m.relates_to": IN_THREAD}).text == "another word"
    own = "> own\nwords"
    assert said(own, **{"m.relates_to": IN_THREAD}) == Words(own)


# ------------------------------------------------------------ HTML


@pytest.mark.parametrize("body", ["", "   ", None, 7, ["x"]])
def test_html_is_read_where_there_is_no_text(body: object) -> None:
    html = "<p>Fish &amp; chips</p><ul><li>one</li><li>two<br/>lines</li></ul>"
    content = {"msgtype": "m.text", "body": body, "formatted_body": html}
    assert words_of(content, ME).text == "Fish & chips\none\ntwo\nlines"


def test_the_quote_in_html_is_not_the_persons_text() -> None:
    assert replied("", formatted_body=f"{QUOTE_IN_HTML}<b>!yes</b>").text == "!yes"
    assert replied("> <@bot:x> one\n\n", formatted_body=f"{QUOTE_IN_HTML}!yes").text == "!yes"


def test_letters_that_grow_in_lower_case_do_not_shift_the_end_of_the_quote() -> None:
    html = "<mx-reply>\u0130\u0130\u0130</mx-reply>!yes"
    assert replied("", formatted_body=html).text == "!yes"


def test_text_is_taken_before_html() -> None:
    assert said("a *b*", formatted_body="a <em>b</em>") == Words("a *b*")


# ------------------------------------------------------------ captions


@pytest.mark.parametrize("msgtype", ["m.image", "m.file", "m.video", "m.audio"])
def test_the_body_of_a_file_is_its_caption_where_the_name_differs(msgtype: str) -> None:
    content = {"msgtype": msgtype, "body": "what is this?", "filename": "cat.png"}
    assert is_captioned(content)
    assert words_of(content, ME) == Words("what is this?")


@pytest.mark.parametrize(
    "names",
    [
        {"body": "cat.png"},
        {"body": "cat.png", "filename": "cat.png"},
        {"body": "cat.png", "filename": ""},
        {"body": "cat.png", "filename": None},
        {"body": "cat.png", "filename": ["x"]},
        {"body": "", "filename": "cat.png"},
        {"body": "  ", "filename": "cat.png"},
        {},
    ],
)
def test_a_file_without_a_caption_says_nothing(names: Mapping[str, object]) -> None:
    assert not is_captioned({"msgtype": "m.image", **names})
    assert not words_of({"msgtype": "m.image", **names}, ME).text.strip()


def test_a_caption_may_be_a_reply_mention_the_bot_or_be_html_alone() -> None:
    reply = {"msgtype": "m.image", "filename": "c.png", "m.relates_to": REPLY}
    body = "> <@bot:x> one\n\n@surfaces-bot:example.org: and this?"
    assert words_of({**reply, "body": body}, ME) == Words("and this?", "one")
    assert words_of({**reply, "formatted_body": "<b>this?</b>"}, ME).text == "this?"


def test_no_other_message_is_captioned() -> None:
    for msgtype in ("m.text", "m.location", None, ["m.image"]):
        assert not is_captioned({"msgtype": msgtype, "body": "x", "filename": "y"})


# ------------------------------------------------------------ the bot's name in front


@pytest.mark.parametrize(
    "body",
    [
        "@surfaces-bot:example.org !help",
        "@surfaces-bot:example.org: !help",
        "@surfaces-bot:example.org, !help",
        "@surfaces-bot:example.org:!help",
        "  @Surfaces-Bot:example.org\n!help",
        "@surfaces-bot !help",
        "@surfaces-bot: !help",
        "surfaces-bot: !help",
        "Surfaces-Bot, !help",
        "surfaces-bot !help",
        "\u200bsurfaces-bot:\u00a0!help",
        "surfaces-bot： ！help",
        "[Surfaces Bot](https://matrix.to/#/@surfaces-bot:example.org) !help",
        "[@bot](<https://matrix.to/#/%40surfaces-bot%3Aexample.org>): !help",
    ],
)
def test_a_command_is_found_behind_the_bots_name(body: str) -> None:
    assert said(body).text in {"!help", "！help"}


@pytest.mark.parametrize(
    "body",
    [
        "Surfaces Bot: !help",
        "Surfaces Bot !help",
        "surfaces bot, !help",
        "@Surfaces Bot: !help",
        "@[Surfaces Bot] !help",
        "Surfaces Bot (https://matrix.to/#/@surfaces-bot:example.org): !help",
        "Surfaces Bot : !help",
    ],
)
@pytest.mark.parametrize("wrapper", ["{}", "<p>{}", " <strong>{}", QUOTE_IN_HTML + "{}"])
def test_a_command_is_found_behind_a_pill(body: str, wrapper: str) -> None:
    html = wrapper.format(PILL) + ": !help"
    assert said(body, formatted_body=html).text == "!help"


@pytest.mark.parametrize(
    "link",
    [
        "https://matrix.to/#/@surfaces-bot:example.org",
        "https://matrix.to/#/%40surfaces-bot%3Aexample.org",
        "https://matrix.to/#/@surfaces-bot:example.org?via=example.org",
        "https://matrix.to/#/user/@surfaces-bot:example.org",
        "matrix:u/surfaces-bot:example.org?action=chat",
    ],
)
def test_a_pill_is_any_link_to_the_bot(link: str) -> None:
    html = f'<a class="x" href="{link}" rel="y">Surfaces Bot</a>: !help'
    assert said("Surfaces Bot: !help", formatted_body=html).text == "!help"
    assert said("", formatted_body=html).text == "!help"


def test_a_link_to_another_user_is_no_pill_of_the_bot() -> None:
    for link in ("https://matrix.to/#/@carol:example.org", "https://example.org/", "matrix:r/x:y"):
        body = "Surfaces Bot: !help"
        html = f'<a href="{link}">Surfaces Bot</a>: !help'
        assert said(body, formatted_body=html).text == body


def test_a_name_in_front_of_a_command_counts_where_the_bot_is_mentioned() -> None:
    mentions = {"m.mentions": {"user_ids": [ME]}}
    assert said("Surfaces Bot: !help", **mentions).text == "!help"
    assert said("Question: what is this?", **mentions).text == "Question: what is this?"
    for other in ({"user_ids": ["@carol:x"]}, {"user_ids": None}, {}, None, [ME]):
        assert said("Carol: !help", **{"m.mentions": other}).text == "Carol: !help"


def test_a_reply_to_the_bot_mentions_it_without_a_name_in_front() -> None:
    mentions = {"m.mentions": {"user_ids": [ME]}}
    assert replied("As you said: !new is best", **mentions).text == "As you said: !new is best"
    assert replied("Surfaces Bot: !yes", formatted_body=f"{PILL}: !yes", **mentions).text == "!yes"


def test_the_bots_name_in_front_of_ordinary_text_is_taken_out() -> None:
    assert said("@surfaces-bot:example.org what is up?").text == "what is up?"
    assert said("surfaces-bot: what is up?").text == "what is up?"
    assert said("Surfaces Bot: hi", formatted_body=f"{PILL}: hi").text == "hi"


@pytest.mark.parametrize(
    "body",
    [
        "@surfaces-bot:example.org",
        "@surfaces-bot:example.org: ",
        "surfaces-bot",
        "surfaces-bot is a program",
        "surfaces-bots: many",
        "@surfaces-bot2 !help",
        "@surfaces-bot:example.org.uk !help",
        "@surfaces-bot:other.example !help",
        "@surfaces-bot!",
        "ask surfaces-bot: !help",
        "   indented",
        "\u202eturned",
    ],
)
def test_other_text_stays_as_it_is(body: str) -> None:
    assert said(body).text == body


def test_a_markdown_link_to_another_user_is_text() -> None:
    body = "[Carol](https://matrix.to/#/@carol:example.org) !help"
    assert said(body).text == body


def test_a_name_with_an_ampersand_is_found_behind_its_pill() -> None:
    html = PILL.replace("Surfaces Bot", "Tom &amp; Bot") + ": !help"
    assert said("Tom & Bot: !help", formatted_body=html).text == "!help"


# ------------------------------------------------------------ the text of another message

HALL = RoomId("!hall:x")


def event(content: object, **other: object) -> Mapping[str, object]:
    return {"type": "m.room.message", "room_id": HALL, "content": content, **other}


def edited(content: object) -> Mapping[str, object]:
    """What the homeserver adds to an event that was edited."""
    return {"m.relations": {"m.replace": {"content": {"body": "* x", "m.new_content": content}}}}


def test_the_text_of_an_event_is_the_latest_one_without_its_quote() -> None:
    reply = {"body": "> <@bot:x> one\n\ntwo ", "m.relates_to": REPLY}
    assert text_of_event(event(reply), HALL) == "two"
    new = {"body": "> <@bot:x> one\n\nthree"}
    assert text_of_event(event(reply, unsigned=edited(new)), HALL) == "three"
    assert text_of_event(event({"body": "mine"}, unsigned=edited(None)), HALL) == "mine"


@pytest.mark.parametrize(
    "other",
    [
        event({}),
        event(None),
        event({"msgtype": "m.image", "body": "cat.png"}),
        event({"body": "secret"}, room_id="!other:x"),
        event({"body": "secret"}, room_id=None),
        event({"body": "cat"}, type="m.sticker"),
        event({"body": "x"}, type=None),
        {},
    ],
)
def test_another_event_has_no_text(other: Mapping[str, object]) -> None:
    assert text_of_event(other, HALL) == ""


# ------------------------------------------------------------ hostile content

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("$event"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
RELATION = st.fixed_dictionaries(
    {}, optional={"rel_type": ANYTHING, "event_id": ANYTHING, "m.in_reply_to": ANYTHING}
)
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "msgtype": st.sampled_from(["m.text", "m.image"]) | ANYTHING,
        "body": ANYTHING,
        "formatted_body": ANYTHING,
        "filename": ANYTHING,
        "m.mentions": ANYTHING,
        "m.relates_to": RELATION | ANYTHING,
    },
)


@given(CONTENT)
def test_any_content_has_words(content: Mapping[str, object]) -> None:
    assert isinstance(words_of(content, ME).text, str)
    assert isinstance(plain_words(content).quoted, str)
    assert is_captioned(content) in {True, False}


@pytest.mark.parametrize(
    "part",
    ["> ", "> <@a:x> ", "> <", "<a ", '<a href="', "<mx-reply>", "<", "[", "[x](", "&", "\n", "@["],
)
def test_no_text_takes_long_to_read(part: str) -> None:
    text = part * (60_000 // len(part))
    content = {"body": text, "formatted_body": text, "m.relates_to": REPLY}
    began = time.process_time()
    words_of({"msgtype": "m.text", **content}, ME)
    words_of({"msgtype": "m.image", "filename": "x", **content, "body": ""}, ME)
    assert time.process_time() - began < 0.5
