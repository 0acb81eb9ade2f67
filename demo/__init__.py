"""The demo: a full loss and recovery of the bot, on a temporary homeserver.

The package does not import the bot. It speaks HTTP and starts programs, and sees what an owner
sees. The wheel does not contain it: `surfaces-bot demo` loads it from the source tree.
"""
