"""The port to how people see the bot's own account. It is a part of `Homeserver`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Profile:
    """A display name, and the address (`mxc://…`) of an avatar; empty without one."""

    name: str = ""
    avatar: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProfile:
    """What the account data say about the profile and the pictures.

    `is_begun`: the profile is the bot's to fill in. `given` is what the bot gave the account last.
    `done` are the settings that were carried out last, with the digest of the picture as the
    avatar. `pictures` are the addresses of uploaded pictures, by the digest of their bytes.
    """

    is_begun: bool = False
    given: Profile = Profile()
    done: Profile = Profile()
    pictures: Mapping[str, str] = field(default_factory=dict)


class OwnAccount(Protocol):
    """The profile of the bot's account. Raises the errors of `Homeserver`."""

    async def profile(self) -> Profile:
        """The profile as people see it."""
        ...

    async def set_own_name(self, name: str) -> None:
        """Set the display name. The homeserver writes it into each joined room."""
        ...

    async def set_own_avatar(self, avatar: str) -> None:
        """Set the avatar. The homeserver writes it into each joined room."""
        ...

    async def kept_profile(self) -> KeptProfile:
        """What the account data say; the default if they say nothing."""
        ...

    async def keep_profile(self, kept: KeptProfile) -> None:
        """Write it into the account data."""
        ...
