"""The core of the bot: values, rules, and the actors. It imports no other package of the project.

The files, in reading order:

- `model`: the values of the domain: ids, markers, snapshots, rows, intents.
- `ports`: the interfaces to the outside, and the errors that come from there.
- `writes`: what a transaction of the store can contain.
- `rows`: the cache's keys, and its rows to and from values.
- `messages`: every message to an actor, and every report of one.
- `texts`: every sentence for owners, in English and Russian.
- `bounds`: every number that limits the bot.
- `gate`: two switches that say what actors may do now.
- `registry`: what actors share in memory.
- `room_states`: the state of every room.
- `services`: the frozen value that every actor is given.
- `failures`: what an error means for the actor that raised it.
- `reading`: reads a room, related rooms and gaps from the homeserver.
- `upkeep`: writes missing markers and links to the homeserver.
- `reconcile`: one round, which brings the cache in line with the rooms.
- `chats`: `ChatManager`, the chats of an owner in the cache.
- `meter`: the numbers that the bot counts about itself.
- `assembly`: builds the actors of one bot.
- `rules/`: the decisions, as pure functions.
- `runtime/`: runs actors; it knows no room and no Matrix.
- `room/`: the room actor.
- `owner/`: the user actor.
"""
