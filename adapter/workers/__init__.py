"""Platform calls that worker processes make for the bot, by way of PostgreSQL.

- `platform`: the bot's side, which implements `actors.platform.Platform`.
- `worker`, `call`: the worker's side, which makes the calls on the real platform.
- `asking`, `serving`: the statements of the two sides; `schema`: the tables.
- `load`: what the workers have to do, for the status of the bot.
- `decisions`: what becomes of a question that is asked again.
- `database`: the connections, and the queue of procrastinate.
- `news`: wakes up the bot when a worker has written something.
- `wire`: calls, answers and errors as bytes.
- `timing`: the times and numbers that limit both sides.
"""
