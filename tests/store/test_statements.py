"""The statements themselves: what they find, and how much they walk through to find it."""

import re
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import EventId
from actors.port_errors import StoreCorrupt, StoreUnavailable
from actors.writes import PutRow, RedactAnchors, RepeatFinal, VoidAnchor, Write
from adapter.sql import outbox_statements as outbox
from adapter.sql import statements as sql
from adapter.sql.journal_rows import journal_query
from adapter.sql.statements import rows_query, statement_for
from adapter.sql.values import Query
from adapter.sqlite.errors import translated
from adapter.sqlite.schema import STORE_SCHEMA
from tests.store.values import ALICE, ROOM

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(st.sets(KEYS, max_size=20), KEYS)
def test_a_prefix_finds_just_the_keys_that_start_so(keys: set[str], prefix: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(STORE_SCHEMA.script)
        for key in keys:
            put = statement_for(PutRow(key, {}), now=0)
            connection.execute(put.sql, put.params)
        query = rows_query(prefix)
        found = {key for key, _ in connection.execute(query.sql, query.params)}
    assert found == {key for key in keys if key.startswith(prefix)}


@pytest.mark.parametrize(
    ("prefix", "after"),
    [
        ("chat:", "chat;"),
        ("a\U0010ffff\U0010ffff", "b"),
        ("\ud7ff", "\ue000"),
        ("", None),
        ("\U0010ffff", None),
    ],
)
def test_the_end_of_a_prefix_is_the_next_text_after_it(prefix: str, after: str | None) -> None:
    assert sql.after_prefix(prefix) == after


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (sql.waiting_query(ROOM, 10), "inbox_waiting"),
        (sql.WAITING_COUNTS, "inbox_waiting"),
        (outbox.unsent_query(ROOM, 10), "outbox_unsent"),
        (outbox.UNSENT_COUNTS, "outbox_unsent"),
        (outbox.anchors_query(EventId("$q")), "sqlite_autoindex_outbox_1"),
        (sql.open_intents_query(ALICE), "intents_open"),
        (sql.INTENT_OWNERS, "intents_open"),
        (sql.rows_query("chat:"), "sqlite_autoindex_kv_1"),
    ],
)
def test_no_query_walks_through_what_is_settled(query: Query, index: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(STORE_SCHEMA.script)
        explained = connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.params)
        (first, *_) = [detail for _, _, _, detail in explained]
    assert index in first


@pytest.mark.parametrize(
    "write", [RedactAnchors(EventId("$q")), RepeatFinal(EventId("$e")), VoidAnchor(EventId("$e"))]
)
def test_no_write_about_anchors_walks_through_the_outbox(write: Write) -> None:
    statement = statement_for(write, now=0)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(STORE_SCHEMA.script)
        explained = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.params)
        steps = [detail for _, _, _, detail in explained]
    assert steps
    assert not [step for step in steps if step.startswith("SCAN")]


@pytest.mark.parametrize(
    "query", [sql.rows_query("chat:"), sql.keys_query("chat:"), journal_query("lifecycle", 5, 7)]
)
def test_values_are_given_by_place(query: Query) -> None:
    """Python up to 3.12.3 takes `?1` for a name, and warns where the values have none."""
    assert "?" in query.sql
    assert not re.search(r"\?\d", query.sql)
    assert query.sql.count("?") == len(query.params)


def test_a_read_only_file_is_unavailable() -> None:
    with closing(sqlite3.connect("file:x?mode=memory", uri=True)) as connection:
        connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable, match="readonly"), translated():
            connection.execute("CREATE TABLE t(x)")


def test_a_bug_is_not_taken_for_bad_weather() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(sqlite3.ProgrammingError), translated():
            connection.execute("SELECT ?", ())
        with pytest.raises(StoreCorrupt), translated():
            connection.execute("SELECT * FROM nowhere")
