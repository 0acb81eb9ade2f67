"""The switches that say what actors may do now."""

from dataclasses import dataclass


@dataclass(slots=True)
class Gate:
    """Two switches. Only the serving activity sets them; all other code reads them."""

    live: bool = False
    """True while messages are handled and the bot may write to the homeserver."""
    creating: bool = True
    """True while rooms may be created, if the bot is live. False while many rooms fail."""
