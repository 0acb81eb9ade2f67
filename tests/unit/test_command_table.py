"""The table of commands: every row can be typed, and `!help` is made of the rows."""

import pytest

from actors.room.commands import COMMANDS, Command, help_text
from actors.rules.commands import CommandLine, parse
from actors.texts import ENGLISH, LOCALES, RUSSIAN

WITHOUT_HELP = {"yes", "no"}
"""The answers to a question: the question itself names them."""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.word)
def test_a_command_is_understood_by_its_word(command: Command) -> None:
    assert parse(f"!{command.word}") == CommandLine(command.word)


def test_no_word_is_given_to_two_commands() -> None:
    words = [command.word for command in COMMANDS]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("locale", LOCALES)
def test_the_help_has_a_line_for_each_command(locale: str) -> None:
    lines = [line for line in help_text(LOCALES[locale]).splitlines() if line.startswith("!")]
    named = [line.split()[0].removesuffix(":") for line in lines]
    assert named == [f"!{each.word}" for each in COMMANDS if each.word not in WITHOUT_HELP]


def test_the_help_begins_with_what_happens_to_text() -> None:
    assert help_text(ENGLISH).startswith("Write here, and I answer.\n\nThis conversation:\n!")
    assert help_text(RUSSIAN).startswith("Пишите, и я отвечу здесь.\n\nЭтот разговор:\n!")
