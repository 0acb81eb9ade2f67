"""The decisions of the bot, as pure functions: no I/O, no clock, no randomness.

The files, in reading order:

- `marker`: reads and writes the content of a marker.
- `relations`: the room graph, and what other rooms say about one room.
- `classify`: what a room is: a Space, a chat, skipped, or a conflict.
- `numbering`: which room gets which chat id.
- `settlement`: what the cache must say about all rooms of one owner, and the repairs.
- `commands`: reads a command from a message.
- `room_states`: the states of a room, and the table of their transitions.
- `report`: the reconciliation report.
"""
