"""The store and the journal in PostgreSQL, on psycopg. Only a URL as MATRIX_DB_PATH loads it.

`adapter.sql` has the statements, and all else that does not depend on the engine.

- `store`: `PostgresStore`. `journal`: `PostgresJournal`.
- `link`: a connection that is made anew after it was lost.
- `exchanges`: transactions and queries, each in one round trip.
- `dialect`: the shared statements and their values in PostgreSQL's words. Pure.
- `schema`, `schema.sql`, `journal.sql`: the tables, and how a database gets them.
- `fence`: nothing is written once another process leads.
- `errors`: translates psycopg's errors into the errors of the ports.
"""
