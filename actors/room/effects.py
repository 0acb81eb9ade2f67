"""What one room means for the others: who may have to look again when it comes, goes or changes."""

from actors.chats import ChatManager
from actors.messages import IntentsWaiting, RoomChanged
from actors.model import RoomId, RoomSnapshot
from actors.rules.classify import Chat, Concern, Space, Verdict
from actors.rules.relations import Surroundings
from actors.rules.room_states import RoomState
from actors.services import ActorContext


def note_room(
    context: ActorContext, seen: RoomSnapshot, around: Surroundings, verdict: Verdict
) -> bool:
    """Remember which rooms' coming and going will say something about this one.

    True: it is news that this room was replaced by another one.
    """
    marker = seen.marker or around.inherited
    for space_id in (*seen.parents, marker and marker.space_id):
        if space_id and space_id not in around.spaces:
            context.named_by.setdefault(space_id, set()).add(seen.room_id)
    replaced = False
    if around.replaced_by is not None:
        replaced = context.predecessors.get(around.replaced_by) != seen.room_id
        context.predecessors[around.replaced_by] = seen.room_id
    elif seen.replacement is not None:
        context.replacements.add(seen.replacement)
    if isinstance(verdict, Chat | Space) and verdict.intent is not None:
        context.made[verdict.intent] = seen.room_id
    return replaced


def note_concern(context: ActorContext, room_id: RoomId, concern: Concern | None) -> None:
    """Remember whose a room may be; once it is decided, what waited for that goes on."""
    before = context.undecided.pop(room_id, None)
    if concern is not None:
        context.undecided[room_id] = concern
    for owner in sorted(before.owners if before and concern is None else ()):
        context.system.tell(owner, IntentsWaiting())


def note_departure(context: ActorContext, room_id: RoomId) -> None:
    """We are not in a room any more: the one that it replaced carries on again."""
    note_concern(context, room_id, None)
    before = context.predecessors.pop(room_id, None)
    if before is not None:
        context.system.tell(before, RoomChanged())


async def tell_others(
    context: ActorContext,
    seen: RoomSnapshot,
    around: Surroundings,
    verdict: Verdict,
    *,
    unknown_before: bool,
    replaced: bool,
) -> None:
    """Let rooms look again that this room's change says something about."""
    affected: set[RoomId] = set()
    if isinstance(verdict, Chat | Space) and unknown_before:
        affected |= verdict.replaces
    heir = around.replaced_by
    if heir is not None and (replaced or heir in context.undecided):
        affected.add(heir)
    if isinstance(verdict, Space):
        for space_id in (seen.room_id, *verdict.replaces):
            affected |= context.named_by.pop(space_id, set())
        affected |= await _affected_chats(context, seen, verdict, all_of_them=unknown_before)
    if affected:
        affected &= await context.homeserver.joined_rooms()
    if isinstance(verdict, Space) and unknown_before:
        context.awaited.update(affected)
    for room_id in sorted(affected):
        context.system.tell(room_id, RoomChanged())


async def _affected_chats(
    context: ActorContext, seen: RoomSnapshot, space: Space, *, all_of_them: bool
) -> set[RoomId]:
    """What the Space lists and is no chat of its owner's, or undecided; chats that it doesn't list.

    `all_of_them`: the chats that it lists as well.
    """
    chats = await ChatManager(context.store).list_all(space.owner)
    listed = {chat.surface_ref for chat in chats if chat.surface_ref in seen.children}
    listed -= context.undecided.keys()
    ours = {
        chat.surface_ref
        for chat in chats
        if context.system.state_of(chat.surface_ref) is not RoomState.LEFT
    }
    for room_id in seen.children - listed:
        context.listed_in.setdefault(room_id, set()).add(seen.room_id)
    return {*seen.children, *ours} - (set() if all_of_them else listed)
