"""Everything that does I/O: Matrix, SQLite, the chat platform. Never imports the supervisor."""
