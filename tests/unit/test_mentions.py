"""A message mentions the bot in several ways, and a quote of another user's words in none."""

import time

import pytest

from actors.model import UserId
from adapter.matrix.mentions import mentions

ME = UserId("@bot:example.org")
ALICE = "@alice:example.org"
REPLY = {"m.relates_to": {"m.in_reply_to": {"event_id": "$1"}}}


def pill(user: str) -> str:
    return f'<a href="https://matrix.to/#/{user}">x</a>'


@pytest.mark.parametrize(
    "content",
    [
        {"m.mentions": {"user_ids": [ALICE, ME]}},
        {"body": "hello @bot:example.org"},
        {"body": "@bot:example.org: hello"},
        {"body": "is it you, @bot:example.org?"},
        {"body": "bot: hello"},
        {"body": "@Bot, hello"},
        {"formatted_body": f"{pill(ME)}: hello"},
        {"formatted_body": pill("%40bot%3Aexample.org")},
        {"formatted_body": '<a href="matrix:u/bot:example.org">x</a>'},
        {"body": f"> <{ME}> an answer\n\nreally?", **REPLY},
        {"body": f"> * <{ME}> an answer\n\nreally?", **REPLY},
        {"formatted_body": f"<mx-reply><blockquote>{pill(ME)}</blockquote></mx-reply>ok", **REPLY},
        {"body": f"> <{ALICE}> a word\n\n{ME} what is that?", **REPLY},
        {"m.mentions": None, "body": "bot: hello"},
    ],
)
def test_the_bot_is_mentioned(content: dict[str, object]) -> None:
    assert mentions(content, ME)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"m.mentions": {"user_ids": [ALICE]}, "body": "hello"},
        {"m.mentions": {"room": True}, "body": "hello"},
        {"m.mentions": {"user_ids": 7}, "body": "hello"},
        {"m.mentions": [ME]},
        {"body": "robot: hello"},
        {"body": "the bot: hello"},
        {"body": "@bot:example.org.evil.example hello"},
        {"body": "a@bot:example.organic"},
        {"body": 7, "formatted_body": ["x"]},
        {"formatted_body": pill("@bot:example.org.evil.example")},
        {"formatted_body": pill("!room:example.org")},
        {"body": f"> <{ALICE}> {ME} help\n\nno", **REPLY},
        {"formatted_body": f"<mx-reply>{pill(ALICE)} {pill(ME)}</mx-reply>no", **REPLY},
    ],
)
def test_the_bot_is_not_mentioned(content: dict[str, object]) -> None:
    assert not mentions(content, ME)


@pytest.mark.parametrize(
    "part", ["<mx-reply>", "<mx-reply><b>", "matrix.to/#/@", "> \n", "@bot:example.org", "&", "<"]
)
def test_no_content_takes_long_to_search(part: str) -> None:
    text = part * (60_000 // len(part))
    began = time.process_time()
    mentions({"body": text, "formatted_body": text, **REPLY}, ME)
    mentions({"formatted_body": f"<mx-reply>{text}"}, ME)
    assert time.process_time() - began < 0.5
