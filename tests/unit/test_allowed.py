"""Entries of MATRIX_ALLOWED_USERS: whom each of them allows, and which of them allow nobody."""

import re
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.allowed import allowed_users, everyone_on

PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))
LOCAL: Final = st.text(PRINTABLE.replace(":", "").replace("*", "").replace("?", ""), min_size=1)


def allows(entry: str, user_id: str) -> bool:
    return allowed_users(entry).matches(user_id)


@pytest.mark.parametrize(
    ("entry", "others"),
    [
        ("@nick[m]:server", "@nickm:server"),
        ("@irc_[away]^_^:server", "@irc_a^_^:server"),
        ("@_discord_1#2:server", "@_discord_12:server"),
        ("@nick`|\\{}~:server", "@nick:server"),
        ("@a.b:server", "@axb:server"),
        ("@a;b:server", "@a:server"),
        ("@!x:server", "@x:server"),
        ("@a@b:server", "@a:server"),
        ("@a:host:8448", "@a:host"),
        ("@a:[::1]:8008", "@a:1:8008"),
        ("@a:1.2.3.4", "@a:1.2.3.45"),
        ("@Alice:server", "@alice:server"),
        ("@ünï:server", "@uni:server"),
    ],
)
def test_an_id_allows_that_very_person(entry: str, others: str) -> None:
    assert allows(entry, entry)
    assert not allows(entry, others)


@given(LOCAL, LOCAL)
def test_an_id_of_any_characters_allows_that_person_and_no_other(local: str, other: str) -> None:
    assert allows(f"@{local}:example.org", f"@{local}:example.org")
    assert allows(f"@{local}:example.org", f"@{other}:example.org") == (local == other)


@pytest.mark.parametrize(
    ("entry", "user_id"),
    [
        ("@alice:Example.ORG", "@alice:example.org"),
        ("@alice:example.org", "@alice:EXAMPLE.org"),
        ("@alice:müller.example", "@alice:xn--mller-kva.example"),
        ("*:MÜLLER.example", "@alice:xn--mller-kva.example"),
    ],
)
def test_a_server_may_be_named_as_people_write_it(entry: str, user_id: str) -> None:
    assert allows(entry, user_id)


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("*:example.org", "@who:example.org", "@who:sub.example.org"),
        ("@*:example.org", "@who:example.org", "@who:example.org:8448"),
        ("*:*.example.org", "@who:sub.example.org", "@who:example.org"),
        ("@*.staff:example.org", "@bob.staff:example.org", "@bob:example.org"),
        ("@nick[?]:server", "@nick[m]:server", "@nickm:server"),
        ("@[ab]*:server", "@[ab]c:server", "@alice:server"),
        ("*:[::1]:8008", "@who:[::1]:8008", "@who:1:8008"),
        ("@*:example.org:*", "@who:example.org:8448", "@who:example.org"),
        ("*bot:server", "@mybot:server", "@mybot2:server"),
        ("?alice:server", "@alice:server", "@malice:server"),
        ("@alice:*", "@alice:anywhere.example", "@bob:anywhere.example"),
    ],
)
def test_a_pattern_allows_those_that_fit(entry: str, inside: str, outside: str) -> None:
    assert allows(entry, inside)
    assert not allows(entry, outside)


@pytest.mark.parametrize("entry", ["*", "**", "*:*"])
def test_a_star_allows_everyone(entry: str) -> None:
    assert allows(entry, "@who:ever.example:8448")
    assert allows(entry, "@who[m]:[::1]")


def test_everyone_on_a_server_is_nobody_elsewhere() -> None:
    assert everyone_on("[::1]:8448").matches("@alice:[::1]:8448")
    assert everyone_on("Example.org").matches("@alice:example.org")
    assert not everyone_on("example.org").matches("@alice:examplexorg")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("bob", "begin with @"),
        ("alice:example.org", "begin with @"),
        ('"@alice:example.org"', "begin with @"),
        ("<@alice:example.org>", "begin with @"),
        ("https://matrix.to/#/@alice:example.org", "begin with @"),
        ("@alice", "no server name"),
        ("@alice:", "no server name"),
        ("@alice@example.org", "no server name"),
        ("@*", "no server name"),
        ("*example.org", "no server name"),
        ("@:example.org", "no name"),
        ("@alice :example.org", "blank"),
        ("@alice:example.org @bob:example.org", "blank"),
        ("@alice:example.org\n@bob:example.org", "blank"),
        ("@alice\u200b:example.org", "invisible"),
        ("@alice:example.org;@bob:example.org", "as its server name"),
        ("*:example.org;example.com", "as its server name"),
        ("@alice:example.org.", "as its server name"),
        ("@alice:.example.org", "as its server name"),
        ("*:.example.org", "as its server name"),
        ("@alice:exa..mple.org", "as its server name"),
        ("@alice:example.org:", "as its server name"),
        ("@alice:example.org:99999", "as its server name"),
        ("@alice:example.org:port", "as its server name"),
        ("@alice:https://example.org", "as its server name"),
        ("@alice:example.org/", "as its server name"),
        ("@alice:::1", "as its server name"),
        ("@alice:[::g]", "as its server name"),
        (f"@{'a' * 300}:example.org", "longer than any user id"),
    ],
)
def test_an_entry_that_can_match_nobody_is_refused_with_the_reason(entry: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        allowed_users(entry)


@given(st.text(st.sampled_from("@:*?[].;ab1 -"), max_size=12))
def test_any_entry_is_read_or_refused(entry: str) -> None:
    with suppress(ValueError):
        allowed_users(entry).matches("@alice:example.org")
