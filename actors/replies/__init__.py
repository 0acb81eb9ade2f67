"""Replies of the platform. They run beside the actors, one at a time in each room.

The files, in reading order:

- `values`: a question, and what a reply ends with.
- `runner`: starts, stops and keeps the replies of all rooms.
- `reply`: one reply: what follows each error of the platform.
- `preparing`: makes the ask out of a question: settings, history, files.
- `learned`: how models count tokens, and which conversations are cut.
- `slots`: how many questions the platform is asked at a time, in all and for one owner.
- `attempt`: one answer of the platform, within the limits of time.
- `growing`: an answer while it grows.
- `stream`: runs the platform's generator in a task of its own, which can be left.
- `contract`: turns whatever a platform says or raises into what the port allows.
- `quotes`: the text that a question replies to.
- `typing`: the typing notice.
"""
