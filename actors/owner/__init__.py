"""The user actor: one for each owner.

The files, in reading order:

- `actor`: settles the owner's rows, and starts work on the owner's intents.
- `work`: what all work on intents shares: looking up rows, inviting, telling, finishing an intent.
- `creation`: carries out intents, one step at a time.
- `room_creation`: creates a Space or a chat, step by step.
- `handover`: links a new room, invites its owner, and says what has happened.
- `turns`: the owner's turn to get rooms, and telling the place in the queue.
- `room_making`: the requests and the rows of a new Space or chat.
- `encrypted`: creates nothing on a homeserver that encrypts new rooms.
- `inviting`: invites an owner to a room, and finds another way in after a refusal.
- `preconditions`: whether a creation must wait, because the room may exist already.
- `unread`: the rooms that can't be read now, and whose they may be.
- `onboarding`: answers invites, and gives an owner a Space and a chat, or the way back to them.
"""
