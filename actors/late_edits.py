"""Finds live edits that the homeserver has handled only after the end of their answer.

Of several edits the newest one is shown, so such an edit covers the end. The sync responses show
both, and the response that shows the late edit lets the end be sent once more.
"""

from collections import OrderedDict
from typing import Final

from actors.model import EventId
from actors.ports import RoomDelta
from actors.rules.timeline import age_of
from actors.said import Said
from actors.writes import RepeatFinal

_ANSWERS: Final = 1_000
"""The ends of this many parts of answers are remembered."""


class LateEdits:
    """The newest ends of answers, as sync responses have shown them. `boot` names this process."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._ends: OrderedDict[EventId, tuple[int, EventId]] = OrderedDict()
        """The age of the newest end of each anchor; the one that came longest ago is first."""

    def repeats(self, room: RoomDelta) -> list[RepeatFinal]:
        """The ends that live edits in a sync response cover. Call it in the order of responses.

        The same response may be given again. An edit of an earlier process whose answer ended
        before this one began is late as well: the end was sent, and is not in the response.
        """
        edits = [it for it in room.said if isinstance(it, Said) and it.edits and it.mark]
        for edit in edits:
            if not edit.is_live:
                self._note_end(edit)
        late = (self._repeat(edit) for edit in edits if edit.is_live)
        return list(dict.fromkeys(each for each in late if each is not None))

    def _repeat(self, edit: Said) -> RepeatFinal | None:
        anchor = EventId(edit.edits or "")
        end = self._ends.get(anchor)
        if end is not None:
            return RepeatFinal(anchor) if age_of(edit) > end else None
        return None if self._is_own(edit) else RepeatFinal(anchor, only_if_sent=True)

    def _is_own(self, edit: Said) -> bool:
        """Whether this process sent a live edit: it has seen no end before it."""
        boot = edit.mark.txn.rpartition("~")[2].rpartition(".")[0] if edit.mark else ""
        return boot == self._boot

    def _note_end(self, edit: Said) -> None:
        anchor = EventId(edit.edits or "")
        self._ends[anchor] = max(self._ends.pop(anchor, age_of(edit)), age_of(edit))
        if len(self._ends) > _ANSWERS:
            self._ends.popitem(last=False)
