"""Whose messages in a chat the bot answers. Pure."""

from enum import StrEnum


class Answers(StrEnum):
    """The people whose messages the bot answers in a chat. It always answers the chat's owner."""

    MENTIONS = "mentions"
    """Everybody's that mention the bot, reply to it, or give one of its commands."""
    EVERYONE = "everyone"
    """Everybody's."""
    OWNER = "owner"
    """Only the owner."""
