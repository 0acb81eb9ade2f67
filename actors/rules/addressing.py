"""Which messages in a chat are for the bot. Pure."""

from collections.abc import Collection

from actors.model import InboundMessage, UserId
from actors.rules.answers import Answers
from actors.rules.commands import parse


def is_addressed(
    message: InboundMessage,
    owner: UserId,
    answers: Answers,
    *,
    commands: Collection[str],
    replies_to_bot: bool,
) -> bool:
    """Whether the bot answers a message. `replies_to_bot`: it replies to a message of the bot.

    `commands` are the bot's. Another word after an exclamation mark may be for another program.
    """
    if message.sender == owner or answers is Answers.EVERYONE:
        return True
    if answers is Answers.OWNER:
        return False
    line = parse(message.body, commands) if message.msgtype == "m.text" else None
    is_command = line is not None and line.word in commands
    return message.mentions_bot or replies_to_bot or is_command
