"""The store and the journal in SQLite: for real use on aiosqlite, for tests inline."""
