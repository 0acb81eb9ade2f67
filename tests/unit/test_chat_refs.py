"""Which chat a person means by what they type behind `!open`."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import ChatContext, ChatId, RoomId, UserId
from actors.rules.chat_refs import chat_meant, chats_named
from actors.rules.likeness import as_seen, without_hidden


def chat(chat_id: str, name: str) -> ChatContext:
    room_id = RoomId(f"!{chat_id}:x")
    return ChatContext(UserId("@alice:x"), ChatId(chat_id), "matrix", room_id, name)


CHATS = (
    chat("C1", "Chat 1"),
    chat("C2", "Plans"),
    chat("C3", "Рим"),
    chat("C4", "twice"),
    chat("C5", "Twice"),
    chat("C12", "2"),
    chat("C13", "Chat 9"),
    chat("C14", "100"),
)


@pytest.mark.parametrize(
    "ref",
    [
        "C1",
        "c1",
        "1",
        "С1",
        "с1",
        "Ϲ1",
        "C01",
        "C0001",
        "<C1>",
        '"C1"',
        "«C1»",
        "[C1]",
        "`C1`",
        "(1)",
        "Ｃ１",
        "𝐂𝟏",
        "C١",
        "C१",
        "C 1",
        "C-1",
        "C\u00a01",
        "C\u200b1",
        "c1️⃣",
        "#1",
        "№1",
        "No. 1",
        "C1.",
        "C1,",
        "C1: Chat 1",
        "C1 (archived)",
        "Chat 1",
        "chat #1",
        "Chat C1",
        "Чат 1",
        "ЧАТ 1",
    ],
)
@pytest.mark.parametrize("typed", [str, str.upper])
def test_an_id_is_read_as_a_person_sees_it(ref: str, typed: type[str]) -> None:
    assert chat_meant(typed(ref), CHATS) == CHATS[0]


@pytest.mark.parametrize(
    "ref", ["", "0", "C0", "C", "1.5", "C1 C2", "C1000000", "1234567890123", "D1", "one", "C1a"]
)
def test_other_text_is_no_id(ref: str) -> None:
    assert chat_meant(ref, CHATS) is None


def test_an_id_that_no_chat_has_means_no_chat() -> None:
    assert chat_meant("C99", CHATS) is None


@pytest.mark.parametrize(
    ("ref", "chat_id"),
    [
        ("plans", "C2"),
        (" PLANS ", "C2"),
        ('"Plans"', "C2"),
        ("<plans>.", "C2"),
        ("РИМ", "C3"),
        ("2", "C2"),
        ("100", "C14"),
        ("Chat 9", "C13"),
    ],
)
def test_a_name_is_taken_where_no_id_is_meant(ref: str, chat_id: str) -> None:
    found = chat_meant(ref, CHATS)
    assert found is not None
    assert found.chat_id == chat_id


def test_a_name_of_two_chats_means_neither() -> None:
    assert chat_meant("twice", CHATS) is None
    assert [each.chat_id for each in chats_named("TWICE", CHATS)] == ["C4", "C5"]


@given(st.text())
def test_any_text_means_a_chat_or_none(ref: str) -> None:
    assert chat_meant(ref, CHATS) in {None, *CHATS}
    assert as_seen(as_seen(ref)) == as_seen(as_seen(as_seen(ref)))
    assert len(without_hidden(ref)) <= len(ref)


@pytest.mark.parametrize("part", ["-", "c", "c-", "no-", "chat ", "1", "1:", "(", ":", "\ufdfa"])
def test_no_text_takes_long_to_compare(part: str) -> None:
    began = time.process_time()
    for ref in (part * (60_000 // len(part)), f"c{part * 20_000}x", f"1{part * 20_000}x"):
        chat_meant(ref, CHATS * 10)
    assert time.process_time() - began < 0.5
