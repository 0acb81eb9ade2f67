"""The table of a chat's commands, and what all of them have in common.

A handler may run again for the same message, so each of its steps is idempotent. It may raise the
errors of the homeserver; HomeserverRefused becomes a sentence for the owner.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from actors.room import chat_commands as chats
from actors.room import reply_commands as replies
from actors.room import settings_commands as settings
from actors.room.asked import Asked, Response
from actors.rules.commands import NAME_LIMIT, Argument, CommandLine
from actors.rules.formatting import Formatted
from actors.rules.wording import worded
from actors.texts import Texts

Handler: TypeAlias = Callable[[Asked], Awaitable[Response]]
HelpLine: TypeAlias = Callable[[Texts], str]


@dataclass(frozen=True, slots=True)
class Command:
    """One row of `COMMANDS`. `help_line` is its line in `!help`."""

    word: str
    argument: Argument
    handler: Handler
    help_line: HelpLine


async def carry_out(line: CommandLine, asked: Asked) -> Response:
    """Call the command's handler, or say that the command is unknown or the name too long."""
    texts, command = asked.texts, _BY_WORD.get(line.word)
    if command is None:
        return asked.say(texts.commands.unknown_command, word=line.word)
    argument = command.argument.read(line.rest)
    if command.argument is Argument.NAME and argument and len(argument) > NAME_LIMIT:
        return asked.say(texts.chats.name_too_long, limit=NAME_LIMIT, length=len(argument))
    return await command.handler(replace(asked, argument=argument))


def help_lines(texts: Texts) -> list[Formatted]:
    """The answer to `!help`."""
    lines = [texts.commands.help_title]
    for title, commands in THEMES:
        lines += ["", title(texts)]
        lines += [command.help_line(texts) for command in commands]
    return list(map(worded, lines))


async def show_help(asked: Asked) -> Response:
    """`!help`: list the commands."""
    title, *lines = help_lines(asked.texts)
    if asked.chat.is_archived:
        title = worded(asked.texts.chats.is_archived, chat_id=asked.chat.chat_id)
    return asked.say_lines(title, *lines)


# fmt: off
_CONVERSATION: Final = (
    #       word        argument          handler            its line in `!help`
    Command("stop",     Argument.NONE,    replies.stop,      lambda it: it.commands.help_stop),
    Command("retry",    Argument.NONE,    replies.retry,     lambda it: it.commands.help_retry),
    Command("forget",   Argument.NONE,    replies.forget,    lambda it: it.commands.help_forget),
    Command("usage",    Argument.NONE,    replies.usage,     lambda it: it.commands.help_usage),
    Command("model",    Argument.LINE,    settings.model,    lambda it: it.commands.help_model),
    Command("system",   Argument.TEXT,    settings.system,   lambda it: it.commands.help_system),
    Command("settings", Argument.TEXT,    settings.settings, lambda it: it.commands.help_settings),
)
_CHATS: Final = (
    #       word        argument          handler            its line in `!help`
    Command("new",      Argument.NAME,    chats.new,         lambda it: it.chats.help_new),
    Command("chats",    Argument.NONE,    chats.list_chats,  lambda it: it.chats.help_list),
    Command("rename",   Argument.NAME,    chats.rename,      lambda it: it.chats.help_rename),
    Command("archive",  Argument.NONE,    chats.archive,     lambda it: it.chats.help_archive),
    Command("yes",      Argument.NONE,    chats.yes,         lambda it: it.chats.help_yes),
    Command("no",       Argument.NONE,    chats.no,          lambda it: it.chats.help_no),
    Command("open",     Argument.LINE,    chats.open_chat,   lambda it: it.chats.help_open),
    Command("status",   Argument.NONE,    chats.status,      lambda it: it.chats.help_status),
    Command("language", Argument.LINE,    settings.language, lambda it: it.commands.help_language),
    Command("help",     Argument.NONE,    show_help,         lambda it: it.commands.help_help),
)
# fmt: on
THEMES: Final[tuple[tuple[HelpLine, tuple[Command, ...]], ...]] = (
    (lambda it: it.commands.about_conversation, _CONVERSATION),
    (lambda it: it.commands.about_chats, _CHATS),
)
"""All commands in the order of `!help`. Each group has the line that stands above it there."""

COMMANDS: Final = tuple(command for _, commands in THEMES for command in commands)
"""Every command."""

_BY_WORD: Final = {command.word: command for command in COMMANDS}

WORDS: Final = frozenset(_BY_WORD)
"""The words of all commands."""

ANSWERED_LATER: Final = frozenset({"new", "retry"})
"""The words of those that a room or a question's answer ends: later commands may end before."""
