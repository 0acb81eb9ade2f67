"""The room actor: one for each joined room.

The files, in reading order:

- `actor`: finds out what the room is, repairs its rows, and takes its messages from the inbox.
- `effects`: which other rooms and owners must look again when the room changes.
- `gap`: fetches the messages that are left on the homeserver.
- `inbox`: handles one message after the other, and commits the room's reply.
- `receipts`: shows the messages as read.
- `conversation`: responds to one message: a command, or a question for the platform.
- `endings`: the messages that a reply ends with.
- `unreadable`: the reply to encrypted messages.
- `entry`: lets an owner in whose invite was refused.
- `way`: tells an owner in a direct chat the way to their chats.
- `asked`: one message with what its handler needs, and the response to it.
- `edits`: which edits are answered anew.
- `commands`: the table of commands, with the handlers in `chat_commands`, `reply_commands` and
  `settings_commands`.
"""
