"""A made-up later release: two schema versions on, with a change in every table that is kept."""

from dataclasses import replace
from typing import Final

from adapter.sql.migrations import Step
from adapter.sqlite.schema import JOURNAL_SCHEMA, STORE_SCHEMA

ONE: Final = STORE_SCHEMA.version + 1
TWO: Final = STORE_SCHEMA.version + 2

STEPS: Final = (
    Step(ONE, "outbox", ("ALTER TABLE outbox ADD COLUMN later_at REAL",)),
    Step(ONE, "inbox", ("ALTER TABLE inbox ADD COLUMN later_text TEXT",)),
    Step(ONE, "intents", ("ALTER TABLE intents ADD COLUMN later_at REAL",)),
    Step(TWO, "inbox", ("UPDATE inbox SET later_text = upper(event_id)",)),
    Step(TWO, "gaps", ("ALTER TABLE gaps ADD COLUMN later_count INTEGER NOT NULL DEFAULT 0",)),
    # The way to change what ALTER TABLE can't: a new table takes the old one's place.
    Step(
        TWO,
        "meta",
        (
            "CREATE TABLE meta_new(key TEXT PRIMARY KEY, value TEXT NOT NULL, later_at REAL)",
            "INSERT INTO meta_new(key, value) SELECT key, value FROM meta",
            "DROP TABLE meta",
            "ALTER TABLE meta_new RENAME TO meta",
        ),
    ),
)
NEW_COLUMNS: Final = {
    "outbox": "later_at REAL",
    "inbox": "later_text TEXT",
    "intents": "later_at REAL",
    "gaps": "later_count INTEGER NOT NULL DEFAULT 0",
    "meta": "later_at REAL",
}


def with_columns(script: str, columns: dict[str, str]) -> str:
    """The script as its author would write it: the new column stands in the table."""
    for table, column in columns.items():
        head = f"CREATE TABLE IF NOT EXISTS {table}("
        assert head in script
        script = script.replace(head, f"{head}{column}, ")
    return f"{script}\nCREATE TABLE IF NOT EXISTS later_notes(text TEXT);\n"


LATER: Final = replace(
    STORE_SCHEMA,
    script=with_columns(STORE_SCHEMA.script, NEW_COLUMNS),
    version=TWO,
    kept=(*STORE_SCHEMA.kept, "later_notes"),
    steps=(*STORE_SCHEMA.steps, *STEPS),
)
LATER_JOURNAL: Final = replace(
    JOURNAL_SCHEMA,
    script=with_columns(JOURNAL_SCHEMA.script, {"journal": "later_text TEXT"}),
    version=JOURNAL_SCHEMA.version + 1,
    steps=(
        *JOURNAL_SCHEMA.steps,
        Step(
            JOURNAL_SCHEMA.version + 1,
            "journal",
            ("ALTER TABLE journal ADD COLUMN later_text TEXT",),
        ),
    ),
)
