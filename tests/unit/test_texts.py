"""The catalogues agree with each other, and default names are recognised in every locale."""

import string
from dataclasses import fields
from operator import attrgetter

import pytest

from actors.texts import ENGLISH, LOCALES, Texts, number_in_default_name


def fields_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


PARTS = ("commands", "chats", "replies")
SENTENCES = [field.name for field in fields(Texts) if field.name not in PARTS]
SENTENCES += [f"{part}.{name.name}" for part in PARTS for name in fields(getattr(ENGLISH, part))]


@pytest.mark.parametrize("name", SENTENCES)
def test_each_sentence_takes_the_same_values_in_every_locale(name: str) -> None:
    sentence = attrgetter(name)
    assert len({frozenset(fields_in(sentence(texts))) for texts in LOCALES.values()}) == 1


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("number", [1, 4, 10, 9_999])
def test_a_default_name_gives_its_number_back(locale: str, number: int) -> None:
    assert number_in_default_name(LOCALES[locale].chat_name.format(number=number)) == number


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Chat",
        "Chat 0",
        "Chat 04",
        "Chat -1",
        "Chat 1000000",
        "chat 4",
        "Chat 4 ",
        "Chat 4\n",
        "My Chat 4",
        "Chat ٤",
        "Чат",
        "чат 4",
        "<b>Chat 4</b>",
        "Chat 4\u202c",
        "Chat  4",
    ],
)
def test_any_other_name_gives_no_number(name: str) -> None:
    assert number_in_default_name(name) is None
