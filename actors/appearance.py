"""Gives the bot's account a name and an avatar, and new rooms their avatars."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import RoomKind
from actors.own_account import KeptProfile, Profile
from actors.platform import File
from actors.port_errors import HomeserverRefused, PortError
from actors.ports import Homeserver
from actors.rules.profile import changes, given_with

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The name and the picture of the bot's account, and the pictures of new rooms by their kind.

    What is empty, None or missing is left to people. `is_chosen`: the operator has set the name or
    the picture of the account.
    """

    name: str = ""
    picture: File | None = None
    rooms: Mapping[RoomKind, File] = field(default_factory=dict)
    is_chosen: bool = False


PLAIN: Final = Look()
"""The look of a bot that leaves everything to people."""


class Appearance:
    """Carries out a look: uploads each picture once, and fills in what the profile lacks.

    What the bot wrote is kept in the account data, so a loss of the database repeats nothing.
    """

    def __init__(self, homeserver: Homeserver, look: Look, bounds: Bounds) -> None:
        self._homeserver = homeserver
        self._look = look
        self._within_s = bounds.picture_within_s
        self._one_at_a_time = anyio.Lock()
        self._kept: KeptProfile | None = None
        self._refused: set[str] = set()
        """The digests of pictures that this process could not upload."""
        self._is_done = False

    async def show(self, is_new: bool) -> None:  # noqa: FBT001 - work in the background has no names
        """Fill in the profile, once in each process. Raises the errors of the homeserver.

        `is_new`: the account is in no room. The homeserver writes a profile into each joined room,
        so an account that has rooms already keeps its own, unless the operator has chosen one.
        """
        async with self._one_at_a_time:
            if not self._is_done and (self._look.name or self._look.picture):
                try:
                    await self._show(is_new=is_new)
                except HomeserverRefused as refusal:
                    _log.warning("profile_left_as_it_is", reason=str(refusal))
            self._is_done = True

    async def avatar_of(self, kind: RoomKind) -> str:
        """The address of a new room's avatar; empty without one, or if it can't be uploaded now."""
        picture = self._look.rooms.get(kind)
        if picture is None:
            return ""
        with anyio.move_on_after(self._within_s):
            try:
                async with self._one_at_a_time:
                    return await self._uploaded(picture)
            except PortError as error:
                _log.warning("picture_left_out", kind=kind, reason=str(error))
        return ""

    async def _show(self, *, is_new: bool) -> None:
        kept, look = await self._read(), self._look
        key = _digest(look.picture) if look.picture else ""
        if kept.done == Profile(look.name, key):
            return
        if not kept.is_begun:
            if not is_new and not look.is_chosen:
                return
            await self._keep(replace(kept, is_begun=True))
        avatar = await self._uploaded(look.picture) if look.picture else ""
        account, me = self._homeserver.own_account, self._homeserver.me
        change = changes(await account.profile(), Profile(look.name, avatar), kept.given, me)
        written = Profile(
            await _written(account.set_own_name, change.name),
            await _written(account.set_own_avatar, change.avatar),
        )
        if written != Profile():
            _log.info("profile_written", name=written.name, avatar=written.avatar)
        done = Profile(
            look.name if written.name == change.name else "",
            key if avatar and written.avatar == change.avatar else "",
        )
        given = given_with(written, kept.given)
        await self._keep(replace(await self._read(), given=given, done=done))

    async def _uploaded(self, picture: File) -> str:
        """The address of a picture, which is uploaded if it was not; empty if that is refused."""
        kept, key = await self._read(), _digest(picture)
        if key in kept.pictures or key in self._refused:
            return kept.pictures.get(key, "")
        try:
            shared = await self._homeserver.contents.upload(picture)
        except HomeserverRefused as refusal:
            _log.warning("picture_refused", picture=picture.name, reason=str(refusal))
            self._refused.add(key)
            return ""
        shown = (self._look.picture, *self._look.rooms.values())
        current = {_digest(each) for each in shown if each is not None}
        pictures = {each: kept.pictures[each] for each in kept.pictures.keys() & current}
        await self._keep(replace(kept, pictures=pictures | {key: shared.mxc}))
        return shared.mxc

    async def _read(self) -> KeptProfile:
        if self._kept is None:
            self._kept = await self._homeserver.own_account.kept_profile()
        return self._kept

    async def _keep(self, kept: KeptProfile) -> None:
        """Keep it in the account data, if the homeserver takes it, and in this process."""
        self._kept = kept
        with suppress(HomeserverRefused):
            await self._homeserver.own_account.keep_profile(kept)


async def _written(write: Callable[[str], Awaitable[None]], value: str) -> str:
    """Write a value unless it is empty. Returns what was written."""
    if not value:
        return ""
    try:
        await write(value)
    except HomeserverRefused as refusal:
        _log.warning("profile_refused", value=value, reason=str(refusal))
        return ""
    return value


def _digest(picture: File) -> str:
    return sha256(picture.data).hexdigest()
