"""Builds the actors of one bot over the ports."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace
from random import Random

import anyio

from actors.appearance import PLAIN, Appearance, Look
from actors.attachments import Attachments
from actors.bounds import Bounds
from actors.chat_settings import SettingsOfChats
from actors.encryption import EncryptionWatch
from actors.failures import FailurePolicy
from actors.gate import Gate
from actors.governor import Governor
from actors.histories import Histories
from actors.languages import Languages
from actors.leadership import NO_LEASE
from actors.messages import ActorKind, room_address
from actors.meter import Meter
from actors.model import ChatId, Nonce, PlatformChatId, RoomId, UserId
from actors.owner.actor import UserActor
from actors.platform import Platform
from actors.platform_health import PlatformHealth
from actors.ports import Homeserver, Ids, StateStore
from actors.registry import Registry
from actors.replies.learned import Learned
from actors.replies.preparing import Preparing
from actors.replies.runner import Replies
from actors.replies.slots import Slots
from actors.replies.tools import Outage, Tools
from actors.room.actor import RoomActor
from actors.room.commands import WORDS
from actors.room_states import RoomStates
from actors.rules.answers import Answers
from actors.rules.formatting import Formatter, plain_parts
from actors.runtime.background import Background
from actors.runtime.cells import Actor
from actors.runtime.letters import Address
from actors.runtime.system import ActorSystem
from actors.runtime.transition_log import TransitionLog
from actors.services import Services
from actors.texts import ENGLISH, Texts
from actors.traits import Traits
from actors.upkeep import Upkeep


class RandomIds:
    """Implements `actors.ports.Ids` with the operating system's randomness."""

    def nonce(self) -> Nonce:
        """128 random bits."""
        return Nonce(secrets.token_hex(16))

    def platform_chat_id(self, owner: UserId, chat_id: ChatId) -> PlatformChatId:  # noqa: ARG002
        """A random UUID."""
        return PlatformChatId(str(uuid.uuid4()))


def _deliver_nothing(room_id: RoomId) -> None:
    """Send nothing, as a single round of reconciliation does."""


def assemble(
    homeserver: Homeserver,
    store: StateStore,
    platform: Platform,
    transitions: TransitionLog,
    *,
    allows: Callable[[UserId], bool],
    answers: Answers = Answers.MENTIONS,
    gate: Gate | None = None,
    registry: Registry | None = None,
    background: Background | None = None,
    deliver: Callable[[RoomId], None] = _deliver_nothing,
    texts: Texts = ENGLISH,
    look: Look = PLAIN,
    ids: Ids | None = None,
    random: Random | None = None,
    meter: Meter | None = None,
    clock: Callable[[], float] = anyio.current_time,
    homeserver_slots: anyio.CapacityLimiter | None = None,
    formatted: Formatter = plain_parts,
    governor: Governor | None = None,
    traits: Traits | None = None,
    streams: bool = True,
    epoch: int = NO_LEASE,
    bounds: Bounds = Bounds(),
) -> Services:
    """Build the actors of one bot. Enter `Services.system` before telling an actor anything.

    `homeserver` must refuse to write while the gate is closed. `deliver` is called with a room that
    has something in the outbox; by default nothing is sent. `clock` gives anyio's time in seconds;
    a caller that knows its event loop can pass a quicker one.
    """
    gate, random = gate or Gate(), random or Random()  # noqa: S311  jitter needs no secrets
    meter = meter or Meter()

    def spawn(address: Address) -> Actor:
        if address.kind == ActorKind.ROOM:
            states.add(RoomId(address.name))
            return RoomActor(RoomId(address.name), services)
        return UserActor(UserId(address.name), services)

    states = RoomStates(
        transitions,
        clock,
        flush_later=lambda: system.background.run(transitions.flush),
        probes_of=lambda room_id: system.cells.probes_of(room_address(room_id)),
    )
    failures = FailurePolicy(gate, states, clock, bounds)
    system = ActorSystem(
        spawn,
        failures,
        random,
        is_open=lambda: gate.live,
        bounds=replace(bounds.runtime, healthy_after_s=bounds.healthy_after_s),
        clock=clock,
        meter=meter,
        background=background,
    )
    homeserver_slots = homeserver_slots or anyio.CapacityLimiter(bounds.homeserver_slots)
    histories = Histories(homeserver, store, bounds, WORDS)
    attachments = Attachments(homeserver, bounds)
    settings_of_chats = SettingsOfChats(homeserver, bounds)
    health = PlatformHealth(platform, system.background, transitions.wall_clock, random, bounds)
    learned = Learned(bounds.unsupported_for_s)
    traits, registry = traits or Traits(homeserver), registry or Registry()

    preparing = Preparing(
        homeserver,
        homeserver_slots,
        platform,
        histories,
        attachments,
        settings_of_chats,
        learned,
        bounds,
    )
    tools = Tools(
        platform=platform,
        homeserver=homeserver,
        preparing=preparing,
        attachments=attachments,
        learned=learned,
        slots=Slots(bounds.platform_slots, bounds.platform_slots_owner),
        health=health,
        outage=Outage(),
        governor=governor or Governor(bounds, meter=meter, clock=clock),
        traits=traits,
        store=store,
        gaps=registry.gaps,
        formatted=formatted,
        deliver=deliver,
        boot=transitions.boot,
        streams=streams,
        background=system.background,
        meter=meter,
        random=random,
        bounds=bounds,
    )
    services = Services(
        homeserver=homeserver,
        store=store,
        platform=platform,
        system=system,
        gate=gate,
        registry=registry,
        states=states,
        failures=failures,
        texts=texts,
        ids=ids or RandomIds(),
        allows=allows,
        answers=answers,
        deliver=deliver,
        upkeep=Upkeep(homeserver, system, gate, random=random, bounds=bounds),
        histories=histories,
        attachments=attachments,
        settings_of_chats=settings_of_chats,
        languages=Languages(homeserver, store, texts, bounds),
        appearance=Appearance(homeserver, look, bounds),
        formatted=formatted,
        replies=Replies(
            tools, lambda room_id, message: system.tell(room_address(room_id), message)
        ),
        traits=traits,
        streams=streams,
        epoch=epoch,
        platform_health=health,
        encryption=EncryptionWatch(homeserver, store, transitions.wall_clock, bounds),
        wall_clock=transitions.wall_clock,
        homeserver_slots=homeserver_slots,
        bounds=bounds,
    )
    return services
