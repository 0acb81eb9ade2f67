"""Finds ends of answers that a live edit covers.

Of several edits the newest one is shown. A live edit is newer than the end if the homeserver
handled it late, or if the homeserver's clock was set back between them. The sync responses show
both edits, and the later one lets the end be sent once more.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from actors.model import EventId
from actors.ports import RoomDelta
from actors.rules.timeline import age_of
from actors.said import Said
from actors.writes import RepeatFinal

_PARTS: Final = 1_000
"""The newest edits of this many parts of answers are remembered."""

_Age: TypeAlias = tuple[int, EventId]


@dataclass(frozen=True, slots=True)
class _Newest:
    """The ages of the newest end and of the newest live edit of one anchor."""

    end: _Age | None = None
    live: _Age | None = None

    def with_edit(self, edit: Said) -> "_Newest":
        age = age_of(edit)
        if edit.is_live:
            return replace(self, live=max(self.live or age, age))
        return replace(self, end=max(self.end or age, age))


class LateEdits:
    """The newest edits of answers, as sync responses have shown them. `boot` names this process."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._parts: OrderedDict[EventId, _Newest] = OrderedDict()
        """By anchor; the one that was edited longest ago is first."""

    def repeats(self, room: RoomDelta) -> list[RepeatFinal]:
        """The ends that live edits cover, as a sync response shows. Call it in their order.

        The same response may be given again. An edit of an earlier process whose answer ended
        before this one began is late as well: the end was sent, and is not in the response.
        """
        edits = [it for it in room.said if isinstance(it, Said) and it.edits and it.mark]
        for edit in edits:
            self._note(edit)
        covered = (self._repeat(edit) for edit in edits)
        return list(dict.fromkeys(each for each in covered if each is not None))

    def _note(self, edit: Said) -> None:
        anchor = EventId(edit.edits or "")
        self._parts[anchor] = self._parts.pop(anchor, _Newest()).with_edit(edit)
        if len(self._parts) > _PARTS:
            self._parts.popitem(last=False)

    def _repeat(self, edit: Said) -> RepeatFinal | None:
        anchor = EventId(edit.edits or "")
        newest = self._parts.get(anchor, _Newest())
        if newest.end is None:
            is_late = edit.is_live and not self._is_own(edit)
            return RepeatFinal(anchor, only_if_tried=True) if is_late else None
        is_covered = newest.live is not None and newest.live > newest.end
        is_news = age_of(edit) in {newest.live, newest.end}
        # A repetition that is older than the live edit says that the clock is still set back.
        is_in_vain = not edit.is_live and _is_repeated(edit)
        return RepeatFinal(anchor) if is_covered and is_news and not is_in_vain else None

    def _is_own(self, edit: Said) -> bool:
        """Whether this process sent a live edit: it has seen no end before it."""
        boot = edit.mark.txn.rpartition("~")[2].rpartition(".")[0] if edit.mark else ""
        return boot == self._boot


def _is_repeated(end: Said) -> bool:
    return end.mark is not None and end.mark.txn[-1:].isdecimal()
