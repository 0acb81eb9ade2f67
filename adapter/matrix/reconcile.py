"""Reconciliation as Python functions, for programs with their own client and store."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import structlog

from actors.assembly import assemble
from actors.bounds import Bounds
from actors.chats import ChatManager
from actors.model import RoomId, UserId
from actors.ports import Homeserver, StateStore
from actors.reading import read_graph, read_if_joined
from actors.reconcile import reconcile, reconcile_some
from actors.rules.classify import SkipReason
from actors.rules.report import ReconcileReport, Tally
from actors.runtime.table import Transition
from actors.runtime.transition_log import TransitionLog
from actors.services import Services
from adapter.matrix.connection import Client
from adapter.matrix.gateway import Gateway
from adapter.platform.echo import EchoPlatform


class _NoJournal:
    """Discards transitions: a single run outside the bot keeps no journal."""

    async def append(self, *transitions: Transition) -> None:
        """Discard the transitions."""


async def reconcile_matrix_state(
    client: Client | Homeserver, store: StateStore, chat_mgr: ChatManager
) -> ReconcileReport:
    """Rebuild or repair the whole cache from the rooms that the client has joined.

    `client` is a logged-in nio AsyncClient, or a Homeserver. The function writes nothing on the
    server. A second run reports no changes. `chat_mgr` must work on `store`. Raises
    `actors.port_errors.PortError`.
    """
    _leave_stdout_alone()
    homeserver = _homeserver(client)
    async with _actors(homeserver, store, chat_mgr) as services:
        return await reconcile(await homeserver.hydrate(), services)


async def reconcile_single_room(
    client: Client | Homeserver,
    store: StateStore,
    chat_mgr: ChatManager,
    room_id: RoomId,
    matrix_user_id: UserId,
) -> ReconcileReport:
    """Rebuild or repair the rows of one room, and of its Space if the cache has no rows for it.

    `matrix_user_id` is the presumed owner, because the owner's Space may list the room. The report
    lists a room that the bot is not in as skipped (`left`).
    """
    _leave_stdout_alone()
    homeserver = _homeserver(client)
    seen = await read_if_joined(homeserver, room_id)
    if seen is None:
        tally = Tally()
        tally.skip(room_id, SkipReason.LEFT)
        return tally.report()
    graph = await read_graph(
        [seen], homeserver, store, [matrix_user_id], limit=Bounds().related_rooms
    )
    async with _actors(homeserver, store, chat_mgr) as services:
        return await reconcile_some(graph, {room_id, *graph.spaces}, services)


def _leave_stdout_alone() -> None:
    """Log through the standard library, unless the program has configured structlog.

    By default structlog prints to stdout, which belongs to the program.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _homeserver(client: Client | Homeserver) -> Homeserver:
    return cast("Homeserver", client) if hasattr(client, "hydrate") else Gateway.attach(client)


@asynccontextmanager
async def _actors(
    homeserver: Homeserver, store: StateStore, chat_mgr: ChatManager
) -> AsyncIterator[Services]:
    if chat_mgr.store is not store:
        raise ValueError("chat_mgr works on another store")
    transitions = TransitionLog(_NoJournal(), uuid.uuid4().hex, time.time)
    services = assemble(homeserver, store, EchoPlatform(), transitions, allows=lambda _: False)
    async with services.system:
        yield services
