"""The effects of one room's change: which other rooms and owners are told to look again."""

from actors.chats import ChatManager
from actors.messages import IntentsWaiting
from actors.model import (
    DEFAULT_CHAT_SETTINGS,
    DEFAULT_SPACE_SETTINGS,
    Marker,
    RoomId,
    RoomKind,
    RoomMeta,
    UserId,
)
from actors.reading import known_rooms
from actors.rows import from_row, room_key
from actors.rules.classify import (
    Chat,
    Conflict,
    ConflictReason,
    PossibleOwners,
    Skipped,
    Space,
    Verdict,
)
from actors.rules.relations import RoomRelations
from actors.rules.room_states import RoomState
from actors.services import Services
from actors.snapshots import RoomSnapshot


def note_room(
    services: Services, seen: RoomSnapshot, relations: RoomRelations, verdict: Verdict
) -> bool:
    """Note in the registry what this room says about other rooms.

    Returns True if it is news that a joined room replaces this one.
    """
    marker = seen.marker or relations.inherited
    for space_id in (*seen.parents, marker and marker.space_id):
        if space_id and space_id not in relations.spaces:
            services.registry.links.note_named(seen.room_id, space_id)
    for room_id in (seen.replacement, seen.predecessor):
        if room_id and room_id in relations.unreadable:
            services.registry.links.note_named(seen.room_id, room_id)
    note_hearsay(services, seen, marker, verdict)
    replaced = False
    if relations.replaced_by is not None:
        replaced = services.registry.upgrades.note_replaced(seen.room_id, by=relations.replaced_by)
    elif seen.replacement is not None:
        services.registry.upgrades.expect(seen.replacement, of=seen.room_id)
    nonce = verdict.intent if isinstance(verdict, Chat | Space) else None
    services.registry.creations.note_read(seen.room_id, nonce)
    return replaced


def note_hearsay(
    services: Services, seen: RoomSnapshot, marker: Marker | None, verdict: Verdict
) -> None:
    """Note what a room says about the owners of rooms that can't be read."""
    hearsay = services.registry.hearsay
    match verdict:
        case Conflict(ConflictReason.UNREADABLE, owner=named):
            owners = _owners_by(
                named or (marker.owner if marker else None), seen, services.homeserver.me
            )
            hearsay.note_half_read(seen.room_id, owners)
            return
        case Space(owner):
            hearsay.note_space(seen.room_id, owner, seen.children)
        case _:
            pass
    hearsay.note_read(seen.room_id, managed=not isinstance(verdict, Skipped))


def note_unrelated(services: Services, seen: RoomSnapshot) -> None:
    """Note a room that was read, before the rooms that are related to it are read."""
    hearsay, me = services.registry.hearsay, services.homeserver.me
    owner = seen.marker.owner if seen.marker else seen.possible_owner
    if owner is None and seen.creator != me and seen.predecessor is None:
        hearsay.note_read(seen.room_id, managed=False)
    else:
        hearsay.note_half_read(seen.room_id, _owners_by(owner, seen, me))


def _owners_by(owner: UserId | None, seen: RoomSnapshot, me: UserId) -> frozenset[UserId]:
    """The possible owners of a room: the named one, or else its members, if all are known."""
    if owner is not None:
        return frozenset({owner})
    all_known = seen.member_count <= 1 + len(seen.others)
    return frozenset(seen.others) - {me} if all_known else frozenset()


def note_possible_owners(
    services: Services, room_id: RoomId, possible: PossibleOwners | None
) -> None:
    """Note a room's possible owners. Once it is decided, their waiting intents go on."""
    before = services.registry.undecided.note(room_id, possible)
    for owner in sorted(before.owners if before and possible is None else ()):
        services.tell_owner(owner, IntentsWaiting())


def note_settings(services: Services, seen: RoomSnapshot, verdict: Verdict) -> None:
    """Note the settings of a Space or a chat: its own, or those of the room that it replaces."""
    if isinstance(verdict, Space):
        of_space = seen.space_settings or DEFAULT_SPACE_SETTINGS
        services.languages.note(verdict.owner, of_space)
    if isinstance(verdict, Chat):
        settings = seen.settings or verdict.moved_settings or DEFAULT_CHAT_SETTINGS
        services.settings_of_chats.note(seen.room_id, settings)
    else:
        services.settings_of_chats.drop(seen.room_id)


async def note_departure(services: Services, room_id: RoomId) -> None:
    """Note that the bot left a room. The room that it replaced is checked again.

    After a start that read changed rooms only, that may be any joined room without rows.
    """
    note_possible_owners(services, room_id, None)
    services.registry.hearsay.forget(room_id)
    upgrades = services.registry.upgrades
    before = upgrades.note_left(room_id)
    if before is not None:
        await services.recheck([before])
    elif not upgrades.all_known:
        joined = await services.homeserver.joined_rooms()
        without_rows = joined - await known_rooms(services.store)
        upgrades.all_known = True
        await services.recheck(sorted(without_rows))


async def affected_by(
    services: Services,
    seen: RoomSnapshot,
    relations: RoomRelations,
    verdict: Verdict,
    *,
    unknown_before: bool,
    replaced: bool,
) -> frozenset[RoomId]:
    """The other rooms that this room's change may affect: they must check themselves again."""
    affected: set[RoomId] = set()
    if isinstance(verdict, Chat | Space) and unknown_before:
        affected |= verdict.replaces
    heir = relations.replaced_by
    if heir is not None and (replaced or heir in services.registry.undecided):
        affected.add(heir)
    if isinstance(verdict, Space):
        for space_id in (seen.room_id, *verdict.replaces):
            affected |= services.registry.links.take_rooms_naming(space_id)
        affected |= await _affected_chats(services, seen, verdict, listed_too=unknown_before)
    affected.discard(seen.room_id)
    if affected:
        affected &= await services.homeserver.joined_rooms()
    if isinstance(verdict, Space) and unknown_before:
        services.registry.awaited.add(affected)
    return frozenset(affected)


async def _affected_chats(
    services: Services, seen: RoomSnapshot, space: Space, *, listed_too: bool
) -> set[RoomId]:
    """The rooms that a change of a Space may affect.

    These are the listed rooms that are no decided chats of its owner, and the owner's chats that it
    does not list. With `listed_too`, they include the owner's chats that it lists.
    """
    chats = await ChatManager(services.store).list_all(space.owner)
    listed = {chat.surface_ref for chat in chats if chat.surface_ref in seen.children}
    listed = {room_id for room_id in listed if room_id not in services.registry.undecided}
    ours = {
        chat.surface_ref
        for chat in chats
        if services.states.of(chat.surface_ref) is not RoomState.LEFT
    }
    others = seen.children - listed
    for room_id in others:
        services.registry.links.note_listed(seen.room_id, room_id)
    # Nothing about a Space depends on a Space that lists it. Two may list each other.
    spaces = {room_id for room_id in others if await _is_space(services, room_id)}
    return {*seen.children, *ours} - spaces - (set() if listed_too else listed)


async def _is_space(services: Services, room_id: RoomId) -> bool:
    row = from_row(await services.store.row(room_key(room_id)), RoomMeta)
    return row is not None and row.room_type is RoomKind.SPACE
