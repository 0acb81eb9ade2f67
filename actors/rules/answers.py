"""The people who get answers in a chat: the values of BOT_ANSWERS. Pure."""

from enum import StrEnum


class Answers(StrEnum):
    """The people whose messages the bot answers in a chat. It always answers the chat's owner."""

    MENTIONS = "mentions"
    """All people, if the message mentions the bot, replies to it, or is one of its commands."""
    EVERYONE = "everyone"
    """All people."""
    OWNER = "owner"
    """Only the owner."""
