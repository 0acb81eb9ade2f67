"""Everything that does I/O. Nothing here imports the supervisor.

- `matrix/`: the homeserver over HTTP, and the entry points for other programs.
- `sqlite/`: the store and the journal.
- `platform/`: the chat platforms.
"""
