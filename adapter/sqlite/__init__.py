"""The store and the journal in SQLite: on aiosqlite for real use, inline for tests.

The ports:

- `store`: `SqliteStore`, the store on aiosqlite.
- `journal`: `SqliteJournal`, the journal on aiosqlite.
- `inline`: both on plain sqlite3, without threads, for deterministic tests and for copies.
- `row_trust`: the part of the store that says which rows are in line with their rooms.
- `sql_store`: the part of the store that does not depend on how statements reach SQLite.

Reading from another process:

- `queues`: lists the unsettled messages of the inbox, and lets a dead message wait again.
- `journal_rows`: reads the journal; also has the journal's statements.

SQL and transactions:

- `statements`: every statement on the store's tables, and how rows become values. Pure.
- `trust_statements`: the statements that say whether the rows are in line with the rooms. Pure.
- `transactions`: runs statements as one transaction.
- `group`: one writer per file, which commits in groups.
- `errors`: translates SQLite's errors into the errors of the ports.

The files:

- `opening`: creates, checks and copies database files, and moves damaged ones aside.
- `schema`, `schema.sql`, `journal.sql`: the tables of the current release.
- `migrations`: the steps from earlier schema versions. Pure.
- `upgrade`: brings the tables of an open database to the current schema.
"""
