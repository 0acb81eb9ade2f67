"""The homeserver over HTTP, and the entry points for other programs.

Entry points:

- `reconcile`: rebuilds or repairs the cache, for a program with its own client and store.
- `store`: reads and writes rows of the cache as plain dicts.
- `reset`: decides which rooms the bot leaves, and leaves them; `python -m` runs the command.

The `actors.ports.Homeserver` port:

- `gateway`: implements the port; the only module that imports nio.
- `login`: gets a session by access token, stored session or password.
- `session`: the file of the stored session.
- `rooms`: reads the state of one room or of all rooms.
- `pacing`: spaces out the requests that share a rate limit.
- `connection`: sends one request within bounded time and decodes its answer.
- `checklist`: the file that lets an interrupted reset continue; its name is in `file_names`.

Pure modules:

- `hydrate`: the filters and request bodies of a full read, and how its answers are combined.
- `provisioning`: the body of `POST /createRoom`, power levels and Space links.
- `timeline`: reads the messages in a room's timeline, with `events`, `relations` and `words`.
- `words`: reads what a person says in a message, with `markup` for HTML and `mention` for the bot's
  name in front.
- `contents`: makes the content of the messages that the bot sends.
- `wire`: decodes JSON from the homeserver into the core's values.
- `bodies`: the shapes of the homeserver's answers.
- `errors`: translates failed requests into the errors of the ports.
"""
