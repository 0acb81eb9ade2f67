"""The whole story on a throw-away homeserver: an outsider that talks HTTP and starts programs.

Nothing here imports the bot; what it shows is seen from outside, as an owner would see it. The
package is part of the source tree and not of the wheel: `surfaces-bot demo` loads it where it is.
"""
