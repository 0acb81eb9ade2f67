"""The store and the journal in SQLite: on aiosqlite for real use, inline for tests.

`adapter.sql` has the statements, and all else that does not depend on SQLite.

The ports:

- `store`: `SqliteStore`, the store on aiosqlite.
- `journal`: `SqliteJournal`, the journal on aiosqlite.
- `inline`: both on plain sqlite3, without threads, for deterministic tests and for copies.

Reading from another process:

- `queues`: lists the unsettled messages of the inbox, and lets a dead message wait again.
- `journal_reading`: reads the journal.

Connections and transactions:

- `connection`: a connection on aiosqlite.
- `transactions`: runs statements as one transaction.
- `errors`: translates SQLite's errors into the errors of the ports.

The files:

- `opening`: creates, checks and copies database files, and moves damaged ones aside.
- `schema`, `schema.sql`, `journal.sql`: the tables of the current release.
- `migrations`: the steps from earlier schema versions. Pure.
- `upgrade`: brings the tables of an open database to the current schema.
"""
