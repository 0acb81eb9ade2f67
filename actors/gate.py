"""What actors may do at the moment."""

from dataclasses import dataclass


@dataclass(slots=True)
class Gate:
    """Two switches. Only the serving activity sets them; everything else reads them."""

    live: bool = False
    """Messages of people are handled, and the homeserver may be written to."""
    creating: bool = True
    """Rooms may be created while live. False while many rooms fail: nothing new is made then."""
