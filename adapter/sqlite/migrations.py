"""The steps that bring tables of an earlier schema version to the current one without losing a row.

Pure: this module runs no statement.
"""

from typing import Final

from adapter.sql.migrations import Step

FIRST_VERSION: Final = 1
"""The schema version of release 0.1, the earliest one that a database can have."""

STORE_STEPS: Final = (
    Step(
        2,
        "inbox",
        (
            "ALTER TABLE inbox ADD COLUMN thread TEXT",
            "ALTER TABLE inbox ADD COLUMN reply_to TEXT",
            "ALTER TABLE inbox ADD COLUMN quoted TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE inbox ADD COLUMN mentions INTEGER NOT NULL DEFAULT 0",
        ),
    ),
    Step(
        2,
        "outbox",
        (
            "ALTER TABLE outbox ADD COLUMN thread TEXT",
            "ALTER TABLE outbox ADD COLUMN reply_to TEXT",
            "ALTER TABLE outbox ADD COLUMN tried_at REAL",
            "ALTER TABLE outbox ADD COLUMN tried_by TEXT",
            # The earlier version may have tried what is unsent, and did not note it.
            "UPDATE outbox SET tried_at = created_at WHERE state = 'unsent'",
        ),
    ),
    Step(
        3,
        "inbox",
        ("ALTER TABLE inbox ADD COLUMN file TEXT", "ALTER TABLE inbox ADD COLUMN edits TEXT"),
    ),
    Step(3, "outbox", ("ALTER TABLE outbox ADD COLUMN details TEXT NOT NULL DEFAULT '{}'",)),
    Step(
        4,
        "outbox",
        (
            "ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT 'message'",
            "ALTER TABLE outbox ADD COLUMN edits TEXT",
        ),
    ),
)
JOURNAL_STEPS: Final[tuple[Step, ...]] = ()
