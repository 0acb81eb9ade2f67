"""The table of commands: every row can be typed, and `!help` is made of the rows."""

import re

import pytest

from actors.room.commands import COMMANDS, Command, help_lines
from actors.rules.commands import CommandLine, parse
from actors.texts import ENGLISH, LOCALES, RUSSIAN, Texts


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.word)
def test_a_command_is_understood_by_its_word(command: Command) -> None:
    assert parse(f"!{command.word}") == CommandLine(command.word)


def test_no_word_is_given_to_two_commands() -> None:
    words = [command.word for command in COMMANDS]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("locale", LOCALES)
def test_the_help_has_a_line_for_each_command(locale: str) -> None:
    lines = [line for line in help_lines(LOCALES[locale]) if line.body.startswith("!")]
    named = [line.body.split()[0].removesuffix(":") for line in lines]
    assert named == [f"!{each.word}" for each in COMMANDS]
    assert all(line.html.startswith("<strong>!") for line in lines)


def test_the_help_begins_with_what_happens_to_text() -> None:
    assert help_lines(ENGLISH)[0].body.startswith("Write a message here, and you get an answer.")
    assert help_lines(RUSSIAN)[0].body.startswith("Напишите здесь сообщение, и вы получите ответ.")


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=LOCALES)
def test_the_reader_of_the_help_is_called_you_and_the_bot_is_not_named(texts: Texts) -> None:
    said = " ".join(line.body for line in help_lines(texts)).lower()
    assert not re.search(r"\b(i|me|my|я|меня|мне|мой)\b", said)
