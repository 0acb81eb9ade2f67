"""The bot as a process: its lifecycle, its configuration and its commands.

The lifecycle:

- `lifecycle`: the states, the triggers and the table of transitions. Pure.
- `current`: the current state as a value, and what the bot remembers between states. Pure.
- `errors`: the trigger that each error of an activity becomes, by state. Pure.
- `supervisor`: runs one activity per state and makes the transitions.
- `watchdog`: how long each state may show no progress. Pure.

The process:

- `settings`: the environment, checked.
- `lock`: one bot per store folder.
- `logging`: structlog and the standard library in one stream, without secrets.
- `notify`: messages to systemd.
- `cli`, `__main__`: the entry points of the shell command.
- `loading`: turns garbage collection off during large imports.

Folders:

- `serving/`: the activity of each state.
- `app/`: the composition root, from settings to a running bot.
- `commands/`: the commands in the shell.
- `status/`: the status page and its metrics.
- `text/`: output for terminals.
"""
